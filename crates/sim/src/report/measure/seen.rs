//! What honest viewers saw: when their picture came, how often it stood, how good it was.
//!
//! Invariant: whether anybody is worse off than alone is decided viewer by viewer; no mean over many hides it.

use super::{Better, Measure, count, honest, over, percent, same_viewers, sum};
use crate::figures::{Run, Seen};
use crate::report::stats::{ascending, quantile};

/// A wait for the first picture that much longer than alone is a harm, in seconds.
const LATER_S: f64 = 0.5;
/// Stalls that much longer than alone are a harm, in seconds.
const LONGER_S: f64 = 1.0;
/// So much more of the film makes good for them, in seconds.
const MORE_S: f64 = 0.1;
/// What a second of stalling costs in QoE_lin, in Mbit/s: the top of the ladder on which the measure was defined
/// (Yin et al. 2015, Mao et al. 2017).
const STALL_PENALTY: f64 = 4.3;

pub(super) const STARTUP_P50: Measure = Measure {
    key: "startup_p50_s",
    label: "start-up, median",
    unit: "s",
    better: Better::Less,
    alone_too: true,
    step: 0.02,
    means: "From coming to the first picture; half of those who saw one waited longer.",
    of: |run, _| startup(run, 0.5),
};

pub(super) const STARTUP_P95: Measure = Measure {
    key: "startup_p95_s",
    label: "start-up, 95 %",
    unit: "s",
    better: Better::Less,
    alone_too: true,
    step: 0.05,
    means: "From coming to the first picture; one in twenty of those who saw one waited longer.",
    of: |run, _| startup(run, 0.95),
};

pub(super) const NEVER_STARTED: Measure = Measure {
    key: "never_started_pct",
    label: "left before a picture",
    unit: "%",
    better: Better::Less,
    alone_too: true,
    step: 0.1,
    means: "Honest viewers who went without having seen a picture.",
    of: |run, _| percent(count(run, |seen| seen.startup_s.is_none()), count(run, |_| true)),
};

pub(super) const STALL: Measure = Measure {
    key: "stall_pct",
    label: "stall ratio",
    unit: "%",
    better: Better::Less,
    alone_too: true,
    step: 0.02,
    means: "Stalled time as a part of stalled and playing time, over all honest viewers together.",
    of: |run, _| {
        let stalled = sum(run, |seen| seen.stalled_s);
        percent(stalled, stalled + sum(run, |seen| seen.played_s))
    },
};

pub(super) const STALLED_VIEWERS: Measure = Measure {
    key: "stalled_viewers_pct",
    label: "viewers who stalled",
    unit: "%",
    better: Better::Less,
    alone_too: true,
    step: 0.2,
    means: "Of the honest viewers who saw a picture, those whose picture stood at least once.",
    of: |run, _| {
        let started = |seen: &Seen| seen.startup_s.is_some();
        percent(count(run, |seen| started(seen) && seen.stalls > 0), count(run, started))
    },
};

pub(super) const WORSE_OFF: Measure = Measure {
    key: "worse_off_pct",
    label: "worse off than alone",
    unit: "%",
    better: Better::Less,
    alone_too: false,
    step: 0.2,
    means: "Honest viewers who with the origin alone would have seen a picture at least half a second sooner, \
            or at all, or would have stalled at least a second less and seen no less.",
    of: worse_off,
};

pub(super) const MEAN_RENDITION: Measure = Measure {
    key: "mean_kbps",
    label: "mean rendition",
    unit: "kbit/s",
    better: Better::More,
    alone_too: true,
    step: 10.0,
    means: "Bitrate of what honest viewers played, by time.",
    of: |run, _| over(sum(run, |seen| seen.mean_kbps * seen.played_s), sum(run, |seen| seen.played_s)),
};

pub(super) const QOE: Measure = Measure {
    key: "qoe_mbps",
    label: "QoE_lin a segment",
    unit: "Mbit/s",
    better: Better::More,
    alone_too: true,
    step: 0.02,
    means: "Bitrate, less 4.3 for every second stalled, less every change of bitrate: the mean over all segments \
            that honest viewers played.",
    of: |run, _| {
        let segments = sum(run, |seen| f64::from(seen.segments));
        let bitrate = sum(run, |seen| seen.mean_kbps * f64::from(seen.segments));
        let switched = sum(run, |seen| seen.switched_kbps);
        let stalled = sum(run, |seen| seen.stalled_s);
        over((bitrate - switched) / 1e3 - STALL_PENALTY * stalled, segments)
    },
};

fn startup(run: &Run, q: f64) -> Option<f64> {
    quantile(&ascending(honest(run).filter_map(|seen| seen.startup_s)), q)
}

/// Viewer by viewer; `None` unless both runs had the same viewers.
fn worse_off(run: &Run, alone: Option<&Run>) -> Option<f64> {
    let alone = alone.filter(|alone| same_viewers(run, alone))?;
    let pairs = || run.viewers.iter().zip(&alone.viewers).filter(|(with, _)| with.honest);
    let worse = pairs().filter(|(with, without)| {
        let later = match (with.startup_s, without.startup_s) {
            (Some(with), Some(without)) => with >= without + LATER_S,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        // Whoever waits for the first picture does not stall meanwhile: what was seen in all decides between the two.
        let saw_more = with.played_s > without.played_s + MORE_S;
        later || with.stalled_s >= without.stalled_s + LONGER_S && !saw_more
    });
    percent(worse.count() as f64, pairs().count() as f64)
}
