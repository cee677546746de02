//! What a window says of itself.

use std::ops::Range;
use std::time::Duration;

use crate::{Track, ticks_to_duration};

/// A segment on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Media sequence number.
    pub sequence: u32,
    /// When it starts on the stream's timeline, in ticks.
    pub start: u64,
    /// Ticks of its parts so far.
    pub duration: u64,
    /// Ticks per second.
    pub timescale: u32,
    /// Bytes of its parts so far.
    pub bytes: u64,
    /// Whether it follows a restart of the encoder.
    pub discontinuity: bool,
    /// Restarts of the encoder before it, over the whole stream.
    pub era: u32,
    /// Number of the init segment it needs.
    pub init: u32,
    /// Wall time of its start, since 1970-01-01 UTC, where it is known.
    pub wall: Option<Duration>,
    /// Whether it has all its parts.
    pub complete: bool,
    /// Lines handed in for it.
    pub marks: Vec<String>,
    /// Number of its first part in the stream.
    pub first_part: u32,
    /// How many parts it has so far.
    pub part_count: u32,
    /// Its parts; empty once they are no longer listed.
    pub parts: Vec<ListedPart>,
}

impl Listed {
    /// [`Listed::duration`] as a duration.
    pub fn play_time(&self) -> Duration {
        ticks_to_duration(self.duration, self.timescale)
    }

    /// When it starts on the stream's timeline.
    pub fn start_time(&self) -> Duration {
        ticks_to_duration(self.start, self.timescale)
    }
}

/// A part on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPart {
    /// Its number in the stream.
    pub sequence: u32,
    /// Ticks of its segment's timescale.
    pub duration: u64,
    /// Whether decoding can start in it.
    pub independent: bool,
}

/// A stretch of the stream from one restart of the encoder to the next.
#[derive(Debug, Clone)]
pub(super) struct Era {
    pub(super) number: u32,
    /// When its first segment started.
    pub(super) start: Duration,
    pub(super) track: Track,
}

/// What is no longer listed. Viewers may still ask for it: RFC 8216 section 6.2.2 has segments kept for their own duration
/// and that of the longest playlist that named them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Media sequence numbers of segments.
    pub segments: Range<u32>,
    /// Numbers of parts that are now to be had within their segments only.
    pub parts: Range<u32>,
}

/// The last part of a rendition: `LAST-MSN` and `LAST-PART` of a rendition report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Media sequence number of the segment it is in.
    pub segment: u32,
    /// Its index there.
    pub part: u32,
}

/// What a request for a playlist that has a certain part gets (RFC 8216bis section 6.2.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The playlist as it is.
    Ready,
    /// Nothing until a part has been pushed; then ask again.
    Wait,
    /// 400: nobody can have heard of that yet.
    TooFar,
}

/// Why a line is not passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// Not one of the tags that are passed through, or more than one line.
    #[error("only EXT-X-DATERANGE, EXT-X-CUE-OUT and EXT-X-CUE-IN are passed through, each in one line")]
    NotAMark,
    /// Too long, or too many of them.
    #[error("more than 64 lines for one segment, or more than 4 KiB in one")]
    TooMuch,
}
