//! One live stream as players get it. Its invariant: with a publisher's key a player gets nothing that no signed head vouches for; without
//! one, only what is older than heads go back, or younger than they are while none come, is taken at the origin's word.

use super::playlist::{Answer, Base, Playlist, Segment};
use super::stream::{Stream, Told};
use crate::origin::{self, Origin};
use crate::serving::{MAX_FILE_BYTES, stays};
use crate::viewer::{Missing, Viewer};
use bytes::Bytes;
use futures_util::{Stream as Bodies, StreamExt, stream};
use manifest::SegmentId;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

/// Target durations that a request for a playlist or a part waits (RFC 8216bis section 6.2.5.2).
const PATIENCE: u32 = 3;
/// Heads that are silent for so long have nothing to tell, or come too late: longer than any two parts.
const QUIET: Duration = Duration::from_secs(1);
/// The origin is not asked for one playlist more often.
const READ_EVERY: Duration = Duration::from_millis(500);
/// A part that heads tell of comes in this time, or not at all.
const PART_PATIENCE: Duration = Duration::from_secs(20);
/// A segment that grows may stand still for so long, as when its publisher comes back.
const GROWTH_PATIENCE: Duration = Duration::from_secs(60);
/// So much after the oldest part that is known a segment has to begin to be listed under a key: it will be asked for a while later.
const STAYS: Duration = Duration::from_secs(6);
/// Parts of one segment that are brought at a time.
const PARTS_AT_ONCE: usize = 8;
/// Largest initialisation segment, 1 MiB, and segment that comes from the origin whole, 64 MiB.
const MAX_INIT_BYTES: usize = 1 << 20;
const MAX_SEGMENT_BYTES: usize = 64 << 20;
/// Initialisation segments that are kept.
const INITS_KEPT: usize = 64;

/// Why a player gets nothing.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// There is no such file, or not any more.
    #[error("there is no such part of this stream, or not any more")]
    NotFound,
    /// Nobody can have heard of it.
    #[error("nobody can have heard of that part yet")]
    TooFar,
    /// What it waits for did not come in time.
    #[error("the stream stands still")]
    Late,
    /// Another stream goes on under this one's name.
    #[error("another stream goes on here")]
    Superseded,
    /// What the origin has cannot be taken.
    #[error("the origin gives something else than what was signed")]
    Forged,
    /// The origin's playlist is none.
    #[error("the origin's playlist cannot be read")]
    NoPlaylist,
    /// The origin gives nothing.
    #[error(transparent)]
    Origin(#[from] origin::Error),
    /// A part does not come.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// A segment.
pub(crate) enum Body {
    /// All its parts are known.
    Parts(Vec<(SegmentId, u32)>),
    /// From this part on it grows.
    Growing(SegmentId),
    /// As the origin gave it.
    Plain(Bytes),
}

/// One rendition's playlist.
#[derive(Debug, Default)]
struct Line {
    playlist: Option<Playlist>,
    read_at: Option<Instant>,
    /// The version of the stream that it follows, and since when.
    follows: Option<(u32, Instant)>,
    /// The segment with which this stream goes on where another ended.
    joint: Option<u32>,
}

/// One live stream, for players.
#[derive(Debug)]
pub(crate) struct Show {
    viewer: Viewer<Stream>,
    origin: Origin,
    /// The same with the addresses of media.
    media: Origin,
    is_keyed: bool,
    base: Base,
    lines: Vec<Mutex<Line>>,
    inits: Mutex<BTreeMap<(u8, u32), Bytes>>,
    master: Mutex<Option<Bytes>>,
    /// Bytes that were taken at the origin's word.
    unchecked: AtomicU64,
}

impl Show {
    pub(super) fn new(viewer: Viewer<Stream>, origin: Origin, is_keyed: bool, base: Base) -> Self {
        let lines = (0..viewer.stream().renditions()).map(|_| Mutex::default()).collect();
        Self {
            media: origin.with_version(viewer.stream().born_ms()),
            viewer,
            origin,
            is_keyed,
            base,
            lines,
            inits: Mutex::default(),
            master: Mutex::default(),
            unchecked: AtomicU64::new(0),
        }
    }

    pub(super) fn viewer(&self) -> &Viewer<Stream> {
        &self.viewer
    }

    pub(crate) fn stream(&self) -> &Stream {
        self.viewer.stream()
    }

    /// Bytes of media that were taken at the origin's word.
    pub(super) fn unchecked(&self) -> u64 {
        self.unchecked.load(Ordering::Relaxed)
    }

    /// What the numbers of a stream that follows on this one begin after.
    pub(super) async fn base_after(&self) -> Base {
        let mut base = self.base;
        for line in &self.lines {
            let Some(after) = line.lock().await.playlist.as_ref().map(|p| p.base_after(self.base)) else {
                continue;
            };
            base = Base {
                segments: base.segments.max(after.segments),
                parts: base.parts.max(after.parts),
                inits: base.inits.max(after.inits),
                discontinuities: base.discontinuities.max(after.discontinuities),
            };
        }
        base
    }

    /// The multivariant playlist; the last one while the origin is away.
    pub(crate) async fn master(&self) -> Result<Bytes, Refused> {
        let mut kept = self.master.lock().await;
        match self.origin.file("master.m3u8", MAX_FILE_BYTES).await {
            Ok(bytes) if stays("master.m3u8", &bytes) => Ok(kept.insert(bytes).clone()),
            Ok(_) => Err(Refused::NoPlaylist),
            Err(why) => kept.clone().ok_or(why.into()),
        }
    }

    /// A playlist of captions as the origin has it, which is not signed, or a text of them.
    pub(crate) async fn captions(&self, path: &str) -> Result<Bytes, Refused> {
        let bytes = self.origin.file(path, MAX_FILE_BYTES).await?;
        if !self.stream().texts().admit(path, &bytes) {
            return Err(Refused::Forged);
        }
        if stays(path, &bytes) { Ok(bytes) } else { Err(Refused::NoPlaylist) }
    }

    /// The media playlist of a rendition; `awaited` has media sequence number and part that it shall have.
    pub(crate) async fn media(
        &self,
        rendition: u8,
        awaited: Option<(u32, Option<u32>)>,
    ) -> Result<String, Refused> {
        let begun = Instant::now();
        let mut news = self.stream().news();
        loop {
            let is_superseded = news.borrow_and_update().is_superseded;
            let mut line = self.line(rendition).await?;
            let playlist = self.carry_on(rendition, &mut line).await?;
            let answer = match awaited {
                None => Answer::Ready,
                Some((segment, part)) => match segment.checked_sub(self.base.segments) {
                    None => Answer::Ready, // of a stream that was before
                    Some(segment) => playlist.answer(segment, part),
                },
            };
            let until = begun + playlist.target() * PATIENCE;
            match answer {
                Answer::Ready => {
                    let oldest = self.stream().parts(rendition).first().copied();
                    return Ok(
                        playlist.text(self.base, |segment| self.is_offered(rendition, segment, oldest))
                    );
                }
                Answer::TooFar => return Err(Refused::TooFar),
                Answer::Wait if is_superseded => return Err(Refused::Superseded),
                Answer::Wait => {}
            }
            drop(line);
            if Instant::now() >= until {
                return Err(Refused::Late);
            }
            // Without news it is looked whether the origin has more than heads tell.
            let _ = timeout_at(until.min(Instant::now() + QUIET), news.changed()).await;
        }
    }

    async fn line(&self, rendition: u8) -> Result<tokio::sync::MutexGuard<'_, Line>, Refused> {
        Ok(self.lines.get(usize::from(rendition)).ok_or(Refused::NotFound)?.lock().await)
    }

    /// Under a key, only what signed heads tell of, and will for a while.
    fn is_offered(&self, rendition: u8, segment: &Segment, oldest: Option<Told>) -> bool {
        if !self.is_keyed {
            return true;
        }
        let first = SegmentId::new(rendition, segment.numbers.start);
        let Some((part, oldest)) = self.stream().part(first).zip(oldest) else { return false };
        oldest.sequence == 1 || part.span().0 >= oldest.span().0 + STAYS
    }

    /// Adds what heads have told since, and asks the origin where they do not tell all.
    async fn carry_on<'a>(&self, rendition: u8, line: &'a mut Line) -> Result<&'a mut Playlist, Refused> {
        let (told, born_ms) = (self.stream().parts(rendition), self.stream().born_ms());
        let now = Instant::now();
        let last = told.last().map_or(0, |part| part.sequence);
        if line.follows.is_none_or(|(followed, _)| followed != last) {
            line.follows = Some((last, now));
        }
        let is_sure = line.playlist.as_mut().is_some_and(|playlist| playlist.follow(&told, born_ms));
        let quiet = line.playlist.as_ref().map_or(QUIET, |playlist| QUIET.max(playlist.target()));
        let is_quiet = line.follows.is_some_and(|(_, since)| now - since > quiet)
            && line.playlist.as_ref().is_none_or(|playlist| !playlist.is_over());
        let may_read = |every| line.read_at.is_none_or(|at| now - at >= every);
        if line.playlist.is_none() || !is_sure && may_read(READ_EVERY) || is_quiet && may_read(quiet) {
            match self.read(rendition).await {
                Ok(mut playlist) => {
                    if line.joint.is_none() && self.base != Base::default() {
                        line.joint = playlist.first();
                    }
                    playlist.join_at(line.joint);
                    // Those that came meanwhile too; what they do not tell is asked for the next time.
                    playlist.follow(&self.stream().parts(rendition), born_ms);
                    line.playlist = Some(playlist);
                }
                Err(why) if line.playlist.is_none() => return Err(why),
                Err(why) => tracing::debug!(%why, "a playlist is carried on without the origin"),
            }
            line.read_at = Some(Instant::now());
        }
        line.playlist.as_mut().ok_or(Refused::NoPlaylist)
    }

    async fn read(&self, rendition: u8) -> Result<Playlist, Refused> {
        let folder = self.stream().folder(rendition).ok_or(Refused::NotFound)?;
        let text = self.origin.fresh_file(&format!("{folder}/media.m3u8"), MAX_FILE_BYTES).await?;
        let text = std::str::from_utf8(&text).map_err(|_| Refused::NoPlaylist)?;
        Playlist::read(text).ok_or(Refused::NoPlaylist)
    }

    /// An initialisation segment, checked.
    pub(crate) async fn init(&self, rendition: u8, number: u32) -> Result<Bytes, Refused> {
        let number = number.checked_sub(self.base.inits).filter(|&n| n > 0).ok_or(Refused::NotFound)?;
        let folder = self.stream().folder(rendition).ok_or(Refused::NotFound)?;
        let mut kept = self.inits.lock().await;
        if let Some(init) = kept.get(&(rendition, number)) {
            return Ok(init.clone());
        }
        let init = self.media.file(&format!("{folder}/init/{number}.mp4"), MAX_INIT_BYTES).await?;
        if !self.stream().is_init(rendition, &init) {
            // An encoder that came back with other settings has made one of which the description did not tell yet.
            self.stream().describe_anew(&self.origin).await;
        }
        if !self.stream().is_init(rendition, &init) {
            return Err(Refused::Forged);
        }
        if kept.len() >= INITS_KEPT {
            kept.pop_first();
        }
        kept.insert((rendition, number), init.clone());
        Ok(init)
    }

    /// A part; waits for the one that comes next.
    pub(crate) async fn part(&self, rendition: u8, number: u32) -> Result<Bytes, Refused> {
        let number = number.checked_sub(self.base.parts).filter(|&n| n > 0).ok_or(Refused::NotFound)?;
        let part = SegmentId::new(rendition, number);
        let patience = {
            let mut line = self.line(rendition).await?;
            let playlist = self.carry_on(rendition, &mut line).await?;
            playlist.target() * PATIENCE
        };
        match self.told(part, patience).await {
            Ok(_) => self.bring(part).await,
            Err(Refused::NotFound | Refused::Late) if !self.is_keyed => {
                let folder = self.stream().folder(rendition).ok_or(Refused::NotFound)?;
                self.plain(&format!("{folder}/part/{number}.m4s")).await
            }
            Err(why) => Err(why),
        }
    }

    /// A segment.
    pub(crate) async fn segment(&self, rendition: u8, number: u32) -> Result<Body, Refused> {
        let number = number.checked_sub(self.base.segments).filter(|&n| n > 0).ok_or(Refused::NotFound)?;
        {
            let mut line = self.line(rendition).await?;
            let playlist = self.carry_on(rendition, &mut line).await?;
            if let Some((next, first)) = playlist.next()
                && next == number
                && !playlist.is_over()
            {
                return Ok(Body::Growing(SegmentId::new(rendition, first)));
            }
            let segment = playlist.segment(number).ok_or(Refused::NotFound)?;
            let known: Option<Vec<_>> = segment
                .numbers
                .clone()
                .map(|number| SegmentId::new(rendition, number))
                .map(|part| Some((part, self.stream().part(part)?.size)))
                .collect();
            match known.filter(|known| !known.is_empty()) {
                Some(parts) if segment.is_whole => return Ok(Body::Parts(parts)),
                Some(parts) => return Ok(Body::Growing(parts[0].0)),
                None if self.is_keyed => return Err(Refused::NotFound),
                None => {}
            }
        }
        let folder = self.stream().folder(rendition).ok_or(Refused::NotFound)?;
        match self.plain(&format!("{folder}/{number}.m4s")).await {
            Err(Refused::Origin(origin::Error::Status { status: 404, .. })) => {
                if let Some(playlist) = &mut self.line(rendition).await?.playlist {
                    playlist.forget(number);
                }
                Err(Refused::NotFound)
            }
            plain => Ok(Body::Plain(plain?)),
        }
    }

    /// Media at the origin's word.
    async fn plain(&self, name: &str) -> Result<Bytes, Refused> {
        let bytes = self.media.file(name, MAX_SEGMENT_BYTES).await?;
        self.unchecked.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    /// Waits until a head has told of a part that is next, or nearly.
    async fn told(&self, part: SegmentId, patience: Duration) -> Result<Told, Refused> {
        /// Further ahead nobody can have heard of it.
        const AHEAD: u32 = 32;
        let (until, mut news) = (Instant::now() + patience, self.stream().news());
        loop {
            let state = *news.borrow_and_update();
            if let Some(told) = self.stream().part(part) {
                return Ok(told);
            }
            let last = self.stream().parts(part.rendition).last().map_or(0, |last| last.sequence);
            if part.sequence <= last || last > 0 && part.sequence > last + AHEAD || state.is_over {
                return Err(Refused::NotFound);
            }
            if state.is_superseded {
                return Err(Refused::Superseded);
            }
            if timeout_at(until, news.changed()).await.is_err() {
                return Err(Refused::Late);
            }
        }
    }

    async fn bring(&self, part: SegmentId) -> Result<Bytes, Refused> {
        Ok(timeout(PART_PATIENCE, self.viewer.segment(part)).await.map_err(|_| Refused::Late)??)
    }

    /// Brings parts in their order, several at a time.
    pub(crate) fn joined(
        self: Arc<Self>,
        parts: Vec<SegmentId>,
    ) -> impl Bodies<Item = Result<Bytes, io::Error>> + Send {
        let bring = move |part| {
            let show = self.clone();
            async move { show.bring(part).await.map_err(io::Error::other) }
        };
        stream::iter(parts).map(bring).buffered(PARTS_AT_ONCE)
    }

    /// Brings the parts of a segment as they are born, from its first one on.
    pub(crate) fn growing(
        self: Arc<Self>,
        first: SegmentId,
    ) -> impl Bodies<Item = Result<Bytes, io::Error>> + Send {
        stream::unfold(Some((self, first)), |state| async move {
            let (show, part) = state?;
            let born = async {
                let told = show.told(part, GROWTH_PATIENCE).await?;
                Ok::<_, Refused>((told.cut.ends_segment, show.bring(part).await?))
            };
            match born.await {
                Ok((true, bytes)) => Some((Ok(bytes), None)),
                Ok((false, bytes)) => {
                    let next = SegmentId::new(part.rendition, part.sequence + 1);
                    Some((Ok(bytes), Some((show, next))))
                }
                Err(why) => Some((Err(io::Error::other(why)), None)),
            }
        })
    }
}
