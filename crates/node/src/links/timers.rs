//! When connections want to be woken. Invariant: for every connection with a deadline there is an entry no later than it.
//! Entries are lazy: a deadline that moves away leaves its entry behind, which is ignored, or armed anew, when it is due.

use super::demux::Id;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// A heap of deadlines.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Id)>>,
}

impl Timers {
    /// Makes sure that `id` is due at `deadline`, or earlier. `armed` is its earliest entry here.
    pub fn arm(&mut self, id: Id, deadline: Instant, armed: &mut Option<Instant>) {
        if armed.is_none_or(|at| deadline < at) {
            *armed = Some(deadline);
            self.heap.push(Reverse((deadline, id)));
        }
    }

    /// When the next entry is due.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes an entry that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, Id)> {
        (self.next()? <= now).then(|| self.heap.pop().map(|Reverse(entry)| entry)).flatten()
    }

    /// Throws away the entries that `is_live` denies, once there are many more than connections.
    pub fn trim(&mut self, connections: usize, is_live: impl Fn(Instant, Id) -> bool) {
        if self.heap.len() > 64 + 8 * connections {
            self.heap.retain(|Reverse((at, id))| is_live(*at, *id));
        }
    }
}
