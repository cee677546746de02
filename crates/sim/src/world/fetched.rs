//! What comes from the origin. Invariant: a piece is shown to its peer once it can be checked, and every fetch ends.

use core::time::Duration;

use manifest::SegmentId;
use swarm::{Input, Source, Verdict};

use super::{Asked, Event, World};
use crate::net::origin::{Reply, Request};

impl World<'_> {
    pub(super) fn hear_origin(&mut self) {
        self.origin_due = None;
        while let Some(reply) = self.origin.poll(self.now) {
            match reply {
                Reply::Part { request, part, bytes, began, reaches, last } => {
                    if let Some(at) = self.pages.remove(&request) {
                        self.pages_bytes += u64::from(bytes);
                        self.wheel.push(reaches, Event::Begin(at));
                    }
                    let Some(&Asked { viewer, .. }) = self.requests.get(&request) else { continue };
                    let part = part as u32;
                    self.wheel.push(reaches, Event::Part { to: viewer, began, bytes, request, part, last });
                }
                Reply::Cut(request) => {
                    if let Some(at) = self.pages.remove(&request) {
                        self.load(at);
                    }
                    if let Some(Asked { viewer, segment, .. }) = self.forget(request) {
                        self.after(
                            Duration::ZERO,
                            Event::Cut { to: viewer, segment, request: Some(request) },
                        );
                    }
                }
            }
        }
        self.await_origin();
    }

    /// A piece from the origin has come through. It is shown to the peer once it can be checked: when the leaves are known, or
    /// all of the segment is there.
    pub(super) fn came(&mut self, to: u32, request: Request, part: u32, last: bool) {
        let viewer = &mut self.viewers[to as usize];
        // Given up meanwhile: what was on its way came for nothing.
        let Some(asked) = self.requests.get_mut(&request).filter(|_| !viewer.gone) else { return };
        asked.staged.push(asked.first + part);
        // Heads of a live stream tell the leaves.
        if !last && self.stream.is_none() && !viewer.held.contains_key(&asked.segment) {
            return;
        }
        let (segment, began, fetched) = (asked.segment, asked.began, asked.bytes);
        let staged = core::mem::take(&mut asked.staged);
        self.settle(to, segment, staged);
        if !last {
            return;
        }
        let viewer = &mut self.viewers[to as usize];
        // Its peer may have given it up before it has seen the last of it.
        if self.requests.remove(&request).is_none() {
            return;
        }
        viewer.fetches.remove(&segment);
        viewer.origin_rate.sample(self.now, began, fetched);
        if self.alone {
            self.deliver(to, segment);
        } else {
            self.feed(to, Input::FetchEnded { segment, complete: true });
        }
    }

    /// Stores pieces from the origin, and shows them to the peer.
    pub(super) fn settle(&mut self, to: u32, segment: SegmentId, pieces: Vec<u32>) {
        for piece in pieces {
            let viewer = &mut self.viewers[to as usize];
            let bytes = u64::from(viewer.piece_bytes(segment, piece));
            viewer.seen.from_origin += bytes;
            self.record.fetched(viewer.film.number, segment, bytes);
            self.hold(to, segment, piece, bytes);
            let (from, verdict) = (Source::Origin, Verdict::Verified);
            self.feed(to, Input::Arrived { segment, piece, from, verdict });
        }
    }

    /// A fetch has come to nothing.
    pub(super) fn cut(&mut self, to: u32, segment: SegmentId, request: Option<Request>) {
        let viewer = &mut self.viewers[to as usize];
        if viewer.fetches.get(&segment) == Some(&request) {
            viewer.fetches.remove(&segment);
            if self.alone {
                // A player tries again.
                let count = viewer.film.index.piece_count(segment);
                let again = Duration::from_secs(1);
                self.after(again, Event::Retry { to, segment, count });
            } else {
                self.feed(to, Input::FetchEnded { segment, complete: false });
            }
        }
    }
}
