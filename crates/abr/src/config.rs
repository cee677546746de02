//! Every rule and every number of a choice, in one place.

use core::time::Duration;

/// How rungs are chosen. The default is for a film over the open Internet, shared with neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The rule.
    pub policy: Policy,
    /// What the network is expected to give, from what it gave.
    pub prediction: Prediction,
    /// Bits per second expected before the first download.
    pub start_bps: u32,
    /// Never more than one rung above the segment before, whatever the rule says. Saves restless links from leaps that are
    /// taken back; costs fast ones the climb at the start, which a higher `start_bps` shortens.
    pub one_up: bool,
    /// What neighbours' holdings count for.
    pub swarm: Swarm,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policy: Policy::RobustMpc(Mpc::default()),
            prediction: Prediction::Kalman { noise_ratio: 0.3 },
            start_bps: 1_000_000,
            one_up: true,
            swarm: Swarm::default(),
        }
    }
}

/// The rule that chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    /// The highest rung within `safety` times the predicted throughput. Blind to the buffer.
    Throughput {
        /// Share of the prediction that is used, such as 0.9.
        safety: f64,
    },
    /// The buffer alone decides. Blind to throughput.
    Bola(Bola),
    /// The best of all plans for the next segments at a cautious prediction.
    RobustMpc(Mpc),
}

/// Where the rungs of the buffer rule lie (BOLA-BASIC: Spiteri, Urgaonkar and Sitaraman 2016).
///
/// Both thresholds shrink with the capacity of the buffer: ones that a buffer can never reach would keep a live viewer on
/// the lowest rung for ever. The upper may lie somewhat beyond what the buffer holds; then the highest rungs are out of
/// reach, as a download at one would empty so short a buffer too often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bola {
    /// Up to this buffer the lowest rung.
    pub low: Duration,
    /// From this buffer on the highest.
    pub high: Duration,
    /// `low` is at most this multiple of the capacity.
    pub low_share: f64,
    /// `high` is at most this multiple of the capacity.
    pub high_share: f64,
}

impl Default for Bola {
    fn default() -> Self {
        Self { low: Duration::from_secs(10), high: Duration::from_secs(30), low_share: 0.5, high_share: 1.2 }
    }
}

/// How plans are made and compared (RobustMPC: Yin, Jindal, Sekar and Sinopoli 2015, but for [`Caution::Spread`]).
///
/// A plan is worth the bits its segments show, less what its stalls and switches cost. Both costs are in seconds of media,
/// so that they mean the same on every ladder and for every segment duration. With segments of 4 s the defaults are the
/// weights of the usual linear quality (a stalled second costs the top bitrate, a switch its difference).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mpc {
    /// Segments planned ahead. The work grows as rungs to this power.
    pub horizon: usize,
    /// What a stalled second costs: so many seconds of the top rung.
    pub stall_s: f64,
    /// What a switch costs: so many seconds of the difference.
    pub switch_s: f64,
    /// How much of the prediction is believed.
    pub caution: Caution,
}

impl Default for Mpc {
    fn default() -> Self {
        Self { horizon: 5, stall_s: 4.0, switch_s: 4.0, caution: Caution::default() }
    }
}

/// How much of the predicted throughput a plan counts on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Caution {
    /// As RobustMPC was published: `factor / (1 + e)`, where `e` is the largest of the last five relative errors. One slow
    /// segment weighs for five, one fast segment as much.
    LargestError {
        /// 1.0 is as published.
        factor: f64,
    },
    /// What a prediction that errs as it did lately will most likely be exceeded by: so much as `deviations` standard
    /// deviations of its error, in the logarithm, leave. A steady link is believed nearly whole, a restless one is not.
    ///
    /// A plan ends after some segments and spends freely what a long buffer holds beyond; `slack` is kept back for that.
    Spread {
        /// Standard deviations below the prediction.
        deviations: f64,
        /// Share kept back with a buffer of `slack_at` or more; with a shorter one, proportionally less.
        slack: f64,
        /// The capacity from which the whole of `slack` is kept back.
        slack_at: Duration,
    },
}

impl Default for Caution {
    fn default() -> Self {
        Self::Spread { deviations: 1.25, slack: 0.1, slack_at: Duration::from_secs(60) }
    }
}

/// How throughput is predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prediction {
    /// The harmonic mean of the last five downloads.
    Harmonic,
    /// A Kalman filter for a level that wanders, in the logarithm: throughput errs by factors.
    Kalman {
        /// Variance of the level's step over that of a measurement, such as 0.3.
        noise_ratio: f64,
    },
}

/// What it counts for that neighbours hold the next segment at a rung.
///
/// Viewers of one film on slightly different links would settle on different rungs and have little to give each other. A
/// rung that enough neighbours hold draws a choice beside it, by one rung at most. Where the origin is slow
/// ([`crate::State::origin_is_slow`]) only what any neighbour holds is chosen, if there is such a rung: what nobody holds
/// comes late, whatever its bitrate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swarm {
    /// Neighbours that must hold it.
    pub holders: u32,
    /// What being held is worth: the logarithm of the bitrate ratio that is stepped over for it. 0 is nothing.
    pub bonus: f64,
}

impl Default for Swarm {
    fn default() -> Self {
        Self { holders: 3, bonus: 0.5 }
    }
}
