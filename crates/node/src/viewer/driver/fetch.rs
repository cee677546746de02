//! Fetches from the origin. Their invariant: each ends in exactly one word to the session, unless the session gave it up.

use super::Driver;
use crate::origin::{Outcome, Pieces};
use crate::viewer::Missing;
use bytes::Bytes;
use manifest::SegmentId;
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// News of a fetch.
#[derive(Debug)]
pub(super) struct Fetched {
    segment: SegmentId,
    fetch: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Piece(u32, Bytes),
    End(Outcome),
}

/// One fetch under way.
#[derive(Debug)]
pub(super) struct Fetch {
    number: u64,
    /// What was asked for, to ask once more.
    first: u32,
    end: u32,
    /// Whether this is the second try, past every cache.
    fresh: bool,
    pub(super) task: AbortHandle,
    /// Pieces that are not verified yet.
    pub(super) staged: BTreeMap<u32, Bytes>,
    came: u64,
    pub(super) kept: u64,
}

impl Driver {
    pub(super) fn fetch(&mut self, segment: SegmentId, first: u32, end: u32, fresh: bool) {
        self.cancel(segment);
        let (Some(folder), Some(size)) = (self.watched.folder(segment.rendition), self.watched.size(segment))
        else {
            return;
        };
        let request = Pieces {
            folder,
            sequence: segment.sequence,
            size,
            piece_len: self.watched.piece_len(),
            first,
            end,
            fresh,
        };
        self.fetch_number += 1;
        let number = self.fetch_number;
        let (origin, news) = (self.origin.clone(), self.fetched.clone());
        let task = tokio::spawn(async move {
            let (pieces, mut came) = mpsc::unbounded_channel(); // a segment's worth at most
            let fetch = origin.pieces(request, move |piece, bytes| pieces.send((piece, bytes)).is_ok());
            let tell = |what| news.send(Fetched { segment, fetch: number, what });
            let pass_on = async {
                while let Some((piece, bytes)) = came.recv().await {
                    let _ = tell(What::Piece(piece, bytes)).await; // the driver may have left
                }
            };
            let (outcome, ()) = tokio::join!(fetch, pass_on);
            let _ = tell(What::End(outcome)).await;
        });
        let fetch = Fetch {
            number,
            first,
            end,
            fresh,
            task: task.abort_handle(),
            staged: BTreeMap::new(),
            came: 0,
            kept: 0,
        };
        self.fetches.insert(segment, fetch);
    }

    pub(super) fn cancel(&mut self, segment: SegmentId) {
        if let Some(fetch) = self.fetches.remove(&segment) {
            fetch.task.abort();
            self.stats.wasted += fetch.came - fetch.kept;
        }
    }

    pub(super) fn fetched(&mut self, Fetched { segment, fetch, what }: Fetched) {
        let now = self.now();
        let Some(current) = self.fetches.get_mut(&segment).filter(|f| f.number == fetch) else { return };
        match what {
            What::Piece(piece, bytes) => {
                current.came += bytes.len() as u64;
                self.stats.from_origin += bytes.len() as u64;
                current.staged.insert(piece, bytes.clone());
                let good = self.session.origin_piece(now, segment, piece, &bytes);
                self.carry_out(&Bytes::new());
                if !good {
                    self.forged(segment);
                }
            }
            What::End(Outcome::Complete { .. }) => {
                self.fetches.remove(&segment);
                self.feed(|session, now| session.origin_end(now, segment, true, false));
            }
            What::End(Outcome::Refused { .. }) => self.forged(segment),
            What::End(Outcome::Failed { status, .. }) => {
                let SegmentId { rendition, sequence } = segment;
                tracing::warn!(event = "origin_failed", rendition, sequence, status, "the origin failed");
                self.cancel(segment);
                self.feed(|session, now| session.origin_end(now, segment, false, false));
                if let Some(status) = status.filter(|status| (400..500).contains(status)) {
                    self.waiting.answer(segment, &Err(Missing::Refused(status)));
                }
            }
        }
    }

    /// The origin gave something else: it is asked once more past every cache on the way, and then no more.
    fn forged(&mut self, segment: SegmentId) {
        let Some(fetch) = self.fetches.remove(&segment) else { return };
        fetch.task.abort();
        self.stats.refused += fetch.came - fetch.kept;
        let SegmentId { rendition, sequence } = segment;
        let reason = "not what was signed";
        tracing::warn!(
            event = "origin_failed",
            rendition,
            sequence,
            reason,
            "the origin gave something else"
        );
        if !fetch.fresh {
            self.session.origin_again(segment);
            return self.fetch(segment, fetch.first, fetch.end, true);
        }
        self.feed(|session, now| session.origin_end(now, segment, false, true));
        self.waiting.answer(segment, &Err(Missing::Forged));
    }
}
