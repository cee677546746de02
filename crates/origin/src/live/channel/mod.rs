//! A broadcast on offer: parts, playlists and signed heads of it, for whoever asks over HTTP.
//!
//! ```text
//! Broadcast -> show (cutters) -> Channel (windows, shelves, heads) <- requests that wait
//! ```
//!
//! The invariant: a part is there, listed, and told of by a signed head at one moment, and nothing is said of it before. Requests that
//! wait are woken by what they wait for; there are only so many of them, and none waits for ever.

mod answers;
mod disk;
mod elsewhere;
mod heads;
mod indexed;
mod on_air;
mod record;
mod shelf;
mod show;
mod state;
mod teller;

pub use answers::{Body, Refused, Text};
pub use shelf::Piece;
pub use show::{Show, Stage};

use super::bucket::Object;
use super::feed::Figures;
use crate::package::{Card, CardRendition};
use crate::slug::Slug;
use cmaf::Kind;
use cmaf::live::Targets;
use elsewhere::Elsewhere;
use state::State;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How a stream is cut, and how much of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Segments and parts.
    pub targets: Targets,
    /// How far back viewers may go; at least three target durations.
    pub window: Duration,
    /// What of it is in memory; the rest is on disk.
    pub in_memory: Duration,
    /// Whether the whole becomes a film when it ends.
    pub record: bool,
    /// Requests that may wait at a time, of one stream.
    pub waiting: usize,
    /// How long a stream that is over is still served; at most the whole window, at least three target durations.
    pub linger: Duration,
    /// Under which address viewers reach the origin, if that is known: where DASH players get the time.
    pub public_url: Option<String>,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            targets: Targets::new(Duration::from_secs(2), Duration::from_millis(400)),
            window: Duration::from_secs(2 * 3600),
            in_memory: Duration::from_secs(5 * 60),
            record: false,
            waiting: 8192,
            linger: Duration::from_secs(10 * 60),
            public_url: None,
        }
    }
}

impl ChannelConfig {
    /// Target duration of the playlists.
    fn target(&self) -> Duration {
        Duration::from_secs(self.targets.target_duration_s.into())
    }

    /// The window, which has three target durations at least.
    fn window(&self) -> Duration {
        self.window.max(self.target() * 3)
    }

    /// Whether segments are written to disk.
    fn needs_disk(&self) -> bool {
        self.record || self.window() > self.in_memory
    }
}

/// A broadcast that is on offer.
#[derive(Debug)]
pub struct Channel {
    /// Its name in URLs.
    pub slug: Slug,
    /// How its publisher and its encoder are doing.
    pub figures: Arc<Figures>,
    swarm: [u8; 20],
    config: ChannelConfig,
    elsewhere: Option<Elsewhere>,
    state: Mutex<State>,
    /// Rise with each change of a rendition's list, and with each head.
    lists: Vec<watch::Sender<u64>>,
    heads: watch::Sender<u64>,
    waiting: AtomicUsize,
    parts: AtomicU64,
    bytes: AtomicU64,
    /// Parts and bytes that the metrics have counted.
    counted: Mutex<(u64, u64)>,
}

impl Channel {
    fn new(
        slug: Slug,
        figures: Arc<Figures>,
        config: ChannelConfig,
        elsewhere: Option<Elsewhere>,
        state: State,
    ) -> Self {
        let lists = state.lines.iter().map(|_| watch::Sender::new(0)).collect();
        Self {
            slug,
            figures,
            swarm: state.swarm_id(),
            config,
            elsewhere,
            state: Mutex::new(state),
            lists,
            heads: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            parts: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            counted: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The swarm of those who watch it.
    pub fn swarm_id(&self) -> [u8; 20] {
        self.swarm
    }

    /// A line for the playlist, with the next segment of a rendition.
    fn mark(&self, rendition: usize, mark: &str) {
        let marked = self.state().lines.get_mut(rendition).map_or(Ok(()), |line| line.window.mark(mark));
        if let Err(why) = marked {
            tracing::debug!(stream = %self.slug, %why, "a line of the playlist is not passed on");
        }
    }

    /// Its renditions' names, video first.
    pub fn rendition(&self, id: &str) -> Option<usize> {
        self.state().lines.iter().position(|line| line.id == id)
    }

    /// Where viewers get a file of a rendition, if not here.
    pub(crate) fn elsewhere(&self, rendition: usize, object: Object) -> Option<String> {
        self.elsewhere.as_ref()?.url(rendition, object)
    }

    /// Whether its media is where somebody else has published it, and nowhere else.
    pub fn is_indexed(&self) -> bool {
        matches!(self.elsewhere, Some(Elsewhere::Source(_)))
    }

    /// Bytes that a bucket took, and uploads that failed; `None`: there is no bucket.
    pub fn uploaded(&self) -> Option<(u64, u64)> {
        match &self.elsewhere {
            Some(Elsewhere::Bucket(uploads)) => Some(uploads.figures()),
            _ => None,
        }
    }

    /// Requests that wait for something to be born.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Parts born so far.
    pub fn parts(&self) -> u64 {
        self.parts.load(Ordering::Relaxed)
    }

    /// Bytes of the parts born so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Parts and bytes born since this was last asked.
    pub(crate) fn uncounted(&self) -> (u64, u64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *counted, (self.parts(), self.bytes()));
        (counted.0.saturating_sub(before.0), counted.1.saturating_sub(before.1))
    }

    /// Bytes of media in memory.
    pub fn memory(&self) -> u64 {
        self.state().lines.iter().map(|line| line.shelf.bytes()).sum()
    }

    /// Whether the stream is over; what was listed last is still served.
    pub fn is_over(&self) -> bool {
        self.state().over
    }

    /// How long what is named once may be kept by caches, in seconds.
    pub fn keep_s(&self) -> u64 {
        self.config.window().as_secs()
    }

    /// Its line in the catalogue.
    pub fn card(&self) -> Card {
        let state = self.state();
        let renditions = state.lines.iter().map(|line| {
            let track = line.window.track();
            let video = track.kind == Kind::Video;
            CardRendition {
                id: line.id.clone(),
                kind: if video { "video" } else { "audio" }.to_owned(),
                codecs: track.codec.clone(),
                bandwidth: line.window.bandwidth(),
                width: video.then_some(track.width),
                height: video.then_some(track.height),
                frame_rate: track
                    .frame_rate
                    .map(|(n, d)| (f64::from(n) / f64::from(d.max(1)) * 1000.0).round() / 1000.0),
                language: track.language.clone(),
                bytes: line.bytes,
            }
        });
        Card {
            slug: self.slug.to_string(),
            title: self.slug.to_string(),
            duration_s: (state.length().as_secs_f64() * 1000.0).round() / 1000.0,
            poster: None,
            hls: "master.m3u8".to_owned(),
            dash: "manifest.mpd".to_owned(),
            index: "live.bcs".to_owned(),
            thumbnails: None,
            renditions: renditions.collect(),
            bytes: self.bytes(),
            live: true,
        }
    }
}

/// Milliseconds since 1970 UTC.
fn wall_ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
