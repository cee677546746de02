//! The names of a package's files, and nothing else. Its invariant: a path on disk is built from a value of [`Name`], never
//! from text of a request.

use std::path::{Path, PathBuf};

/// Largest number of a rendition's folder.
const MAX_FOLDER: u8 = 99;
/// Largest number of a segment: above [`manifest::MAX_SEGMENTS`], with fewer digits than would overflow.
const MAX_SEQUENCE: u32 = 9_999_999;

/// A file of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `master.m3u8`
    Master,
    /// `manifest.mpd`
    Mpd,
    /// `index.bci`
    Index,
    /// `stream.json`
    Card,
    /// `poster.jpg`
    Poster,
    /// `thumbs.jpg`
    Sprite,
    /// `thumbs.vtt`
    Thumbs,
    /// `v0/init.mp4`, `a0/init.mp4`
    Init(Folder),
    /// `v0/1.m4s`, `a0/1.m4s`
    Segment(Folder, u32),
    /// `v0/media.m3u8`, `a0/media.m3u8`, `t0/media.m3u8`
    Media(Folder),
    /// `v0/iframes.m3u8`
    Iframes(Folder),
    /// `t0/subs.vtt`
    Subtitles(Folder),
}

/// A rendition's folder: `v0`, `a1`, `t2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder {
    /// What it holds.
    pub kind: FolderKind,
    /// Its number.
    pub number: u8,
}

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FolderKind {
    /// `v`
    Video,
    /// `a`
    Audio,
    /// `t`
    Text,
}

/// How a file is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Init segments and media segments: named in the index, never changed under a name.
    Media,
    /// Playlists, manifests, the index and the card.
    Manifest,
    /// Pictures and subtitles.
    Extra,
}

impl Name {
    /// Reads the part of a URL path behind the slug. Exactly one text stands for each name: no escapes, no leading zeros.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "master.m3u8" => Self::Master,
            "manifest.mpd" => Self::Mpd,
            "index.bci" => Self::Index,
            "stream.json" => Self::Card,
            "poster.jpg" => Self::Poster,
            "thumbs.jpg" => Self::Sprite,
            "thumbs.vtt" => Self::Thumbs,
            _ => {
                let (folder, file) = text.split_once('/')?;
                let folder = Folder::parse(folder)?;
                match (file, folder.kind) {
                    ("media.m3u8", _) => Self::Media(folder),
                    ("subs.vtt", FolderKind::Text) => Self::Subtitles(folder),
                    (_, FolderKind::Text) => return None,
                    ("init.mp4", _) => Self::Init(folder),
                    ("iframes.m3u8", FolderKind::Video) => Self::Iframes(folder),
                    _ => Self::Segment(folder, number(file.strip_suffix(".m4s")?).filter(|&n| n > 0)?),
                }
            }
        })
    }

    /// Where the file is in the package `root`.
    pub fn path(self, root: &Path) -> PathBuf {
        root.join(self.to_string())
    }

    /// How the file is treated.
    pub fn class(self) -> Class {
        match self {
            Self::Init(_) | Self::Segment(..) => Class::Media,
            Self::Poster | Self::Sprite | Self::Thumbs | Self::Subtitles(_) => Class::Extra,
            Self::Master | Self::Mpd | Self::Index | Self::Card | Self::Media(_) | Self::Iframes(_) => {
                Class::Manifest
            }
        }
    }

    /// Its media type, as RFC 8216, ISO/IEC 23009-1 and W3C name them.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Master | Self::Media(_) | Self::Iframes(_) => "application/vnd.apple.mpegurl",
            Self::Mpd => "application/dash+xml",
            Self::Index => "application/octet-stream",
            Self::Card => "application/json",
            Self::Poster | Self::Sprite => "image/jpeg",
            Self::Thumbs | Self::Subtitles(_) => "text/vtt; charset=utf-8",
            Self::Init(folder) | Self::Segment(folder, _) => match folder.kind {
                FolderKind::Audio => "audio/mp4",
                FolderKind::Video | FolderKind::Text => "video/mp4",
            },
        }
    }

    /// Whether it is text that shrinks.
    pub fn is_text(self) -> bool {
        !matches!(self, Self::Init(_) | Self::Segment(..) | Self::Poster | Self::Sprite | Self::Index)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Master => f.write_str("master.m3u8"),
            Self::Mpd => f.write_str("manifest.mpd"),
            Self::Index => f.write_str("index.bci"),
            Self::Card => f.write_str("stream.json"),
            Self::Poster => f.write_str("poster.jpg"),
            Self::Sprite => f.write_str("thumbs.jpg"),
            Self::Thumbs => f.write_str("thumbs.vtt"),
            Self::Init(folder) => write!(f, "{folder}/init.mp4"),
            Self::Segment(folder, sequence) => write!(f, "{folder}/{sequence}.m4s"),
            Self::Media(folder) => write!(f, "{folder}/media.m3u8"),
            Self::Iframes(folder) => write!(f, "{folder}/iframes.m3u8"),
            Self::Subtitles(folder) => write!(f, "{folder}/subs.vtt"),
        }
    }
}

impl Folder {
    fn parse(text: &str) -> Option<Self> {
        let kind = match text.as_bytes().first()? {
            b'v' => FolderKind::Video,
            b'a' => FolderKind::Audio,
            b't' => FolderKind::Text,
            _ => return None,
        };
        let number = u8::try_from(number(&text[1..])?).ok().filter(|&n| n <= MAX_FOLDER)?;
        Some(Self { kind, number })
    }
}

impl std::fmt::Display for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            FolderKind::Video => 'v',
            FolderKind::Audio => 'a',
            FolderKind::Text => 't',
        };
        write!(f, "{kind}{}", self.number)
    }
}

/// Digits without a leading zero.
fn number(text: &str) -> Option<u32> {
    let legal = (1..=7).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    legal.then(|| text.parse().ok()).flatten().filter(|&n| n <= MAX_SEQUENCE)
}
