//! Segments of somebody else's stream, each as a whole and with its address: what an index is made of.
//!
//! The invariant: a segment comes with the very bytes that its address gave, of tracks that are known, and nothing is missing before it.

use super::address::Rule;
use super::follower::{Fetched, Follower, Memory};
use super::listing::{List, Wanted};
use super::source::{Source, Trouble, Unusable};
use super::web::Web;
use super::{BEGIN, PullConfig};
use bytes::Bytes;
use cmaf::live::hls::Subtitles;
use cmaf::{Kind, Sample, Track};
use reqwest::Url;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Segments that may wait.
const WAITING: usize = 8;

/// An init segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::live) struct Init {
    pub url: Url,
    pub bytes: Bytes,
    pub track: Track,
}

/// A segment.
#[derive(Debug)]
pub(in crate::live) struct Whole {
    /// Which rendition it is of.
    pub line: usize,
    /// Media between two discontinuities has the same; it rises.
    pub run: u64,
    pub url: Url,
    pub bytes: Bytes,
    /// What it needs, where that may be another.
    pub init: Option<Init>,
    /// Decode time of its first sample, and until when its last one lasts, in ticks of the track.
    pub start: u64,
    pub end: u64,
    /// Whether decoding can start in it.
    pub independent: bool,
    /// Lines of the playlist that belong to it, such as those of advertisements.
    pub marks: Vec<String>,
    /// When it was filmed, as its publisher says.
    pub wall: Option<SystemTime>,
}

/// A stream that is followed.
#[derive(Debug)]
pub(in crate::live) struct Followed {
    /// The first segment of each rendition: pictures from the smallest, then sound.
    pub first: Vec<Whole>,
    /// What follows. An error, or nothing more of a rendition, ends all.
    pub rest: mpsc::Receiver<Result<Whole, Trouble>>,
    /// No segment lasts longer.
    pub target: Duration,
    /// Served where they are; those of an MPD are not.
    pub subtitles: Vec<Subtitles>,
    /// What the publisher keeps on offer.
    pub window: Duration,
    _followers: JoinSet<()>,
}

/// Follows a stream from three segments behind its live edge.
pub(in crate::live) async fn follow(config: &PullConfig) -> Result<Followed, Trouble> {
    let web = Web::new(Rule::new(config.private)).map_err(|why| Trouble::at(&config.url, why))?;
    let (source, renditions) = Source::open(web, &config.url).await?;
    let source = Arc::new(source);
    let mut beginning = JoinSet::new();
    // Sound within the pictures' segments comes with each of them.
    let are_apart = renditions.iter().any(|rendition| rendition.wanted == Wanted::Audio);
    for mut rendition in renditions {
        if !are_apart {
            rendition.wanted = Wanted::All;
        }
        let follower = Follower::open(Arc::clone(&source), rendition, Arc::default(), Memory::default());
        let source = Arc::clone(&source);
        beginning.spawn(async move {
            let first = async {
                let mut follower = follower.await?;
                let fetched = follower.fetched().await?.ok_or_else(|| source.trouble(Unusable::Over))?;
                Ok((whole(0, fetched, None)?, follower))
            };
            timeout(BEGIN, first).await.unwrap_or_else(|_| Err(source.trouble(Unusable::Nothing)))
        });
    }
    let mut begun = Vec::new();
    for one in beginning.join_all().await {
        begun.push(one?);
    }
    begun.sort_by_key(|(first, _)| first.init.as_ref().map(|init| place(&init.track)));
    let (outlet, rest) = mpsc::channel(WAITING);
    let (mut first, mut followers) = (Vec::new(), JoinSet::new());
    let (mut target, mut window) = (Duration::ZERO, Duration::MAX);
    for (line, (mut one, follower)) in begun.into_iter().enumerate() {
        one.line = line;
        target = target.max(follower.target());
        window = window.min(follower.on_offer());
        followers.spawn(pass(line, follower, one.init.clone(), outlet.clone()));
        first.push(one);
    }
    if first.is_empty() {
        return Err(source.trouble(Unusable::Empty));
    }
    if !source.web().is_open_to_pages(&first[0].url).await.unwrap_or(false) {
        tracing::warn!(stream = %config.name, place = %config.place(), "pages of other sites may not read its segments (no CORS headers): browsers get nothing from there");
    }
    let subtitles = source.captions.iter().filter(|(_, list)| matches!(list, List::Playlist(_)));
    let subtitles = subtitles.map(|(of, _)| of.clone()).collect();
    Ok(Followed { first, rest, target, subtitles, window, _followers: followers })
}

/// Pictures from the smallest, then sound.
fn place(track: &Track) -> (Kind, u32) {
    (track.kind, u32::from(track.width) * u32::from(track.height))
}

async fn pass(
    line: usize,
    mut follower: Follower,
    init: Option<Init>,
    outlet: mpsc::Sender<Result<Whole, Trouble>>,
) {
    let mut track = init.map(|init| init.track);
    loop {
        let next = match follower.fetched().await {
            Ok(Some(fetched)) => whole(line, fetched, track.as_ref()),
            Ok(None) => return,
            Err(why) => Err(why),
        };
        if let Ok(Whole { init: Some(init), .. }) = &next {
            track = Some(init.track.clone());
        }
        let is_last = next.is_err();
        if outlet.send(next).await.is_err() || is_last {
            return;
        }
    }
}

/// A segment as it was fetched, of a rendition whose track is known, or comes with it.
fn whole(line: usize, fetched: Fetched, known: Option<&Track>) -> Result<Whole, Trouble> {
    let Fetched { segment, gap, init, bytes, mut taken } = fetched;
    let at = |why: Unusable| Trouble::at(&segment.media.url, why);
    for resource in [Some(&segment.media), segment.init.as_ref()].into_iter().flatten() {
        if resource.range.is_some() {
            return Err(at(Unusable::Ranges));
        }
        if !resource.url.username().is_empty() || resource.url.password().is_some() {
            return Err(at(Unusable::Password));
        }
    }
    if gap {
        return Err(at(Unusable::Gap));
    }
    let Some(init_at) = &segment.init else { return Err(at(Unusable::NoInit)) };
    taken.retain(|taken| !taken.samples.is_empty());
    taken.sort_by_key(|taken| taken.kind);
    // Of pictures and sound in one, pictures say how long it lasts.
    let codecs: Vec<String> = taken.iter().filter_map(|t| Some(t.track.as_ref()?.codec.clone())).collect();
    let main = taken.into_iter().next().ok_or_else(|| at(Unusable::Damaged))?;
    let init = match (init, main.track) {
        (Some(bytes), Some(track)) => {
            let track = Track { codec: codecs.join(","), ..track };
            Some(Init { url: init_at.url.clone(), bytes, track })
        }
        _ => None,
    };
    if init.is_none() && known.is_none() {
        return Err(at(Unusable::NoInit));
    }
    let end = |sample: &Sample| sample.dts.saturating_add(sample.duration.into());
    let (Some(first), Some(last)) = (main.samples.first(), main.samples.last()) else {
        return Err(at(Unusable::Damaged));
    };
    if end(last) <= first.dts {
        return Err(at(Unusable::Damaged));
    }
    Ok(Whole {
        line,
        run: segment.run,
        url: segment.media.url,
        bytes,
        init,
        start: first.dts,
        end: end(last),
        independent: main.kind == Kind::Audio || first.sync,
        marks: segment.marks,
        wall: segment.wall,
    })
}
