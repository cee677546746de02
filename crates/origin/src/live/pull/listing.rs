//! What somebody else's stream has on offer, whether a playlist or an MPD says so.

use cmaf::Kind;
use cmaf::mpd::Content;
use cmaf::webvtt::TimestampMap;
use reqwest::Url;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// A resource, or some bytes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub url: Url,
    pub range: Option<Range<u64>>,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Rises from segment to segment of a rendition, and is the same each time that it is listed.
    pub key: u64,
    pub media: Resource,
    pub init: Option<Resource>,
    /// Media between two discontinuities has the same; it rises.
    pub run: u64,
    /// It is not there, and will not be.
    pub gap: bool,
    /// Lines before it that are passed on as they are: advertisements and other ranges of time.
    pub marks: Vec<String>,
    /// When it was filmed, where the list says so.
    pub wall: Option<SystemTime>,
    /// Of captions: which of their times a time of the media is, where the list says so.
    pub map: Option<TimestampMap>,
}

/// The segments of a rendition that are on offer, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub segments: Vec<Segment>,
    /// Nothing will follow.
    pub ended: bool,
    /// No segment lasts longer.
    pub target: Duration,
}

/// A rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendition {
    /// What its segments are listed under: a playlist, or a representation's id in the MPD.
    pub list: List,
    pub language: Option<String>,
    /// Which of what is in its segments is wanted.
    pub wanted: Wanted,
}

/// Where a rendition's segments are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum List {
    Playlist(Url),
    /// Of this content and name; in periods where nothing is called so, the one that stands at this place among its kind.
    Representation {
        content: Content,
        id: String,
        at: usize,
    },
}

/// Which tracks of a rendition are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Video,
    Audio,
}

impl Wanted {
    /// Whether tracks of this kind are.
    pub fn has(self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Video => kind == Kind::Video,
            Self::Audio => kind == Kind::Audio,
        }
    }
}
