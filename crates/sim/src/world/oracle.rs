//! What must always hold, checked from outside the product after every step. Invariant: an oracle looks only at what the world saw;
//! it never asks a peer whether it is well.

use core::time::Duration;
use std::collections::BTreeMap;

use manifest::SegmentId;
use swarm::Time;

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

/// What a peer may have open at the origin beyond what it means to get ahead: what its player waits for (two), and a change of mind.
const FETCHES_MORE: usize = 4;
/// What may wait in a link: its room and a piece that was begun in it.
const QUEUE_MAX: u32 = 128 * 1024;

/// A ring in the push trees, where nobody gets anything, is undone within this.
const RING_AT_MOST: Duration = Duration::from_secs(5);
/// How often rings are looked for.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// Who is in a ring of a stripe, or hangs on one, and since when.
#[derive(Debug, Default)]
pub(super) struct Rings {
    looked: Time,
    since: BTreeMap<(u8, u32), Time>,
}

impl World<'_> {
    pub(super) fn fail(&mut self, viewer: u32, what: String) {
        let (seed, at_us, events) = (self.seed, self.now.0, self.events);
        self.broken.get_or_insert(Broken { seed, at_us, events, viewer, what });
    }

    pub(super) fn check_viewer(&mut self, at: u32) {
        let viewer = &self.viewers[at as usize];
        let found = match () {
            () if viewer.links.len() > viewer.config.links_max => format!("has {} links", viewer.links.len()),
            () if viewer.fetches.len() > viewer.config.fetches_max + FETCHES_MORE => {
                format!("has {} fetches open", viewer.fetches.len())
            }
            () if viewer.links.values().any(|far| far.queued > QUEUE_MAX) => "overfills a link".to_owned(),
            () => return,
        };
        self.fail(at, found);
    }

    /// No piece is anywhere before its part is born: what is never held can neither be served nor given to a player.
    pub(super) fn check_born(&mut self, at: u32, segment: SegmentId) {
        if self.stream.as_ref().is_some_and(|stream| segment.sequence > stream.born) {
            self.fail(at, format!("holds a piece of {segment:?}, which is not born"));
        }
    }

    /// Whoever follows somebody in a stripe gets it, sooner or later, from one who follows nobody.
    pub(super) fn check_trees(&mut self) {
        if self.now.since(self.rings.looked) < LOOKS_EVERY {
            return;
        }
        self.rings.looked = self.now;
        let before = core::mem::take(&mut self.rings.since);
        for stripe in 0..wire::MAX_STRIPES {
            for at in self.ringed(stripe) {
                let since = before.get(&(stripe, at)).copied().unwrap_or(self.now);
                self.rings.since.insert((stripe, at), since);
                if self.now.since(since) > RING_AT_MOST {
                    self.fail(at, format!("follows itself in stripe {stripe}, since {since:?}"));
                }
            }
        }
    }

    /// Those who follow somebody in a stripe, and do not hang on one who follows nobody.
    fn ringed(&self, stripe: u8) -> Vec<u32> {
        let there = || (0..self.viewers.len() as u32).filter(|&at| !self.viewers[at as usize].gone);
        let mut hangs: Vec<(u32, Vec<u32>)> = there().map(|at| (at, self.parents(at, stripe))).collect();
        let mut sound = vec![true; self.viewers.len()];
        hangs.retain(|(_, parents)| !parents.is_empty());
        hangs.iter().for_each(|(at, _)| sound[*at as usize] = false);
        loop {
            let before = hangs.len();
            hangs.retain(|(at, parents)| {
                sound[*at as usize] = parents.iter().any(|&parent| sound[parent as usize]);
                !sound[*at as usize]
            });
            if hangs.len() == before {
                return hangs.into_iter().map(|(at, _)| at).collect();
            }
        }
    }

    /// Who pushes a stripe to a viewer, by what both have said.
    fn parents(&self, at: u32, stripe: u8) -> Vec<u32> {
        let followed = self.viewers[at as usize].links.values().filter(|far| far.follows >> stripe & 1 == 1);
        let fed = followed.filter(|far| {
            let near = self.viewers[far.peer as usize].links.get(&far.link);
            near.is_some_and(|near| near.feeds >> stripe & 1 == 1)
        });
        fed.map(|far| far.peer).collect()
    }

    /// No byte comes from nowhere, and none is forgotten.
    pub(super) fn check_ledger(&mut self) {
        let ledger = self.net.ledger();
        if ledger.sent != ledger.received + ledger.in_flight + ledger.lost {
            self.fail(u32::MAX, format!("is nobody: the network lost count: {ledger:?}"));
        }
    }
}
