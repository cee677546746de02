//! Pieces of one segment, from the bytes of an answer.
//!
//! The invariant: what `take` is given is a whole piece, each one asked for once and in order, or nothing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_RANGE},
};
use tokio::time::Instant;

use crate::origin::{Failure, Origin};

/// What to fetch of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// The segment's folder: the id of its rendition, and in a live stream the folder of its parts.
    pub folder: String,
    /// Number of the segment in its name.
    pub sequence: u32,
    /// Bytes of the whole segment.
    pub size: u32,
    /// Bytes of every piece but the last.
    pub piece_len: u32,
    /// The first piece.
    pub first: u32,
    /// One past the last; beyond the segment's last it means that one.
    pub end: u32,
    /// Whether to go past every cache on the way: one of them has given something else.
    pub fresh: bool,
}

impl Pieces {
    /// Bytes from..to of the segment; empty if nothing was asked for.
    fn bytes(&self) -> (u64, u64) {
        let offset = |piece: u32| (u64::from(piece) * u64::from(self.piece_len)).min(self.size.into());
        (offset(self.first), offset(self.end))
    }
}

/// How a fetch ended. `bytes` is always what has come of bodies, whatever became of it: it counts as traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All pieces were taken.
    Complete {
        /// What has come: more than was asked for if the origin knows no ranges.
        bytes: u64,
        /// From the request to the headers of its answer.
        first_byte: Duration,
        /// From the request to the last piece.
        total: Duration,
    },
    /// The origin did not answer, or not well. Pieces that were taken before are good.
    Failed {
        /// HTTP status; `None` without an answer, and when it broke off or fell silent.
        status: Option<u16>,
        /// What has come.
        bytes: u64,
    },
    /// `take` has refused a piece, or the whole segment was asked for and its length is wrong.
    Refused {
        /// What has come.
        bytes: u64,
    },
}

impl Origin {
    /// Fetches pieces `first..end` of a segment and gives each to `take` as soon as it is whole, in order; `false` from it
    /// (not what the publisher signed) ends the fetch. An origin that ignores ranges sends all, and what lies before the
    /// first piece is passed over. Nothing is read beyond the last piece, but for one chunk if the whole segment was asked
    /// for. Dropping the future ends the request.
    ///
    /// A request for nothing, or for a rendition with an impossible name, has failed without an answer.
    pub async fn pieces(&self, request: Pieces, mut take: impl FnMut(u32, Bytes) -> bool) -> Outcome {
        let (from, to) = request.bytes();
        let url = self.url(&format!("{}/{}.m4s", request.folder, request.sequence));
        let Some(url) = url.ok().filter(|_| from < to) else {
            return Outcome::Failed { status: None, bytes: 0 };
        };
        let is_whole = from == 0 && to == u64::from(request.size);
        let range = (!is_whole).then_some((from, to));
        let begun = Instant::now();
        let Ok(mut response) = self.get(url, range, request.fresh).await else {
            return Outcome::Failed { status: None, bytes: 0 };
        };
        let first_byte = begun.elapsed();
        let status = response.status().as_u16();
        let Some(skip) = to_skip(&response, range) else {
            return Outcome::Failed { status: Some(status), bytes: 0 };
        };
        let mut cutter = Cutter::new(&request, skip);
        let mut bytes = 0;
        loop {
            match self.chunk(&mut response).await {
                Ok(Some(chunk)) => {
                    bytes += chunk.len() as u64;
                    match cutter.cut(chunk, &mut take) {
                        Cut::Refused => return Outcome::Refused { bytes },
                        // Longer than the segment is.
                        Cut::Done { more: true } if is_whole => return Outcome::Refused { bytes },
                        // The end of a whole one is waited for: it may be longer than it should be.
                        Cut::Done { .. } if !is_whole => break,
                        Cut::Done { .. } | Cut::More => {}
                    }
                }
                Ok(None) if cutter.is_done() => break,
                Ok(None) if is_whole => return Outcome::Refused { bytes },
                Ok(None) => return Outcome::Failed { status: Some(status), bytes },
                Err(Failure::Silent | Failure::Broken(_)) => return Outcome::Failed { status: None, bytes },
            }
        }
        Outcome::Complete { bytes, first_byte, total: begun.elapsed() }
    }
}

/// How many bytes of the answer lie before the first piece; `None` if it is no answer to this request.
fn to_skip(response: &Response, range: Option<(u64, u64)>) -> Option<u64> {
    let headers = response.headers();
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return None;
    }
    match (response.status(), range) {
        (StatusCode::OK, None) => Some(0),
        (StatusCode::OK, Some((from, _))) => Some(from),
        (StatusCode::PARTIAL_CONTENT, Some((from, _))) => {
            // Not every script of another site may read it, so not every server takes care of it.
            let given = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
            let start = given.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
            start.is_none_or(|start: u64| start == from).then_some(0)
        }
        _ => None,
    }
}

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
enum Cut {
    More,
    /// All pieces are taken; `more`: and the chunk goes on.
    Done {
        more: bool,
    },
    Refused,
}

struct Cutter {
    piece: u32,
    piece_len: usize,
    /// Bytes to pass over.
    skip: u64,
    /// Bytes from the start of the current piece to the end of the last.
    left: u64,
    filled: BytesMut,
}

impl Cutter {
    fn new(request: &Pieces, skip: u64) -> Self {
        let (from, to) = request.bytes();
        let piece_len = request.piece_len as usize;
        Self { piece: request.first, piece_len, skip, left: to - from, filled: BytesMut::new() }
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }

    fn cut(&mut self, mut chunk: Bytes, take: &mut impl FnMut(u32, Bytes) -> bool) -> Cut {
        let passed = self.skip.min(chunk.len() as u64);
        self.skip -= passed;
        // It is no longer than the chunk.
        let _ = chunk.split_to(passed as usize);
        while !chunk.is_empty() {
            if self.is_done() {
                return Cut::Done { more: true };
            }
            let len = self.left.min(self.piece_len as u64) as usize;
            if self.filled.is_empty() {
                self.filled.reserve(len);
            }
            self.filled.extend_from_slice(&chunk.split_to(chunk.len().min(len - self.filled.len())));
            if self.filled.len() < len {
                break;
            }
            if !take(self.piece, std::mem::take(&mut self.filled).freeze()) {
                return Cut::Refused;
            }
            self.piece += 1;
            self.left -= len as u64;
        }
        if self.is_done() { Cut::Done { more: false } } else { Cut::More }
    }
}
