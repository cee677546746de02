//! A live stream: parts are born, heads of it travel, and each viewer knows only what it has heard of.
//!
//! Invariant: nobody is told of a part before it is born, and no piece of it is anywhere before that.

use core::time::Duration;

use manifest::{Index, Kind, SegmentId};
use swarm::{Input, Link, Part, Source, Time};

use super::{Carried, Event, World};
use crate::bounds;
use crate::figures::Delay;

/// How long the stream has been on when the run begins.
pub(super) const BEFORE: Duration = Duration::from_secs(60);
/// Who comes is told of this much before the live edge.
const WINDOW: Duration = Duration::from_secs(30);
/// A head's signature, its chain, its times.
const HEAD_BYTES: u32 = 180;
/// What it says of a part, and of each piece.
const ENTRY_BYTES: u32 = 14;
const LEAF_BYTES: u32 = 32;
/// Pieces that a viewer keeps at most until it hears what they must be.
pub(super) const EARLY_MAX: usize = 128;
/// Heads that are sent at once, at most.
const HEADS_MAX: u32 = 32;

/// What is born, and how long it takes to get to everybody.
#[derive(Debug)]
pub(super) struct Stream {
    part: Duration,
    /// Parts that are born: of each rendition the same.
    pub born: u32,
    /// Viewers that wait for the next.
    waiting: Vec<u32>,
    delays: Delays,
}

/// Piece delays: counts by steps of 10 ms, the last for all that is longer.
#[derive(Debug)]
struct Delays {
    counts: Vec<u64>,
    sum_s: f64,
    count: u64,
}

const STEP_S: f64 = 0.01;
const STEPS: usize = 3000;

impl Stream {
    pub fn new(part: Duration) -> Self {
        let born = (BEFORE.as_micros() / part.as_micros()) as u32;
        let delays = Delays { counts: vec![0; STEPS], sum_s: 0.0, count: 0 };
        Self { part, born, waiting: Vec::new(), delays }
    }

    /// When a part is born, from the beginning of the run; zero for those from before.
    pub fn birth(&self, sequence: u32) -> Time {
        Time((self.part * sequence).saturating_sub(BEFORE).as_micros() as u64)
    }

    /// How far the broadcast is.
    pub fn edge(&self, now: Time) -> Duration {
        Duration::from_micros(now.0) + BEFORE
    }

    /// The first part that one who comes now is told of.
    pub fn window(&self) -> u32 {
        let parts = (WINDOW.as_micros() / self.part.as_micros()) as u32;
        self.born.saturating_sub(parts) + 1
    }

    /// A piece has come from a peer to a viewer that is at home in the swarm since `settled`.
    fn reached(&mut self, now: Time, settled: Time, sequence: u32) {
        let birth = self.birth(sequence);
        if birth >= settled {
            let delay_s = now.since(birth).as_secs_f64();
            self.delays.counts[((delay_s / STEP_S) as usize).min(STEPS - 1)] += 1;
            self.delays.sum_s += delay_s;
            self.delays.count += 1;
        }
    }
}

impl Delays {
    fn quantile_s(&self, share: f64) -> f64 {
        let mut left = (self.count as f64 * share) as u64;
        let step = self.counts.iter().position(|&count| {
            let found = left < count;
            left = left.saturating_sub(count);
            found
        });
        (step.unwrap_or(STEPS) as f64 + 0.5) * STEP_S
    }
}

/// What the head with this number tells: a part of each rendition.
fn parts(index: &Index, numbers: core::ops::RangeInclusive<u32>) -> Vec<Part> {
    let one = |number: u32| {
        index.renditions.iter().enumerate().filter_map(move |(place, rendition)| {
            let segment = rendition.segments.get(number as usize - 1)?;
            let (id, duration_ms) = (SegmentId::new(place as u8, number), segment.duration_ms);
            Some(Part { id, start_ms: (number - 1) * duration_ms, duration_ms, size: segment.size })
        })
    };
    numbers.flat_map(one).collect()
}

/// Bytes of the heads with these numbers.
fn bytes(index: &Index, numbers: core::ops::RangeInclusive<u32>) -> u32 {
    let entries = parts(index, numbers.clone());
    let pieces = entries.iter().map(|part| part.size.div_ceil(index.piece_len));
    let leaves = pieces.map(|pieces| if pieces > 1 { pieces * LEAF_BYTES } else { LEAF_BYTES });
    numbers.count() as u32 * HEAD_BYTES + leaves.map(|leaves| ENTRY_BYTES + leaves).sum::<u32>()
}

impl World<'_> {
    /// The next part is born.
    pub(super) fn born(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        stream.born += 1;
        let (next, waiting) = (stream.birth(stream.born + 1), core::mem::take(&mut stream.waiting));
        self.wheel.push(next, Event::Born);
        self.check_trees();
        for at in waiting {
            self.ask_heads(at);
        }
    }

    /// A viewer's peer begins with what there is.
    pub(super) fn begin_live(&mut self, at: u32) {
        let Some(stream) = &self.stream else { return };
        let (first, last) = (stream.window(), stream.born);
        let film = self.viewers[at as usize].film.clone();
        let kinds: Vec<Kind> = film.index.renditions.iter().map(|rendition| rendition.kind).collect();
        let (swarm, piece_len) = (film.swarm, film.index.piece_len);
        self.feed(at, Input::Live { swarm, piece_len, kinds: &kinds });
        let parts = parts(&film.index, first..=last);
        self.viewers[at as usize].heard = last;
        self.feed(at, Input::Head { from: Source::Origin, number: last, parts: &parts });
    }

    /// A peer asks the origin for heads: it is answered at once or when there are any.
    pub(super) fn ask_heads(&mut self, at: u32) {
        let Some(stream) = &mut self.stream else { return };
        let viewer = &self.viewers[at as usize];
        if viewer.gone {
            return;
        }
        let last = stream.born;
        if last > viewer.heard {
            let half = Duration::from_secs_f64(self.scenario.origin.rtt_ms / 2e3);
            let first = (viewer.heard + 1).max(last.saturating_sub(HEADS_MAX - 1));
            self.after(half, Event::Heads { to: at, first, last });
        } else if !stream.waiting.contains(&at) {
            stream.waiting.push(at);
        }
    }

    /// A peer sends another the heads that it has after a number.
    pub(super) fn send_heads(&mut self, at: u32, link: Link, after: u32) {
        let viewer = &self.viewers[at as usize];
        let last = viewer.heard;
        let first = (after + 1).max(last.saturating_sub(HEADS_MAX - 1));
        if first <= last {
            let bytes = bytes(&viewer.film.index, first..=last);
            self.send_control(at, link, bytes, Carried::Heads { first, last });
        }
    }

    /// Heads have come to a viewer. Its driver checks them: those it has are passed over.
    pub(super) fn take_heads(&mut self, to: u32, from: Source, first: u32, last: u32) {
        if last > self.stream.as_ref().map_or(0, |stream| stream.born) {
            return self.fail(to, format!("hears of part {last}, which is not born"));
        }
        let heard = self.viewers[to as usize].heard;
        if from != Source::Origin && first > heard + 1 {
            // Not the next in the chain: its peer is told, and asks for what is missing.
            return self.feed(to, Input::Head { from, number: first, parts: &[] });
        }
        for number in first.max(self.viewers[to as usize].heard + 1)..=last {
            let viewer = &mut self.viewers[to as usize];
            if viewer.gone {
                return;
            }
            viewer.heard = number;
            let film = viewer.film.clone();
            let parts = parts(&film.index, number..=number);
            self.feed(to, Input::Head { from, number, parts: &parts });
        }
        let early = core::mem::take(&mut self.viewers[to as usize].early);
        early.into_iter().for_each(|(link, what)| self.arrive(to, link, what));
        self.ask(to);
    }

    /// A viewer is about to store a piece from a peer.
    pub(super) fn reached(&mut self, at: u32, segment: SegmentId, piece: u32) {
        let viewer = &self.viewers[at as usize];
        if let (Some(stream), Some(live)) = (&mut self.stream, &self.scenario.live)
            && !viewer.holds(segment, piece)
        {
            let settled = viewer.came + Duration::from_secs_f64(live.buffer_s);
            stream.reached(self.now, settled, segment.sequence);
        }
    }

    /// How long pieces took, and how long they must take at least if all shared what they lend alike.
    pub(super) fn delay(&self, viewers: f64, lent_bps: f64) -> Option<Delay> {
        let delays = &self.stream.as_ref()?.delays;
        let piece_bits = f64::from(self.scenario.film.piece_kib) * 8192.0;
        let upload = Duration::from_secs_f64(piece_bits / lent_bps.max(1.0));
        let bound = bounds::postal_delay(viewers as u64, upload, self.net.mean_latency());
        let mean_s = delays.sum_s / delays.count.max(1) as f64;
        let quantiles_s = [0.5, 0.9, 0.99].map(|share| delays.quantile_s(share));
        (delays.count > 0).then_some(Delay { mean_s, quantiles_s, postal_s: bound.as_secs_f64() })
    }
}
