//! `stream.json`: a film in a few lines, for catalogues.

use crate::slug::Slug;
use cmaf::{Kind, Presentation};
use serde::{Deserialize, Serialize};

/// The contents of `stream.json`. Addresses are relative to the package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Name in URLs.
    pub slug: String,
    /// Name on screen.
    pub title: String,
    /// Length in seconds.
    pub duration_s: f64,
    /// A still picture, if there is one.
    pub poster: Option<String>,
    /// The HLS master playlist.
    pub hls: String,
    /// The DASH manifest.
    pub dash: String,
    /// The signed index.
    pub index: String,
    /// WebVTT of preview pictures, if there are any.
    pub thumbnails: Option<String>,
    /// Video (lowest bandwidth first), then audio.
    pub renditions: Vec<CardRendition>,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Whether it is a live stream: then `index` is its description, and its length is what viewers may go back.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub live: bool,
}

/// A rendition in a [`Card`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardRendition {
    /// Its folder.
    pub id: String,
    /// `video` or `audio`.
    pub kind: String,
    /// RFC 6381 codec string.
    pub codecs: String,
    /// Peak bits per second.
    pub bandwidth: u64,
    /// Pixels; video only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u16>,
    /// Pixels; video only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u16>,
    /// Frames per second; video only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frame_rate: Option<f64>,
    /// BCP 47 language; audio only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
    /// Bytes of its segments.
    pub bytes: u64,
}

impl Card {
    pub(super) fn of(slug: &Slug, title: &str, film: &Presentation, poster: bool) -> Self {
        let renditions = film.renditions.iter().map(|r| {
            let video = r.track.kind == Kind::Video;
            CardRendition {
                id: r.id.clone(),
                kind: if video { "video" } else { "audio" }.to_owned(),
                codecs: r.track.codec.clone(),
                bandwidth: r.peak_bandwidth(),
                width: video.then_some(r.track.width),
                height: video.then_some(r.track.height),
                frame_rate: r
                    .track
                    .frame_rate
                    .map(|(n, d)| (f64::from(n) / f64::from(d.max(1)) * 1000.0).round() / 1000.0),
                language: r.track.language.clone(),
                bytes: r.bytes(),
            }
        });
        let renditions: Vec<CardRendition> = renditions.collect();
        Self {
            slug: slug.to_string(),
            title: title.to_owned(),
            duration_s: (film.play_time().as_secs_f64() * 1000.0).round() / 1000.0,
            poster: poster.then(|| "poster.jpg".to_owned()),
            hls: "master.m3u8".to_owned(),
            dash: "manifest.mpd".to_owned(),
            index: "index.bci".to_owned(),
            thumbnails: film.thumbnails.as_ref().map(|_| "thumbs.vtt".to_owned()),
            bytes: renditions.iter().map(|r| r.bytes).sum(),
            renditions,
            live: false,
        }
    }
}
