//! What live streams there are, and which doors they have.

use super::desk::StreamKey;
use super::pull::PullConfig;
use super::put::PutLimits;
use super::rtmp::RtmpLimits;
use super::whip::WhipConfig;
use crate::package::Settings;
use crate::slug::Slug;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Streams of one origin.
const MAX_STREAMS: usize = 256;

/// Segment times for which the encoder's keyframes can be placed.
const SEGMENT: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(30);

/// Fewest and most characters of an SRT passphrase.
const PASSPHRASE: std::ops::RangeInclusive<usize> = 10..=79;

/// One stream that may be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Its name in addresses.
    pub name: String,
    /// What its publisher must know: RTMP's stream key, HTTP's bearer token, SRT's passphrase.
    pub key: StreamKey,
    /// Where SRT callers publish it, if anywhere.
    pub srt: Option<SocketAddr>,
}

/// Everything about live streams that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The streams.
    pub streams: Vec<StreamConfig>,
    /// Streams of others that are shown as they are.
    pub pulls: Vec<PullConfig>,
    /// Where RTMP publishers come in (`rtmp://HOST/live`), if anywhere; port 0 for any.
    pub rtmp: Option<SocketAddr>,
    /// Limits of the RTMP door.
    pub rtmp_limits: RtmpLimits,
    /// Limits of the CMAF door.
    pub put_limits: PutLimits,
    /// Where WebRTC publishers send, if they may.
    pub whip: Option<WhipConfig>,
    /// How long SRT waits for what got lost.
    pub srt_latency: Duration,
    /// Ladder, preset and sound; with `transcode` off, samples go through as they come.
    pub encoding: Settings,
    /// The encoder makes a keyframe at each multiple of it.
    pub segment: Duration,
    /// How long a stream waits for a publisher that was cut off.
    pub bridge: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            pulls: Vec::new(),
            rtmp: None,
            rtmp_limits: RtmpLimits::default(),
            put_limits: PutLimits::default(),
            whip: None,
            srt_latency: Duration::from_millis(200),
            encoding: Settings::default(),
            segment: Duration::from_secs(2),
            bridge: Duration::from_secs(30),
        }
    }
}

/// Why live streams cannot be taken in.
#[derive(Debug, Error)]
pub enum LiveError {
    /// No streams, or too many.
    #[error("there are 1 to {MAX_STREAMS} live streams, not {0}")]
    Count(usize),
    /// A name that cannot stand in an address.
    #[error("{0:?} is no name for a stream: use small letters, digits and '-'")]
    Name(String),
    /// Two streams of one name or one key.
    #[error("streams must differ in name and in key; two are called, or share the key of, {0:?}")]
    Twice(String),
    /// A segment time out of range.
    #[error("segments take {} ms to {} s", SEGMENT.start().as_millis(), SEGMENT.end().as_secs())]
    Segment,
    /// The key does for all but SRT.
    #[error("stream {0:?}: a passphrase of SRT has {low} to {high} characters", low = PASSPHRASE.start(), high = PASSPHRASE.end())]
    Passphrase(String),
    /// A ladder or SRT without ffmpeg.
    #[error("a ladder and SRT need ffmpeg, which is not in PATH")]
    NoFfmpeg,
    /// A port that cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), LiveError> {
        let count = self.streams.len() + self.pulls.len();
        if count == 0 || count > MAX_STREAMS {
            return Err(LiveError::Count(count));
        }
        if !SEGMENT.contains(&self.segment) {
            return Err(LiveError::Segment);
        }
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for stream in &self.streams {
            if Slug::parse(&stream.name).is_none() {
                return Err(LiveError::Name(stream.name.clone()));
            }
            if !names.insert(&stream.name) || !keys.insert(stream.key.reveal()) {
                return Err(LiveError::Twice(stream.name.clone()));
            }
            if stream.srt.is_some() && !PASSPHRASE.contains(&stream.key.reveal().len()) {
                return Err(LiveError::Passphrase(stream.name.clone()));
            }
        }
        for pull in &self.pulls {
            if Slug::parse(&pull.name).is_none() {
                return Err(LiveError::Name(pull.name.clone()));
            }
            if !names.insert(&pull.name) {
                return Err(LiveError::Twice(pull.name.clone()));
            }
        }
        Ok(())
    }
}
