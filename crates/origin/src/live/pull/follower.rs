//! One rendition of somebody else's stream: its segments, each fetched once, as they are listed.
//!
//! The invariant: segments come out in the order of the list, each at most once; a playlist is asked for no more often than RFC 8216
//! section 6.3.4 allows; what is held has a bound over all renditions.

use super::demux::{Demux, Taken};
use super::listing::{Listing, Rendition, Resource, Segment};
use super::pause::{Pause, jittered};
use super::source::{Source, Trouble, Unusable, What};
use super::web::{WebError, shown};
use bytes::Bytes;
use cmaf::{Kind, Sample, Track};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// Segments behind the live edge at which a stream is joined.
pub(in crate::live) const JOIN: usize = 3;
/// Segments of a rendition that may wait; beyond, no more are fetched.
pub(super) const WAITING: usize = 6;
/// Bytes of segments that may wait, of all renditions of a stream.
const MAX_WAITING_BYTES: usize = 512 << 20;
/// How often a segment is asked for.
const ATTEMPTS: u32 = 3;
/// Segments in a row that may be missing.
const MAX_MISSING: u32 = 3;
/// A list that cannot be had for so long, and for three target durations, is given up.
const PATIENCE: Duration = Duration::from_secs(6);
/// Times may leap by this part of a second between two segments without being a gap.
const LEAP: u64 = 2;

/// What comes of a track.
#[derive(Debug)]
pub(super) enum Item {
    Piece(Piece),
    /// Nothing follows.
    End,
}

/// What a segment has of a track.
#[derive(Debug)]
pub(super) struct Piece {
    /// Media between two discontinuities has the same; it rises.
    pub run: u64,
    /// Something is missing before it.
    pub gap: bool,
    /// The track, where it may be another.
    pub track: Option<Track>,
    pub samples: Vec<Sample>,
    /// Lines of the playlist that belong to it.
    pub marks: Vec<String>,
    /// Its share of the bytes that wait.
    pub share: Share,
}

/// A segment that was fetched, and what is in it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub segment: Segment,
    /// Something is missing before it.
    pub gap: bool,
    /// The init segment that it needs, where that may be another.
    pub init: Option<Bytes>,
    pub bytes: Bytes,
    pub taken: Vec<Taken>,
}

/// Bytes that wait, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Share(Arc<AtomicUsize>, usize);

impl Share {
    fn of(total: &Arc<AtomicUsize>, bytes: usize) -> Result<Self, Unusable> {
        let before = total.fetch_add(bytes, Ordering::Relaxed);
        let share = Self(Arc::clone(total), bytes);
        if before.saturating_add(bytes) > MAX_WAITING_BYTES { Err(Unusable::Full) } else { Ok(share) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Follower {
    source: Arc<Source>,
    rendition: Rendition,
    waiting: Arc<AtomicUsize>,
    memory: Memory,
    /// The last segment that was looked at.
    last: Option<u64>,
    init: Option<Resource>,
    demux: Option<Demux>,
    /// Whether something is missing before what comes next.
    gap: bool,
    missing: u32,
    run: u64,
    /// By how much times of a track may leap, in ticks, and where it ends.
    slack: BTreeMap<Kind, u64>,
    ends: BTreeMap<Kind, (u64, u64)>,
    /// How often times went back without a discontinuity.
    leaps: u64,
    listing: Listing,
    listed_at: Instant,
    changed: bool,
}

/// Which segment of a rendition was asked for last: whoever begins again does not ask for it again.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<Option<(u64, String)>>>);

impl Memory {
    fn note(&self, segment: &Segment) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((segment.key, shown(&segment.media.url)));
    }

    /// The last segment that was asked for, if it is still on offer.
    fn of(&self, listing: &Listing) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, url) = known.as_ref()?;
        listing.segments.iter().any(|s| s.key == *key && shown(&s.media.url) == *url).then_some(*key)
    }
}

/// A rendition that has begun: what follows it, and the first pieces of its tracks.
pub(super) type Begun = (Follower, Vec<(Kind, Piece)>);

impl Follower {
    /// Takes its place three segments behind the live edge.
    pub(super) async fn open(
        source: Arc<Source>,
        rendition: Rendition,
        waiting: Arc<AtomicUsize>,
        memory: Memory,
    ) -> Result<Self, Trouble> {
        let listed_at = Instant::now();
        let listing = source.list(&rendition).await?;
        // Whoever was here when it was live may go on to its end.
        if listing.ended && memory.of(&listing).is_none() {
            return Err(source.trouble(Unusable::Over));
        }
        let ahead = listing.segments.len().saturating_sub(JOIN);
        let joined = ahead.checked_sub(1).and_then(|at| listing.segments.get(at)).map(|s| s.key);
        let last = joined.max(memory.of(&listing));
        Ok(Self {
            source,
            rendition,
            waiting,
            memory,
            last,
            init: None,
            demux: None,
            gap: false,
            missing: 0,
            run: 0,
            slack: BTreeMap::new(),
            ends: BTreeMap::new(),
            leaps: 0,
            listing,
            listed_at,
            changed: true,
        })
    }

    /// Begins three segments behind the live edge.
    pub async fn begin(
        source: Arc<Source>,
        rendition: Rendition,
        waiting: Arc<AtomicUsize>,
        memory: Memory,
    ) -> Result<Begun, Trouble> {
        let mut follower = Self::open(source, rendition, waiting, memory).await?;
        loop {
            match follower.next().await? {
                Some(pieces) if !pieces.is_empty() => return Ok((follower, pieces)),
                Some(_) => {}
                None => return Err(follower.source.trouble(Unusable::Over)),
            }
        }
    }

    /// No segment lasts longer.
    pub fn target(&self) -> Duration {
        self.listing.target
    }

    /// How much of it is listed, about.
    pub fn on_offer(&self) -> Duration {
        self.listing.target * u32::try_from(self.listing.segments.len()).unwrap_or(u32::MAX)
    }

    /// Follows the rendition to its end; the pieces of each kind go to `outlets`.
    pub async fn run(mut self, outlets: BTreeMap<Kind, mpsc::Sender<Item>>) -> Result<(), Trouble> {
        while let Some(pieces) = self.next().await? {
            for (kind, piece) in pieces {
                if let Some(outlet) = outlets.get(&kind)
                    && outlet.send(Item::Piece(piece)).await.is_err()
                {
                    return Ok(());
                }
            }
        }
        for outlet in outlets.values() {
            outlet.send(Item::End).await.ok(); // nobody is there who has to know
        }
        Ok(())
    }

    /// The pieces of the next segment that is there, when it is there. `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<(Kind, Piece)>>, Trouble> {
        match self.fetched().await? {
            Some(fetched) => self.pieces(fetched).map(Some),
            None => Ok(None),
        }
    }

    /// The next segment that can be had, when it is there. `None` at the end.
    pub(super) async fn fetched(&mut self) -> Result<Option<Fetched>, Trouble> {
        loop {
            let last = self.last;
            let next =
                self.listing.segments.iter().find(|segment| last.is_none_or(|last| segment.key > last));
            if let Some(segment) = next.cloned() {
                self.last = Some(segment.key);
                self.memory.note(&segment);
                if let Some(fetched) = self.segment(segment).await? {
                    return Ok(Some(fetched));
                }
                continue;
            }
            if self.listing.ended {
                return Ok(None);
            }
            if self.listing.segments.last().map(|segment| segment.key)
                < self.last.filter(|_| !self.listing.segments.is_empty())
            {
                return Err(self.source.trouble(Unusable::Anew));
            }
            self.reload().await?;
        }
    }

    /// Waits as long as it must, and looks what is on offer now.
    async fn reload(&mut self) -> Result<(), Trouble> {
        let target = self.listing.target;
        sleep_until(self.listed_at + if self.changed { target } else { target / 2 }).await;
        let since = Instant::now();
        let mut pause = Pause::new(Duration::from_millis(300), target);
        loop {
            self.listed_at = Instant::now();
            match self.source.list(&self.rendition).await {
                Ok(listing) => {
                    self.changed = listing != self.listing;
                    self.listing = listing;
                    return Ok(());
                }
                Err(why) if !why.may_pass() || since.elapsed() > PATIENCE.max(target * 3) => return Err(why),
                Err(why) => {
                    tracing::debug!(%why, "a list does not come");
                    pause.wait().await;
                }
            }
        }
    }

    /// Fetches a segment and looks what is in it; `None` where it is missing.
    async fn segment(&mut self, segment: Segment) -> Result<Option<Fetched>, Trouble> {
        let bytes = if segment.gap { None } else { self.fetch(&segment).await? };
        let Some(bytes) = bytes else {
            self.gap = true;
            self.missing += 1;
            if self.missing >= MAX_MISSING && !segment.gap {
                return Err(Trouble::at(&segment.media.url, Unusable::Missing));
            }
            return Ok(None);
        };
        self.missing = 0;
        let at = |why: Unusable| Trouble::at(&segment.media.url, why);
        let mut init = None;
        if self.demux.is_none() || segment.init != self.init {
            init = match &segment.init {
                Some(init) => Some(self.source.init(init).await?),
                None => None,
            };
            self.demux = Some(Demux::new(init.as_deref(), &bytes, self.rendition.wanted).map_err(at)?);
            self.init = segment.init.clone();
        }
        let mut taken = match &mut self.demux {
            Some(demux) => demux.segment(&bytes).map_err(at)?,
            None => Vec::new(),
        };
        for track in taken.iter_mut().filter_map(|taken| taken.track.as_mut()) {
            track.language = track.language.take().or_else(|| self.rendition.language.clone());
        }
        Ok(Some(Fetched { segment, gap: std::mem::take(&mut self.gap), init, bytes, taken }))
    }

    fn pieces(&mut self, fetched: Fetched) -> Result<Vec<(Kind, Piece)>, Trouble> {
        let Fetched { segment, gap: missed, taken, .. } = fetched;
        if self.run != segment.run {
            self.run = segment.run;
            self.ends.clear();
        }
        // Ranges of dates are by the publisher's clock, which is not kept.
        let is_placed = |mark: &&String| !mark.starts_with("#EXT-X-DATERANGE");
        let marks: Vec<String> = segment.marks.iter().filter(is_placed).cloned().collect();
        let mut pieces = Vec::new();
        let mut leapt = false;
        for taken in taken {
            let Some(first) = taken.samples.first().map(|sample| sample.dts) else { continue };
            let mut gap = missed;
            if let Some((end, slack)) = self.ends.get(&taken.kind).filter(|_| taken.track.is_none()) {
                leapt |= first.saturating_add(*slack) < *end;
                gap |= first > end.saturating_add(*slack);
            }
            if let Some(track) = &taken.track {
                self.slack.insert(taken.kind, u64::from(track.timescale) / LEAP);
            }
            if let Some(last) = taken.samples.last() {
                let end = last.dts.saturating_add(last.duration.into());
                let slack = self.slack.get(&taken.kind).copied().unwrap_or(u64::MAX);
                self.ends.insert(taken.kind, (end, slack));
            }
            let held = taken.samples.iter().map(|sample| sample.data.len()).sum();
            let share = Share::of(&self.waiting, held).map_err(|why| Trouble::at(&segment.media.url, why))?;
            let Taken { kind, track, samples } = taken;
            let marks = marks.clone();
            pieces.push((kind, Piece { run: segment.run, gap, track, samples, marks, share }));
        }
        self.leaps += u64::from(leapt);
        pieces.iter_mut().for_each(|(_, piece)| piece.run = piece.run.saturating_add(self.leaps));
        self.gap |= missed && pieces.is_empty();
        Ok(pieces)
    }

    /// The bytes of a segment; `None` where they cannot be had.
    async fn fetch(&self, segment: &Segment) -> Result<Option<Bytes>, Trouble> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sleep(jittered((self.listing.target / 4).min(Duration::from_secs(1)))).await;
            }
            match self.source.segment(&segment.media).await {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(why) if !why.may_pass() => return Err(why),
                Err(why) => {
                    tracing::debug!(%why, "a segment does not come");
                    if matches!(why.what, What::Web(WebError::TooLong(_))) {
                        return Err(why);
                    }
                }
            }
        }
        tracing::warn!(place = %shown(&segment.media.url), "a segment is missing, and is left out");
        Ok(None)
    }
}
