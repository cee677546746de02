//! What players ask for of a live stream: the files that its playlists name, and what a request for a playlist says beside it.
//!
//! | name | what |
//! |---|---|
//! | `master.m3u8` | [`multivariant`](super::hls::multivariant) |
//! | `ID/media.m3u8` | [`media`](super::hls::media) |
//! | `ID/SEQ.m4s` | a segment |
//! | `ID/part/PARTSEQ.m4s` | a part |
//! | `ID/init/N.mp4` | an init segment |
//! | `tN/media.m3u8` | [`captions`](super::hls::captions) |
//! | `tN/SEQ.vtt` | captions during segment `SEQ` of the first rendition |
//!
//! The invariant: the names are a closed set, and exactly one text stands for each.

use std::str::FromStr;

use super::hls::Form;

/// A file that playlists of a live stream name, by its path below the stream's folder. Whether there is such a rendition it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// The multivariant playlist.
    Master,
    /// The media playlist of the rendition with this id.
    Media(&'a str),
    /// An init segment of a rendition, by its number.
    Init(&'a str, u32),
    /// A segment of a rendition, by its media sequence number.
    Segment(&'a str, u32),
    /// A part of a rendition, by its number in the stream.
    Part(&'a str, u32),
    /// The playlist of captions, by their number.
    Captions(usize),
    /// The text of captions during a segment, by its media sequence number.
    Caption(usize, u32),
}

impl<'a> Name<'a> {
    /// Reads a path; `None`: no file is called so. Escapes and leading zeros are not read.
    pub fn parse(path: &'a str) -> Option<Self> {
        if path == "master.m3u8" {
            return Some(Self::Master);
        }
        let (id, file) = path.split_once('/')?;
        if let Some(captions) = id.strip_prefix('t') {
            let captions = if captions == "0" { 0 } else { ordinal(captions)? };
            return Some(match file {
                "media.m3u8" => Self::Captions(captions),
                _ => Self::Caption(captions, ordinal(file.strip_suffix(".vtt")?)?),
            });
        }
        Some(match file.split_once('/') {
            None if file == "media.m3u8" => Self::Media(id),
            None => Self::Segment(id, ordinal(file.strip_suffix(".m4s")?)?),
            Some(("init", file)) => Self::Init(id, ordinal(file.strip_suffix(".mp4")?)?),
            Some(("part", file)) => Self::Part(id, ordinal(file.strip_suffix(".m4s")?)?),
            Some(_) => return None,
        })
    }
}

/// What a request for a media playlist says beside it (RFC 8216bis section 6.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directives {
    /// How the playlist is wanted.
    pub form: Form,
    /// The segment that it shall have, by its media sequence number, and the part of that, from 0 on; without a part, all of the segment.
    pub awaited: Option<(u32, Option<u32>)>,
}

impl Directives {
    /// Reads a query; `None`: it means nothing.
    pub fn parse(query: &str) -> Option<Self> {
        let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
        let value = |name| pairs().find(|(n, _)| *n == name).map(|(_, value)| value);
        let form = match (value("parts"), value("_HLS_skip")) {
            (Some("no"), _) => Form::Plain,
            // Date ranges are few here, and are given whole: see `super::hls`.
            (_, Some("YES" | "v2")) => Form::Delta,
            _ => Form::LowLatency,
        };
        let awaited = match (value("_HLS_msn"), value("_HLS_part")) {
            (None, None) => None,
            (None, Some(_)) => return None,
            (Some(segment), None) => Some((digits(segment)?, None)),
            (Some(segment), Some(part)) => Some((digits(segment)?, Some(digits(part)?))),
        };
        Some(Self { form, awaited })
    }
}

/// A number from 1 on, without leading zeros.
fn ordinal<N: FromStr>(text: &str) -> Option<N> {
    if text.starts_with('0') { None } else { digits(text) }
}

/// A number without a sign.
fn digits<N: FromStr>(text: &str) -> Option<N> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_stands_for_each_name() {
        assert_eq!(Name::parse("master.m3u8"), Some(Name::Master));
        assert_eq!(Name::parse("v0/media.m3u8"), Some(Name::Media("v0")));
        assert_eq!(Name::parse("v0/17.m4s"), Some(Name::Segment("v0", 17)));
        assert_eq!(Name::parse("v0/part/17.m4s"), Some(Name::Part("v0", 17)));
        assert_eq!(Name::parse("a0/init/1.mp4"), Some(Name::Init("a0", 1)));
        assert_eq!(Name::parse("t0/media.m3u8"), Some(Name::Captions(0)));
        assert_eq!(Name::parse("t10/3.vtt"), Some(Name::Caption(10, 3)));
        for text in [
            "t/media.m3u8",
            "t/7.vtt",
            "t00/media.m3u8",
            "t+1/1.vtt",
            "t../7.vtt",
            "t0/0.vtt",
            "t0/1.m4s",
            "t0/part/1.m4s",
            "",
            "v0",
            "v0/",
            "v0/.m4s",
            "v0/0.m4s",
            "v0/01.m4s",
            "v0/1.vtt",
            "v0/x/1.m4s",
            "v0/part/4294967296.m4s",
            "v0/part/../1.m4s",
            "live.bcs",
            "heads/",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn directives_are_read_or_refused() {
        let read = |query| Directives::parse(query).map(|d| (d.form, d.awaited));
        assert_eq!(read(""), Some((Form::LowLatency, None)));
        assert_eq!(read("_HLS_msn=7"), Some((Form::LowLatency, Some((7, None)))));
        assert_eq!(read("x=1&_HLS_msn=7&_HLS_part=0"), Some((Form::LowLatency, Some((7, Some(0))))));
        assert_eq!(read("_HLS_msn=7&_HLS_skip=YES"), Some((Form::Delta, Some((7, None)))));
        assert_eq!(read("parts=no"), Some((Form::Plain, None)));
        for query in
            ["_HLS_part=1", "_HLS_msn=-1", "_HLS_msn=", "_HLS_msn=1&_HLS_part=x", "_HLS_msn=99999999999"]
        {
            assert_eq!(read(query), None, "{query}");
        }
    }
}
