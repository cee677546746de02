//! A package as one file: what a player that knows neither HLS nor DASH can open and seek in.
//!
//! The file is virtual. Its head is made from the init segments and from what an index says of the segments, sizes and
//! durations; after it lie the segments of the package, sound and pictures of the same time side by side. So the place of every
//! byte is known before any media is there, and whoever serves the file brings only what is asked for.
//!
//! Segments of a package know nothing of each other: each has the track id 1 and counts its fragments from the start of its
//! own rendition. [`Progressive::adapt`] corrects that in place. It needs the whole segment, so that is what a byte costs.
//!
//! The invariant: no segment's length ever changes. Every byte of the file belongs to the head, to exactly one segment or to
//! the tail, and the head depends on the inits and the index alone.

mod adapt;
mod head;

use std::ops::Range;

use crate::read::{Boxes, Malformed};
use adapt::Names;

/// Most tracks in a file: pictures and sound.
pub const MAX_TRACKS: usize = 2;
/// Most segments of a track: what a `sidx` can list.
pub const MAX_SEGMENTS: usize = u16::MAX as usize;
/// Most bytes of an init segment.
pub const MAX_INIT: usize = 1 << 20;
/// Sequence numbers set aside for the fragments of one segment: nobody knows how many those before it hold. All numbers fit
/// 32 bits, for a file has at most [`MAX_TRACKS`] times [`MAX_SEGMENTS`] segments.
const FRAGMENTS: u32 = 1 << 12;

/// The bytes after the last segment: an empty box. VLC looks there for another index before its first seek, and so needs no
/// segment for it.
pub const TAIL: [u8; 16] = *b"\0\0\0\x10free\0\0\0\0\0\0\0\0";

/// Why a file cannot be made of a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No track, or more than [`MAX_TRACKS`].
    #[error("{0} tracks (1 to {MAX_TRACKS} are possible)")]
    Tracks(usize),
    /// An init segment or a segment is malformed.
    #[error("the package is damaged: {0}")]
    Malformed(#[from] Malformed),
    /// An init segment that holds not exactly one track of pictures or sound.
    #[error("the init segment of track {0} is not that of one rendition")]
    Init(usize),
    /// An edit list whose durations are in another clock than the file's.
    #[error("the edit list of track {0} is not supported")]
    EditList(usize),
    /// A track of no segments, or of more than [`MAX_SEGMENTS`].
    #[error("{0} segments in a track (1 to {MAX_SEGMENTS} are possible)")]
    Segments(usize),
    /// A segment of no bytes, or so much between two segments of a track that no `sidx` can say it (2 GiB).
    #[error("segment {sequence} of track {track} is empty or too large")]
    SegmentSize {
        /// Number of the track, from 0.
        track: usize,
        /// Number of the segment, from 1.
        sequence: u32,
    },
    /// A segment that lasts longer than a 32-bit duration can say.
    #[error("segment {sequence} of track {track} is too long")]
    SegmentDuration {
        /// Number of the track, from 0.
        track: usize,
        /// Number of the segment, from 1.
        sequence: u32,
    },
    /// The file has no such segment.
    #[error("there is no segment {sequence} of track {track}")]
    NoSegment {
        /// Number of the track, from 0.
        track: usize,
        /// Number of the segment, from 1.
        sequence: u32,
    },
    /// A segment has another length than the index said.
    #[error("a segment of {found} bytes instead of {expected}")]
    Length {
        /// Bytes as the index has it.
        expected: u32,
        /// Bytes that were given.
        found: usize,
    },
    /// A fragment belongs to a track that the init segment does not have.
    #[error("a fragment of track {0}, which the init segment does not have")]
    ForeignTrack(u32),
    /// A fragment says where its media lies in a file of its own.
    #[error("a fragment counts from the start of another file")]
    FileOffsets,
    /// A `moof` without its `mdat`, or the other way round.
    #[error("a fragment is not whole")]
    Fragment,
    /// A segment holds too many fragments.
    #[error("more than {FRAGMENTS} fragments in a segment")]
    Fragments,
}

/// A rendition of the package.
#[derive(Debug, Clone, Copy)]
pub struct Track<'a> {
    /// The bytes of its `init.mp4`.
    pub init: &'a [u8],
    /// Its segments, sequence 1 first.
    pub segments: &'a [SegmentSpan],
}

/// A segment as an index has it. Each starts where the one before it ends, the first at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSpan {
    /// Length of its presentation, milliseconds.
    pub duration_ms: u32,
    /// Length of its bytes; never 0.
    pub size: u32,
}

/// Where a stretch of the file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Bytes of [`Progressive::head`].
    Head(Range<usize>),
    /// Bytes of a segment, as it is after [`Progressive::adapt`].
    Segment {
        /// Number of the track, from 0: its place among those the file was made of.
        track: usize,
        /// Number of the segment, from 1.
        sequence: u32,
        /// Which bytes of it.
        range: Range<u32>,
    },
    /// Bytes of [`TAIL`].
    Tail(Range<usize>),
}

/// A package as one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progressive {
    head: Vec<u8>,
    /// Track ids as the init segments have them; in the file a track's id is its place plus one.
    ids: Vec<u32>,
    /// The segments in the order of the file.
    parts: Vec<Part>,
    /// For each track, the places of its segments in `parts`.
    places: Vec<Vec<u32>>,
    len: u64,
}

/// One segment in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Position of its first byte, from the end of the head.
    at: u64,
    track: usize,
    sequence: u32,
    size: u32,
}

impl Progressive {
    /// Lays out the file of these tracks, pictures first. Times of the result are as exact as those of the index; what a
    /// player shows when is up to the segments themselves.
    pub fn new(tracks: &[Track<'_>]) -> Result<Self, Error> {
        if tracks.is_empty() || tracks.len() > MAX_TRACKS {
            return Err(Error::Tracks(tracks.len()));
        }
        let inits = tracks.iter().enumerate().map(|(at, track)| head::Init::read(at, track.init));
        let inits = inits.collect::<Result<Vec<_>, _>>()?;
        for (track, segments) in tracks.iter().map(|track| track.segments).enumerate() {
            if segments.is_empty() || segments.len() > MAX_SEGMENTS {
                return Err(Error::Segments(segments.len()));
            }
            if let Some(at) = segments.iter().position(|segment| segment.size == 0) {
                return Err(Error::SegmentSize { track, sequence: at as u32 + 1 });
            }
        }
        let parts = interleave(tracks);
        let mut places: Vec<Vec<u32>> = tracks.iter().map(|t| Vec::with_capacity(t.segments.len())).collect();
        for (place, part) in parts.iter().enumerate() {
            // At most MAX_TRACKS times MAX_SEGMENTS.
            places[part.track].push(place as u32);
        }
        let media = parts.last().map_or(0, |last| last.at + u64::from(last.size));
        let end = media + TAIL.len() as u64;
        let mut indices = Vec::with_capacity(tracks.len());
        for (track, spans) in tracks.iter().map(|track| track.segments).enumerate() {
            let starts = places[track].iter().map(|&place| parts[place as usize].at).collect::<Vec<_>>();
            indices.push(head::references(track, inits[track].timescale, spans, &starts, end)?);
        }
        let duration_ms = tracks.iter().map(|track| duration_ms(track.segments)).max().unwrap_or(0);
        let head = head::write(&inits, duration_ms, &indices);
        let len = head.len() as u64 + end;
        Ok(Self { head, ids: inits.iter().map(|init| init.id).collect(), parts, places, len })
    }

    /// Bytes of the whole file.
    #[allow(clippy::len_without_is_empty, reason = "a file always has a head")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The bytes before the first segment.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What the bytes `range` of the file are made of, in order and without gaps; what lies behind the end is left out.
    pub fn extents(&self, range: Range<u64>) -> impl Iterator<Item = Extent> + '_ {
        let head = self.head.len() as u64;
        let tail = self.len - TAIL.len() as u64;
        // Both within what they are of.
        let within = |from: u64, to: u64| {
            let (start, end) = (range.start.clamp(from, to), range.end.clamp(from, to));
            (start < end).then_some((start - from) as usize..(end - from) as usize)
        };
        let before = within(0, head).map(Extent::Head);
        let after = within(tail, self.len).map(Extent::Tail);
        let media = range.start.saturating_sub(head)..range.end.saturating_sub(head);
        let first = self.parts.partition_point(|part| part.at + u64::from(part.size) <= media.start);
        let wanted = self.parts[first..].iter().map_while(move |part| {
            // Both are at most the size of the segment.
            let from = media.start.saturating_sub(part.at) as u32;
            let to = media.end.saturating_sub(part.at).min(part.size.into()) as u32;
            let (track, sequence) = (part.track, part.sequence);
            (from < to).then_some(Extent::Segment { track, sequence, range: from..to })
        });
        before.into_iter().chain(wanted).chain(after)
    }

    /// Makes a whole segment of the package into one of this file, in place. It gets the track's id and a number that rises
    /// through the file, and becomes one `moof` and one `mdat`: what else it holds goes to the end of the `mdat`. Samples keep
    /// their times and bytes. Fragments that would need more room together stay apart, which only seeking to them suffers from.
    /// After an error `bytes` are as they were.
    pub fn adapt(&self, track: usize, sequence: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let place = self.places.get(track).and_then(|all| all.get(sequence.checked_sub(1)? as usize));
        let &place = place.ok_or(Error::NoSegment { track, sequence })?;
        let expected = self.parts[place as usize].size;
        if bytes.len() != expected as usize {
            return Err(Error::Length { expected, found: bytes.len() });
        }
        // A track's id in the file is its place plus one.
        let names = Names { id: self.ids[track], new_id: track as u32 + 1, number: place * FRAGMENTS };
        adapt::adapt(bytes, names)
    }
}

fn duration_ms(segments: &[SegmentSpan]) -> u64 {
    segments.iter().map(|segment| u64::from(segment.duration_ms)).sum()
}

/// The order of the file: behind each segment of the first track lie those of the others whose middle comes before its end.
/// Sound is cut at the first frame after pictures are, so libavformat wants the sound before the pictures that it seeks to,
/// too; and reads on from there. In this order it lies beside them.
fn interleave(tracks: &[Track<'_>]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(tracks.iter().map(|track| track.segments.len()).sum());
    let mut push = |track, place: usize, span: &SegmentSpan| {
        let at = parts.last().map_or(0, |last| last.at + u64::from(last.size));
        // At most MAX_SEGMENTS.
        parts.push(Part { at, track, sequence: place as u32 + 1, size: span.size });
    };
    let mut rest =
        tracks.iter().map(|track| (track.segments.iter().enumerate().peekable(), 0)).collect::<Vec<_>>();
    let Some(((first, _), others)) = rest.split_first_mut() else { return parts };
    let mut end = 0;
    while let Some((place, span)) = first.next() {
        push(0, place, span);
        end += u64::from(span.duration_ms);
        // Sound may go on when the pictures have ended.
        let end = if first.peek().is_some() { end } else { u64::MAX };
        for (at, (segments, start)) in others.iter_mut().enumerate() {
            let begun = |span: &SegmentSpan, start: u64| start + u64::from(span.duration_ms / 2) < end;
            while let Some((place, span)) = segments.next_if(|(_, span)| begun(span, *start)) {
                push(at + 1, place, span);
                *start += u64::from(span.duration_ms);
            }
        }
    }
    parts
}

/// Makes a file of two tracks out of one init segment and one segment, the bytes before and after the first `moof`, and
/// throws it away: an entry for fuzzers. Whatever the bytes are, it returns.
pub fn fuzz(bytes: &[u8]) {
    let mut boxes = Boxes::new(b"file", bytes).map_while(Result::ok);
    let split =
        boxes.find(|found| matches!(&found.kind, b"styp" | b"moof")).map_or(bytes.len(), |found| found.start);
    let (init, segment) = bytes.split_at(split);
    let span = SegmentSpan { duration_ms: 4000, size: segment.len() as u32 };
    let track = Track { init, segments: &[span, span] };
    let Ok(file) = Progressive::new(&[track, track]) else { return };
    let covered: usize = file
        .extents(0..u64::MAX)
        .map(|extent| match extent {
            Extent::Head(range) | Extent::Tail(range) => range.len(),
            Extent::Segment { range, .. } => range.len(),
        })
        .sum();
    assert_eq!(covered as u64, file.len(), "the extents cover the file");
    let mut adapted = segment.to_vec();
    if file.adapt(1, 2, &mut adapted).is_err() {
        assert_eq!(adapted, segment, "what was refused is as it was");
    }
}
