//! An HLS presentation of somebody else: its renditions as their swarms are named after, and the segments of each. Its
//! invariant: whatever a playlist says has a bound, and every address in it is one of http or https.

use crate::origin::is_web;
use crate::pml::identity::{Kind, Variant};
use m3u8_rs::{AlternativeMediaType, KeyMethod, MasterPlaylist, Playlist, QuotedOrUnquoted};
use reqwest::{Client, Url};
use std::ops::Range;
use std::time::Duration;
use thiserror::Error;

/// Largest playlist, 8 MiB.
const MAX_PLAYLIST_BYTES: usize = 8 << 20;
/// Most renditions that are looked at.
const MAX_RENDITIONS: usize = 64;
/// Most segments of a playlist.
const MAX_SEGMENTS: usize = 50_000;

/// Why a playlist is of no use.
#[derive(Debug, Error)]
pub enum Error {
    /// It does not come.
    #[error("the playlist does not come: {0}")]
    Fetch(#[from] super::fetch::Error),
    /// It is no playlist.
    #[error("what comes is no HLS playlist")]
    NoPlaylist,
    /// It names an address that leads nowhere.
    #[error("the playlist names {0}, which is no web address")]
    Address(String),
    /// It has none, or too many.
    #[error("a playlist with {0} segments or renditions")]
    Count(usize),
}

/// A presentation.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// Where it was found, after redirects.
    pub found_at: Url,
    /// Its renditions: variants first, in the playlist's order, then sound.
    pub renditions: Vec<Rendition>,
}

/// A rendition of it.
#[derive(Clone, Debug)]
pub struct Rendition {
    /// As the playlist describes it.
    pub variant: Variant,
    /// Its media playlist.
    pub url: Url,
}

/// What a media playlist lists at the moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Whether nothing more will come.
    pub ended: bool,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub sequence: u64,
    /// How often a player looks again.
    pub target: Duration,
    /// The segments, in order.
    pub segments: Vec<Segment>,
}

/// A segment of somebody else's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it is.
    pub url: Url,
    /// Which bytes of that; `None`: all.
    pub range: Option<Range<u64>>,
    /// Whether it is encrypted as a whole: then nothing can be said of its form.
    pub is_sealed: bool,
}

/// Reads the presentation at `url`, a master playlist or a single media playlist.
pub async fn open(client: &Client, url: &Url) -> Result<Presentation, Error> {
    let (text, found_at) = super::fetch::text(client, url, MAX_PLAYLIST_BYTES).await?;
    let renditions = match m3u8_rs::parse_playlist_res(&text).map_err(|_| Error::NoPlaylist)? {
        Playlist::MediaPlaylist(_) => {
            vec![Rendition { variant: Variant::default(), url: found_at.clone() }]
        }
        Playlist::MasterPlaylist(master) => renditions(&master, &found_at)?,
    };
    if renditions.is_empty() || renditions.len() > MAX_RENDITIONS {
        return Err(Error::Count(renditions.len()));
    }
    Ok(Presentation { found_at, renditions })
}

/// Reads the media playlist at `url`.
pub async fn list(client: &Client, url: &Url) -> Result<Listing, Error> {
    let (text, found_at) = super::fetch::text(client, url, MAX_PLAYLIST_BYTES).await?;
    listing(&text, &found_at)
}

fn listing(text: &[u8], base: &Url) -> Result<Listing, Error> {
    let list = m3u8_rs::parse_media_playlist_res(text).map_err(|_| Error::NoPlaylist)?;
    if list.segments.len() > MAX_SEGMENTS {
        return Err(Error::Count(list.segments.len()));
    }
    let mut is_sealed = false;
    let mut next_byte = 0;
    let mut segments = Vec::with_capacity(list.segments.len());
    for segment in &list.segments {
        // A key holds for what follows it.
        if let Some(key) = &segment.key {
            is_sealed = key.method != KeyMethod::None;
        }
        let range = segment.byte_range.as_ref().map(|range| {
            let start = range.offset.unwrap_or(next_byte);
            start..start.saturating_add(range.length)
        });
        next_byte = range.as_ref().map_or(0, |range| range.end);
        segments.push(Segment { url: resolve(base, &segment.uri)?, range, is_sealed });
    }
    Ok(Listing {
        ended: list.end_list,
        sequence: list.media_sequence,
        target: Duration::from_secs(list.target_duration.clamp(1, 60)),
        segments,
    })
}

fn renditions(master: &MasterPlaylist, base: &Url) -> Result<Vec<Rendition>, Error> {
    let mut renditions = Vec::new();
    for (position, stream) in (0..).zip(master.variants.iter().filter(|stream| !stream.is_i_frame)) {
        let other = |name: &str| stream.other_attributes.as_ref().and_then(|all| all.get(name)).map(plain);
        let pixels = |n: u64| u32::try_from(n).ok();
        let variant = Variant {
            kind: Kind::Main,
            position,
            bitrate: Some(stream.bandwidth),
            codecs: stream.codecs.clone(),
            width: stream.resolution.and_then(|r| pixels(r.width)),
            height: stream.resolution.and_then(|r| pixels(r.height)),
            frame_rate: stream.frame_rate,
            video_range: other("VIDEO-RANGE"),
            ..Variant::default()
        };
        renditions.push(Rendition { variant, url: resolve(base, &stream.uri)? });
    }
    let sounds = master.alternatives.iter().filter(|m| m.media_type == AlternativeMediaType::Audio);
    for (position, (sound, uri)) in (0..).zip(sounds.filter_map(|m| Some((m, m.uri.as_ref()?)))) {
        let user = master.variants.iter().find(|stream| stream.audio.as_deref() == Some(&sound.group_id));
        let variant = Variant {
            kind: Kind::Secondary,
            position,
            codecs: user.and_then(|stream| stream.codecs.clone()),
            language: sound.language.clone(),
            channels: sound.channels.clone(),
            name: Some(sound.name.clone()),
            ..Variant::default()
        };
        renditions.push(Rendition { variant, url: resolve(base, uri)? });
    }
    Ok(renditions)
}

fn plain(value: &QuotedOrUnquoted) -> String {
    match value {
        QuotedOrUnquoted::Quoted(text) | QuotedOrUnquoted::Unquoted(text) => text.clone(),
    }
}

fn resolve(base: &Url, uri: &str) -> Result<Url, Error> {
    base.join(uri).ok().filter(is_web).ok_or_else(|| Error::Address(uri.chars().take(200).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",CHANNELS=\"2\",URI=\"a/en.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"English\",URI=\"s/en.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=30.000,VIDEO-RANGE=SDR,AUDIO=\"a\"
v/360.m3u8?token=1
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"
";

    #[test]
    fn a_master_playlist_names_variants_and_sound() {
        let base: Url = "https://example.com/film/master.m3u8".parse().unwrap();
        let Ok(Playlist::MasterPlaylist(master)) = m3u8_rs::parse_playlist_res(MASTER.as_bytes()) else {
            panic!()
        };
        let all = renditions(&master, &base).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].url.as_str(), "https://example.com/film/v/360.m3u8?token=1");
        let video = &all[0].variant;
        assert_eq!(
            (video.width, video.frame_rate, video.video_range.as_deref()),
            (Some(640), Some(30.0), Some("SDR"))
        );
        let sound = &all[1].variant;
        assert_eq!(sound.kind, Kind::Secondary);
        assert_eq!((sound.language.as_deref(), sound.channels.as_deref()), (Some("en"), Some("2")));
        assert_eq!(sound.codecs.as_deref(), Some("avc1.64001f,mp4a.40.2"));
    }

    #[test]
    fn a_listing_has_ranges_and_tells_what_is_sealed() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\n#EXT-X-BYTERANGE:10@5\nall.ts\n\
                    #EXTINF:4,\n#EXT-X-BYTERANGE:20\nall.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\n9.ts\n#EXT-X-ENDLIST\n";
        let base: Url = "https://example.com/film/v.m3u8".parse().unwrap();
        let list = listing(text.as_bytes(), &base).unwrap();
        assert!(list.ended);
        assert_eq!((list.sequence, list.target), (7, Duration::from_secs(4)));
        let seen: Vec<_> = list.segments.iter().map(|s| (s.range.clone(), s.is_sealed)).collect();
        assert_eq!(seen, [(Some(5..15), false), (Some(15..35), false), (None, true)]);
    }

    #[test]
    fn addresses_that_are_no_web_addresses_are_refused() {
        let base: Url = "https://example.com/film/v.m3u8".parse().unwrap();
        for uri in ["file:///etc/passwd", "ftp://example.com/1.ts", "data:text/plain,x"] {
            let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{uri}\n");
            assert!(matches!(listing(text.as_bytes(), &base), Err(Error::Address(_))), "{uri}");
        }
    }
}
