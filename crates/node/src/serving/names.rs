//! What may be asked for. Its invariant: no name but those of a package leads anywhere.

use crate::film::Film;
use manifest::SegmentId;

/// A file of the film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The whole film as one file.
    Movie,
    /// The signed index.
    Index,
    /// `init.mp4` of a rendition.
    Init(u8),
    Segment(SegmentId),
    /// A playlist, subtitles, a picture.
    Text,
}

impl Name {
    /// Reads a path below the film's folder.
    pub(crate) fn parse(path: &str, film: &Film) -> Option<Self> {
        match path {
            "film.mp4" => return Some(Self::Movie),
            "index.bci" => return Some(Self::Index),
            "master.m3u8" | "manifest.mpd" | "stream.json" | "poster.jpg" | "thumbs.jpg" | "thumbs.vtt" => {
                return Some(Self::Text);
            }
            _ => {}
        }
        let (folder, file) = path.split_once('/')?;
        match file {
            "media.m3u8" | "iframes.m3u8" | "subs.vtt" => {
                let number = folder.strip_prefix(['v', 'a', 't'])?;
                let is_number = (1..=4).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
                is_number.then_some(Self::Text)
            }
            "init.mp4" => film.rendition(folder).map(Self::Init),
            _ => {
                let is_number = |n: &&str| n.bytes().all(|b| b.is_ascii_digit()) && !n.starts_with('0');
                let number = file.strip_suffix(".m4s").filter(is_number)?;
                let segment = SegmentId::new(film.rendition(folder)?, number.parse().ok()?);
                film.index().segment(segment).map(|_| Self::Segment(segment))
            }
        }
    }
}
