//! When viewers come, what they do, and how they go.
//!
//! Nobody's behaviour depends on the service's quality: two runs on one seed have the same audience, whatever is changed between
//! them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rng::{Choice, Rng};

/// How many viewers come at a time: straight lines between points, nobody before the first and after the last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateCurve {
    /// Seconds from the start, and viewers a second then; times do not descend, and two points at one time are a step.
    pub points: Vec<(f64, f64)>,
}

impl RateCurve {
    /// As many all the time.
    pub fn constant(per_s: f64, length: Duration) -> Self {
        Self { points: vec![(0.0, per_s), (length.as_secs_f64(), per_s)] }
    }

    /// As many all the time, and from `at` on, for `lasting`, so many more that `crowd` viewers come in addition.
    pub fn flash_crowd(per_s: f64, length: Duration, at: Duration, lasting: Duration, crowd: f64) -> Self {
        let (start, lasting, length) = (at.as_secs_f64(), lasting.as_secs_f64(), length.as_secs_f64());
        let high = per_s + crowd / lasting;
        let end = start + lasting;
        Self {
            points: vec![
                (0.0, per_s),
                (start, per_s),
                (start, high),
                (end, high),
                (end, per_s),
                (length, per_s),
            ],
        }
    }

    /// A match: `base` viewers a second at first, twice as many at kick-off, `peak` times as many during the first quarter of an
    /// hour, then ever fewer until the end.
    pub fn sports_match(base_per_s: f64, peak: f64, kick_off: Duration, length: Duration) -> Self {
        let (kick_off, length) = (kick_off.as_secs_f64(), length.as_secs_f64());
        let quarter = 900.0f64.min((length - kick_off) / 4.0);
        Self {
            points: vec![
                (0.0, base_per_s),
                (kick_off, 2.0 * base_per_s),
                (kick_off + quarter / 3.0, peak * base_per_s),
                (kick_off + quarter, peak * base_per_s),
                (kick_off + 2.0 * quarter, base_per_s),
                (length, 0.0),
            ],
        }
    }

    /// How many come in all, in the mean.
    pub fn total(&self) -> f64 {
        self.points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum()
    }
}

/// A Poisson process whose rate follows a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    curve: RateCurve,
    /// The line in progress, by the index of its first point.
    line: usize,
    /// Seconds.
    now: f64,
}

impl Arrivals {
    /// From the first point of the curve on.
    pub fn new(curve: RateCurve) -> Self {
        let now = curve.points.first().map_or(0.0, |&(at, _)| at);
        Self { curve, line: 0, now }
    }

    /// When the next viewer comes. An exponential amount of expected viewers later, which on a straight line is a quadratic
    /// equation: no draw is thrown away.
    pub fn next(&mut self, rng: &mut Rng) -> Option<Duration> {
        let mut ahead = rng.exponential(1.0);
        while let Some(&[(start, low), (end, high)]) = self.curve.points.get(self.line..self.line + 2) {
            let slope = if end > start { (high - low) / (end - start) } else { 0.0 };
            let rate = low + slope * (self.now - start);
            let rest = (end - self.now).max(0.0);
            if ahead < rest * (rate + slope * rest / 2.0) {
                // ahead = rate t + slope t^2 / 2, in the form that does not cancel.
                let root = (rate * rate + 2.0 * slope * ahead).max(0.0).sqrt();
                self.now += 2.0 * ahead / (rate + root);
                return Some(Duration::from_secs_f64(self.now));
            }
            ahead -= rest * (rate + slope * rest / 2.0);
            self.now = end;
            self.line += 1;
        }
        None
    }
}

/// How long viewers of live video stay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveStay {
    /// The share that only looks in.
    pub zappers: f64,
    /// How long they stay, in seconds: exponential with this mean.
    pub zapper_mean_s: f64,
    /// How long the others stay, in seconds: log-normal with this median.
    pub median_s: f64,
    /// The standard deviation of its logarithm.
    pub sd_ln: f64,
    /// The share that goes without a word: a closed lid, a lost network.
    pub abrupt: f64,
}

impl Default for LiveStay {
    fn default() -> Self {
        Self { zappers: 0.22, zapper_mean_s: 45.0, median_s: 1200.0, sd_ln: 1.2, abrupt: 0.7 }
    }
}

/// One viewer of live video.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveVisit {
    /// How long it stays, if the broadcast does not end before.
    pub stays: Duration,
    /// Whether it only looks in.
    pub zaps: bool,
    /// Whether it goes without a word.
    pub abrupt: bool,
}

impl LiveStay {
    /// One viewer's.
    pub fn draw(&self, rng: &mut Rng) -> LiveVisit {
        let zaps = rng.chance(self.zappers);
        let stays = if zaps {
            rng.exponential(self.zapper_mean_s)
        } else {
            rng.log_normal(self.median_s, self.sd_ln)
        };
        LiveVisit { stays: span(stays), zaps, abrupt: rng.chance(self.abrupt) }
    }
}

/// What viewers of a catalogue do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VodHabits {
    /// How many films there are.
    pub films: usize,
    /// The exponent of their popularity (Zipf).
    pub zipf: f64,
    /// How long a viewer watches, in seconds, if the film is not over before: log-normal with this median.
    pub median_s: f64,
    /// The standard deviation of its logarithm.
    pub sd_ln: f64,
    /// The mean time between two seeks, in seconds.
    pub seek_every_s: f64,
    /// The share that goes without a word.
    pub abrupt: f64,
}

impl Default for VodHabits {
    fn default() -> Self {
        // Half are gone after ten minutes, and 37 of 100 after five: ln 2 / 2.09 is 0.332 standard deviations.
        Self { films: 1000, zipf: 0.9, median_s: 600.0, sd_ln: 2.09, seek_every_s: 300.0, abrupt: 0.7 }
    }
}

/// One viewer of a film.
#[derive(Clone, Debug, PartialEq)]
pub struct VodVisit {
    /// Which film: 0 is the most popular.
    pub film: usize,
    /// How long it stays.
    pub stays: Duration,
    /// When it seeks, from its start on, and where to: all before it goes.
    pub seeks: Vec<(Duration, Duration)>,
    /// Whether it goes without a word.
    pub abrupt: bool,
}

/// Draws the visits of a catalogue's viewers.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    habits: VodHabits,
    films: Choice,
}

impl Catalogue {
    /// With these habits.
    pub fn new(habits: VodHabits) -> Self {
        Self { films: Choice::zipf(habits.films, habits.zipf), habits }
    }

    /// The share of viewers that a film has.
    pub fn popularity(&self, film: usize) -> f64 {
        self.films.probability(film)
    }

    /// One viewer's visit, where films last `film_length`: it goes no later than that after it came, and seeks go anywhere.
    pub fn draw(&self, film_length: Duration, rng: &mut Rng) -> VodVisit {
        let film = self.films.draw(rng);
        let stays = span(rng.log_normal(self.habits.median_s, self.habits.sd_ln)).min(film_length);
        let mut seeks = Vec::new();
        let mut at = Duration::ZERO;
        loop {
            at += span(rng.exponential(self.habits.seek_every_s));
            if at >= stays {
                break;
            }
            seeks.push((at, span(rng.uniform(0.0, film_length.as_secs_f64()))));
        }
        VodVisit { film, stays, seeks, abrupt: rng.chance(self.habits.abrupt) }
    }
}

/// A span of so many seconds, a month at most: tails of distributions have no end.
fn span(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 2_592_000.0))
}
