//! What is measured of a run, one definition a row.
//!
//! Invariant: a row's definition is in this folder, under its subject, and nowhere else, and its sentence says what its function
//! computes; the order of rows is here. Rows about what viewers saw count honest viewers only: what befalls a cheat is nobody's
//! concern.
//!
//! *Received* is what a viewer got from the origin and from peers together and that passed the check, duplicates and bytes
//! that were never played among it. A *viewer-hour* is an hour of anybody's stay, honest or not: the origin serves both.

mod delay;
mod enemies;
mod media;
mod origin;
mod run;
mod seen;
mod sites;

use serde::Serialize;

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

/// Every row, in the order in which it is read.
pub const MEASURES: &[Measure] = &[
    run::VIEWERS,
    run::PEER_SECONDS,
    media::OFFLOAD,
    media::CEILING,
    media::EFFICIENCY,
    seen::STARTUP_P50,
    seen::STARTUP_P95,
    seen::NEVER_STARTED,
    seen::STALL,
    seen::STALLED_VIEWERS,
    seen::WORSE_OFF,
    seen::MEAN_RENDITION,
    seen::QOE,
    media::DUPLICATE,
    media::UNUSED,
    media::CONTROL,
    media::REFUSED,
    media::WASTED,
    enemies::LET_GO,
    enemies::FREE_RIDERS,
    enemies::AMONG_ENEMIES,
    enemies::VICTIMS_STALL,
    enemies::EXCHANGE,
    delay::MEAN,
    delay::P50,
    delay::P90,
    delay::P99,
    delay::BOUND,
    delay::OF_BOUND,
    origin::COPIES,
    origin::REQUESTS,
    origin::MEDIA,
    origin::PEAK,
    origin::COST,
    sites::LINE_COPIES,
    sites::BETWEEN_APART,
    media::RECEIVED,
    run::EVENTS,
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

/// Whether the viewers of two runs came at the same times, so that they can be compared one by one.
pub(super) fn same_viewers(one: &Run, other: &Run) -> bool {
    let mut pairs = one.viewers.iter().zip(&other.viewers);
    one.viewers.len() == other.viewers.len() && pairs.all(|(a, b)| (a.came_s - b.came_s).abs() < 1e-3)
}
