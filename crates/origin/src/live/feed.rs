//! What comes out: each broadcast as one line of events, with tracks and samples of its renditions.

use cmaf::live::hls::Subtitles;
use cmaf::webvtt::Text;
use cmaf::{Sample, Track};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// Events that may wait for who takes them; beyond, the publisher is not read any more.
pub(super) const WAITING: usize = 128;

/// A rendition's name within its broadcast: `v0` is the smallest picture, `a0` the sound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionId(Arc<str>);

impl RenditionId {
    pub(super) fn video(number: usize) -> Self {
        Self(format!("v{number}").into())
    }

    pub(super) fn audio(number: usize) -> Self {
        Self(format!("a{number}").into())
    }

    /// The name, such as `v0`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream while somebody publishes it: from its first [`Feed::Begin`] to [`Feed::End`].
#[derive(Debug)]
pub struct Broadcast {
    /// The stream's name, from the configuration.
    pub stream: String,
    /// What comes of it, in order; dropping it ends the broadcast.
    pub feed: mpsc::Receiver<Feed>,
    /// How far apart keyframes may be, where the source has said so.
    pub target: Option<Duration>,
    /// How it is doing.
    pub figures: Arc<Figures>,
}

/// What a broadcast says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Which renditions follow: comes first, and again after each [`Feed::Restart`].
    Begin(Beginning),
    /// The header of a rendition: before its first sample, and again after each [`Feed::Restart`].
    Track(RenditionId, Track),
    /// The next sample of a rendition in decode order. Times count from [`Beginning::zero`] in all renditions alike.
    Sample(RenditionId, Sample),
    /// A line of a playlist that belongs to the next segment of a rendition.
    Mark(RenditionId, String),
    /// Cues of the captions that stand at this place in [`Beginning::captions`]. Times count as those of samples do; they may be of what comes
    /// later, until the next [`Feed::Restart`].
    Text(usize, Text),
    /// The publisher or the encoder began anew. Samples go on at the time that it is, in new tracks.
    Restart,
    /// Nothing follows.
    End,
}

/// What is known before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// When time zero of every rendition was, by this machine's clock; the same all through a broadcast.
    pub zero: SystemTime,
    /// Renditions that follow.
    pub renditions: Vec<RenditionId>,
    /// Captions that come with them, and where their playlists are.
    pub captions: Vec<Subtitles>,
}

/// Figures of one broadcast, which may be read at any time.
#[derive(Debug, Default)]
pub struct Figures {
    samples: AtomicU64,
    bytes: AtomicU64,
    restarts: AtomicU64,
    encoder_failures: AtomicU64,
    /// Speed in thousandths; 0 where there is no encoder yet.
    speed: AtomicU32,
}

impl Figures {
    /// Samples given out.
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// Bytes of the samples given out.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How often publisher or encoder began anew.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// How often the encoder died.
    pub fn encoder_failures(&self) -> u64 {
        self.encoder_failures.load(Ordering::Relaxed)
    }

    /// Seconds of film that the encoder makes in a second, over the last few; `None` before it is known or without an
    /// encoder. Below 1 the stream falls behind, if the publisher does not.
    pub fn encoder_speed(&self) -> Option<f64> {
        let speed = self.speed.load(Ordering::Relaxed);
        (speed > 0).then(|| f64::from(speed) / 1000.0)
    }

    pub(super) fn count(&self, event: &Feed) {
        match event {
            Feed::Sample(_, sample) => {
                self.samples.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(sample.data.len() as u64, Ordering::Relaxed);
            }
            Feed::Restart => {
                self.restarts.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    pub(super) fn encoder_failed(&self) {
        self.encoder_failures.fetch_add(1, Ordering::Relaxed);
        self.speed.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_speed(&self, film: Duration, wall: Duration) {
        let speed = film.as_secs_f64() / wall.as_secs_f64().max(0.001);
        self.speed.store((speed * 1000.0).clamp(1.0, 1e6) as u32, Ordering::Relaxed);
    }
}

/// The other end of a broadcast's feed.
#[derive(Clone, Debug)]
pub(super) struct FeedSender {
    events: mpsc::Sender<Feed>,
    pub figures: Arc<Figures>,
}

/// Nobody takes the feed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unwanted;

impl FeedSender {
    pub fn new(stream: &str, target: Option<Duration>) -> (Self, Broadcast) {
        let (events, feed) = mpsc::channel(WAITING);
        let figures = Arc::new(Figures::default());
        let broadcast = Broadcast { stream: stream.to_owned(), feed, target, figures: Arc::clone(&figures) };
        (Self { events, figures }, broadcast)
    }

    pub async fn send(&self, event: Feed) -> Result<(), Unwanted> {
        self.figures.count(&event);
        self.events.send(event).await.map_err(|_| Unwanted)
    }

    /// Resolves when nobody takes the feed any more.
    pub async fn unwanted(&self) {
        self.events.closed().await;
    }
}
