//! The buffer decides: BOLA-BASIC (Spiteri, Urgaonkar and Sitaraman 2016).
//!
//! A rung's utility is the logarithm of its bitrate, 1 for the lowest. The rung with the largest
//! `(control * (utility + offset) - buffer) / bitrate` is chosen; `control` (seconds) and `offset` follow from where the
//! lowest rung is to be left and the highest to be reached. Invariant: a fuller buffer never chooses a lower rung.

use crate::choice::State;
use crate::config::Bola;
use crate::ladder::{Ladder, Rung};

pub(crate) fn rung(bola: &Bola, ladder: &Ladder, state: &State) -> Rung {
    let capacity = state.capacity.as_secs_f64();
    let low = bola.low.as_secs_f64().min(capacity * bola.low_share);
    let high = bola.high.as_secs_f64().min(capacity * bola.high_share);
    let utility = |rung: Rung| {
        1.0 + libm::log(f64::from(ladder.bitrate_bps(rung)) / f64::from(ladder.bitrate_bps(Rung(0))))
    };
    // A ladder of one rung, or thresholds that leave no room between them, divide by zero; no comparison with what comes
    // of that holds, and the lowest rung stays.
    let offset = (utility(ladder.top()) - 1.0) / (high / low - 1.0);
    let control = low / offset;
    let score = |rung: Rung| {
        let gain = control * (utility(rung) + offset) - state.buffer.as_secs_f64();
        gain / f64::from(ladder.bitrate_bps(rung))
    };
    let mut best = Rung(0);
    for rung in ladder.rungs().skip(1) {
        if score(rung) > score(best) {
            best = rung;
        }
    }
    best
}
