//! What of one rendition is on offer: the live edge in parts, behind it segments as far as viewers may go back.
//!
//! The invariant: numbers only rise, and what was listed stays as it was listed until it leaves at the front. The window
//! is bounded by its length, and that by [`MAX_SEGMENTS`].

use std::collections::VecDeque;
use std::time::Duration;

use super::listed::{Answer, Era, Left, Listed, ListedPart, MarkError, Position};
use super::{Part, Rendition, Targets};
use crate::{Track, ticks_to_duration};

/// Segments in a window: two hours of 1 s, a day of 6 s.
const MAX_SEGMENTS: usize = 1 << 14;
/// How the lines begin that [`Window::mark`] takes.
pub const MARKS: [&str; 3] = ["#EXT-X-DATERANGE:", "#EXT-X-CUE-OUT", "#EXT-X-CUE-IN"];
/// Lines that wait for one segment, and bytes of one.
const MAX_MARKS: usize = 64;
const MAX_MARK: usize = 4 << 10;
/// How far from the edge parts are listed, in target durations (RFC 8216bis section 6.2.2).
const PARTS_LISTED: u32 = 3;
/// Shortest window, in target durations (RFC 8216 section 6.2.2).
const LEAST_WINDOW: u32 = 3;

/// The segments and parts of one rendition that are on offer.
#[derive(Debug, Clone)]
pub struct Window {
    pub(super) rendition: Rendition,
    pub(super) targets: Targets,
    pub(super) length: Duration,
    pub(super) segments: VecDeque<Listed>,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub(super) discontinuity_sequence: u32,
    pub(super) eras: VecDeque<Era>,
    pub(super) ended: bool,
    /// Wall time of zero on the timeline, as first heard.
    pub(super) available: Option<Duration>,
    track: Track,
    zero: Option<Duration>,
    marks: Vec<String>,
    peak: u64,
    /// The next part to come, and the first whose `EXT-X-PART` is listed.
    next_part: u32,
    parts_from: u32,
    segments_from: u32,
}

impl Window {
    /// A window that reaches `length` back, at least three target durations.
    pub fn new(rendition: Rendition, track: &Track, targets: Targets, length: Duration) -> Self {
        let least = Duration::from_secs(targets.target_duration_s.into()) * LEAST_WINDOW;
        Self {
            rendition,
            targets,
            length: length.max(least),
            segments: VecDeque::new(),
            discontinuity_sequence: 0,
            eras: VecDeque::new(),
            ended: false,
            available: None,
            track: track.clone(),
            zero: None,
            marks: Vec::new(),
            peak: 0,
            next_part: 1,
            parts_from: 1,
            segments_from: 1,
        }
    }

    /// The wall time, since 1970-01-01 UTC, of zero on the stream's timeline: from the next segment on
    /// `EXT-X-PROGRAM-DATE-TIME` follows it, though never back.
    pub fn set_clock(&mut self, zero: Duration) {
        self.zero = Some(zero);
        self.available.get_or_insert(zero);
    }

    /// A line for the next segment: `#EXT-X-DATERANGE:...`, `#EXT-X-CUE-OUT...` or `#EXT-X-CUE-IN`.
    pub fn mark(&mut self, line: &str) -> Result<(), MarkError> {
        if !MARKS.iter().any(|tag| line.starts_with(tag)) || line.contains(char::is_control) {
            return Err(MarkError::NotAMark);
        }
        if line.len() > MAX_MARK || self.marks.len() >= MAX_MARKS {
            return Err(MarkError::TooMuch);
        }
        self.marks.push(line.to_owned());
        Ok(())
    }

    /// The encoder starts again: what follows [`super::Cutter::restart`] is of `track`.
    pub fn restart(&mut self, track: &Track) {
        self.track = track.clone();
    }

    /// Lists the next part of the rendition's [`super::Cutter`]; says what is no longer listed.
    ///
    /// A part that is not the next one, or comes after the end, changes nothing.
    pub fn push(&mut self, part: &Part) -> Left {
        if part.sequence != self.next_part || self.ended {
            return Left::default();
        }
        self.next_part = self.next_part.saturating_add(1);
        if self.segments.back().is_none_or(|open| open.sequence != part.segment) {
            self.complete_last();
            self.open(part);
        }
        if let Some(open) = self.segments.back_mut() {
            open.duration = open.duration.saturating_add(part.duration);
            open.bytes = open.bytes.saturating_add(part.bytes.len() as u64);
            open.part_count = open.part_count.saturating_add(1);
            open.parts.push(ListedPart {
                sequence: part.sequence,
                duration: part.duration,
                independent: part.independent,
            });
        }
        if part.ends_segment {
            self.complete_last();
        }
        self.trim()
    }

    /// The stream is over. What is listed stays.
    pub fn end(&mut self) {
        self.complete_last();
        self.ended = true;
    }

    /// Whether the stream is over.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// What is listed, oldest first; the last may not be complete.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &Listed> + ExactSizeIterator {
        self.segments.iter()
    }

    /// The segment of this number, while it is listed.
    pub fn segment(&self, sequence: u32) -> Option<&Listed> {
        let at = sequence.checked_sub(self.segments.front()?.sequence)?;
        self.segments.get(at as usize)
    }

    /// The last part listed.
    pub fn position(&self) -> Option<Position> {
        let last = self.segments.back()?;
        Some(Position { segment: last.sequence, part: last.part_count.saturating_sub(1) })
    }

    /// The number of the part that comes next, which playlists hint at; `None` after the end.
    pub fn next_part(&self) -> Option<u32> {
        (!self.ended).then_some(self.next_part)
    }

    /// What a request gets that waits for `segment` (`_HLS_msn`), or for a part of it (`_HLS_part`).
    pub fn answer(&self, segment: u32, part: Option<u32>) -> Answer {
        if self.ended {
            return Answer::Ready;
        }
        let last = self.segments.back();
        let (last_sequence, complete) = last.map_or((0, true), |l| (l.sequence, l.complete));
        let (open, there) = if complete {
            (last_sequence.saturating_add(1), 0)
        } else {
            (last_sequence, last.map_or(0, |l| l.part_count))
        };
        let passed = |p: u32| self.segment(segment).is_some_and(|s| s.complete && p >= s.part_count);
        let (segment, part) = match part {
            Some(p) if passed(p) => (segment.saturating_add(1), Some(0)),
            _ => (segment, part),
        };
        match part {
            _ if segment < open => Answer::Ready,
            _ if segment > last_sequence.saturating_add(2) => Answer::TooFar,
            Some(p) if segment == open && p < there => Answer::Ready,
            Some(p) if segment == open && p >= there.saturating_add(self.advance_limit()) => Answer::TooFar,
            _ => Answer::Wait,
        }
    }

    /// How many parts ahead may be asked for.
    fn advance_limit(&self) -> u32 {
        let millis = self.part_target().as_millis().max(1);
        if millis >= 1000 { 3 } else { 3000u128.div_ceil(millis) as u32 }
    }

    /// `PART-TARGET`: what the cutter keeps to, or the longest part that is listed.
    pub fn part_target(&self) -> Duration {
        let target = ticks_to_duration(self.targets.part_ticks(&self.track), self.track.timescale);
        let listed = self.segments.iter().rev().take_while(|s| !s.parts.is_empty());
        let longest = listed.filter_map(|s| {
            let longest = s.parts.iter().map(|p| p.duration).max()?;
            Some(ticks_to_duration(longest, s.timescale))
        });
        longest.fold(target, Duration::max)
    }

    /// No segment lasts longer, rounded to seconds.
    pub fn target_duration(&self) -> Duration {
        Duration::from_secs(self.targets.target_duration_s.into())
    }

    /// The track that comes next, or has come last.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// The track that comes next, and those that are still listed, newest first.
    pub(super) fn tracks(&self) -> impl Iterator<Item = &Track> {
        [&self.track].into_iter().chain(self.eras.iter().rev().map(|era| &era.track))
    }

    /// What the rendition is called.
    pub fn rendition(&self) -> &Rendition {
        &self.rendition
    }

    /// Peak bits per second: as announced, or more where more was measured.
    pub fn bandwidth(&self) -> u64 {
        self.rendition.bandwidth.max(self.peak).max(1)
    }

    /// Media sequence number of the first segment that is, or will be, listed.
    pub(super) fn first_sequence(&self) -> u32 {
        self.segments_from
    }

    fn open(&mut self, part: &Part) {
        let last = self.segments.back();
        let mut era = last.map_or(0, |l| l.era);
        if part.discontinuity {
            era += 1;
        }
        let start = ticks_to_duration(part.start, part.timescale);
        if self.eras.back().is_none_or(|e| e.number != era) {
            self.eras.push_back(Era { number: era, start, track: self.track.clone() });
        }
        let wall = self.zero.map(|zero| zero.saturating_add(start));
        let least = last.and_then(|l| l.wall).zip(last.map(Listed::play_time));
        let wall = wall.map(|w| least.map_or(w, |(before, lasted)| w.max(before.saturating_add(lasted))));
        self.segments.push_back(Listed {
            sequence: part.segment,
            start: part.start,
            duration: 0,
            timescale: part.timescale,
            bytes: 0,
            discontinuity: part.discontinuity,
            era,
            init: part.init,
            wall,
            complete: false,
            marks: std::mem::take(&mut self.marks),
            first_part: part.sequence,
            part_count: 0,
            parts: Vec::new(),
        });
    }

    fn complete_last(&mut self) {
        let Some(last) = self.segments.back_mut() else { return };
        last.complete = true;
        // Short ones are left out: the rate of a frame is not that of a stream.
        if last.play_time() * 2 >= self.targets.segment {
            let bits = u128::from(last.bytes) * 8 * u128::from(last.timescale);
            let rate = bits.div_ceil(u128::from(last.duration.max(1)));
            self.peak = self.peak.max(u64::try_from(rate).unwrap_or(u64::MAX));
        }
    }

    /// Takes off what is too far from the edge.
    fn trim(&mut self) -> Left {
        let (segments_from, parts_from) = (self.segments_from, self.parts_from);
        let listed = Duration::from_secs(self.targets.target_duration_s.into()) * PARTS_LISTED;
        let mut behind = Duration::ZERO;
        for segment in self.segments.iter_mut().rev() {
            if segment.complete && behind > listed {
                if segment.parts.is_empty() {
                    break;
                }
                segment.parts = Vec::new();
                self.parts_from = self.parts_from.max(segment.first_part.saturating_add(segment.part_count));
            }
            behind = behind.saturating_add(segment.play_time());
        }
        let mut length = self.segments.iter().map(Listed::play_time).sum::<Duration>();
        while let Some(first) = self.segments.front() {
            length = length.saturating_sub(first.play_time());
            let room = self.segments.len() <= MAX_SEGMENTS;
            if !first.complete || (room && length < self.length) {
                break;
            }
            self.discontinuity_sequence += u32::from(first.discontinuity);
            self.segments_from = first.sequence.saturating_add(1);
            self.parts_from = self.parts_from.max(first.first_part.saturating_add(first.part_count));
            self.segments.pop_front();
        }
        let era = self.segments.front().map_or(0, |first| first.era);
        while self.eras.front().is_some_and(|e| e.number < era) {
            self.eras.pop_front();
        }
        Left { segments: segments_from..self.segments_from, parts: parts_from..self.parts_from }
    }
}
