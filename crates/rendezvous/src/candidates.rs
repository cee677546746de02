//! Who is named to a member that asks for others.
//!
//! When a whole audience comes at once, most have nothing yet, and would be named to each other. So half of those who are
//! named are settled, as far as there are any.

use std::time::Duration;

use crate::{rng::Rng, swarm::Swarm};

/// Whoever has been in a swarm for so long has something to give.
const SETTLES: Duration = Duration::from_secs(4);
/// For each candidate so many members are looked at.
const DRAWN_FOR_ONE: usize = 8;

/// Places of up to `wanted` members, that of the asker not among them: settled ones for half of `wanted`, then whoever was drawn.
pub(crate) fn draw(swarm: &Swarm, asker: usize, wanted: usize, now: Duration, rng: &mut Rng) -> Vec<usize> {
    let settled = |place: usize| now.saturating_sub(swarm.members()[place].since) >= SETTLES;
    let mut drawn = rng.sample(swarm.len(), asker, wanted * DRAWN_FOR_ONE);
    let mut ahead = 0;
    for at in 0..drawn.len() {
        if ahead < wanted.div_ceil(2) && settled(drawn[at]) {
            drawn.swap(ahead, at);
            ahead += 1;
        }
    }
    drawn.truncate(wanted);
    drawn
}
