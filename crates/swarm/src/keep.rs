//! What a driver keeps by itself: segments that it had before, and those that it lost.
//!
//! Its invariant: a segment that is lost is asked of nobody under what was known of it, and given to nobody.

use crate::io::Output;
use crate::peer::Peer;
use alloc::vec::Vec;
use manifest::SegmentId;
use wire::Refusal;

impl Peer {
    /// The driver has all of a segment, from before.
    pub(crate) fn held(&mut self, segment: SegmentId, out: &mut Vec<Output>) {
        let Some(film) = &self.film else { return };
        let pieces: Vec<u32> = self.store.pieces(film, segment).missing().collect();
        for &piece in &pieces {
            self.store.insert(film, segment, piece);
        }
        if self.viewer.is_wanted(segment) && self.store.is_whole(segment) {
            self.viewer.delivered(film, segment);
            out.push(Output::Deliver(segment));
        }
        pieces.into_iter().for_each(|piece| self.withdraw(segment, piece, out));
    }

    /// The driver has nothing of a segment any more. What was asked for of it is of no use: its leaves are gone too.
    pub(crate) fn lost(&mut self, segment: SegmentId, out: &mut Vec<Output>) {
        if !self.store.is_begun(segment) {
            return;
        }
        let pieces = self.film.as_ref().map_or(0, |film| film.pieces(segment));
        self.store.remove(segment);
        self.refuse_all(segment, Refusal::Absent, out);
        (0..pieces).for_each(|piece| self.withdraw(segment, piece, out));
        if self.origin.fetches.remove(&segment).is_some() {
            self.fetching_changed = true;
            out.push(Output::CancelFetch(segment));
        }
    }
}
