//! Somebody else's stream as its address gives it. The invariant: what cannot be passed on is refused with its reason, before
//! anything of it is shown.

use super::listing::{List, Listing, Rendition, Resource, Wanted};
use super::web::{Web, WebError, shown};
use super::{PullConfig, dash, hls};
use bytes::Bytes;
use cmaf::live::hls::Subtitles;
use cmaf::mpd::{self, Manifest};
use reqwest::Url;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Bytes of a playlist or MPD, of an init segment, and of a segment of media.
const MAX_PLAYLIST: usize = 1 << 20;
const MAX_INIT: usize = 1 << 20;
const MAX_SEGMENT: usize = 64 << 20;
/// Bytes of captions, of one segment.
const MAX_TEXT: usize = 256 << 10;
/// An MPD that was read just now is not read again.
const FRESH: Duration = Duration::from_millis(500);
/// Renditions of one stream.
pub(super) const MAX_RENDITIONS: usize = 9;

/// Why a stream cannot be passed on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::live) enum Unusable {
    #[error("it is neither an HLS playlist nor an MPD")]
    NoPlaylist,
    #[error("a playlist names an address that is none of http or https")]
    Address,
    #[error("its playlist has variables (EXT-X-DEFINE), which are not supported")]
    Variables,
    #[error("its playlist holds single pictures only")]
    Pictures,
    #[error("it is encrypted")]
    Encrypted,
    #[error("its codecs ({0}) are not supported, only H.264 and AAC")]
    Codecs(String),
    #[error("it is over, or a film: there is nothing live about it")]
    Over,
    #[error("it has no renditions")]
    Empty,
    #[error("its segments are raw sound, which is not supported, only fragmented MP4 and MPEG-TS")]
    NotFragmented,
    #[error("a segment is damaged")]
    Damaged,
    #[error(transparent)]
    Mpd(#[from] mpd::Error),
    #[error("its segments have no init segment (EXT-X-MAP)")]
    NoInit,
    #[error("nothing new is listed")]
    Nothing,
    #[error("its segments are numbered anew")]
    Anew,
    #[error("{0}")]
    Media(#[from] cmaf::ingest::Error),
    #[error("three segments in a row are missing")]
    Missing,
    #[error("its renditions have nothing to do with each other")]
    Apart,
    #[error("more of it waits than there is room for")]
    Full,
    #[error(
        "its segments are bytes of larger files: to be left where it is, each must have an address of its own"
    )]
    Ranges,
    #[error("viewers would be sent to an address with a name and a password in it")]
    Password,
    #[error("its captions are not WebVTT")]
    NoCaptions,
    #[error("it cannot be shown: {0}")]
    NotShown(String),
    #[error("a segment is missing, and nothing can stand in its place")]
    Gap,
}

/// What went wrong, and where. The address has no secrets in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {what}")]
pub(in crate::live) struct Trouble {
    pub place: String,
    pub what: What,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::live) enum What {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl Trouble {
    pub fn at(url: &Url, what: impl Into<What>) -> Self {
        Self { place: shown(url), what: what.into() }
    }

    /// What was understood, and cannot be shown.
    pub fn of(pull: &PullConfig, why: impl Display) -> Self {
        Self::at(&pull.url, Unusable::NotShown(why.to_string()))
    }

    /// Whether it may be otherwise in a moment.
    pub fn may_pass(&self) -> bool {
        match &self.what {
            What::Web(why) => !matches!(why, WebError::Private(_) | WebError::Scheme),
            // Some servers show a playlist while it is written.
            What::Unusable(why) => matches!(why, Unusable::NoPlaylist | Unusable::Mpd(mpd::Error::NotMpd(_))),
        }
    }
}

/// What an address gives.
enum Form {
    Playlist,
    Mpd,
}

impl Form {
    fn of(text: &[u8]) -> Self {
        let start = text.trim_ascii_start();
        let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
        if start.starts_with(b"<") { Self::Mpd } else { Self::Playlist }
    }
}

fn manifest(text: &[u8], base: &Url) -> Result<Manifest, Unusable> {
    let text = std::str::from_utf8(text).map_err(|_| Unusable::NoPlaylist)?;
    Ok(mpd::read(text, base.as_str())?)
}

/// An address and what was found there.
#[derive(Debug)]
pub(super) struct Source {
    web: Web,
    url: Url,
    /// The MPD as it was last read, and when that was; `None` where there are playlists.
    mpd: Mutex<Option<(Instant, Arc<Manifest>)>>,
    /// Captions that it has, and where their texts are listed.
    pub captions: Vec<(Subtitles, List)>,
}

impl Source {
    /// Reads what is at `url`: the source, and its renditions.
    pub async fn open(web: Web, url: &Url) -> Result<(Self, Vec<Rendition>), Trouble> {
        let got = web.get(url, None, MAX_PLAYLIST).await.map_err(|why| Trouble::at(url, why))?;
        let base = got.url;
        let mut source = Self { web, url: base.clone(), mpd: Mutex::default(), captions: Vec::new() };
        let at = |why: Unusable| Trouble::at(url, why);
        let mut renditions = match Form::of(&got.body) {
            Form::Mpd => {
                let manifest = manifest(&got.body, &base).map_err(at)?;
                let renditions = dash::renditions(&manifest).map_err(at)?;
                let (captions, left_out) = dash::captions(&manifest);
                source.captions = captions;
                if !left_out.is_empty() {
                    tracing::warn!(url = %shown(url), ?left_out, "captions are left out that are not WebVTT");
                }
                *source.mpd.lock().await = Some((Instant::now(), Arc::new(manifest)));
                renditions
            }
            Form::Playlist => match hls::read(&got.body, &base).map_err(at)? {
                hls::Read::Multivariant(renditions, subtitles) => {
                    let listed =
                        |of: Subtitles| Some((of.clone(), List::Playlist(Url::parse(&of.uri).ok()?)));
                    source.captions = subtitles.into_iter().filter_map(listed).collect();
                    renditions
                }
                hls::Read::Media(_) => {
                    vec![Rendition { list: List::Playlist(base), language: None, wanted: Wanted::All }]
                }
            },
        };
        if renditions.is_empty() {
            return Err(Trouble::at(url, Unusable::Empty));
        }
        if renditions.len() > MAX_RENDITIONS {
            tracing::warn!(url = %shown(url), "of {} renditions {MAX_RENDITIONS} are taken", renditions.len());
            // Sound is at the end.
            let sounds =
                renditions.iter().filter(|r| r.wanted == Wanted::Audio).count().min(MAX_RENDITIONS - 1);
            let pictures = renditions.len() - renditions.iter().filter(|r| r.wanted == Wanted::Audio).count();
            let kept = pictures.min(MAX_RENDITIONS - sounds);
            renditions.drain(kept..pictures);
            renditions.truncate(MAX_RENDITIONS);
        }
        Ok((source, renditions))
    }

    pub fn web(&self) -> &Web {
        &self.web
    }

    /// Something wrong with the whole.
    pub fn trouble(&self, what: impl Into<What>) -> Trouble {
        Trouble::at(&self.url, what)
    }

    /// The segments of a rendition that are on offer.
    pub async fn list(&self, rendition: &Rendition) -> Result<Listing, Trouble> {
        match &rendition.list {
            List::Playlist(url) => {
                let at = |why: What| Trouble::at(url, why);
                let got = self.web.get(url, None, MAX_PLAYLIST).await.map_err(|why| at(why.into()))?;
                match hls::read(&got.body, &got.url).map_err(|why| at(why.into()))? {
                    hls::Read::Media(listing) => Ok(listing),
                    hls::Read::Multivariant(..) => Err(at(Unusable::NoPlaylist.into())),
                }
            }
            List::Representation { content, id, at } => {
                let manifest = self.manifest().await?;
                let listing = dash::listing(&manifest, (*content, id, *at), SystemTime::now());
                listing.map_err(|why| self.trouble(why))
            }
        }
    }

    /// The MPD, read anew unless that was just done for another rendition.
    async fn manifest(&self) -> Result<Arc<Manifest>, Trouble> {
        let mut known = self.mpd.lock().await;
        if let Some((read, manifest)) = known.as_ref()
            && read.elapsed() < FRESH.max(manifest.longest.unwrap_or_default() / 2)
        {
            return Ok(Arc::clone(manifest));
        }
        let got = self.web.get(&self.url, None, MAX_PLAYLIST).await.map_err(|why| self.trouble(why))?;
        let manifest = Arc::new(manifest(&got.body, &got.url).map_err(|why| self.trouble(why))?);
        *known = Some((Instant::now(), Arc::clone(&manifest)));
        Ok(manifest)
    }

    pub async fn init(&self, init: &Resource) -> Result<Bytes, Trouble> {
        self.resource(init, MAX_INIT).await
    }

    pub async fn segment(&self, media: &Resource) -> Result<Bytes, Trouble> {
        self.resource(media, MAX_SEGMENT).await
    }

    pub async fn text(&self, text: &Resource) -> Result<Bytes, Trouble> {
        self.resource(text, MAX_TEXT).await
    }

    async fn resource(&self, resource: &Resource, max: usize) -> Result<Bytes, Trouble> {
        let got = self.web.get(&resource.url, resource.range.clone(), max).await;
        got.map(|got| got.body).map_err(|why| Trouble::at(&resource.url, why))
    }
}
