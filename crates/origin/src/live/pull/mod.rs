//! Pulling: a door that fetches by itself. Somebody else's live stream, HLS or DASH, is read as any player would read
//! it, each segment once, and goes on as a publication.
//!
//! ```text
//! URL -> Source (playlists, MPD) -> a Follower for each rendition (segments, samples) -> mix (one timeline, its own pace) -> Seat
//!                                \-> captions (texts, cues) -----------------------------/
//! ```
//!
//! The invariant: only what an operator may ask is asked, however playlists and redirects name it; what is fetched, waited for and
//! held has a bound; what comes out is, sample by sample, what was published.

mod address;
mod captions;
mod dash;
mod demux;
mod follower;
mod hls;
mod listing;
mod mix;
mod pause;
mod source;
mod ts;
mod web;
mod whole;

use super::desk::Seat;
use super::is_web;
use crate::slug::{MAX_SLUG_LEN, Slug};
use address::Rule;
use cmaf::mpd::Content;
use follower::{Follower, Memory, WAITING};
use mix::{Lane, Stop, mix};
use pause::{Pause, jittered};
use reqwest::Url;
use source::{MAX_RENDITIONS, Source};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use web::{Web, shown};

pub(super) use follower::JOIN;
pub(super) use source::Trouble;
pub(super) use whole::{Followed, Init, Whole, follow};

/// Pauses before a stream is asked for again that could not be had: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A stream that went on for so long failed of something new.
const PROVEN: Duration = Duration::from_secs(30);
/// A rendition has something within so long, or is left out.
const BEGIN: Duration = Duration::from_secs(30);
/// How often a stream that is over is looked at.
const OVER: Duration = Duration::from_secs(20);

/// A stream that is somebody else's.
#[derive(Clone, PartialEq, Eq)]
pub struct PullConfig {
    /// Its name here.
    pub name: String,
    /// Where it is: an address of http or https, which may hold secrets and is never shown whole.
    pub url: Url,
    /// Whether this machine and its own networks may be asked too.
    pub private: bool,
    /// Whether its media is left where it is: only the index of it, and the tracker, are here.
    pub index_only: bool,
}

impl fmt::Debug for PullConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullConfig").field("name", &self.name).field("url", &self.place()).finish()
    }
}

/// A text that names no stream to pull. It is not repeated: it may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "say NAME=URL or URL, which begins with https:// or http://; a name has small letters, digits and '-'"
)]
pub struct BadPull;

impl PullConfig {
    /// Reads `NAME=URL` or `URL`; without a name it is called after where it is.
    pub fn parse(text: &str, private: bool) -> Result<Self, BadPull> {
        let named = text.split_once('=').filter(|(name, _)| !name.contains(':'));
        let (name, url) = named.map_or((None, text), |(name, url)| (Some(name.trim()), url));
        let url = Url::parse(url.trim()).ok().filter(is_web).ok_or(BadPull)?;
        let name = match name {
            Some(name) => Slug::parse(name).ok_or(BadPull)?,
            None => called(&url),
        };
        Ok(Self { name: name.to_string(), url, private, index_only: false })
    }

    /// Where it is, without secrets.
    pub fn place(&self) -> String {
        shown(&self.url)
    }
}

/// A name out of host and path, without what all such addresses have.
fn called(url: &Url) -> Slug {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    let mut words = vec![host];
    words.extend(url.path_segments().into_iter().flatten().filter(|word| !word.is_empty()));
    if let Some(last) = words.last_mut().filter(|last| **last != host) {
        *last = last.rsplit_once('.').map_or(*last, |(stem, _)| stem);
        if ["master", "index", "playlist", "manifest", "main", "media", "chunklist"].contains(last) {
            words.pop();
        }
    }
    let text = words.join("-").replace('.', "-");
    Slug::of_file(Path::new(&text.chars().take(MAX_SLUG_LEN).collect::<String>()))
}

/// Pulls a stream for as long as it is let.
pub(super) async fn serve(config: PullConfig, seat: Seat) {
    let memories: Vec<Memory> = (0..MAX_RENDITIONS).map(|_| Memory::default()).collect();
    let mut attempts = Attempts::new(&config);
    loop {
        let ended = session(&config, &seat, &memories).await;
        attempts.rest(ended).await;
    }
}

/// The attempts to follow a stream, and the pauses between them, which grow while none succeeds.
pub(super) struct Attempts<'a> {
    config: &'a PullConfig,
    pause: Pause,
    begun: Instant,
    said: String,
}

impl<'a> Attempts<'a> {
    /// The first begins now.
    pub fn new(config: &'a PullConfig) -> Self {
        let pause = Pause::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { config, pause, begun: Instant::now(), said: String::new() }
    }

    /// Says how the attempt `ended`, and waits until it is time for the next.
    pub async fn rest(&mut self, ended: Result<(), Ended>) {
        let (stream, place) = (&self.config.name, self.config.place());
        let lasted = self.begun.elapsed();
        match ended {
            Ok(()) => {
                tracing::info!(%stream, %place, "the stream that is pulled has ended");
                sleep(jittered(OVER)).await;
                self.begun = Instant::now();
                return;
            }
            Err(Ended::Trouble(why)) => {
                let words = why.to_string();
                // It may go on like that for days.
                if words != self.said {
                    tracing::warn!(%stream, %place, why = %words, "the stream cannot be pulled");
                }
                self.said = words;
            }
            Err(Ended::Unwanted) => tracing::debug!(%stream, "nobody takes the stream that is pulled"),
        }
        if lasted > PROVEN {
            self.pause.reset();
            self.said.clear();
        }
        self.pause.wait().await;
        self.begun = Instant::now();
    }
}

/// Why a session ended before the stream did.
pub(super) enum Ended {
    Trouble(Trouble),
    Unwanted,
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Pulls a stream from its live edge until it ends, or something breaks.
async fn session(config: &PullConfig, seat: &Seat, memories: &[Memory]) -> Result<(), Ended> {
    let web = Web::new(Rule::new(config.private)).map_err(|why| Trouble::at(&config.url, why))?;
    let (source, renditions) = Source::open(web, &config.url).await?;
    let source = Arc::new(source);
    let waiting = Arc::default();
    let mut beginning = JoinSet::new();
    for ((at, rendition), memory) in renditions.into_iter().enumerate().zip(memories) {
        let begin = Follower::begin(Arc::clone(&source), rendition, Arc::clone(&waiting), memory.clone());
        let nothing = source.trouble(source::Unusable::Nothing);
        beginning.spawn(async move { (at, timeout(BEGIN, begin).await.unwrap_or(Err(nothing))) });
    }
    let mut begun = BTreeMap::new();
    let mut failed = None;
    while let Some(one) = beginning.join_next().await {
        match one {
            Ok((at, Ok(one))) => drop(begun.insert(at, one)),
            Ok((_, Err(why))) => {
                tracing::debug!(stream = %config.name, %why, "a rendition is left out");
                failed = Some(why);
            }
            Err(_) => {} // it has ended with the program
        }
    }
    let (mut lanes, mut followers) = (Vec::new(), JoinSet::new());
    let mut target = Duration::ZERO;
    for (follower, pieces) in begun.into_values() {
        target = target.max(follower.target());
        let mut outlets = BTreeMap::new();
        for (kind, piece) in pieces {
            if lanes.len() >= MAX_RENDITIONS {
                continue;
            }
            let (outlet, pieces) = mpsc::channel(WAITING);
            outlets.insert(kind, outlet);
            lanes.push(Lane::new(lanes.len() as u8, kind, piece, pieces)); // at most MAX_RENDITIONS
        }
        followers.spawn(follower.run(outlets));
    }
    if lanes.is_empty() {
        return Err(failed.unwrap_or_else(|| source.trouble(source::Unusable::Empty)).into());
    }
    if let Some(why) = failed {
        tracing::warn!(stream = %config.name, %why, "a rendition is left out");
    }
    tracing::info!(stream = %config.name, place = %config.place(), tracks = lanes.len(), "pulling");
    let captions = captions::follow(&source, &config.name);
    let mixed = mix(seat, lanes, captions, target).await;
    // What had come before a rendition was lost has gone out by now.
    let mut lost = None;
    while let Some(over) = followers.try_join_next() {
        lost = lost.or(over.ok().and_then(Result::err));
    }
    match mixed {
        Ok(()) => Ok(()),
        Err(Stop::Over) => Err(Ended::Unwanted),
        Err(Stop::Unusable(why)) => Err(source.trouble(why).into()),
        Err(Stop::Lost) => Err(lost.unwrap_or_else(|| source.trouble(source::Unusable::Missing)).into()),
    }
}

/// Reads `bytes` as a playlist, and as an init segment and a segment: an entry for fuzzers. Whatever the bytes are, it returns.
pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(base) = Url::parse("https://example.org/live/master.m3u8") {
        // Either verdict is right.
        let _ = hls::read(bytes, &base);
        let text = String::from_utf8_lossy(bytes);
        if let Ok(manifest) = cmaf::mpd::read(&text, base.as_str()) {
            let _ = (dash::renditions(&manifest), dash::captions(&manifest));
            for content in [Content::Video, Content::Audio, Content::Text] {
                let _ = dash::listing(&manifest, (content, "", 0), SystemTime::UNIX_EPOCH + OVER);
            }
        }
    }
    captions::fuzz(bytes);
    demux::fuzz(bytes);
}

#[cfg(test)]
mod tests;
