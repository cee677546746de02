//! A downlink that carries the stream, and little more.
//!
//! What is pushed comes whether there is room for it or not, and it is what the player needs last: on a narrow line it keeps back
//! what is needed first. Who notices that leaves the trees, asks for pieces in the order it needs them, and comes back once it has
//! caught up.

use crate::io::Output;
use crate::peer::Peer;
use crate::time::Time;
use alloc::vec::Vec;
use core::time::Duration;

/// What comes down every tree so late is held up at our own door.
const HELD_UP_US: u64 = 1_200_000;
/// The same for a viewer with so little in hand.
const HELD_UP_HUNGRY_US: u64 = 600_000;
const HUNGRY: Duration = Duration::from_millis(1000);
/// Who has just come, or plays another rendition, first gets what it lacks up to the live edge, if that takes no longer than this.
const CATCHES_UP: Duration = Duration::from_secs(5);
/// Trees are given so long to help.
const TRIED: Duration = Duration::from_secs(3);
/// For how long the trees are left at least; longer each time.
const LEFT_AT_LEAST: Duration = Duration::from_secs(8);
const DOUBLINGS_MAX: u32 = 4;

/// Whether the trees are left, and how often they were.
#[derive(Debug, Default)]
pub(crate) struct Crowded {
    /// Not to be joined again before; `None` while they are not left.
    until: Option<Time>,
    times: u32,
}

impl Peer {
    /// Leaves the trees if their pieces crowd the downlink; says whether they are to be kept away from.
    pub(crate) fn keeps_away(&mut self, now: Time, out: &mut Vec<Output>) -> bool {
        if !self.config.topology.repair {
            return false;
        }
        let caught_up = self.viewer.buffered() * 3 > self.to_edge() * 2;
        let catches_up = || !caught_up && self.others_have_what_is_missing();
        if now.since(self.live.settled) < CATCHES_UP && catches_up() {
            self.leave_trees(now, out);
            return true;
        }
        if let Some(until) = self.live.crowded.until {
            if now < until || catches_up() {
                return true;
            }
            self.live.crowded.until = None;
        }
        // What nobody has is not held up here.
        if !(self.is_crowded(now) && self.others_have_what_is_missing()) {
            return false;
        }
        let crowded = &mut self.live.crowded;
        crowded.until = Some(now + LEFT_AT_LEAST * (1 << crowded.times.min(DOUBLINGS_MAX)));
        crowded.times += 1;
        self.leave_trees(now, out);
        true
    }

    /// Most of it: at the start of a stream there is nothing yet to catch up with.
    fn others_have_what_is_missing(&self) -> bool {
        let held = self.missing.iter().filter(|&&segment| self.holders(segment) > 0).count();
        held * 2 > self.missing.len()
    }

    fn is_crowded(&self, now: Time) -> bool {
        let fed = || self.live.trees.branches.iter().filter(|branch| branch.parent.is_some());
        let tried = fed().filter(|branch| now.since(branch.since) > TRIED).count() >= 2;
        let hungry = self.viewer.buffered() < HUNGRY;
        let held_up_us = if hungry { HELD_UP_HUNGRY_US } else { HELD_UP_US };
        tried && fed().filter_map(|branch| branch.lag_us()).min().is_some_and(|lag| lag > held_up_us)
    }
}
