//! The film as the core needs it: when each segment plays and how many bytes its pieces have.
//!
//! Of a live stream it is the window of what may still be watched: it grows at the live edge, part by part, and what is old
//! falls out of it. A part is named and treated like a segment.

use crate::io::Part;
use crate::time::Time;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Index, Kind, SegmentId};

/// A compact copy of the index, without digests.
#[derive(Debug)]
pub(crate) struct Film {
    pub swarm: [u8; 20],
    live: bool,
    piece_len: u32,
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    kind: Kind,
    /// The sequence number of the first segment that is known.
    first: u32,
    segments: VecDeque<Segment>,
    /// Of a film, what a whole one takes: bytes a second.
    rate: u64,
}

/// `start_ms` and `end_ms` in the film.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start_ms: u32,
    end_ms: u32,
    size: u32,
    /// When we learnt of it.
    heard: Time,
}

/// What lies this far behind the live edge is forgotten.
const LIVE_WINDOW_MS: u32 = 60_000;
/// Parts of a rendition that are known at most.
const LIVE_PARTS_MAX: usize = 1024;
/// Above every sequence number that a stream can come to.
const SEQUENCES_MAX: u32 = 1 << 31;
/// A neighbour may know of so many parts that we have not heard of yet.
const AHEAD_OF_US: u32 = 64;

impl Film {
    pub fn new(index: &Index) -> Self {
        let tracks = index.renditions.iter().map(|rendition| {
            let mut at = 0u32;
            let segments = rendition.segments.iter().map(|s| {
                let start_ms = at;
                at = at.saturating_add(s.duration_ms);
                Segment { start_ms, end_ms: at, size: s.size, heard: Time::default() }
            });
            let segments: VecDeque<Segment> = segments.collect();
            Track { kind: rendition.kind, first: 1, rate: rate(segments.iter()), segments }
        });
        let tracks = tracks.collect();
        Self { swarm: index.swarm_id(), live: false, piece_len: index.piece_len, tracks }
    }

    /// A live stream of which nothing has been heard yet.
    pub fn live(swarm: [u8; 20], piece_len: u32, kinds: &[Kind]) -> Self {
        let tracks = kinds.iter().map(|&kind| Track { kind, first: 1, segments: VecDeque::new(), rate: 0 });
        let (tracks, piece_len) = (tracks.collect(), piece_len.max(1));
        Self { swarm, live: true, piece_len, tracks }
    }

    /// A live stream has grown by `part`. What does not follow on what is known starts the rendition anew; what is known
    /// already is passed over.
    pub fn grow(&mut self, now: Time, part: &Part) {
        let Some(track) = self.tracks.get_mut(usize::from(part.id.rendition)) else { return };
        let next = track.first.saturating_add(track.segments.len() as u32);
        let pieces = part.size.div_ceil(self.piece_len);
        if pieces == 0 || pieces > manifest::MAX_PIECES || !(1..SEQUENCES_MAX).contains(&part.id.sequence) {
            return;
        }
        if part.id.sequence != next {
            if part.id.sequence < next && !track.segments.is_empty() {
                return;
            }
            track.segments.clear();
            track.first = part.id.sequence;
        }
        let end_ms = part.start_ms.saturating_add(part.duration_ms);
        track.segments.push_back(Segment { start_ms: part.start_ms, end_ms, size: part.size, heard: now });
        let too_old = end_ms.saturating_sub(LIVE_WINDOW_MS);
        while track.segments.len() > LIVE_PARTS_MAX
            || track.segments.front().is_some_and(|s| s.end_ms < too_old)
        {
            track.segments.pop_front();
            track.first += 1;
        }
    }

    /// Whether it grows.
    pub fn is_live(&self) -> bool {
        cfg!(feature = "live") && self.live
    }

    fn get(&self, segment: SegmentId) -> Option<&Segment> {
        let track = self.tracks.get(usize::from(segment.rendition))?;
        track.segments.get(segment.sequence.checked_sub(track.first)? as usize)
    }

    pub fn has(&self, segment: SegmentId) -> bool {
        self.get(segment).is_some()
    }

    /// Whether a neighbour may truly speak of it: of a live stream it may have heard more than we have.
    pub fn may_have(&self, segment: SegmentId) -> bool {
        self.has(segment)
            || self.is_live()
                && self.tracks.get(usize::from(segment.rendition)).is_some_and(|track| {
                    let last = self.last(segment.rendition);
                    (track.first..=last.saturating_add(AHEAD_OF_US)).contains(&segment.sequence)
                })
    }

    /// The segment of the same time in any rendition of its kind of which something holds.
    pub fn any(&self, segment: SegmentId, holds: impl Fn(SegmentId) -> bool) -> Option<SegmentId> {
        let all = self.kind(segment.rendition).into_iter().flat_map(|kind| self.of(kind));
        all.map(|rendition| SegmentId::new(rendition, segment.sequence)).find(|&other| holds(other))
    }

    /// The bytes a second of the best pictures.
    pub fn best_rate(&self) -> u64 {
        self.of(Kind::Video).map(|rendition| self.rate(rendition)).max().unwrap_or(0)
    }

    /// The renditions of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = u8> + '_ {
        (0..).zip(&self.tracks).filter(move |(_, track)| track.kind == kind).map(|(rendition, _)| rendition)
    }

    pub fn kind(&self, rendition: u8) -> Option<Kind> {
        self.tracks.get(usize::from(rendition)).map(|t| t.kind)
    }

    /// The first sequence number of a rendition that is known.
    pub fn first(&self, rendition: u8) -> u32 {
        self.tracks.get(usize::from(rendition)).map_or(1, |t| t.first)
    }

    /// The last sequence number of a rendition; 0 where there is none.
    pub fn last(&self, rendition: u8) -> u32 {
        self.tracks.get(usize::from(rendition)).map_or(0, |t| (t.first - 1) + t.segments.len() as u32)
    }

    /// The last one that a neighbour may speak of.
    pub fn last_spoken_of(&self, rendition: u8) -> u32 {
        self.last(rendition).saturating_add(if self.is_live() { AHEAD_OF_US } else { 0 })
    }

    /// When the segment starts in the film.
    pub fn start(&self, segment: SegmentId) -> Duration {
        self.get(segment).map_or(Duration::ZERO, |s| millis(s.start_ms))
    }

    /// When it ends.
    pub fn end(&self, segment: SegmentId) -> Duration {
        self.get(segment).map_or(Duration::ZERO, |s| millis(s.end_ms))
    }

    /// When we heard of it: of a live stream about when it was born.
    pub fn heard(&self, segment: SegmentId) -> Time {
        self.get(segment).map_or(Time::default(), |s| s.heard)
    }

    /// The live edge: up to where the stream is known.
    pub fn edge(&self) -> Duration {
        self.tracks
            .iter()
            .filter_map(|t| t.segments.back())
            .map(|s| millis(s.end_ms))
            .max()
            .unwrap_or_default()
    }

    /// The sequence number of the segment that plays at `at`, or the last one.
    pub fn at(&self, rendition: u8, at: Duration) -> u32 {
        self.tracks.get(usize::from(rendition)).map_or(0, |t| {
            let at = at.as_millis().min(u128::from(u32::MAX)) as u32;
            let before = t.segments.partition_point(|s| s.start_ms <= at) as u32;
            (t.first - 1) + before.clamp(1, t.segments.len().max(1) as u32)
        })
    }

    /// How many pieces the segment has.
    pub fn pieces(&self, segment: SegmentId) -> u32 {
        self.size(segment).div_ceil(self.piece_len)
    }

    /// Bytes of the whole segment.
    pub fn size(&self, segment: SegmentId) -> u32 {
        self.get(segment).map_or(0, |s| s.size)
    }

    /// Bytes of one piece.
    pub fn piece_size(&self, segment: SegmentId, piece: u32) -> u32 {
        self.size(segment).saturating_sub(piece.saturating_mul(self.piece_len)).min(self.piece_len)
    }

    /// Bytes a second of a rendition: of a live stream over the last 16 parts that are known.
    #[inline(never)] // small before fast: it is asked for in many places
    pub fn rate(&self, rendition: u8) -> u64 {
        match self.tracks.get(usize::from(rendition)) {
            Some(track) if self.is_live() => rate(track.segments.iter().rev().take(16)),
            Some(track) => track.rate,
            None => 0,
        }
    }
}

/// Bytes a second of segments.
fn rate<'a>(segments: impl Iterator<Item = &'a Segment>) -> u64 {
    let (bytes, ms) = segments.fold((0, 0), |(bytes, ms), s| {
        (bytes + u64::from(s.size), ms + u64::from(s.end_ms.saturating_sub(s.start_ms)))
    });
    bytes * 1000 / ms.max(1)
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u32 = 1000;

    fn part(sequence: u32) -> Part {
        let id = SegmentId::new(0, sequence);
        Part { id, start_ms: (sequence - 1) * 400, duration_ms: 400, size: 2500 }
    }

    fn stream(sequences: impl IntoIterator<Item = u32>) -> Film {
        let mut film = Film::live([0; 20], PIECE, &[Kind::Video, Kind::Audio]);
        sequences
            .into_iter()
            .for_each(|sequence| film.grow(Time::from_millis(u64::from(sequence)), &part(sequence)));
        film
    }

    fn known(film: &Film) -> (u32, u32) {
        (film.first(0), film.last(0))
    }

    #[test]
    fn a_stream_begins_where_it_is_met_and_grows_in_order() {
        let mut film = stream(50..=60);
        assert_eq!(known(&film), (50, 60));
        film.grow(Time::default(), &part(55)); // told again
        assert_eq!((known(&film), film.heard(part(55).id)), ((50, 60), Time::from_millis(55)));
        assert_eq!((film.pieces(part(60).id), film.piece_size(part(60).id, 2)), (3, 500));
        assert_eq!(film.piece_size(part(60).id, 3), 0);
        assert_eq!(film.edge(), millis(60 * 400));
        assert_eq!((known(&stream([])), film.first(1), film.last(1)), ((1, 0), 1, 0));
    }

    #[test]
    fn after_a_gap_a_rendition_starts_anew() {
        let film = stream([10, 11, 12, 20, 21]);
        assert_eq!(known(&film), (20, 21));
        assert!(!film.has(part(12).id) && film.has(part(20).id));
        assert_eq!((film.size(part(12).id), film.start(part(12).id)), (0, Duration::ZERO));
    }

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        // A minute of parts of 400 ms, and the one that just ends as it begins.
        assert_eq!(known(&stream(1..=1000)), (850, 1000));
        let mut film = stream([]);
        for sequence in 1..=5000 {
            film.grow(Time::default(), &Part { start_ms: 0, duration_ms: 1, ..part(sequence) });
        }
        assert_eq!(known(&film), (5001 - LIVE_PARTS_MAX as u32, 5000));
    }

    #[test]
    fn parts_that_cannot_be_are_passed_over() {
        let mut film = stream([1]);
        let huge = manifest::MAX_PIECES * PIECE + 1;
        for wrong in [
            Part { size: 0, ..part(2) },
            Part { size: huge, ..part(2) },
            Part { id: SegmentId::new(0, 0), ..part(2) },
            Part { id: SegmentId::new(0, SEQUENCES_MAX), ..part(2) },
            Part { id: SegmentId::new(9, 2), ..part(2) },
        ] {
            film.grow(Time::default(), &wrong);
        }
        assert_eq!(known(&film), (1, 1));
    }

    #[test]
    fn a_neighbour_may_have_heard_of_more_but_not_of_any_number() {
        let film = stream(50..=60);
        let may = |sequence| film.may_have(SegmentId::new(0, sequence));
        assert!(!may(49) && may(50) && may(60) && may(60 + AHEAD_OF_US) && !may(61 + AHEAD_OF_US));
        assert_eq!(film.last_spoken_of(0), 60 + AHEAD_OF_US);
        assert!(!film.may_have(SegmentId::new(2, 60)));
    }

    #[test]
    fn places_are_found_by_time_within_what_is_known() {
        let film = stream(50..=60);
        let at = |ms| film.at(0, millis(ms));
        assert_eq!([at(0), at(50 * 400 - 1), at(50 * 400), at(60 * 400), at(99_999)], [50, 50, 51, 60, 60]);
        assert_eq!(film.rate(0), 2500 * 10 / 4);
    }
}
