//! One viewing, segment by segment.

use super::link::{Link, Trace};
use super::video::Video;
use crate::choice::{Abr, Download, Source, State};
use crate::ladder::Rung;
use core::time::Duration;

/// Seconds that each download takes beyond its transfer. The link's trace stands still meanwhile, as it does in the
/// environment this one follows.
const LATENCY_S: f64 = 0.08;
/// What of a link's rate is payload.
const PAYLOAD_SHARE: f64 = 0.95;
/// A player with a full buffer looks again after so many seconds.
const FULL_S: f64 = 0.5;

/// A viewer at some place in a film.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    video: &'a Video,
    link: Link<'a>,
    capacity: Duration,
    /// Seconds.
    buffer: f64,
    last: Option<Rung>,
    fetched: usize,
}

/// What became of one segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The rung it was fetched at.
    pub rung: Rung,
    /// Its size.
    pub bytes: u32,
    /// From the request to the last byte.
    pub took: Duration,
    /// How much of that nothing was left to play.
    pub stalled: Duration,
    /// Afterwards, how long the player had too much to ask for more.
    pub waited: Duration,
    /// Linear quality: its Mbit/s, less the top rung's for each stalled second, less the difference to the segment before.
    pub quality: f64,
}

impl<'a> Session<'a> {
    /// Before the first segment of `video`, at the start of `trace`, with a player that holds at most `capacity`, but never
    /// less than a segment.
    pub fn new(video: &'a Video, trace: &'a Trace, capacity: Duration) -> Self {
        Self {
            video,
            link: Link::new(trace),
            capacity: capacity.max(video.segment()),
            buffer: 0.0,
            last: None,
            fetched: 0,
        }
    }

    /// What a rule is told before the next segment; `None` when there is none.
    pub fn state(&self) -> Option<State<'a>> {
        let left = self.video.segments() - self.fetched;
        (left > 0).then(|| State {
            buffer: self.buffer(),
            capacity: self.capacity,
            segment: self.video.segment(),
            current: self.last,
            left,
            sizes: self.video.sizes(self.fetched),
            holders: &[],
            origin_is_slow: false,
        })
    }

    /// Media fetched and not played.
    pub fn buffer(&self) -> Duration {
        Duration::from_secs_f64(self.buffer)
    }

    /// Fetches the next segment at `rung` over the link. Beyond the end of the film, an empty one.
    pub fn fetch(&mut self, rung: Rung) -> Step {
        let bits = f64::from(self.video.bytes(self.fetched, rung)) * 8.0;
        let took = self.link.carry(bits, PAYLOAD_SHARE) + LATENCY_S;
        self.play_on(rung, took)
    }

    /// Takes the next segment at `rung` from a store that holds it: at once, past the link.
    pub fn take_held(&mut self, rung: Rung) -> Step {
        self.play_on(rung, 0.0)
    }

    /// The next segment came in `took` seconds.
    fn play_on(&mut self, rung: Rung, took: f64) -> Step {
        let rung = rung.min(self.video.ladder().top());
        let bytes = self.video.bytes(self.fetched, rung);
        let stalled = (took - self.buffer).max(0.0);
        self.buffer = (self.buffer - took).max(0.0) + self.video.segment().as_secs_f64();
        let waited = libm::ceil((self.buffer - self.capacity.as_secs_f64()).max(0.0) / FULL_S) * FULL_S;
        self.buffer = (self.buffer - waited).max(0.0);
        self.link.idle(waited);

        let mbps = |rung: Rung| f64::from(self.video.ladder().bitrate_bps(rung)) / 1e6;
        let switch = self.last.map_or(0.0, |last| (mbps(rung) - mbps(last)).abs());
        let quality = mbps(rung) - mbps(self.video.ladder().top()) * stalled - switch;
        self.last = Some(rung);
        self.fetched = (self.fetched + 1).min(self.video.segments());
        Step {
            rung,
            bytes,
            took: Duration::from_secs_f64(took),
            stalled: Duration::from_secs_f64(stalled),
            waited: Duration::from_secs_f64(waited),
            quality,
        }
    }
}

/// A whole viewing in figures. The first segment counts for none of them: its rung is nobody's choice, and its stall is
/// everybody's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Mean of [`Step::quality`], Mbit/s.
    pub quality: f64,
    /// Stalled time as a share of the media's.
    pub stalled_share: f64,
    /// Mean bitrate of the rungs, kbit/s.
    pub kbps: f64,
    /// Segments at another rung than the one before.
    pub switches: u32,
}

/// Has `abr` choose for the whole of `video` over `trace`, with a player that holds at most `capacity`.
pub fn watch(abr: &mut Abr, video: &Video, trace: &Trace, capacity: Duration) -> Report {
    let mut session = Session::new(video, trace, capacity);
    let mut report = Report::default();
    while let Some(state) = session.state() {
        let step = session.fetch(abr.choose(&state));
        abr.downloaded(Download { bytes: step.bytes.into(), took: step.took, source: Source::Network });
        if let Some(last) = state.current {
            report.quality += step.quality;
            report.stalled_share += step.stalled.as_secs_f64() / video.segment().as_secs_f64();
            report.kbps += f64::from(video.ladder().bitrate_bps(step.rung)) / 1e3;
            report.switches += u32::from(step.rung != last);
        }
    }
    let counted = video.segments().saturating_sub(1).max(1) as f64;
    report.quality /= counted;
    report.stalled_share /= counted;
    report.kbps /= counted;
    report
}
