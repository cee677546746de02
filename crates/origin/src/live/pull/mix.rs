//! From the pieces of all renditions to one publication, sample by sample, at the pace at which they were filmed.
//!
//! The invariant: a publication has no gap and no discontinuity in any of its tracks: where there is one, all tracks begin a new publication
//! together, at the first keyframe that all have. Samples go out in the order of their times.

use super::captions::Captions;
use super::follower::{Item, Piece, Share, WAITING};
use super::source::Unusable;
use crate::live::desk::{Over, Publisher, Seat, Terms};
use crate::live::flv::Media;
use crate::live::timeline;
use cmaf::{Kind, Sample, Track};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// A video track may begin so much before the others.
const TOLERANCE: i128 = 100_000_000;
/// A track at a discontinuity waits for the others for so long, in nanoseconds of media.
const MAX_WAIT: i128 = 10_000_000_000;
/// Pieces that may be thrown away in search of a common beginning.
const MAX_THROWN: usize = 200;
/// Nothing comes for so long, and for three target durations, and the publication is cut.
const STALL: Duration = Duration::from_secs(8);
/// Sleeps that are not worth it.
const SOON: Duration = Duration::from_millis(4);
/// How much faster than filmed samples go out while too many wait, in percent.
const HURRY_PERCENT: u32 = 5;

/// Why mixing ended before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody wants the stream any more.
    Over,
    Unusable(Unusable),
    /// A rendition is not followed any more; its task says why.
    Lost,
}

impl From<Over> for Stop {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

/// One track.
#[derive(Debug)]
pub(super) struct Lane {
    number: u8,
    kind: Kind,
    pieces: mpsc::Receiver<Item>,
    track: Option<Track>,
    run: u64,
    queue: VecDeque<Sample>,
    /// Lines of the playlist that belong to what is in the queue.
    marks: Vec<String>,
    /// What begins something new; comes after the queue.
    next: Option<Piece>,
    share: Option<Share>,
    ended: bool,
}

impl Lane {
    /// A track that begins with `first`.
    pub fn new(number: u8, kind: Kind, first: Piece, pieces: mpsc::Receiver<Item>) -> Self {
        let (queue, marks) = (VecDeque::new(), Vec::new());
        let (next, ended) = (Some(first), false);
        Self { number, kind, pieces, track: None, run: 0, queue, marks, next, share: None, ended }
    }

    /// Sees to it that it has samples, something new, or an end.
    async fn fill(&mut self) -> Result<(), Stop> {
        while self.queue.is_empty() && self.next.is_none() && !self.ended {
            self.share = None;
            match self.pieces.recv().await {
                None => return Err(Stop::Lost),
                Some(Item::End) => self.ended = true,
                Some(Item::Piece(piece)) => {
                    let other = piece.track.as_ref().is_some_and(|track| !self.same(track));
                    if piece.gap || piece.run != self.run || other {
                        self.next = Some(piece);
                    } else {
                        self.load(piece);
                    }
                }
            }
        }
        Ok(())
    }

    fn same(&self, track: &Track) -> bool {
        let known = self.track.as_ref();
        known.is_some_and(|known| {
            known.sample_entry == track.sample_entry && known.timescale == track.timescale
        })
    }

    fn load(&mut self, piece: Piece) {
        if let Some(track) = piece.track {
            self.track = Some(track);
        }
        self.run = piece.run;
        self.queue = piece.samples.into();
        self.marks = piece.marks;
        self.share = Some(piece.share);
    }

    /// When its next sample is decoded, in nanoseconds.
    fn head(&self) -> Option<i128> {
        Some(timeline::decoded(self.track.as_ref()?, self.queue.front()?))
    }
}

/// When samples go out: as far apart as they were filmed, and never before they are there.
#[derive(Debug, Default)]
struct Pace(Option<(Instant, i128)>);

impl Pace {
    /// What was filmed at `time` follows what went out last.
    fn begin(&mut self, time: i128, lasted: i128) {
        let now = Instant::now();
        let due = self.0.map_or(now, |_| self.due(lasted).max(now));
        self.0 = Some((due, time));
    }

    fn due(&self, time: i128) -> Instant {
        let Some((start, zero)) = self.0 else { return Instant::now() };
        start + Duration::from_nanos(u64::try_from(time - zero).unwrap_or(0))
    }

    /// Waits until what was filmed at `time` may go out. What comes late moves all that follows.
    async fn wait(&mut self, time: i128) {
        let (due, now) = (self.due(time), Instant::now());
        if due > now + SOON {
            sleep_until(due).await;
        } else if let Some((start, _)) = self.0.as_mut().filter(|_| due < now) {
            *start += now - due;
        }
    }

    fn hurry(&mut self, lasts: Duration) {
        if let Some((start, _)) = &mut self.0
            && let Some(earlier) = start.checked_sub(lasts * HURRY_PERCENT / 100)
        {
            *start = earlier;
        }
    }
}

/// Publishes `lanes` until all have ended, and what there is of `captions` meanwhile. No segment lasts longer than `target`.
pub(super) async fn mix(
    seat: &Seat,
    mut lanes: Vec<Lane>,
    mut captions: Captions,
    target: Duration,
) -> Result<(), Stop> {
    let mut pace = Pace::default();
    let mut lasted = 0;
    let mut run = None;
    let mut publisher: Option<Publisher> = None;
    loop {
        if !align(&mut lanes).await? {
            if let Some(publisher) = publisher {
                publisher.end().await;
            }
            return Ok(());
        }
        // The stream waits for its end before it looks at the next one.
        drop(publisher.take());
        let begins = lanes.iter().filter_map(Lane::head).min().unwrap_or(0);
        let now = lanes.iter().filter(|lane| !lane.ended).map(|lane| lane.run).max();
        // Times go on through a gap, and not through a discontinuity.
        if now != run {
            pace.begin(begins, lasted);
        }
        run = now;
        let tracks = lanes.iter().filter(|lane| !lane.ended).count();
        let terms = Terms { target: Some(target), captions: captions.listed() };
        let mut opened = seat.open_with("pull", tracks, terms).await?;
        captions.begin(run.unwrap_or_default());
        for lane in lanes.iter().filter(|lane| !lane.ended) {
            let Some(track) = &lane.track else { continue };
            opened.send(Media::Track(lane.number, track.clone())).await?;
        }
        match publish(&mut lanes, &mut captions, &mut opened, &mut pace, target).await? {
            Until::New(at) => {
                lasted = at;
                publisher = Some(opened);
            }
            Until::Stall(at) => {
                tracing::warn!(stream = %seat.stream(), "nothing new comes of the stream that is pulled");
                lasted = at;
                publisher = None;
                opened.cut().await;
                for lane in &mut lanes {
                    lane.fill().await?;
                }
            }
        }
    }
}

/// Why a publication is over, and where its media ended.
enum Until {
    New(i128),
    Stall(i128),
}

async fn publish(
    lanes: &mut [Lane],
    captions: &mut Captions,
    publisher: &mut Publisher,
    pace: &mut Pace,
    target: Duration,
) -> Result<Until, Stop> {
    let mut reached = 0;
    loop {
        let filling = async {
            for lane in &mut *lanes {
                lane.fill().await?;
            }
            Ok::<(), Stop>(())
        };
        match timeout(STALL.max(target * 3), filling).await {
            Ok(filled) => filled?,
            Err(_) => return Ok(Until::Stall(reached)),
        }
        if lanes.iter().any(|lane| lane.next.as_ref().is_some_and(|next| next.run == lane.run)) {
            return Ok(Until::New(reached));
        }
        let crowd = lanes.iter().filter(|lane| !lane.ended).all(|lane| lane.pieces.len() + 1 >= WAITING);
        let waits = lanes.iter().any(|lane| lane.next.is_some());
        let heads = lanes.iter_mut().filter_map(|lane| Some((lane.head()?, lane)));
        let Some((time, lane)) = heads.min_by_key(|(time, _)| *time) else { return Ok(Until::New(reached)) };
        let (Some(sample), Some(track)) = (lane.queue.pop_front(), &lane.track) else { continue };
        let lasts = track.duration(sample.duration.into());
        if waits && time > reached + MAX_WAIT {
            return Ok(Until::New(reached));
        }
        if !waits {
            reached = reached.max(time.saturating_add(lasts.as_nanos() as i128)); // of 32 bits of ticks
        }
        if crowd && lane.kind == Kind::Video {
            pace.hurry(lasts);
        }
        pace.wait(time).await;
        for (number, text) in captions.fresh(time) {
            publisher.text(number, text).await?;
        }
        for mark in lane.marks.drain(..) {
            publisher.mark(lane.number, mark).await?;
        }
        publisher.send(Media::Sample(lane.number, sample)).await?;
    }
}

/// Brings all tracks to a common beginning; `false` where all have ended.
async fn align(lanes: &mut [Lane]) -> Result<bool, Stop> {
    let mut thrown = 0;
    loop {
        for lane in &mut *lanes {
            while lane.queue.is_empty() && !lane.ended {
                lane.fill().await?;
                if let Some(next) = lane.next.take() {
                    lane.load(next);
                    thrown += 1;
                }
            }
        }
        if thrown > MAX_THROWN {
            return Err(Stop::Unusable(Unusable::Apart));
        }
        let Some(run) = lanes.iter().filter(|lane| !lane.ended).map(|lane| lane.run).max() else {
            return Ok(false);
        };
        let mut whole = true;
        for lane in lanes.iter_mut().filter(|lane| !lane.ended && lane.run < run) {
            lane.queue.clear();
            whole = false;
        }
        if !whole {
            continue;
        }
        for lane in lanes.iter_mut().filter(|lane| lane.kind == Kind::Video) {
            while lane.queue.front().is_some_and(|sample| !sample.sync) {
                lane.queue.pop_front();
            }
        }
        let starts = |kind: Option<Kind>| {
            let of_kind = lanes.iter().filter(move |lane| kind.is_none_or(|kind| lane.kind == kind));
            of_kind.filter_map(|lane| Some(timeline::start(lane.track.as_ref()?, lane.queue.front()?))).max()
        };
        let Some(begin) = starts(Some(Kind::Video)).or_else(|| starts(None)) else { continue };
        for lane in &mut *lanes {
            let Some(track) = &lane.track else { continue };
            let is_video = lane.kind == Kind::Video;
            let from = if is_video { begin - TOLERANCE } else { begin };
            let early = |sample: &Sample| timeline::start(track, sample) < from || is_video && !sample.sync;
            while lane.queue.front().is_some_and(early) {
                lane.queue.pop_front();
            }
            whole &= !lane.queue.is_empty() || lane.ended;
        }
        if whole {
            return Ok(true);
        }
    }
}
