//! Bytes in memory as answers to players and browsers of any site, as the origin has them. Its invariant: an entity tag stands
//! for exactly the bytes that are sent under it.

use crate::serving::range;
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;

/// May be kept for a year and not asked for again.
pub(super) const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// May be kept for five seconds.
pub(super) const SHORT: &str = "public, max-age=5";
/// Given to the connection at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// What a file is, before its bytes are there.
#[derive(Clone, Debug)]
pub(super) struct About {
    /// Digest of the bytes, in hex.
    pub(super) etag: String,
    pub(super) media_type: &'static str,
    pub(super) cache: &'static str,
}

impl About {
    /// The answer if the bytes need not be had for it: they are there already, or only their length is asked for.
    pub(super) fn without_bytes(&self, method: &Method, headers: &HeaderMap, len: u64) -> Option<Response> {
        let tag = format!("\"{}\"", self.etag);
        let listed = |tags: &HeaderValue| {
            let mut tags = tags.to_str().unwrap_or("").split(',').map(str::trim);
            tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
        };
        if headers.get_all(header::IF_NONE_MATCH).iter().any(listed) {
            let ranges = [(header::ACCEPT_RANGES, "bytes")];
            return Some(self.dressed((StatusCode::NOT_MODIFIED, ranges).into_response()));
        }
        (method == Method::HEAD).then(|| self.dressed(range::head(self.media_type, len)))
    }

    /// The answer with `bytes`, or the part of them that is asked for; `count` hears of each part of them that is taken.
    pub(super) fn with_bytes(
        &self,
        headers: &HeaderMap,
        bytes: Bytes,
        count: Arc<dyn Fn(usize) + Send + Sync>,
    ) -> Response {
        let mut headers = headers.clone();
        // A date can never be the tag, so with one the whole is sent.
        let is_other = |tag: &HeaderValue| tag.as_bytes() != format!("\"{}\"", self.etag).as_bytes();
        if headers.get(header::IF_RANGE).is_some_and(is_other) {
            headers.remove(header::RANGE);
        }
        let (mut response, range) =
            range::answer(&Method::GET, &headers, self.media_type, bytes.len() as u64);
        if !range.is_empty() {
            let rest = bytes.slice(range.start as usize..range.end as usize);
            let chunks = stream::unfold((rest, count), |(mut rest, count)| async move {
                let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
                count(chunk.len());
                (!chunk.is_empty()).then_some((Ok::<_, Infallible>(chunk), (rest, count)))
            });
            *response.body_mut() = Body::from_stream(chunks);
        }
        self.dressed(response)
    }

    fn dressed(&self, mut response: Response) -> Response {
        let cache =
            if response.status() == StatusCode::RANGE_NOT_SATISFIABLE { "no-store" } else { self.cache };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.etag)) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// What all answers have in common: pages of every site may read them.
pub(super) fn open_to_all(headers: &mut HeaderMap) {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Length,Content-Range,Date,ETag,Server-Timing"),
        (HeaderName::from_static("timing-allow-origin"), "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, text) in HEADERS {
        headers.insert(name, HeaderValue::from_static(text));
    }
}

/// The answer to a browser that asks whether it may ask.
pub(super) fn preflight() -> Response {
    const ASK: &str = "Range, If-Range, If-None-Match, If-Modified-Since, Cache-Control";
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ASK),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Why there is nothing else to give.
pub(super) fn problem(status: StatusCode, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{text}\n")).into_response()
}
