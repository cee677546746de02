//! What must always hold, checked from outside the product after every step. Invariant: an oracle looks only at what the world saw;
//! it never asks a peer whether it is well.

use super::World;

/// What must always hold, did not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {at_us} us of seed {seed}, after {events} events, viewer {viewer} {what}")]
pub struct Broken {
    /// The seed that shows it again.
    pub seed: u64,
    /// When, in microseconds from the start.
    pub at_us: u64,
    /// After how many events.
    pub events: u64,
    /// Which viewer.
    pub viewer: u32,
    /// What it did.
    pub what: String,
}

/// What a peer may have open at the origin: what its player waits for (two), what it meant to get ahead, and a change of mind.
const FETCHES_MAX: usize = 6;
/// What may wait in a link: its room and a piece that was begun in it.
const QUEUE_MAX: u32 = 128 * 1024;

impl World<'_> {
    pub(super) fn fail(&mut self, viewer: u32, what: String) {
        let (seed, at_us, events) = (self.seed, self.now.0, self.events);
        self.broken.get_or_insert(Broken { seed, at_us, events, viewer, what });
    }

    pub(super) fn check_viewer(&mut self, at: u32) {
        let viewer = &self.viewers[at as usize];
        let found = match () {
            () if viewer.links.len() > viewer.config.links_max => format!("has {} links", viewer.links.len()),
            () if viewer.fetches.len() > FETCHES_MAX => format!("has {} fetches open", viewer.fetches.len()),
            () if viewer.links.values().any(|far| far.queued > QUEUE_MAX) => "overfills a link".to_owned(),
            () => return,
        };
        self.fail(at, found);
    }

    /// No byte comes from nowhere, and none is forgotten.
    pub(super) fn check_ledger(&mut self) {
        let ledger = self.net.ledger();
        if ledger.sent != ledger.received + ledger.in_flight + ledger.lost {
            self.fail(u32::MAX, format!("is nobody: the network lost count: {ledger:?}"));
        }
    }
}
