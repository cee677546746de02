//! The player of one viewer: what it asks for, what it shows, and when its picture stands.
//!
//! Invariant: the picture moves exactly while both pictures and sound are there for its position. Like the players people use,
//! it asks for one segment of each kind at a time, starts when the first of each is there, and goes on as soon as it can.

use abr::{Abr, Download, Ladder, Rung, State};
use core::time::Duration;
use manifest::SegmentId;
use swarm::Time;

use super::offer::Offer;
use crate::scenario::{Chooses, Film};

/// How far ahead of its position it asks: what the browser's player is set to.
const BUFFER: Duration = Duration::from_secs(40);

/// What a viewer waits for gladly after a seek; longer is a stall.
const SEEK_PATIENCE: Duration = Duration::from_secs(2);

/// One viewer's player.
#[derive(Debug)]
pub(super) struct Player {
    abr: Abr,
    /// Pictures by rung, then sound: the rates of the film.
    rates_kbps: Vec<u32>,
    segment: Duration,
    segments: u32,
    /// Up to when the figures below are right.
    at: Time,
    pub position: Duration,
    /// The next segment of pictures and of sound.
    next: [u32; 2],
    /// What it waits for.
    waiting: [Option<SegmentId>; 2],
    /// Up to where there is something to play.
    ends: [Duration; 2],
    rung: Option<Rung>,
    offer: Offer,
    pub shows: Shows,
    /// What is left of it after a seek.
    patience: Duration,
    /// How far behind the live edge it means to be, and where that edge was at the beginning of the run.
    live: Option<Live>,
    pub figures: Figures,
}

/// A player at the live edge.
#[derive(Clone, Copy, Debug)]
struct Live {
    buffer: Duration,
    edge_at_start: Duration,
    /// Parts of a segment: the rendition changes between segments only.
    parts: u32,
}

/// A player that is so far behind where it means to be plays faster, as players do.
const CATCHES_UP_AT: Duration = Duration::from_millis(500);
const CATCHES_UP_PERMILLE: u32 = 1050;

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// Nothing yet.
    Nothing,
    /// A moving picture.
    Film,
    /// A standing picture.
    Stall,
    /// A standing picture at a place that the viewer has just gone to.
    Sought,
    /// The end.
    End,
}

/// What there was to see.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub started: Option<Time>,
    pub played: Duration,
    pub stalls: u32,
    pub stalled: Duration,
    pub segments: u32,
    pub kbps_sum: u64,
    pub switched_kbps: u64,
}

impl Player {
    pub fn new(film: &Film, chooses: Chooses, now: Time) -> Self {
        let bps = film.rungs_kbps.iter().map(|kbps| kbps * 1000).collect();
        let mut rates_kbps = film.rungs_kbps.clone();
        rates_kbps.push(film.audio_kbps);
        Self {
            abr: Abr::new(
                chooses.setting(),
                Ladder::new(bps).expect("a checked scenario has rungs, and they ascend"),
            ),
            rates_kbps,
            segment: film.segment(),
            segments: film.count(),
            at: now,
            position: Duration::ZERO,
            next: [1, 1],
            waiting: [None, None],
            ends: [Duration::ZERO; 2],
            rung: None,
            offer: Offer::default(),
            shows: Shows::Nothing,
            patience: Duration::ZERO,
            live: None,
            figures: Figures::default(),
        }
    }

    /// Begins at the live edge instead: `edge_at_start` is where that is at the beginning of the run, and the rendition may
    /// change after every `parts`.
    pub fn go_live(&mut self, edge_at_start: Duration, buffer: Duration, parts: u32, from_segment: bool) {
        let parts = parts.max(1);
        self.live = Some(Live { buffer, edge_at_start, parts });
        let at = (edge_at_start + Duration::from_micros(self.at.0)).saturating_sub(buffer);
        let past = (at.as_micros() / self.segment.as_micros()) as u32;
        self.position = self.segment * past;
        let first = if from_segment { past - past % parts } else { past };
        self.next = [first + 1; 2];
        self.ends = [self.segment * first; 2];
    }

    /// How far behind the live edge it is.
    pub fn behind(&self) -> Option<Duration> {
        let edge = self.live?.edge_at_start + Duration::from_micros(self.at.0);
        Some(edge.saturating_sub(self.position))
    }

    fn rate_permille(&self) -> u32 {
        let late =
            self.live.zip(self.behind()).is_some_and(|(live, behind)| behind > live.buffer + CATCHES_UP_AT);
        if late { CATCHES_UP_PERMILLE } else { 1000 }
    }

    /// What lies ready ahead of the position.
    pub fn buffered(&self) -> Duration {
        self.ends[0].min(self.ends[1]).saturating_sub(self.position)
    }

    /// What a peer is told of it.
    pub fn state(&self) -> swarm::Player {
        swarm::Player {
            position: self.position,
            buffered: self.buffered(),
            playing: true,
            rate_permille: self.rate_permille(),
        }
    }

    /// Looks at what its peer's neighbours offer.
    pub fn look_at_offer(&mut self, core: Option<&swarm::Peer>) {
        let offered = core.and_then(swarm::Peer::offered);
        self.offer.look(self.at, offered, self.buffered());
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Time) {
        let mut span = now.since(self.at);
        self.at = now;
        let length = self.segment * self.segments;
        if self.shows == Shows::Film {
            let rate = self.rate_permille();
            let shown = (span * rate / 1000).min(self.buffered());
            let played = if shown < span * rate / 1000 { shown * 1000 / rate } else { span };
            self.position += shown;
            self.figures.played += played;
            span -= played;
            if self.position >= length {
                self.shows = Shows::End;
            } else if !span.is_zero() {
                self.shows = Shows::Stall;
                self.figures.stalls += 1;
            }
        }
        if self.shows == Shows::Sought {
            let waited = span.min(self.patience);
            self.patience -= waited;
            span -= waited;
            if !span.is_zero() {
                self.shows = Shows::Stall;
                self.figures.stalls += 1;
            }
        }
        if self.shows == Shows::Stall {
            self.figures.stalled += span;
        }
    }

    /// A segment has been given to it. `rate_bps`: what the path brings, as the player is told.
    pub fn take(&mut self, now: Time, segment: SegmentId, bytes: u32, rate_bps: Option<u64>) {
        self.advance(now);
        let kind = self.kind(segment);
        if self.waiting[kind] != Some(segment) {
            return;
        }
        self.waiting[kind] = None;
        self.next[kind] = segment.sequence + 1;
        self.ends[kind] = self.segment * segment.sequence;
        if kind == 0 {
            let kbps = self.rates_kbps[usize::from(segment.rendition)];
            if let Some(Rung(before)) = self.rung {
                self.figures.switched_kbps += u64::from(kbps.abs_diff(self.rates_kbps[before]));
            }
            self.rung = Some(Rung(usize::from(segment.rendition)));
            self.figures.segments += 1;
            self.figures.kbps_sum += u64::from(kbps);
            if let Some(bps) = rate_bps.filter(|&bps| bps > 0) {
                let took = Duration::from_secs_f64(f64::from(bytes) * 8.0 / bps as f64);
                let source = abr::Source::Network;
                self.abr.downloaded(Download { bytes: u64::from(bytes), took, source });
            }
        }
        if !self.buffered().is_zero() && matches!(self.shows, Shows::Nothing | Shows::Stall | Shows::Sought) {
            self.figures.started.get_or_insert(now);
            self.shows = Shows::Film;
        }
    }

    /// What it waits for.
    pub fn waiting(&self) -> [Option<SegmentId>; 2] {
        self.waiting
    }

    /// Whether it waits for a segment.
    pub fn waits_for(&self, segment: SegmentId) -> bool {
        self.waiting.contains(&Some(segment))
    }

    /// What it shows, in kbit/s.
    pub fn kbps(&self) -> u32 {
        let sound = self.rates_kbps[self.rates_kbps.len() - 1];
        self.rung.map_or(0, |Rung(rung)| self.rates_kbps[rung] + sound)
    }

    /// Goes elsewhere in the film: what was waited for until now.
    pub fn seek(&mut self, now: Time, to: Duration) -> [Option<SegmentId>; 2] {
        self.advance(now);
        let sequence = ((to.as_micros() / self.segment.as_micros()) as u32 + 1).min(self.segments);
        self.position = self.segment * (sequence - 1);
        self.next = [sequence; 2];
        self.ends = [self.position; 2];
        // A standing picture after a seek is no stall at first: the viewer asked for it.
        if self.shows != Shows::Nothing {
            self.shows = Shows::Sought;
            self.patience = SEEK_PATIENCE;
        }
        core::mem::take(&mut self.waiting)
    }

    /// What it asks for now, of segments up to `edge`, by what its peer knows of the swarm.
    pub fn ask(&mut self, edge: u32, core: Option<&swarm::Peer>) -> [Option<SegmentId>; 2] {
        [0, 1].map(|kind| {
            let full = self.ends[kind] >= self.position + BUFFER;
            if self.waiting[kind].is_some() || full || self.next[kind] > self.segments.min(edge) {
                return None;
            }
            let rendition = if kind == 0 { self.choose(core) } else { self.rates_kbps.len() - 1 };
            let segment = SegmentId::new(rendition as u8, self.next[kind]);
            self.waiting[kind] = Some(segment);
            self.waiting[kind]
        })
    }

    /// Gives up the pictures that it waits for, if it would rather have others by now. In the middle of a live segment it
    /// takes the others from that segment's beginning.
    pub fn reconsider(&mut self, core: Option<&swarm::Peer>) -> Option<SegmentId> {
        let segment = self.waiting[0]?;
        let held = self.held(core);
        self.abr.choose_instead(Rung(segment.rendition.into()), &self.state_for_abr(core, &held))?;
        let past = self.next[0] - 1;
        let first = past - past % self.parts();
        (self.next[0], self.ends[0]) = (first + 1, self.segment * first);
        self.waiting[0].take()
    }

    fn choose(&self, core: Option<&swarm::Peer>) -> usize {
        match self.rung {
            Some(Rung(rung)) if !self.may_switch() => rung,
            _ => {
                let chosen = self.abr.choose(&self.state_for_abr(core, &self.held(core)));
                self.offer.applied_to(chosen).0
            }
        }
    }

    /// Whether the next pictures may be of another rung.
    fn may_switch(&self) -> bool {
        (self.next[0] - 1).is_multiple_of(self.parts())
    }

    /// Parts of a segment.
    fn parts(&self) -> u32 {
        self.live.map_or(1, |live| live.parts)
    }

    /// Neighbours that hold the next pictures, one number a rung.
    fn held(&self, core: Option<&swarm::Peer>) -> Vec<u32> {
        let rungs = self.rates_kbps.len() - 1;
        let next = |rung| SegmentId::new(rung as u8, self.next[0]);
        (0..rungs).map(|rung| core.map_or(0, |core| core.holders(next(rung)))).collect()
    }

    fn state_for_abr<'a>(&self, core: Option<&swarm::Peer>, held: &'a [u32]) -> State<'a> {
        State {
            buffer: self.buffered(),
            capacity: self.live.map_or(BUFFER, |live| live.buffer),
            segment: self.segment * self.parts(),
            current: self.rung,
            left: (self.segments - self.next[0] + 1) as usize,
            sizes: &[],
            holders: held,
            origin_is_slow: core.is_some_and(|core| core.origin_is_slow(self.at)),
        }
    }

    fn kind(&self, segment: SegmentId) -> usize {
        usize::from(usize::from(segment.rendition) + 1 == self.rates_kbps.len())
    }
}
