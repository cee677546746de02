//! The check of every piece, whoever gave it. The invariant: an [`Order::Keep`] names only what the publisher's leaves vouch for.

use crate::order::{Order, Place};
use crate::pieces::Check;
use crate::session::Session;
use manifest::{Hash, SegmentId};
use swarm::{Input, Link, Source, Time, Verdict};
use wire::{Message, Refusal};

impl Session {
    /// A piece of a fetch has come from the origin; the driver holds it back until an [`Order::Keep`] names it. `false`: it,
    /// or a piece of that fetch before it, is not the publisher's, and all that is held back is to be thrown away.
    pub fn origin_piece(&mut self, now: Time, segment: SegmentId, piece: u32, bytes: &[u8]) -> bool {
        self.begin();
        let Some(leaf) = self.pieces.leaf_of(segment, piece, bytes) else {
            self.staged.remove(&segment);
            return false;
        };
        let count = self.pieces.count_of(segment) as usize;
        let staged = self.staged.entry(segment).or_insert_with(|| vec![None; count]);
        staged[piece as usize] = Some(leaf);
        if self.pieces.leaves(segment).is_none() && staged.iter().all(Option::is_some) {
            let leaves = staged.iter().copied().flatten().collect();
            if !self.pieces.learn(segment, leaves) {
                self.staged.remove(&segment);
                return false;
            }
        }
        let good = self.pieces.leaves(segment).is_none() || self.settle(now, segment);
        self.orders.finish();
        good
    }

    /// A fetch is over. `forged`: the origin gave something else than the publisher's bytes, and did so again when asked
    /// past every cache.
    pub fn origin_end(&mut self, now: Time, segment: SegmentId, complete: bool, forged: bool) {
        self.begin();
        self.staged.remove(&segment);
        if forged {
            let verdict = Verdict::Forged;
            self.feed(now, Input::Arrived { segment, piece: 0, from: Source::Origin, verdict });
        }
        self.feed(now, Input::FetchEnded { segment, complete });
        self.orders.finish();
    }

    /// The origin is to be asked once more for what it got wrong: nothing of the fetch is kept.
    pub fn origin_again(&mut self, segment: SegmentId) {
        self.staged.remove(&segment);
        self.begin();
    }

    /// Whether these are the bytes of a rendition's `init.mp4`.
    pub fn is_init(&self, rendition: u8, bytes: &[u8]) -> bool {
        if let Some(is_init) = self.is_live_init(rendition, bytes) {
            return is_init;
        }
        self.index()
            .renditions
            .get(usize::from(rendition))
            .is_some_and(|r| r.init == manifest::digest::root(bytes))
    }

    /// Whether these are the bytes of a segment.
    pub fn is_segment(&self, segment: SegmentId, bytes: &[u8]) -> bool {
        self.index().segment(segment).is_some_and(|s| s.root == manifest::digest::root(bytes))
    }

    /// Whether these are the bytes of captions or subtitles, as the publisher has signed them under this name, such as `t0/17.vtt`. Of a
    /// film whose publisher's key is not known none are.
    pub fn is_text(&self, name: &str, bytes: &[u8]) -> bool {
        let (swarm, key) = self.live_names().unwrap_or_else(|| (self.index().swarm_id(), self.key));
        key.is_some_and(|key| manifest::text::open(bytes, &swarm, name, &key).is_ok())
    }

    /// Reports those pieces held back that the leaves, now known, vouch for.
    fn settle(&mut self, now: Time, segment: SegmentId) -> bool {
        let Some(staged) = self.staged.get_mut(&segment) else { return true };
        let waiting: Vec<(u32, Hash)> =
            staged.iter_mut().enumerate().filter_map(|(i, leaf)| Some((i as u32, leaf.take()?))).collect();
        for (piece, leaf) in waiting {
            let len = self.pieces.len_of(segment, piece).unwrap_or(0);
            match self.pieces.admit(segment, piece, Some(leaf)) {
                Check::New => self.orders.push(Order::Keep { segment, piece, place: Place::Fetch, len }),
                Check::Held => self.orders.push(Order::Dropped(Source::Origin, len)),
                Check::Forged | Check::NoLeaves => {
                    self.refuse(Source::Origin, segment, piece, len);
                    self.staged.remove(&segment);
                    return false;
                }
            }
            let verdict = Verdict::Verified;
            self.feed(now, Input::Arrived { segment, piece, from: Source::Origin, verdict });
        }
        true
    }

    pub(crate) fn hear_leaves(&mut self, now: Time, link: Link, segment: SegmentId, leaves: Vec<Hash>) {
        if !self.asked.wants_leaves(link, segment) || self.pieces.leaves(segment).is_some() {
            return;
        }
        if self.pieces.learn(segment, leaves) {
            // A fetch of the same segment may be under way. If it turns out forged, its next piece says so.
            self.settle(now, segment);
        } else {
            self.refuse(Source::Peer(link), segment, 0, 0);
            self.garbage(now, link);
        }
    }

    /// A piece came from a neighbour, `offset` bytes into its message.
    pub(crate) fn piece(
        &mut self,
        now: Time,
        link: Link,
        name: (u32, SegmentId, u32),
        payload: &[u8],
        offset: u32,
    ) {
        let (id, segment, piece) = name;
        let from = Source::Peer(link);
        let len = payload.len() as u32;
        if id == wire::PUSHED {
            return self.pushed(now, link, (segment, piece), payload, offset);
        }
        let Some(request) = self.asked.take(link, id, segment, piece) else {
            return self.unasked(now, link, len);
        };
        let leaf = self.pieces.leaf_of(segment, piece, payload);
        match self.pieces.admit(segment, piece, leaf) {
            // It was to send the leaves first.
            Check::NoLeaves if request.leaves => {
                self.refuse(from, segment, piece, len);
                self.garbage(now, link);
            }
            // The leaves came, or were to come, with another answer: nothing to hold against it, nothing gained either.
            Check::NoLeaves => {
                self.orders.push(Order::Dropped(from, len));
                self.feed(now, Input::Message(link, Message::Refuse { id, why: Refusal::Busy }));
            }
            judged => self.judged(now, from, (segment, piece), judged, Place::Message(offset), len),
        }
    }

    /// A piece of `len` bytes at `place` was checked against leaves that are known: the driver and the core hear of it.
    pub(crate) fn judged(
        &mut self,
        now: Time,
        from: Source,
        (segment, piece): (SegmentId, u32),
        check: Check,
        place: Place,
        len: u32,
    ) {
        let verdict = match check {
            Check::New => {
                self.orders.push(Order::Keep { segment, piece, place, len });
                Verdict::Verified
            }
            Check::Held | Check::NoLeaves => {
                self.orders.push(Order::Dropped(from, len));
                Verdict::Verified
            }
            Check::Forged => {
                self.refuse(from, segment, piece, len);
                Verdict::Forged
            }
        };
        self.feed(now, Input::Arrived { segment, piece, from, verdict });
    }

    /// A neighbour has sent so many bytes that nobody had asked for.
    pub(crate) fn unasked(&mut self, now: Time, link: Link, len: u32) {
        if self.asked.is_too_much(link, len) {
            self.garbage(now, link);
        }
    }

    pub(crate) fn refuse(&mut self, from: Source, segment: SegmentId, piece: u32, len: u32) {
        self.orders.push(Order::Refused { from, segment, piece, len });
    }
}
