//! What a player is told of its path, so that its choice of quality can count on it: the browser engine's rule
//! (`player/src/honest.ts` says why), without its accounting for single loads.
//!
//! Invariant: never less than what the origin did a moment ago, and not much more either.

use core::time::Duration;

use swarm::Time;

/// What fetches from the origin ran at, over the last second of fetching.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OriginRate {
    bps: f64,
    weight_s: f64,
    at: Time,
}

const SAMPLES_LAST_S: f64 = 1.0;
const PRIOR_BITS: f64 = 500_000.0;
const PRIOR_S: f64 = 1.0;
const ORIGIN_LASTS_S: f64 = 30.0;
const HUNGRY_BELOW_S: f64 = 10.0;
const LIFT: f64 = 1.5;
const LIFT_EVERY_S: f64 = 10.0;
const LIFT_DOUBLES_S: f64 = 20.0;

impl OriginRate {
    /// A fetch of `bytes` that began at `began` is over.
    pub fn sample(&mut self, now: Time, began: Time, bytes: u64) {
        let busy_s = now.since(began).as_secs_f64().max(1e-3);
        let weight_s = self.weight_s + busy_s;
        self.bps = (self.bps * self.weight_s + bytes as f64 * 8.0) / weight_s;
        self.weight_s = weight_s.min(SAMPLES_LAST_S);
        self.at = now;
    }

    /// The path in bits a second, where peers and origin together brought `both_bps` over `bytes`; `None` while nothing is known.
    pub fn path_bps(&self, now: Time, both_bps: Option<u64>, bytes: u64, buffered: Duration) -> Option<u64> {
        let bits = bytes as f64 * 8.0;
        let both = both_bps.map(|both| (bits + PRIOR_BITS) / (bits / both as f64 + PRIOR_S));
        let origin = (self.weight_s > 0.0).then_some(self.bps);
        let (Some(both), Some(origin)) = (both, origin) else { return both.or(origin).map(|bps| bps as u64) };
        let age_s = now.since(self.at).as_secs_f64();
        let lift = LIFT + (buffered.as_secs_f64() - HUNGRY_BELOW_S).max(0.0) / LIFT_EVERY_S;
        let lifted = both.min(origin * lift * libm::exp2(age_s / LIFT_DOUBLES_S));
        Some(if age_s < ORIGIN_LASTS_S { lifted.max(origin) } else { lifted } as u64)
    }
}
