//! What may be asked for, and the playlists and pictures round the media, which come from the origin and are kept. Its
//! invariant: no name but those of a package leads to a request at the origin.

use crate::film::Film;
use crate::origin::{self, Origin};
use bytes::Bytes;
use manifest::SegmentId;
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// Largest playlist, subtitle or picture, 16 MiB.
const MAX_FILE_BYTES: usize = 16 << 20;
/// All that is kept of them, 64 MiB; what comes then is fetched every time.
const KEPT_MAX_BYTES: usize = 64 << 20;

/// A file of the film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The whole film as one file.
    Movie,
    /// `init.mp4` of a rendition.
    Init(u8),
    Segment(SegmentId),
    /// A playlist, subtitles, a picture.
    Text,
}

impl Name {
    /// Reads a path below the film's folder.
    pub(super) fn parse(path: &str, film: &Film) -> Option<Self> {
        match path {
            "film.mp4" => return Some(Self::Movie),
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
                let number = file.strip_suffix(".m4s").filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?;
                let segment = SegmentId::new(film.rendition(folder)?, number.parse().ok()?);
                film.index().segment(segment).map(|_| Self::Segment(segment))
            }
        }
    }
}

/// The files that are no media.
pub(super) struct Files {
    origin: Origin,
    kept: Mutex<BTreeMap<String, Bytes>>,
}

impl Files {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, kept: Mutex::default() }
    }

    /// The file `name`, from the origin the first time.
    pub(super) async fn get(&self, name: &str) -> Result<Bytes, origin::Error> {
        if let Some(bytes) = self.kept.lock().await.get(name) {
            return Ok(bytes.clone());
        }
        let bytes = self.origin.file(name, MAX_FILE_BYTES).await?;
        let mut kept = self.kept.lock().await;
        if kept.values().map(Bytes::len).sum::<usize>() + bytes.len() <= KEPT_MAX_BYTES {
            kept.insert(name.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }
}
