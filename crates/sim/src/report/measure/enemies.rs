//! What those who harm or give nothing get, what becomes of viewers whom the tracker named only enemies, and which honest
//! neighbours are let go meanwhile.

use super::{Better, Measure, honest, over, percent, sum};
use crate::figures::{Run, Seen};

pub(super) const LET_GO: Measure = Measure {
    key: "let_go_per_hour",
    label: "honest let go",
    unit: "/viewer-h",
    better: Better::Less,
    alone_too: false,
    step: 0.2,
    means: "Honest neighbours that honest viewers let go for a while, as no help. One that is taken for a forger ends the \
            run as a failure.",
    of: |run, _| {
        let stayed = sum(run, |seen| seen.stayed_s) / 3600.0;
        over(sum(run, |seen| f64::from(seen.let_go)), stayed)
    },
};

pub(super) const FREE_RIDERS: Measure = Measure {
    key: "free_riders_pct",
    label: "to free riders",
    unit: "%",
    better: Better::Less,
    alone_too: false,
    step: 0.2,
    means: "The part of what peers gave that went to viewers who give nothing though they could.",
    of: |run, _| {
        let got = |rides: bool| {
            let riders = run.viewers.iter().filter(|seen| seen.rides_free || !rides);
            riders.map(|seen| seen.from_peers as f64).sum::<f64>()
        };
        let riders = run.viewers.iter().any(|seen| seen.rides_free);
        percent(got(true), got(false)).filter(|_| riders)
    },
};

pub(super) const AMONG_ENEMIES: Measure = Measure {
    key: "among_enemies_pct",
    label: "victims, from enemies",
    unit: "%",
    better: Better::Less,
    alone_too: false,
    step: 0.2,
    means: "Of the media of those to whom the tracker named only enemies, the part that came from these.",
    of: |run, _| {
        percent(
            victims(run, |seen| seen.from_enemies as f64),
            victims(run, |seen| (seen.from_origin + seen.from_peers) as f64),
        )
    },
};

pub(super) const VICTIMS_STALL: Measure = Measure {
    key: "victims_stall_pct",
    label: "victims, stall ratio",
    unit: "%",
    better: Better::Less,
    alone_too: true,
    step: 0.01,
    means: "Time that the picture of those victims stood, as a part of the time from its start.",
    of: |run, _| {
        percent(victims(run, |seen| seen.stalled_s), victims(run, |seen| seen.played_s + seen.stalled_s))
    },
};

pub(super) const EXCHANGE: Measure = Measure {
    key: "exchange_s",
    label: "victims, to an exchange",
    unit: "s",
    better: Better::Less,
    alone_too: false,
    step: 1.0,
    means: "From when one honest viewer was named to them, to the first media exchanged with one: the longest. Those who \
            went within a minute, and those whom no honest viewer could reach, do not count; one that never exchanged any \
            counts with all its time.",
    of: |run, _| {
        let waits = honest(run).filter_map(|seen| {
            let left = seen.came_s + seen.stayed_s - seen.let_in_s?;
            seen.exchanged_s.or(Some(left).filter(|&left| left >= 60.0))
        });
        waits.reduce(f64::max)
    },
};

fn victims(run: &Run, of: impl Fn(&Seen) -> f64) -> f64 {
    sum(run, |seen| if seen.victim { of(seen) } else { 0.0 })
}
