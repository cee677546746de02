//! One player's choice of rungs. Invariant: only what the network carried counts as throughput.

use crate::config::{Config, Policy};
use crate::forecast::Forecast;
use crate::ladder::{Ladder, Rung};
use crate::{bola, plan};
use core::time::Duration;

/// Chooses the rungs of one stream and learns from its downloads.
#[derive(Clone, Debug)]
pub struct Abr {
    config: Config,
    ladder: Ladder,
    forecast: Forecast,
}

/// One finished download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download {
    /// Bytes that came.
    pub bytes: u64,
    /// From the request to the last byte, without any time the transfer was held back on purpose.
    pub took: Duration,
    /// Where the bytes were.
    pub source: Source,
}

/// Where the bytes of a download were when it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Elsewhere: the origin's or neighbours' links carried them, and how fast they did is the measure of throughput.
    Network,
    /// Here already, in a cache or the store of pieces that peers sent ahead. How fast that was says nothing of the
    /// network, and counts for nothing.
    Store,
}

/// How the player stands when it is about to ask for a segment.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// Media ahead of the position.
    pub buffer: Duration,
    /// Media the player will hold ahead at most.
    pub capacity: Duration,
    /// Duration of a segment.
    pub segment: Duration,
    /// Rung of the segment before; `None` for the first.
    pub current: Option<Rung>,
    /// Segments still to ask for, this one included; `usize::MAX` while nobody knows.
    pub left: usize,
    /// Bytes still to come of the next segments: for each, this one first, one number a rung. May end early, or be empty:
    /// what is not there has its rung's average. 0 for what is here already.
    pub sizes: &'a [u32],
    /// Neighbours that hold this segment, one number a rung; may be empty.
    pub holders: &'a [u32],
    /// Whether the origin has too much to do to bring every viewer a rung of its own choice.
    pub origin_is_slow: bool,
}

impl Abr {
    /// A choice among the rungs of `ladder`.
    pub fn new(config: Config, ladder: Ladder) -> Self {
        let forecast = Forecast::new(config.prediction);
        Self { config, ladder, forecast }
    }

    /// Tells of a finished download, in the order they finish. One from a [`Source::Store`], of no bytes or in no time,
    /// teaches nothing.
    pub fn downloaded(&mut self, download: Download) {
        if download.source == Source::Network && download.bytes > 0 && !download.took.is_zero() {
            self.forecast.learn(download.bytes as f64 * 8.0 / download.took.as_secs_f64());
        }
    }

    /// The rung to ask for. Changes nothing: it may be asked at any time, for any state.
    pub fn choose(&self, state: &State) -> Rung {
        let top = self.ladder.top();
        let current = state.current.map(|rung| rung.min(top));
        let state = State { current, ..*state };
        let wanted = match (self.config.policy, current, self.forecast.rate_bps()) {
            (_, None, None) => self.ladder.highest_within(self.config.start_bps.into()),
            (Policy::Bola(bola), ..) => bola::rung(&bola, &self.ladder, &state),
            (Policy::Throughput { safety }, ..) => self.ladder.highest_within(self.expected_bps() * safety),
            (Policy::RobustMpc(mpc), ..) => {
                let believed =
                    self.expected_bps() * self.forecast.believed_share(mpc.caution, state.capacity);
                plan::rung(&mpc, &self.ladder, &state, believed, self.config.one_up)
            }
        };
        let highest = match current {
            Some(Rung(current)) if self.config.one_up => Rung(current + 1).min(top),
            _ => top,
        };
        let wanted = wanted.min(highest);
        if state.origin_is_slow {
            self.nearest_held(wanted, state.holders).unwrap_or(wanted)
        } else {
            self.drawn_by_holders(wanted, highest, state.holders)
        }
    }

    /// The rung to ask for instead of `asked`, for which a player waits with nothing to play: if a slow origin alone has that,
    /// and neighbours another.
    pub fn choose_instead(&self, asked: Rung, state: &State) -> Option<Rung> {
        if !state.origin_is_slow || !state.buffer.is_zero() || is_held(asked, state.holders, 1) {
            return None;
        }
        Some(self.choose(state)).filter(|&rung| is_held(rung, state.holders, 1))
    }

    /// Bits per second that the network is expected to give; [`Config::start_bps`] before the first download.
    pub fn expected_bps(&self) -> f64 {
        self.forecast.rate_bps().unwrap_or(self.config.start_bps.into())
    }

    /// How long the network would take for `bytes`: what to tell a player that measures throughput itself of a segment
    /// that came from a [`Source::Store`].
    pub fn virtual_time(&self, bytes: u64) -> Duration {
        Duration::try_from_secs_f64(bytes as f64 * 8.0 / self.expected_bps()).unwrap_or(Duration::MAX)
    }

    /// `wanted`, or a rung beside it that enough neighbours hold while `wanted` is not so held. Up only as far as
    /// `highest` and as the network would sustain alone: neighbours may leave in the middle of a segment.
    fn drawn_by_holders(&self, wanted: Rung, highest: Rung, holders: &[u32]) -> Rung {
        let swarm = self.config.swarm;
        let held = |rung| is_held(rung, holders, swarm.holders);
        if swarm.bonus <= 0.0 || held(wanted) {
            return wanted;
        }
        let up = Rung(wanted.0 + 1);
        let up =
            (up <= highest && f64::from(self.ladder.bitrate_bps(up)) <= self.expected_bps()).then_some(up);
        let down = wanted.0.checked_sub(1).map(Rung);
        // The quality given up below is weighed like the risk taken above: by the ratio of the bitrates.
        let away = |rung: Rung| {
            let ratio = f64::from(self.ladder.bitrate_bps(rung)) / f64::from(self.ladder.bitrate_bps(wanted));
            libm::log(ratio).abs()
        };
        let beside = [up, down].into_iter().flatten().filter(|&rung| held(rung) && away(rung) <= swarm.bonus);
        beside.min_by(|&a, &b| away(a).total_cmp(&away(b))).unwrap_or(wanted)
    }

    /// The rung nearest to `wanted` that any neighbour holds: a lower one if there is one.
    fn nearest_held(&self, wanted: Rung, holders: &[u32]) -> Option<Rung> {
        let below = (0..=wanted.0).rev().map(Rung).find(|&rung| is_held(rung, holders, 1));
        let above = || (wanted.0..=self.ladder.top().0).map(Rung).find(|&rung| is_held(rung, holders, 1));
        below.or_else(above)
    }
}

/// Whether at least so many neighbours hold a rung.
fn is_held(rung: Rung, holders: &[u32], least: u32) -> bool {
    holders.get(rung.0).is_some_and(|&count| count >= least)
}
