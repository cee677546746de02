//! What requests get, and how they wait for it. The invariant: whoever waits for one thing gets the same bytes, made once.

use super::Channel;
use super::shelf::{Found, Piece, Place};
use super::state::{Line, State};
use crate::http::gzip;
use bytes::Bytes;
use cmaf::live::dash::Service;
use cmaf::live::hls::Form;
use cmaf::live::{Answer, Window, dash, hls};
use manifest::digest;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

/// Target durations that a request for a playlist or a part waits (RFC 8216bis section 6.2.5.2).
const PATIENCE: u32 = 3;
/// How long a request for heads waits for the next.
const HEADS_PATIENCE: Duration = Duration::from_secs(20);
/// A segment that grows may stand still for so long, as when its publisher comes back.
const GROWTH_PATIENCE: Duration = Duration::from_secs(60);

/// Why a request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such rendition, part or segment, or not any more.
    #[error("There is no such part of this stream, or not any more.")]
    NotFound,
    /// It asks for what nobody can have heard of yet, or in a way that means nothing.
    #[error("Nobody can have heard of that yet.")]
    Wrong,
    /// What it waits for did not come in time.
    #[error("The stream stands still.")]
    Late,
    /// Too many requests wait.
    #[error("Too many requests wait for this stream.")]
    Crowded,
    /// The disk has lost it.
    #[error("This segment is damaged on the origin's disk.")]
    Broken,
}

/// A playlist or another text, as it is at one moment.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text.
    pub bytes: Bytes,
    /// The text compressed with gzip, where that makes it smaller.
    pub gzip: Option<Bytes>,
    /// Plain BLAKE3 of it.
    pub digest: manifest::Hash,
}

/// The bytes of a segment.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Piece),
    /// It still grows: what is there, then each part as it is born. An error ends a segment that will never be whole.
    Growing(mpsc::Receiver<io::Result<Bytes>>),
}

/// Texts of one version of the stream.
#[derive(Debug, Default)]
pub(super) struct Texts {
    version: u64,
    made: Vec<(Name, Text)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Master,
    Mpd,
    Media(usize, Form),
    Captions,
}

/// A place among the requests that wait.
struct Waiting<'a>(&'a Channel);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Channel {
    /// `master.m3u8`; waits until every rendition can be played.
    pub async fn master(&self) -> Result<Text, Refused> {
        self.all(Name::Master).await
    }

    /// `manifest.mpd`; waits until every rendition can be played. There is none of an indexed stream: its segments have times of their own.
    pub async fn mpd(&self) -> Result<Text, Refused> {
        if self.is_indexed() {
            return Err(Refused::NotFound);
        }
        self.all(Name::Mpd).await
    }

    async fn all(&self, name: Name) -> Result<Text, Refused> {
        let playable = self.wait(&self.heads, self.patience(), |state| state.is_playable().then_some(()));
        // A rendition that does not come at all keeps the others from nobody.
        if let Err(why) = playable.await
            && !(why == Refused::Late && self.state().lines.iter().any(Line::is_playable))
        {
            return Err(why);
        }
        Ok(self.text(&mut self.state(), name))
    }

    /// The media playlist of a rendition. `awaited` has media sequence number and part that it shall have; without, it waits for
    /// the first whole segment.
    pub async fn media(
        &self,
        rendition: usize,
        form: Form,
        awaited: Option<(u32, Option<u32>)>,
    ) -> Result<Text, Refused> {
        self.list(rendition, awaited, Name::Media(rendition, form)).await
    }

    /// The media playlist of captions, which is the same for all of them.
    pub async fn captions(&self, captions: usize) -> Result<Text, Refused> {
        if captions >= self.state().captions.len() {
            return Err(Refused::NotFound);
        }
        self.list(0, None, Name::Captions).await
    }

    /// The captions during a segment of the first rendition, as WebVTT; waits for those of the segment that grows.
    pub async fn caption(&self, captions: usize, sequence: u32) -> Result<Piece, Refused> {
        let born = self.lists.first().ok_or(Refused::NotFound)?;
        let text = |state: &mut State| {
            let Some(of) = state.captions.get(captions) else { return Some(Err(Refused::NotFound)) };
            let segment = state.lines.first().and_then(|line| line.window.segment(sequence));
            match of.text(sequence) {
                Some(bytes) => Some(Ok(Piece { digest: digest::root(&bytes), bytes })),
                None if segment.is_some_and(|segment| !segment.complete) => None,
                None => Some(Err(Refused::NotFound)),
            }
        };
        self.wait(born, self.patience(), text).await?
    }

    async fn list(
        &self,
        rendition: usize,
        awaited: Option<(u32, Option<u32>)>,
        name: Name,
    ) -> Result<Text, Refused> {
        let born = self.lists.get(rendition).ok_or(Refused::NotFound)?;
        let text = |state: &mut State| {
            let line = state.lines.get(rendition)?;
            let answer = match awaited {
                Some((segment, part)) => line.window.answer(segment, part),
                None if line.is_playable() || state.over => Answer::Ready,
                None => Answer::Wait,
            };
            match answer {
                Answer::Ready => Some(Ok(self.text(state, name))),
                Answer::TooFar => Some(Err(Refused::Wrong)),
                Answer::Wait => None,
            }
        };
        self.wait(born, self.patience(), text).await?
    }

    /// An initialisation segment; the first has the number 1.
    pub fn init(&self, rendition: usize, number: u32) -> Option<Piece> {
        let state = self.state();
        let at = number.checked_sub(1)?;
        let bytes = state.lines.get(rendition)?.inits.get(at as usize)?.clone();
        Some(Piece { digest: digest::root(&bytes), bytes })
    }

    /// A part of the stream; waits for the one that comes next.
    pub async fn part(&self, rendition: usize, sequence: u32) -> Result<Piece, Refused> {
        let born = self.lists.get(rendition).ok_or(Refused::NotFound)?;
        let part = |state: &mut State| {
            let line = state.lines.get(rendition)?;
            match line.shelf.part(sequence) {
                Some(part) => Some(Ok(part)),
                None if line.window.next_part() == Some(sequence) => None,
                None => Some(Err(Refused::NotFound)),
            }
        };
        self.wait(born, self.patience(), part).await?
    }

    /// A segment; waits for the beginning of the one that comes next.
    pub async fn segment(self: &Arc<Self>, rendition: usize, sequence: u32) -> Result<Body, Refused> {
        let born = self.lists.get(rendition).ok_or(Refused::NotFound)?;
        let segment = |state: &mut State| {
            let line = state.lines.get(rendition)?;
            match line.shelf.segment(sequence) {
                Some(found) => Some(Ok(found)),
                None if !state.over && line.shelf.newest().checked_add(1) == Some(sequence) => None,
                None => Some(Err(Refused::NotFound)),
            }
        };
        match self.wait(born, self.patience(), segment).await?? {
            Found::Whole(Place::Memory(piece)) => Ok(Body::Whole(piece)),
            Found::Whole(Place::Disk(path, digest)) => {
                let bytes: Bytes = tokio::fs::read(&path).await.map_err(|_| Refused::NotFound)?.into();
                if digest::root(&bytes) != digest {
                    tracing::error!(path = %path.display(), "a segment is not what was written");
                    return Err(Refused::Broken);
                }
                Ok(Body::Whole(Piece { bytes, digest }))
            }
            Found::Growing => {
                let (sender, body) = mpsc::channel(1);
                tokio::spawn(Arc::clone(self).grow(rendition, sequence, sender));
                Ok(Body::Growing(body))
            }
        }
    }

    /// Sends a segment's parts as they are born.
    async fn grow(self: Arc<Self>, rendition: usize, sequence: u32, body: mpsc::Sender<io::Result<Bytes>>) {
        let Some(born) = self.lists.get(rendition) else { return };
        let mut born = born.subscribe();
        let mut sent = 0;
        loop {
            born.borrow_and_update();
            let growth = self.state().lines.get(rendition).and_then(|line| line.shelf.growth(sequence, sent));
            let Some((rest, complete)) = growth else {
                body.send(Err(io::ErrorKind::UnexpectedEof.into())).await.ok(); // nobody reads it any more
                return;
            };
            for part in rest {
                sent += 1;
                if body.send(Ok(part)).await.is_err() {
                    return;
                }
            }
            if complete {
                return;
            }
            let more = tokio::select! {
                more = timeout_at(Instant::now() + GROWTH_PATIENCE, born.changed()) => more,
                () = body.closed() => return,
            };
            if !matches!(more, Ok(Ok(()))) {
                body.send(Err(io::ErrorKind::TimedOut.into())).await.ok(); // as above
                return;
            }
        }
    }

    /// The signed description, and how often caches may be asked for it.
    pub fn description(&self) -> Piece {
        let bytes = self.state().sealed.clone();
        Piece { digest: digest::root(&bytes), bytes }
    }

    /// What follows on head `after` of `epoch`, each after its length; empty where nothing came for 20 s. `None`: nothing comes any
    /// more.
    pub async fn heads(&self, epoch: u32, after: u64) -> Result<Option<Bytes>, Refused> {
        let next = |state: &mut State| match state.heads.after(epoch, after) {
            Some(heads) => Some(Some(heads.into())),
            None => state.over.then_some(None),
        };
        match self.wait(&self.heads, HEADS_PATIENCE, next).await {
            Err(Refused::Late) => Ok(Some(Bytes::new())),
            answer => answer,
        }
    }

    fn patience(&self) -> Duration {
        self.config.target() * PATIENCE
    }

    /// Waits until `look` finds something; it is asked again with each change of `born`.
    async fn wait<T>(
        &self,
        born: &watch::Sender<u64>,
        patience: Duration,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Refused> {
        if let Some(found) = look(&mut self.state()) {
            return Ok(found);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Waiting(self);
        if before >= self.config.waiting {
            return Err(Refused::Crowded);
        }
        let (mut born, until) = (born.subscribe(), Instant::now() + patience);
        loop {
            born.borrow_and_update();
            if let Some(found) = look(&mut self.state()) {
                return Ok(found);
            }
            match timeout_at(until, born.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Refused::Late),
            }
        }
    }

    /// A text as it is now, from memory where it is not the first to be asked for.
    fn text(&self, state: &mut State, name: Name) -> Text {
        let version = state.version;
        if state.texts.version != version {
            state.texts.made.clear();
            state.texts.version = version;
        }
        if let Some((_, made)) = state.texts.made.iter().find(|(of, _)| *of == name) {
            return made.clone();
        }
        let windows: Vec<&Window> = state.lines.iter().map(|line| &line.window).collect();
        let text = match name {
            Name::Master => hls::multivariant(&windows, &state.subtitles),
            Name::Mpd => {
                let published = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let base = self.config.public_url.as_ref();
                let utc_timing = base.map(|base| format!("{}/api/v1/time", base.trim_end_matches('/')));
                let targets = self.config.targets;
                let latency = targets.segment.max(targets.part * 3);
                dash::mpd(&windows, &state.subtitles, &Service { published, utc_timing, latency })
            }
            Name::Captions => windows.first().map(|window| hls::captions(window)).unwrap_or_default(),
            Name::Media(rendition, form) => match windows.get(rendition) {
                Some(window) => hls::media(window, &windows, form),
                None => String::new(),
            },
        };
        let text = Text {
            gzip: gzip(text.as_bytes()),
            digest: digest::root(text.as_bytes()),
            bytes: text.into_bytes().into(),
        };
        state.texts.made.push((name, text.clone()));
        text
    }
}
