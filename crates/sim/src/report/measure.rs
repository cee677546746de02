//! What is measured of a run, one definition a row.
//!
//! Invariant: a row's definition is in this file and nowhere else, and its sentence says what its function computes. Rows
//! about what viewers saw count honest viewers only: what befalls a cheat is nobody's concern.
//!
//! *Received* is what a viewer got from the origin and from peers together and that passed the check, duplicates and bytes
//! that were never played among it. A *viewer-hour* is an hour of anybody's stay, honest or not: the origin serves both.

use serde::Serialize;

use super::stats::{ascending, quantile};
use crate::figures::{Run, Seen};

/// One figure that a run gives.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name in bounds and baselines.
    pub key: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its unit; may be empty.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// Whether it means something with the origin alone.
    pub alone_too: bool,
    /// The least difference between two versions that is worth a word, in the unit.
    pub step: f64,
    /// What it is, as a sentence.
    pub means: &'static str,
    pub(super) of: fn(&Run, Option<&Run>) -> Option<f64>,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More.
    More,
    /// Less.
    Less,
    /// Neither: it describes the scenario.
    Neither,
    /// More, but of the machine rather than of the product: kept out of baselines.
    Machine,
}

impl Measure {
    /// The measure with this key.
    pub fn named(key: &str) -> Option<&'static Self> {
        MEASURES.iter().find(|measure| measure.key == key)
    }
}

/// A wait for the first picture that much longer than alone is a harm, in seconds.
const LATER_S: f64 = 0.5;
/// Stalls that much longer than alone are a harm, in seconds.
const LONGER_S: f64 = 1.0;
/// So much more of the film makes good for them, in seconds.
const MORE_S: f64 = 0.1;
/// What a second of stalling costs in QoE_lin, in Mbit/s: the top of the ladder on which the measure was defined
/// (Yin et al. 2015, Mao et al. 2017).
const STALL_PENALTY: f64 = 4.3;

/// Every row, in the order in which it is read.
pub const MEASURES: &[Measure] = &[
    Measure {
        key: "viewers",
        label: "viewers",
        unit: "",
        better: Better::Neither,
        alone_too: true,
        step: 0.0,
        means: "All who came in the course of the run.",
        of: |run, _| Some(run.viewers.len() as f64),
    },
    Measure {
        key: "peer_seconds",
        label: "simulated",
        unit: "peer-s",
        better: Better::Neither,
        alone_too: true,
        step: 0.0,
        means: "How long all viewers together stayed.",
        of: |run, _| Some(hours(run) * 3600.0),
    },
    Measure {
        key: "offload_pct",
        label: "offload",
        unit: "%",
        better: Better::More,
        alone_too: true,
        step: 0.2,
        means: "The part of the media bytes received by honest viewers that came from peers.",
        of: |run, _| percent(sum(run, |seen| seen.from_peers as f64), received(run)),
    },
    Measure {
        key: "ceiling_pct",
        label: "offload, ceiling",
        unit: "%",
        better: Better::Neither,
        alone_too: false,
        step: 0.2,
        means: "The most that could have come from peers: every uplink used, everything in time.",
        of: |run, _| Some(100.0 * run.ceiling),
    },
    Measure {
        key: "efficiency_pct",
        label: "offload of ceiling",
        unit: "%",
        better: Better::More,
        alone_too: false,
        step: 0.2,
        means: "Offload as a part of its ceiling.",
        of: |run, _| percent(sum(run, |seen| seen.from_peers as f64), received(run) * run.ceiling),
    },
    Measure {
        key: "startup_p50_s",
        label: "start-up, median",
        unit: "s",
        better: Better::Less,
        alone_too: true,
        step: 0.02,
        means: "From coming to the first picture; half of those who saw one waited longer.",
        of: |run, _| startup(run, 0.5),
    },
    Measure {
        key: "startup_p95_s",
        label: "start-up, 95 %",
        unit: "s",
        better: Better::Less,
        alone_too: true,
        step: 0.05,
        means: "From coming to the first picture; one in twenty of those who saw one waited longer.",
        of: |run, _| startup(run, 0.95),
    },
    Measure {
        key: "never_started_pct",
        label: "left before a picture",
        unit: "%",
        better: Better::Less,
        alone_too: true,
        step: 0.1,
        means: "Honest viewers who went without having seen a picture.",
        of: |run, _| percent(count(run, |seen| seen.startup_s.is_none()), count(run, |_| true)),
    },
    Measure {
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
    },
    Measure {
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
    },
    Measure {
        key: "worse_off_pct",
        label: "worse off than alone",
        unit: "%",
        better: Better::Less,
        alone_too: false,
        step: 0.2,
        means: "Honest viewers who with the origin alone would have seen a picture at least half a second sooner, \
                or at all, or would have stalled at least a second less and seen no less.",
        of: worse_off,
    },
    Measure {
        key: "mean_kbps",
        label: "mean rendition",
        unit: "kbit/s",
        better: Better::More,
        alone_too: true,
        step: 10.0,
        means: "Bitrate of what honest viewers played, by time.",
        of: |run, _| over(sum(run, |seen| seen.mean_kbps * seen.played_s), sum(run, |seen| seen.played_s)),
    },
    Measure {
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
    },
    Measure {
        key: "duplicate_pct",
        label: "duplicates",
        unit: "%",
        better: Better::Less,
        alone_too: true,
        step: 0.05,
        means: "Media bytes that were held already when they came, of those received.",
        of: |run, _| percent(sum(run, |seen| seen.duplicate as f64), received(run)),
    },
    Measure {
        key: "unused_pct",
        label: "never played",
        unit: "%",
        better: Better::Less,
        alone_too: true,
        step: 0.2,
        means: "Media bytes that came and were never played, of those received.",
        of: |run, _| percent(sum(run, |seen| seen.unused as f64), received(run)),
    },
    Measure {
        key: "control_pct",
        label: "control",
        unit: "%",
        better: Better::Less,
        alone_too: false,
        step: 0.02,
        means: "Bytes of messages between peers that are no media, as a part of media bytes received.",
        of: |run, _| percent(sum(run, |seen| seen.control as f64), received(run)),
    },
    Measure {
        key: "refused_mb",
        label: "refused",
        unit: "MB",
        better: Better::Neither,
        alone_too: false,
        step: 0.1,
        means: "Media that came to honest viewers and failed the check.",
        of: |run, _| Some(sum(run, |seen| seen.refused as f64) / 1e6),
    },
    Measure {
        key: "wasted_pct",
        label: "wasted",
        unit: "%",
        better: Better::Less,
        alone_too: false,
        step: 0.05,
        means: "Media that failed the check, of all that came to honest viewers.",
        of: |run, _| {
            let refused = sum(run, |seen| seen.refused as f64);
            percent(refused, received(run) + refused)
        },
    },
    Measure {
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
    },
    Measure {
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
    },
    Measure {
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
    },
    Measure {
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
    },
    Measure {
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
    },
    Measure {
        key: "delay_mean_s",
        label: "piece delay, mean",
        unit: "s",
        better: Better::Less,
        alone_too: false,
        step: 0.02,
        means: "Of a live stream: from the birth of a piece to its arrival from a peer, at viewers who have been there for as long as they are behind.",
        of: |run, _| run.delay.map(|delay| delay.mean_s),
    },
    Measure {
        key: "delay_p50_s",
        label: "piece delay, median",
        unit: "s",
        better: Better::Less,
        alone_too: false,
        step: 0.02,
        means: "The same; half took longer.",
        of: |run, _| run.delay.map(|delay| delay.quantiles_s[0]),
    },
    Measure {
        key: "delay_p90_s",
        label: "piece delay, 90 %",
        unit: "s",
        better: Better::Less,
        alone_too: false,
        step: 0.05,
        means: "The same; one in ten took longer.",
        of: |run, _| run.delay.map(|delay| delay.quantiles_s[1]),
    },
    Measure {
        key: "delay_p99_s",
        label: "piece delay, 99 %",
        unit: "s",
        better: Better::Less,
        alone_too: false,
        step: 0.1,
        means: "The same; one in a hundred took longer.",
        of: |run, _| run.delay.map(|delay| delay.quantiles_s[2]),
    },
    Measure {
        key: "delay_bound_s",
        label: "piece delay, bound",
        unit: "s",
        better: Better::Neither,
        alone_too: false,
        step: 0.02,
        means: "The least time in which the last viewer can have a piece, if all uplinks were alike: the postal bound.",
        of: |run, _| run.delay.map(|delay| delay.postal_s),
    },
    Measure {
        key: "delay_of_bound",
        label: "piece delay, mean of bound",
        unit: "",
        better: Better::Less,
        alone_too: false,
        step: 0.05,
        means: "Mean piece delay as a multiple of the postal bound.",
        of: |run, _| run.delay.map(|delay| delay.mean_s / delay.postal_s.max(1e-9)),
    },
    Measure {
        key: "copies",
        label: "origin, copies a segment",
        unit: "",
        better: Better::Less,
        alone_too: true,
        step: 0.05,
        means: "How many copies of a segment left the origin: the mean over segments that anybody watched.",
        of: |run, _| {
            let copies = run.copies.iter().map(|&(copies, n)| f64::from(copies) * f64::from(n)).sum();
            over(copies, run.copies.iter().map(|&(_, n)| f64::from(n)).sum())
        },
    },
    Measure {
        key: "origin_requests_per_hour",
        label: "origin, requests",
        unit: "/viewer-h",
        better: Better::Less,
        alone_too: true,
        step: 2.0,
        means: "What the origin was asked for, by hour of a viewer's stay.",
        of: |run, _| over(run.origin_requests as f64, hours(run)),
    },
    Measure {
        key: "origin_mb_per_hour",
        label: "origin, media",
        unit: "MB/viewer-h",
        better: Better::Less,
        alone_too: true,
        step: 1.0,
        means: "Media that the origin sent, by hour of a viewer's stay.",
        of: |run, _| over(run.origin_bytes as f64 / 1e6, hours(run)),
    },
    Measure {
        key: "origin_peak_mbps",
        label: "origin, peak",
        unit: "Mbit/s",
        better: Better::Less,
        alone_too: true,
        step: 1.0,
        means: "The most that the origin sent in one step of the series.",
        of: |run, _| Some(run.origin_peak_bps / 1e6),
    },
    Measure {
        key: "cost_per_hour",
        label: "origin, cost",
        unit: "/viewer-h",
        better: Better::Less,
        alone_too: true,
        step: 0.0,
        means: "What the origin's bytes cost, by hour of a viewer's stay.",
        of: |run, _| over(run.origin_cost, hours(run)),
    },
    Measure {
        key: "received_gb",
        label: "media received",
        unit: "GB",
        better: Better::Neither,
        alone_too: true,
        step: 0.0,
        means: "What honest viewers got from the origin and from peers.",
        of: |run, _| Some(received(run) / 1e9),
    },
    Measure {
        key: "events_per_s",
        label: "simulator",
        unit: "events/s",
        better: Better::Machine,
        alone_too: false,
        step: 0.0,
        means: "Events handled in a second of the machine's clock.",
        of: |run, _| over(run.events as f64, run.wall_s),
    },
];

fn honest(run: &Run) -> impl Iterator<Item = &Seen> {
    run.viewers.iter().filter(|seen| seen.honest)
}

fn sum(run: &Run, of: impl Fn(&Seen) -> f64) -> f64 {
    honest(run).map(of).sum()
}

fn count(run: &Run, counts: impl Fn(&Seen) -> bool) -> f64 {
    honest(run).filter(|seen| counts(seen)).count() as f64
}

fn victims(run: &Run, of: impl Fn(&Seen) -> f64) -> f64 {
    sum(run, |seen| if seen.victim { of(seen) } else { 0.0 })
}

fn received(run: &Run) -> f64 {
    sum(run, |seen| seen.from_origin as f64 + seen.from_peers as f64)
}

fn hours(run: &Run) -> f64 {
    run.viewers.iter().map(|seen| seen.stayed_s).sum::<f64>() / 3600.0
}

fn over(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn percent(part: f64, whole: f64) -> Option<f64> {
    over(100.0 * part, whole)
}

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

/// Whether the viewers of two runs came at the same times, so that they can be compared one by one.
pub(super) fn same_viewers(one: &Run, other: &Run) -> bool {
    let mut pairs = one.viewers.iter().zip(&other.viewers);
    one.viewers.len() == other.viewers.len() && pairs.all(|(a, b)| (a.came_s - b.came_s).abs() < 1e-3)
}
