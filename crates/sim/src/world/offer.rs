//! Whether a player counts on the quality that a neighbour who keeps for others offers: the browser engine's rule
//! (`player/src/offer.ts` and `engine.ts`).

use core::time::Duration;

use abr::Rung;
use swarm::{Offered, Time};

const TAKEN_ABOVE: Duration = Duration::from_secs(8);
const LET_GO_BELOW: Duration = Duration::from_secs(3);
const PROVED_ABOVE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(10);

/// One player's dealings with offers.
#[derive(Debug)]
pub(super) struct Offer {
    counts_on: Option<Rung>,
    /// Whether that is chosen for all.
    is_for_all: bool,
    had_enough: bool,
    rest: Duration,
    rest_until: Time,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            counts_on: None,
            is_for_all: false,
            had_enough: false,
            rest: REST,
            rest_until: Time::default(),
        }
    }
}

impl Offer {
    /// What is offered now, and how the player stands.
    pub fn look(&mut self, now: Time, offered: Option<Offered>, buffered: Duration) {
        let before = self.counts_on;
        if before.is_some() && self.had_enough && buffered < LET_GO_BELOW {
            self.rest_until = now + self.rest;
            self.rest *= 2;
        }
        if before.is_some() && buffered > PROVED_ABOVE {
            self.rest = REST;
        }
        self.had_enough &= before.is_some();
        self.had_enough |= buffered >= TAKEN_ABOVE;
        self.is_for_all = offered.is_some_and(|offered| offered.for_all);
        let enough = self.is_for_all || buffered >= if before.is_none() { TAKEN_ABOVE } else { LET_GO_BELOW };
        let offered = offered.filter(|_| enough && now >= self.rest_until);
        self.counts_on = offered.map(|offered| Rung(offered.rendition.into()));
    }

    /// The player's own choice, with what is offered.
    pub fn applied_to(&self, own: Rung) -> Rung {
        match self.counts_on {
            Some(rung) if self.is_for_all => rung,
            counted => counted.map_or(own, |rung| rung.max(own)),
        }
    }
}
