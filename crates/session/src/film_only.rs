//! What of a live stream is here where live streams are left out: nothing. A film has no heads, and nobody pushes anything.

use crate::session::Session;
use manifest::{PublicKey, SegmentId};
use swarm::{Link, Time};

impl Session {
    pub(crate) fn begin_live(&mut self) {}

    pub(crate) fn is_live_init(&self, _rendition: u8, _bytes: &[u8]) -> Option<bool> {
        None
    }

    pub(crate) fn live_names(&self) -> Option<([u8; 20], Option<PublicKey>)> {
        None
    }

    pub(crate) fn hear_head(&mut self, _now: Time, _link: Link, _bytes: &[u8]) {}

    pub(crate) fn pushed(&mut self, now: Time, link: Link, _name: (SegmentId, u32), bytes: &[u8], _at: u32) {
        self.unasked(now, link, bytes.len() as u32);
    }

    pub(crate) fn send_heads(&mut self, _link: Link, _after: u32) {}

    pub(crate) fn ask_heads(&mut self) {}

    /// Nothing comes before its head.
    pub fn early(&self, _place: u32) -> &[u8] {
        &[]
    }
}
