//! The best plan for the next segments, at a throughput that is taken for certain (Yin, Jindal, Sekar and Sinopoli 2015).
//!
//! Every plan is tried, but for those that could not overtake the best so far if all that remains were shown at the top
//! rung without a stall. Invariant: the work has a bound, `rungs ^ horizon` steps.

use crate::choice::State;
use crate::config::Mpc;
use crate::ladder::{Ladder, Rung};

/// The first rung of the best plan; of two as good, the higher.
pub(crate) fn rung(mpc: &Mpc, ladder: &Ladder, state: &State, bits_per_second: f64, one_up: bool) -> Rung {
    let mut search = Search {
        mpc,
        ladder,
        sizes: state.sizes,
        segment: state.segment.as_secs_f64(),
        capacity: state.capacity.as_secs_f64(),
        bits_per_second,
        one_up,
        steps: mpc.horizon.min(state.left).max(1),
        best: f64::NEG_INFINITY,
        first: Rung(0),
    };
    search.extend(
        Partial { steps: 0, buffer: state.buffer.as_secs_f64(), last: state.current, worth: 0.0 },
        None,
    );
    search.first
}

struct Search<'a> {
    mpc: &'a Mpc,
    ladder: &'a Ladder,
    sizes: &'a [u32],
    /// Seconds.
    segment: f64,
    /// Seconds.
    capacity: f64,
    bits_per_second: f64,
    one_up: bool,
    steps: usize,
    /// What the best whole plan so far is worth, bits.
    best: f64,
    /// How it begins.
    first: Rung,
}

/// The beginning of a plan, carried out.
#[derive(Clone, Copy)]
struct Partial {
    steps: usize,
    /// Seconds.
    buffer: f64,
    last: Option<Rung>,
    /// Bits.
    worth: f64,
}

impl Search<'_> {
    /// Tries every way to go on from `partial`, whose first rung is `first`.
    fn extend(&mut self, partial: Partial, first: Option<Rung>) {
        if partial.steps == self.steps {
            if partial.worth > self.best {
                self.best = partial.worth;
                self.first = first.unwrap_or_default();
            }
            return;
        }
        let top = self.ladder.top();
        let remaining = (self.steps - partial.steps) as f64 * self.segment;
        if partial.worth + remaining * f64::from(self.ladder.bitrate_bps(top)) <= self.best {
            return;
        }
        let highest = match partial.last {
            Some(Rung(last)) if self.one_up => Rung(last + 1).min(top),
            _ => top,
        };
        for rung in (0..=highest.0).rev().map(Rung) {
            let next = self.after(partial, rung);
            self.extend(next, first.or(Some(rung)));
        }
    }

    /// `partial` and one segment more.
    fn after(&self, partial: Partial, rung: Rung) -> Partial {
        let bitrate = f64::from(self.ladder.bitrate_bps(rung));
        let size = self.sizes.get(partial.steps * self.ladder.count() + rung.0);
        let bits = size.map_or(bitrate * self.segment, |&bytes| f64::from(bytes) * 8.0);
        let took = bits / self.bits_per_second;
        let stalled = (took - partial.buffer).max(0.0);
        let switch =
            partial.last.map_or(0.0, |last| (bitrate - f64::from(self.ladder.bitrate_bps(last))).abs());
        let top = f64::from(self.ladder.bitrate_bps(self.ladder.top()));
        Partial {
            steps: partial.steps + 1,
            buffer: ((partial.buffer - took).max(0.0) + self.segment).min(self.capacity),
            last: Some(rung),
            worth: partial.worth + bitrate * self.segment
                - self.mpc.switch_s * switch
                - self.mpc.stall_s * top * stalled,
        }
    }
}
