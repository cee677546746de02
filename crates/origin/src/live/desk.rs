//! Who may publish what. Every door asks here, and hands its publications over here.
//!
//! The invariant: of one stream there is one publication at a time, the newest. A publisher that comes back before its old
//! connection is known to be dead takes over; who holds the key decides.

use super::flv::Media;
use cmaf::Track;
use cmaf::live::hls::Subtitles;
use cmaf::webvtt::Text;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

/// Messages of a publication that may wait; beyond, its door stops reading.
const WAITING: usize = 64;

/// Publications of one stream that may wait to be looked at.
const WAITING_PUBLICATIONS: usize = 4;

/// Fewest and most characters of a key.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// What a publisher must know. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(String);

/// A text that is no stream key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a stream key has {} to {} letters, digits, '-' or '_'", KEY_LENGTH.start(), KEY_LENGTH.end())]
pub struct BadKey;

impl StreamKey {
    /// Takes `text`; only what stands in a URL as it is.
    pub fn new(text: impl Into<String>) -> Result<Self, BadKey> {
        let text = text.into();
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if plain && KEY_LENGTH.contains(&text.len()) { Ok(Self(text)) } else { Err(BadKey) }
    }

    /// The key itself, for the program that must be told.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey")
    }
}

/// How a publication ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The publisher said so.
    Clean,
    /// It went silent, or what it sent made no sense.
    Cut,
    /// A newer one with the same key took over.
    Replaced,
}

/// The table of streams and keys.
#[derive(Clone, Debug)]
pub(crate) struct Desk(Arc<Vec<Entry>>, Arc<[u8; 32]>);

/// A stream's name, and where its publications come out.
pub(crate) type Outlet = (String, mpsc::Receiver<Publication>);

#[derive(Debug)]
struct Entry {
    name: String,
    /// Keyed hash of its key: comparing hashes takes the same time wherever they differ. `None`: nobody may publish it from outside.
    key: Option<blake3::Hash>,
    publications: mpsc::Sender<Publication>,
    current: Mutex<Option<watch::Sender<bool>>>,
}

/// The right to publish one stream.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    desk: Desk,
    entry: usize,
}

/// A publication at the side of the door. Dropping it without [`Publisher::end`] is a cut.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    media: mpsc::Sender<Message>,
    replaced: watch::Receiver<bool>,
}

/// The publication has been replaced, or nobody wants it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the publication is over")]
pub(crate) struct Over;

#[derive(Debug)]
enum Message {
    Media(Media),
    Mark(u8, String),
    Text(u8, Text),
    End,
    Cut,
}

/// What a source says of the whole of a publication.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Keyframes are no further apart, where that is known.
    pub target: Option<Duration>,
    /// Captions that come with it, in the order of their numbers, and where their playlists are here.
    pub captions: Vec<Subtitles>,
}

/// A publication at the side of the stream.
#[derive(Debug)]
pub(crate) struct Publication {
    /// Which door it came through, for the log.
    pub door: &'static str,
    /// How many tracks there will be at most.
    pub tracks: usize,
    /// What its source has said of the whole.
    pub terms: Terms,
    media: mpsc::Receiver<Message>,
    replaced: watch::Receiver<bool>,
}

/// What a publication says next.
#[derive(Debug)]
pub(crate) enum Next {
    Track(u8, Track),
    Sample(u8, cmaf::Sample),
    /// A line of a playlist that belongs to what follows of a track.
    Mark(u8, String),
    /// Cues of the captions with this number, by the publisher's clock; they may come before what they are said to.
    Text(u8, Text),
    Ended(Ended),
}

impl Desk {
    /// A desk for streams of these names and keys, and where the publications of each come out.
    pub fn new(
        streams: impl IntoIterator<Item = (String, Option<StreamKey>)>,
    ) -> Result<(Self, Vec<Outlet>), getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let mut entries = Vec::new();
        let mut outlets = Vec::new();
        for (name, key) in streams {
            let (publications, outlet) = mpsc::channel(WAITING_PUBLICATIONS);
            let key = key.map(|key| blake3::keyed_hash(&secret, key.reveal().as_bytes()));
            entries.push(Entry { name: name.clone(), key, publications, current: Mutex::default() });
            outlets.push((name, outlet));
        }
        Ok((Self(Arc::new(entries), Arc::new(secret)), outlets))
    }

    /// The streams' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.name.as_str())
    }

    /// The seat that `key` opens, of any stream.
    pub fn admit(&self, key: &str) -> Option<Seat> {
        self.find(key, |_| true)
    }

    /// The seat of the stream called `name`, if `key` opens it.
    pub fn admit_to(&self, name: &str, key: &str) -> Option<Seat> {
        self.find(key, |entry| entry.name == name)
    }

    /// The seat of the stream called `name`, for doors that have checked the key themselves.
    pub fn seat(&self, name: &str) -> Option<Seat> {
        let entry = self.0.iter().position(|entry| entry.name == name)?;
        Some(Seat { desk: self.clone(), entry })
    }

    fn find(&self, key: &str, wanted: impl Fn(&Entry) -> bool) -> Option<Seat> {
        let hash = blake3::keyed_hash(&self.1, key.as_bytes());
        let mut found = None;
        // All of them, so that the time does not tell which one it was.
        for (at, entry) in self.0.iter().enumerate() {
            if entry.key == Some(hash) && wanted(entry) {
                found = Some(at);
            }
        }
        found.map(|entry| Seat { desk: self.clone(), entry })
    }
}

impl Seat {
    fn entry(&self) -> &Entry {
        &self.desk.0[self.entry]
    }

    /// The stream's name.
    pub fn stream(&self) -> &str {
        &self.entry().name
    }

    /// Begins a publication; the one before it is over.
    pub async fn open(&self, door: &'static str, tracks: usize) -> Result<Publisher, Over> {
        self.open_with(door, tracks, Terms::default()).await
    }

    /// Begins a publication on these `terms`; the one before it is over.
    pub async fn open_with(
        &self,
        door: &'static str,
        tracks: usize,
        terms: Terms,
    ) -> Result<Publisher, Over> {
        let (media, outlet) = mpsc::channel(WAITING);
        let (replace, replaced) = watch::channel(false);
        {
            let mut current = self.entry().current.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(old) = current.replace(replace) {
                old.send_replace(true);
            }
        }
        let publication = Publication { door, tracks, terms, media: outlet, replaced: replaced.clone() };
        let publisher = Publisher { media, replaced };
        let mut over = publisher.clone();
        tokio::select! {
            sent = self.entry().publications.send(publication) => sent.map_err(|_| Over)?,
            () = over.replaced() => return Err(Over),
        }
        Ok(publisher)
    }
}

impl Publisher {
    /// Hands over what came; waits while the stream is behind.
    pub async fn send(&mut self, media: Media) -> Result<(), Over> {
        self.message(Message::Media(media)).await
    }

    /// Hands over a line of a playlist that belongs to what follows of a track.
    pub async fn mark(&mut self, track: u8, line: String) -> Result<(), Over> {
        self.message(Message::Mark(track, line)).await
    }

    /// Hands over cues of the captions with this number.
    pub async fn text(&mut self, captions: u8, text: Text) -> Result<(), Over> {
        self.message(Message::Text(captions, text)).await
    }

    /// Says that the publisher is done.
    pub async fn end(mut self) {
        // Whoever replaced it meanwhile has said so.
        self.message(Message::End).await.ok();
    }

    /// Says that the publication is broken, whoever else still holds an end of it.
    pub async fn cut(mut self) {
        self.message(Message::Cut).await.ok(); // as above
    }

    /// Whether there is nobody to send to.
    pub fn is_over(&self) -> bool {
        *self.replaced.borrow() || self.media.is_closed()
    }

    /// Resolves when a newer publication has taken over, or nobody wants this one.
    pub async fn replaced(&mut self) {
        let closed = self.media.clone();
        tokio::select! {
            // An error says that the desk is gone.
            _ = self.replaced.wait_for(|&replaced| replaced) => {}
            () = closed.closed() => {}
        }
    }

    async fn message(&mut self, message: Message) -> Result<(), Over> {
        tokio::select! {
            biased;
            _ = self.replaced.wait_for(|&replaced| replaced) => Err(Over),
            sent = self.media.send(message) => sent.map_err(|_| Over),
        }
    }
}

impl Publication {
    /// What comes next; once ended, it stays ended.
    pub async fn next(&mut self) -> Next {
        match self.media.recv().await {
            Some(Message::Media(Media::Track(at, track))) => Next::Track(at, track),
            Some(Message::Media(Media::Sample(at, sample))) => Next::Sample(at, sample),
            Some(Message::Mark(at, line)) => Next::Mark(at, line),
            Some(Message::Text(at, text)) => Next::Text(at, text),
            Some(Message::End) => Next::Ended(Ended::Clean),
            Some(Message::Cut) => Next::Ended(Ended::Cut),
            None if *self.replaced.borrow() => Next::Ended(Ended::Replaced),
            None => Next::Ended(Ended::Cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> StreamKey {
        StreamKey::new(text).unwrap()
    }

    #[test]
    fn keys_open_their_own_stream_and_never_show() {
        let streams =
            [("one".to_owned(), Some(key("first-key"))), ("two".to_owned(), Some(key("second-key")))];
        let (desk, _outlets) = Desk::new(streams).unwrap();
        assert_eq!(desk.admit("second-key").unwrap().stream(), "two");
        assert!(desk.admit("second-ke").is_none() && desk.admit("").is_none());
        assert!(desk.admit_to("one", "second-key").is_none());
        assert_eq!(desk.admit_to("one", "first-key").unwrap().stream(), "one");
        assert!(!format!("{:?}", key("first-key")).contains("first"));
        assert!(StreamKey::new("short").is_err() && StreamKey::new("with space in it").is_err());
    }

    #[tokio::test]
    async fn the_newer_publication_takes_over() {
        let (desk, mut outlets) = Desk::new([("one".to_owned(), Some(key("first-key")))]).unwrap();
        let seat = desk.admit("first-key").unwrap();
        let mut old = seat.open("test", 2).await.unwrap();
        let mut new = seat.open("test", 2).await.unwrap();
        let track = Track::aac(&[0x11, 0x90]).unwrap();
        assert_eq!(old.send(Media::Track(1, track.clone())).await, Err(Over));
        drop(old);
        new.send(Media::Track(1, track)).await.unwrap();
        new.end().await;
        let outlet = &mut outlets[0].1;
        assert!(matches!(outlet.recv().await.unwrap().next().await, Next::Ended(Ended::Replaced)));
        let mut second = outlet.recv().await.unwrap();
        assert!(matches!(second.next().await, Next::Track(1, _)));
        assert!(matches!(second.next().await, Next::Ended(Ended::Clean)));
    }
}
