//! A scenario: a question about an audience, and everything its answer depends on.
//!
//! Invariant: a scenario that [`Scenario::check`] lets pass can be run. What a file does not say has a default, so that a
//! scenario says only what matters for its question.

use serde::Deserialize;
use swarm::{Time, Topology};

mod check;
mod film;
pub(crate) mod site;

pub use check::Wrong;
pub use film::Film;
pub use site::{Mode, Site};

use crate::population::Population;
use crate::report::Bounds;
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
    /// Places with many viewers behind one line. The rest of the audience is in none.
    #[serde(default)]
    pub sites: Vec<Site>,
    /// Set where one that keeps for others stands beside the viewers, from the start to the end.
    pub edge: Option<Edge>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// What must hold of the figures.
    #[serde(default)]
    pub bounds: Bounds,
}

/// A live stream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// How far behind the live edge players are, in seconds.
    pub buffer_s: f64,
    /// How far apart viewers are: each is further behind by up to this, in seconds.
    pub apart_s: f64,
    /// How long a segment is, in seconds: players change renditions between segments, not between parts.
    pub segment_s: f64,
    /// Whether players take a segment from its beginning to show what is within it: its first picture alone needs none
    /// before it. Otherwise they begin with any part.
    pub from_segment: bool,
    /// How the stream spreads.
    pub topology: Spreads,
    /// How long viewers stay.
    pub stay: LiveStay,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            buffer_s: 10.0,
            apart_s: 0.0,
            segment_s: 2.0,
            from_segment: false,
            topology: Spreads::default(),
            stay: LiveStay::default(),
        }
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
    /// How their players choose renditions.
    #[serde(default)]
    pub choose: Chooses,
}

/// How players choose renditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chooses {
    /// By a plan for the next segments: native players.
    #[default]
    Plan,
    /// By throughput alone, as hls.js does.
    Throughput,
}

impl Chooses {
    /// As the `abr` crate takes it.
    pub fn setting(self) -> abr::Config {
        let usual = abr::Config { start_bps: 500_000, ..abr::Config::default() };
        match self {
            Self::Plan => usual,
            Self::Throughput => abr::Config {
                policy: abr::Policy::Throughput { safety: 0.7 },
                one_up: false,
                swarm: abr::Swarm { bonus: 0.0, ..usual.swarm },
                ..usual
            },
        }
    }
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
    /// What a page with its player takes on the same line before anything is played, in kB.
    pub page_kb: f64,
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
            page_kb: 0.0,
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
    /// How long a viewer's socket to it takes to open, in milliseconds.
    pub opens_ms: f64,
    /// When it is away: from, to, in seconds.
    pub away_s: Vec<(f64, f64)>,
}

impl Default for TrackerSettings {
    fn default() -> Self {
        Self { rtt_ms: 40.0, opens_ms: 0.0, away_s: Vec::new() }
    }
}

/// An office's or a school's edge: in the middle of the network's plane, open to all.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edge {
    /// What it sends and receives, in Mbit/s.
    pub mbps: f64,
}

impl Default for Edge {
    fn default() -> Self {
        Self { mbps: 1000.0 }
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

impl Scenario {
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

/// Seconds of a scenario as a time of its run.
pub(crate) fn at(seconds: f64) -> Time {
    Time((seconds * 1e6) as u64)
}
