//! A scenario: a question about an audience, and everything its answer depends on.
//!
//! Invariant: a scenario that [`Scenario::check`] lets pass can be run. What a file does not say has a default, so that a
//! scenario says only what matters for its question.

use core::time::Duration;

use manifest::digest::{Hash, root};
use manifest::{Index, Kind, Rendition, Segment};
use serde::Deserialize;
use swarm::{Time, Topology};

use crate::population::{AccessClass, Population, Uplink};
use crate::report::Bounds;
use crate::rng::Rng;
use crate::sessions::{LiveStay, RateCurve, VodHabits};

/// What is asked, of whom, and under which circumstances.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The question it answers, as a sentence.
    pub question: String,
    /// How long it lasts, in seconds.
    pub seconds: f64,
    /// What there is to watch.
    #[serde(default)]
    pub film: Film,
    /// Set where the film is live: its length and catalogue do not count then, and its segments are the parts that are
    /// published one by one.
    pub live: Option<Live>,
    /// Who watches.
    pub audience: Audience,
    /// The origin, or the CDN before it.
    #[serde(default)]
    pub origin: OriginSettings,
    /// Where viewers find each other.
    #[serde(default)]
    pub tracker: TrackerSettings,
    /// How viewers' peers are set.
    #[serde(default)]
    pub peer: PeerSettings,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// What must hold of the figures.
    #[serde(default)]
    pub bounds: Bounds,
}

/// One film, or as many alike as the audience's catalogue has.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Film {
    /// How long it is, in seconds.
    pub seconds: f64,
    /// How long a segment is, in seconds.
    pub segment_s: f64,
    /// How long a piece is: 16, 32 or 64 KiB.
    pub piece_kib: u32,
    /// The renditions of pictures, in kbit/s, lowest first.
    pub rungs_kbps: Vec<u32>,
    /// The rendition of sound, in kbit/s.
    pub audio_kbps: u32,
}

impl Default for Film {
    fn default() -> Self {
        Self {
            seconds: 600.0,
            segment_s: 4.0,
            piece_kib: 32,
            rungs_kbps: vec![350, 750, 1600, 3000],
            audio_kbps: 128,
        }
    }
}

/// A live stream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// How far behind the live edge players are, in seconds.
    pub buffer_s: f64,
    /// How long a segment is, in seconds: players change renditions between segments, not between parts.
    pub segment_s: f64,
    /// How the stream spreads.
    pub topology: Spreads,
    /// How long viewers stay.
    pub stay: LiveStay,
}

impl Default for Live {
    fn default() -> Self {
        Self { buffer_s: 10.0, segment_s: 2.0, topology: Spreads::default(), stay: LiveStay::default() }
    }
}

impl Live {
    /// Parts of a segment.
    pub fn parts(&self, film: &Film) -> u32 {
        ((self.segment_s / film.segment_s) as u32).max(1)
    }
}

/// A topology by name, or with as many stripes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spreads {
    /// [`Topology::MESH`].
    Mesh,
    /// [`Topology::TREE`].
    Tree,
    /// [`Topology::HYBRID`].
    #[default]
    Hybrid,
    /// The same with so many stripes.
    Striped(u8),
}

impl Spreads {
    /// As the core takes it.
    pub fn setting(self) -> Topology {
        match self {
            Self::Mesh => Topology::MESH,
            Self::Tree => Topology::TREE,
            Self::Hybrid => Topology::HYBRID,
            Self::Striped(stripes) => Topology { stripes, ..Topology::HYBRID },
        }
    }
}

/// Who comes, when, and how they are connected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// How many come.
    pub viewers: u32,
    /// When: seconds, and how many come then compared with other times. Scaled so that `viewers` come in the mean.
    pub come: RateCurve,
    /// How they are connected.
    #[serde(default)]
    pub population: People,
    /// What they choose from and how long they stay. Left out, all watch one film to its end.
    pub catalogue: Option<VodHabits>,
}

/// A population by name, or one's own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum People {
    /// [`Population::fixed_2025`].
    #[default]
    #[serde(rename = "fixed-2025")]
    Fixed2025,
    /// [`Population::dsl_2007`] at the top rate of the film, a fifth of them strong.
    #[serde(rename = "dsl-2007")]
    Dsl2007,
    /// All that a file says itself.
    Own(Population),
}

/// What the origin can do and costs.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginSettings {
    /// What it sends to all together, in Mbit/s; left out: as much as is asked.
    pub total_mbps: Option<f64>,
    /// What one connection gets at most, in Mbit/s.
    pub connection_mbps: f64,
    /// The round trip to it, in milliseconds.
    pub rtt_ms: f64,
    /// What 10^9 bytes cost.
    pub price_per_gb: f64,
    /// In which currency.
    pub currency: String,
    /// When it is away: from, to, in seconds.
    pub away_s: Vec<(f64, f64)>,
}

impl Default for OriginSettings {
    fn default() -> Self {
        Self {
            total_mbps: None,
            connection_mbps: 100.0,
            rtt_ms: 30.0,
            price_per_gb: 0.01,
            currency: "USD".to_owned(),
            away_s: Vec::new(),
        }
    }
}

/// Where viewers find each other.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackerSettings {
    /// The round trip to it, in milliseconds.
    pub rtt_ms: f64,
    /// When it is away: from, to, in seconds.
    pub away_s: Vec<(f64, f64)>,
}

impl Default for TrackerSettings {
    fn default() -> Self {
        Self { rtt_ms: 40.0, away_s: Vec::new() }
    }
}

/// How viewers' peers are set.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeerSettings {
    /// The share of its uplink that a viewer lends.
    pub use_of_uplink: f64,
    /// What it lends at most, in Mbit/s.
    pub most_upload_mbps: f64,
    /// Connections to have; left out: the core's default.
    pub links: Option<usize>,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self { use_of_uplink: 0.5, most_upload_mbps: 20.0, links: None }
    }
}

/// What goes wrong, drawn from the seed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Many go at once, without a word.
    pub crash: Vec<Crash>,
    /// The share of viewers who forge every piece they send.
    pub forgers: f64,
    /// The share who say that they share, and send nothing.
    pub silent: f64,
    /// The share who share nothing.
    pub free_riders: f64,
    /// The share who say they hold all, and refuse.
    pub liars: f64,
    /// The share who say they are fast, and send a piece a second.
    pub drips: f64,
    /// The share who say they hold all, and forge some pieces: the same as all of their kind.
    pub colluders: f64,
    /// The share of the pieces that those forge.
    pub colluders_forge: f64,
    /// The share who say they hold all, forge every piece, and come back under a new name.
    pub whitewashers: f64,
    /// How often those change their name, in seconds.
    pub whitewash_s: f64,
    /// A tracker in an enemy's hand.
    pub eclipse: Option<Eclipse>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            crash: Vec::new(),
            forgers: 0.0,
            silent: 0.0,
            free_riders: 0.0,
            liars: 0.0,
            drips: 0.0,
            colluders: 0.0,
            colluders_forge: 0.25,
            whitewashers: 0.0,
            whitewash_s: 10.0,
            eclipse: None,
        }
    }
}

impl Faults {
    /// The shares of the audience who break the rules, by kind.
    fn shares(&self) -> [f64; 7] {
        let Self { forgers, silent, free_riders, liars, drips, colluders, whitewashers, .. } = *self;
        [forgers, silent, free_riders, liars, drips, colluders, whitewashers]
    }
}

/// The tracker names only those who break the rules to some, and hides those from all who do not.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eclipse {
    /// The share of the honest viewers to whom it does.
    pub share: f64,
    /// How long after each has come, in seconds; then it names one honest viewer to it, too.
    pub until_s: f64,
}

/// Many go at once.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// When, in seconds.
    pub at_s: f64,
    /// Which share of those who are there.
    pub share: f64,
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Wrong {
    /// The setting, as a file names it.
    pub place: &'static str,
    /// What is the matter with it.
    pub what: String,
}

impl Scenario {
    /// Finds the first thing that cannot be.
    pub fn check(&self) -> Result<(), Wrong> {
        let wrong = |place, what: &str| Err(Wrong { place, what: what.to_owned() });
        let time = |s: f64| (0.0..=MOST_SECONDS).contains(&s);
        let share = |s: f64| (0.0..=1.0).contains(&s);
        let faults = self.faults.shares();
        if !(1.0..=MOST_SECONDS).contains(&self.seconds) {
            return wrong("seconds", "must be from 1 to 604800");
        }
        if !(1..=MOST_VIEWERS).contains(&self.audience.viewers) {
            return wrong("audience.viewers", "must be from 1 to 10000000");
        }
        let points = &self.audience.come.points;
        if points.iter().any(|&(at, rate)| !time(at) || !(0.0..=1e9).contains(&rate))
            || points.windows(2).any(|pair| pair[0].0 > pair[1].0)
        {
            return wrong("audience.come", "takes pairs of seconds, which do not descend, and weights");
        }
        if !(1e-6..=1e12).contains(&self.audience.come.total()) {
            return wrong("audience.come", "lets nobody come: give two points or more");
        }
        if points.first().is_none_or(|&(at, _)| at >= self.seconds) {
            return wrong("audience.come", "begins when all is over");
        }
        if let Some(habits) = &self.audience.catalogue
            && (!(1..=1_000_000).contains(&habits.films)
                || ![habits.median_s, habits.seek_every_s].iter().all(|s| (1.0..=MOST_SECONDS).contains(s))
                || ![habits.sd_ln, habits.zipf].iter().all(|x| (0.0..=10.0).contains(x))
                || !share(habits.abrupt))
        {
            return wrong(
                "audience.catalogue",
                "needs 1 to 1000000 films, spans of 1 s and more, and shares",
            );
        }
        if let People::Own(own) = &self.audience.population
            && (own.access.is_empty() || !own.access.iter().all(is_line) || !share(own.may_upload))
        {
            return wrong(
                "audience.population",
                "needs access classes with shares from 0 to 1 and rates above 0",
            );
        }
        if !faults.iter().all(|&s| share(s)) || faults.iter().sum::<f64>() > 1.0 {
            return wrong("faults", "takes shares from 0 to 1 that add up to 1 at most");
        }
        if !share(self.faults.colluders_forge) {
            return wrong("faults.colluders_forge", "must be from 0 to 1");
        }
        if !(1.0..=MOST_SECONDS).contains(&self.faults.whitewash_s) {
            return wrong("faults.whitewash_s", "must be from 1 to 604800");
        }
        if self.faults.eclipse.is_some_and(|eclipse| !share(eclipse.share) || !time(eclipse.until_s)) {
            return wrong("faults.eclipse", "takes a share from 0 to 1 and a time in seconds");
        }
        if self.faults.crash.iter().any(|crash| !time(crash.at_s) || !share(crash.share)) {
            return wrong("faults.crash", "takes a time in seconds and a share from 0 to 1");
        }
        if self.peer.links.is_some_and(|links| !(1..=100).contains(&links)) {
            return wrong("peer.links", "must be from 1 to 100");
        }
        if !share(self.peer.use_of_uplink) || !(0.0..=1e5).contains(&self.peer.most_upload_mbps) {
            return wrong("peer", "takes a share from 0 to 1 and a rate in Mbit/s");
        }
        let origin = &self.origin;
        let rate = |mbps: f64| (1e-3..=1e7).contains(&mbps);
        if !(rate(origin.connection_mbps) && origin.total_mbps.is_none_or(rate)) {
            return wrong("origin", "needs rates from 0.001 Mbit/s on");
        }
        for (place, away) in [("origin.away_s", &origin.away_s), ("tracker.away_s", &self.tracker.away_s)] {
            let pairs = away.iter().all(|&(from, to)| time(from) && time(to) && at(from) < at(to));
            if !pairs || away.windows(2).any(|pair| pair[0].1 > pair[1].0) {
                return wrong(place, "takes pairs of seconds, from and to, one after the other");
            }
        }
        if ![origin.rtt_ms, self.tracker.rtt_ms].iter().all(|ms| (0.0..=60_000.0).contains(ms)) {
            return wrong("rtt_ms", "must be from 0 to 60000");
        }
        if let Some(live) = &self.live {
            let LiveStay { zappers, zapper_mean_s, median_s, sd_ln, abrupt } = live.stay;
            let stripes = live.topology.setting().stripes;
            if !(1.0..=25.0).contains(&live.buffer_s) || !(1..=wire::MAX_STRIPES).contains(&stripes) {
                return wrong("live", "needs a buffer of 1 to 25 s, and 1 to 8 stripes");
            }
            if !share(zappers)
                || !share(abrupt)
                || !time(zapper_mean_s)
                || !time(median_s)
                || !(0.0..=10.0).contains(&sd_ln)
            {
                return wrong("live.stay", "needs shares from 0 to 1 and spans in seconds");
            }
            if self.audience.catalogue.is_some() {
                return wrong("audience.catalogue", "has no meaning where the film is live");
            }
        }
        let film = &self.film;
        if !(0.1..=60.0).contains(&film.segment_s) || !(film.segment_s..=MOST_SECONDS).contains(&film.seconds)
        {
            return wrong("film", "needs segments of 0.1 to 60 s, and one of them at least");
        }
        let rates = film.rungs_kbps.iter().chain([&film.audio_kbps]);
        if film.rungs_kbps.len() >= manifest::MAX_RENDITIONS || film.count() as usize > manifest::MAX_SEGMENTS
        {
            return wrong("film", "has more renditions or segments than an index");
        }
        if film.rungs_kbps.is_empty() || rates.into_iter().any(|kbps| !(1..=200_000).contains(kbps)) {
            return wrong("film.rungs_kbps", "needs rates from 1 to 200000 kbit/s");
        }
        if !film.rungs_kbps.is_sorted_by(|a, b| a < b) {
            return wrong("film.rungs_kbps", "must ascend");
        }
        // Segments of other films may be longer, but none by more than this.
        let longest =
            Film { rungs_kbps: vec![film.rungs_kbps[film.rungs_kbps.len() - 1] * 2], ..film.clone() };
        [film.index(0), longest.index(0)]
            .iter()
            .try_for_each(|index| index.validate())
            .or_else(|error| wrong("film", &error.to_string()))
    }

    /// The scenario with another number of viewers; an origin with a limit keeps it.
    #[must_use]
    pub fn with_viewers(mut self, viewers: u32) -> Self {
        self.audience.viewers = viewers;
        self
    }

    /// Who its people are.
    pub fn population(&self) -> Population {
        match &self.audience.population {
            People::Fixed2025 => Population::fixed_2025(),
            People::Dsl2007 => Population::dsl_2007(self.film.top_mbps(), 0.2),
            People::Own(own) => own.clone(),
        }
    }
}

fn is_line(class: &AccessClass) -> bool {
    let rates = match class.uplink {
        Uplink::LogNormal { median_mbps, sd_ln } => [median_mbps, 1.0 + sd_ln],
        Uplink::Uniform { from_mbps, to_mbps } => [from_mbps, to_mbps],
    };
    let above_0 = |x: &f64| (1e-3..=1e6).contains(x);
    (0.0..=1.0).contains(&class.share)
        && rates.iter().chain([&class.down_per_up]).all(above_0)
        && (0.0..=1e3).contains(&class.height_ms)
        && (0.0..=1.0).contains(&class.loss)
}

const MOST_SECONDS: f64 = 604_800.0;
const MOST_VIEWERS: u32 = 10_000_000;

impl Film {
    /// Its length.
    pub fn length(&self) -> Duration {
        self.segment() * self.count()
    }

    /// The length of a segment.
    pub fn segment(&self) -> Duration {
        Duration::from_millis((self.segment_s * 1000.0) as u64)
    }

    /// The highest rate with sound, in Mbit/s.
    pub fn top_mbps(&self) -> f64 {
        f64::from(self.rungs_kbps.last().copied().unwrap_or(0) + self.audio_kbps) / 1000.0
    }

    /// How many segments each rendition has.
    pub fn count(&self) -> u32 {
        ((self.seconds / self.segment_s) as u32).max(1)
    }

    /// The index of the film with this number in the catalogue. Sizes vary from segment to segment by a quarter either way, as
    /// those of encoders with a rate limit do, and alike in all renditions. Pictures first, sound last.
    pub fn index(&self, number: usize) -> Index {
        let duration_ms = self.segment().as_millis() as u32;
        let mut rng = Rng::stream(0, number as u64, "film");
        let factors: Vec<f64> = (0..self.count()).map(|_| rng.uniform(0.75, 1.25)).collect();
        let rendition = |(place, (&kbps, kind)): (usize, (&u32, Kind))| Rendition {
            id: format!("r{place}"),
            kind,
            bandwidth_bps: kbps * 1000,
            init: Hash([0; 32]),
            segments: factors
                .iter()
                .enumerate()
                .map(|(i, factor)| Segment {
                    duration_ms,
                    size: ((f64::from(kbps) * f64::from(duration_ms) / 8.0 * factor) as u32).max(1),
                    // Roots are never computed from media here: they only have to tell films apart.
                    root: root(
                        &[&number.to_le_bytes()[..], &[place as u8], &(i as u32).to_le_bytes()].concat(),
                    ),
                })
                .collect(),
        };
        let kinds = self.rungs_kbps.iter().map(|kbps| (kbps, Kind::Video));
        let all = kinds.chain([(&self.audio_kbps, Kind::Audio)]).enumerate();
        Index { piece_len: self.piece_kib * 1024, renditions: all.map(rendition).collect() }
    }
}

/// Seconds of a scenario as a time of its run.
pub(crate) fn at(seconds: f64) -> Time {
    Time((seconds * 1e6) as u64)
}
