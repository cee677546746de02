//! What a driver keeps from one session to the next. Its invariant is the session's: a segment is counted as held only with leaves
//! that the index vouches for, and whoever has their bytes checked against these leaves finds what the publisher signed.

use crate::session::Session;
use manifest::{Hash, SegmentId};
use swarm::{Input, Link, Time};
use wire::{Message, Refusal};

impl Session {
    /// The driver holds all of a segment from before, whose pieces have these chaining values. `false`, and nothing has happened, if
    /// the index does not vouch for them.
    pub fn held(&mut self, now: Time, segment: SegmentId, leaves: Vec<Hash>) -> bool {
        if !self.pieces.hold(segment, leaves) {
            self.begin();
            return false;
        }
        self.one(now, Input::Held(segment));
        true
    }

    /// The driver holds a segment no more: it made room, or found it damaged.
    pub fn lost(&mut self, now: Time, segment: SegmentId) {
        self.pieces.forget(segment);
        self.asked.lose(segment);
        self.one(now, Input::Lost(segment));
    }

    /// The chaining values of a segment's pieces, if they are known: to be kept with it, for [`Session::held`].
    pub fn leaves(&self, segment: SegmentId) -> Option<&[Hash]> {
        self.pieces.leaves(segment)
    }

    /// The piece that an [`Order::SendPiece`](crate::Order::SendPiece) named is not there after all: its request is refused.
    pub fn absent(&mut self, _now: Time, link: Link, id: u32) {
        self.begin();
        if self.asked.is_open(link) && id != wire::PUSHED {
            self.orders.send(link, &Message::Refuse { id, why: Refusal::Absent });
        }
        self.orders.finish();
    }
}
