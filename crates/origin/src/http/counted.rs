//! A body that counts what of it is really asked for. Its invariant: bytes that a connection never took, because the viewer
//! turned away, are not counted; offload figures rest on it.

use super::metrics::Metrics;
use super::names::Class;
use crate::slug::Slug;
use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Given to the connection at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// A body from memory that reports to the metrics.
#[derive(Debug)]
pub struct Counted {
    rest: Bytes,
    counter: Counter,
    metrics: Arc<Metrics>,
    class: Class,
}

impl Counted {
    /// Sends `bytes` of a file of `slug`.
    pub fn new(bytes: Bytes, metrics: Arc<Metrics>, slug: &Slug, class: Class) -> Self {
        Self { rest: bytes, counter: metrics.served(slug, class), metrics, class }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(CHUNK_BYTES);
        let chunk = self.rest.split_to(length);
        self.counter.inc_by(length as u64);
        if self.class == Class::Media {
            self.metrics.served_media(length as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
