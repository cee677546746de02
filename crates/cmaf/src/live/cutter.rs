//! Samples in, parts out, as they come.
//!
//! A part is given out when the sample after it has come: only then is it known how long its last sample lasts, and
//! whether its segment ends there. That costs one frame, and buys that nothing said of a part is ever taken back.
//!
//! The invariant: parts are gapless within a track. Each starts, to the tick, where the one before ends; those of a
//! segment sum to it; and segments start with the same samples as [`crate::Segmenter`]'s.

use std::time::Duration;

use super::{LEAST_PERCENT, Targets};
use crate::segment::{boundary_after, fragment, styp};
use crate::{Kind, Sample, Track, duration_to_ticks, init_segment, ticks_to_duration};

/// Bytes of one part.
const MAX_PART_BYTES: usize = 64 << 20;
/// Samples of one part.
const MAX_PART_SAMPLES: usize = 1 << 12;
/// How much of an encoder's start may lie before the end of the one before it: decoder delay, and rounding.
const OVERLAP: Duration = Duration::from_millis(100);

/// Why a sample cannot be taken. The cutter is as it was before; a [`Cutter::restart`] is the way on where the source
/// will not do better.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// Decode times must rise from sample to sample.
    #[error("a sample's decode time {next} does not come after the one before it ({previous}), in ticks")]
    NotRising {
        /// Decode time of the sample before, in ticks.
        previous: u64,
        /// Decode time of the sample refused, in ticks.
        next: u64,
    },
    /// Two samples lie further apart than a segment may last.
    #[error("nothing came for {0:?}: longer than a segment may last")]
    Gap(Duration),
    /// No cut was possible until the segment would have outlasted the target duration.
    #[error("no keyframe for {0:?}: set the encoder to one every segment")]
    NoKeyframe(Duration),
    /// A part outgrew 64 MiB or 4096 samples.
    #[error("a part of more than 64 MiB or 4096 samples")]
    TooLarge,
    /// After a restart: the new samples start before the end of the old ones, by this much.
    #[error("the encoder started again {0:?} before the end of what it had sent")]
    Overlap(Duration),
}

/// A part: a `moof` and an `mdat`, before them a `styp` in the first of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number in the stream, from 1, without gaps.
    pub sequence: u32,
    /// Media sequence number of its segment, from 1.
    pub segment: u32,
    /// Its place within its segment, from 0.
    pub index: u32,
    /// Time at which it starts on the stream's timeline, in ticks.
    pub start: u64,
    /// Ticks until the next one's start.
    pub duration: u64,
    /// Ticks per second of `start` and `duration`.
    pub timescale: u32,
    /// Whether decoding can start in it.
    pub independent: bool,
    /// Whether its segment is the first after a [`Cutter::restart`].
    pub discontinuity: bool,
    /// Whether it is the last of its segment.
    pub ends_segment: bool,
    /// The number of the init segment it needs, from 1.
    pub init: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Part {
    /// [`Part::duration`] as a duration.
    pub fn play_time(&self) -> Duration {
        ticks_to_duration(self.duration, self.timescale)
    }
}

/// Cuts one track of a live stream into parts.
///
/// Samples are on the stream's timeline: the same zero for all renditions, also after a restart. Parts last at most the
/// part target and at least 85 % of it, but for the last of a segment, as long as frames are all of one length or last at
/// most 15 % of the target. Of a source with longer frames of all lengths parts may fall short; a single frame that lasts
/// longer than the target is a part by itself.
#[derive(Debug, Clone)]
pub struct Cutter {
    targets: Targets,
    kind: Kind,
    timescale: u32,
    priming: u64,
    /// The longest part and the longest segment, in ticks.
    part_ticks: i128,
    longest: i128,
    /// The samples of the part that grows; the duration of the last is not yet known. Empty only before the first sample.
    pending: Vec<Sample>,
    pending_bytes: usize,
    part_start: i128,
    segment_start: i128,
    /// What is added to decode times of this segment to place parts on the timeline.
    shift: i128,
    /// Time from which on the next segment may start.
    boundary: i128,
    /// The latest end of any sample of this segment.
    latest: i128,
    /// Ticks and timescale of the end of what was before a restart.
    ended: Option<(i128, u32)>,
    discontinuity: bool,
    part: u32,
    segment: u32,
    index: u32,
    fragments: u32,
    init: u32,
    header: Vec<u8>,
}

impl Cutter {
    /// A cutter for `track`.
    pub fn new(track: &Track, targets: Targets) -> Self {
        let mut cutter = Self {
            targets,
            kind: track.kind,
            timescale: 1,
            priming: 0,
            part_ticks: 0,
            longest: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            part_start: 0,
            segment_start: 0,
            shift: 0,
            boundary: 0,
            latest: 0,
            ended: None,
            discontinuity: false,
            part: 0,
            segment: 0,
            index: 0,
            fragments: 0,
            init: 0,
            header: Vec::new(),
        };
        cutter.follow(track);
        cutter
    }

    /// The init segment that the next part needs, and its number.
    pub fn init(&self) -> (u32, &[u8]) {
        (self.init, &self.header)
    }

    /// Where everything given out so far ends, `None` before the first part. An encoder that starts again is placed at the
    /// latest of its renditions, or later.
    pub fn end(&self) -> Option<Duration> {
        let (end, scale) =
            if self.pending.is_empty() { self.ended? } else { (self.part_start, self.timescale) };
        Some(ticks_to_duration(to_ticks(end), scale))
    }

    /// Takes the next sample in decode order; gives the parts that it completes.
    ///
    /// Video before the first sync sample is dropped. An empty sample only lengthens the one before it.
    pub fn push(&mut self, sample: Sample) -> Result<Vec<Part>, CutError> {
        let size = self.pending_bytes.saturating_add(sample.data.len());
        if size > MAX_PART_BYTES || self.pending.len() >= MAX_PART_SAMPLES {
            return Err(CutError::TooLarge);
        }
        let start = self.shown(&sample);
        let opens = !sample.data.is_empty() && (self.kind == Kind::Audio || sample.sync);
        let Some(last) = self.pending.last() else {
            if opens && let Some(start) = self.after_the_end(start)? {
                self.open(start, &sample);
                self.hold(sample);
            }
            return Ok(Vec::new());
        };
        if sample.dts <= last.dts {
            return Err(CutError::NotRising { previous: last.dts, next: sample.dts });
        }
        let (step, cut) = (sample.dts - last.dts, opens && start >= self.boundary);
        let last_at = self.at(last.dts);
        let next_at = if cut { start } else { self.at(sample.dts) };
        if i128::from(step) > self.longest {
            return Err(CutError::Gap(ticks_to_duration(step, self.timescale)));
        }
        if next_at - self.segment_start > self.longest {
            let since = to_ticks(next_at - self.segment_start);
            return Err(CutError::NoKeyframe(ticks_to_duration(since, self.timescale)));
        }
        let Ok(step) = u32::try_from(step) else {
            return Err(CutError::Gap(ticks_to_duration(step, self.timescale)));
        };
        self.lengthen_last(step);
        if sample.data.is_empty() {
            self.lengthen_last(step.saturating_add(sample.duration));
            return Ok(Vec::new());
        }

        let mut parts = Vec::new();
        self.split_last(last_at, next_at, &mut parts);
        let lasts = next_at - self.part_start;
        if cut {
            let end = start.max(self.part_start + 1);
            parts.push(self.give(end, true));
            self.open(end, &sample);
        } else if lasts + i128::from(step) > self.part_ticks
            && lasts * 100 >= self.part_ticks * i128::from(LEAST_PERCENT)
        {
            parts.push(self.give(next_at, false));
        }
        self.hold(sample);
        Ok(parts)
    }

    /// Gives out what is left and ends the segment: the stream is over, or its encoder was.
    pub fn finish(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let Some(last) = self.pending.last() else { return parts };
        let (last_at, lasts) = (self.at(last.dts), last.duration);
        self.lengthen_last(lasts);
        let end = self.latest.max(last_at);
        self.split_last(last_at, end, &mut parts);
        let end = end.max(self.part_start + 1);
        parts.push(self.give(end, true));
        self.ended = Some((end, self.timescale));
        parts
    }

    /// The encoder starts again, perhaps as another: gives out what is left of the old one, and what comes next is a
    /// segment that carries a discontinuity. Restart all renditions of a stream together, so that their segments still line
    /// up.
    pub fn restart(&mut self, track: &Track) -> Vec<Part> {
        let parts = self.finish();
        self.discontinuity |= self.segment > 0;
        self.follow(track);
        parts
    }

    fn follow(&mut self, track: &Track) {
        self.kind = track.kind;
        self.timescale = track.timescale.max(1);
        self.priming = track.priming;
        let scale = u64::from(self.timescale);
        self.part_ticks = self.targets.part_ticks(track).into();
        self.longest = duration_to_ticks(self.targets.longest(), scale).into();
        let header = init_segment(track);
        if self.header != header {
            self.header = header;
            self.init += 1;
        }
    }

    /// When a sample is shown.
    fn shown(&self, sample: &Sample) -> i128 {
        i128::from(sample.dts) + i128::from(sample.cts_offset) - i128::from(self.priming)
    }

    /// Where a decode time lies among the parts of this segment.
    fn at(&self, dts: u64) -> i128 {
        (i128::from(dts) + self.shift).max(self.segment_start)
    }

    /// Where the first segment of a track starts; `None` for sound that is not needed any more.
    fn after_the_end(&self, start: i128) -> Result<Option<i128>, CutError> {
        let start = start.max(0);
        let Some((end, scale)) = self.ended else { return Ok(Some(start)) };
        let end = (end * i128::from(self.timescale) + i128::from(scale) - 1) / i128::from(scale);
        let overlap = ticks_to_duration(to_ticks(end - start), self.timescale);
        match self.kind {
            _ if start >= end => Ok(Some(start)),
            _ if overlap > OVERLAP => Err(CutError::Overlap(overlap)),
            Kind::Audio => Ok(None),
            // A keyframe is worth more than the tick or two that its time is rounded by.
            Kind::Video => Ok(Some(end)),
        }
    }

    fn open(&mut self, start: i128, first: &Sample) {
        self.segment = self.segment.saturating_add(1);
        self.index = 0;
        (self.segment_start, self.part_start, self.latest) = (start, start, start);
        self.shift = self.shown(first) - i128::from(first.dts);
        let target = self.targets.segment.max(Duration::from_millis(1));
        self.boundary = boundary_after(target, self.timescale, start);
    }

    fn hold(&mut self, sample: Sample) {
        self.pending_bytes = self.pending_bytes.saturating_add(sample.data.len());
        self.pending.push(sample);
    }

    fn lengthen_last(&mut self, duration: u32) {
        let Some(last) = self.pending.last_mut() else { return };
        last.duration = duration;
        let end = i128::from(last.dts) + i128::from(last.cts_offset) + i128::from(duration);
        self.latest = self.latest.max(end - i128::from(self.priming));
    }

    /// Where the part with its last sample lasts too long, gives it out without that.
    fn split_last(&mut self, last_at: i128, end: i128, parts: &mut Vec<Part>) {
        if end - self.part_start <= self.part_ticks || last_at <= self.part_start || self.pending.len() < 2 {
            return;
        }
        let Some(last) = self.pending.pop() else { return };
        parts.push(self.give(last_at, false));
        self.hold(last);
    }

    /// Makes a part of all that is pending, which is not nothing.
    fn give(&mut self, end: i128, ends_segment: bool) -> Part {
        let samples = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        self.fragments = self.fragments.wrapping_add(1);
        self.part = self.part.saturating_add(1);
        let size = samples.iter().map(|s| s.data.len() + 16).sum::<usize>() + 192;
        let mut bytes = Vec::with_capacity(size);
        if self.index == 0 {
            styp(&mut bytes);
        }
        fragment(&mut bytes, self.kind, self.fragments, &samples);
        let part = Part {
            sequence: self.part,
            segment: self.segment,
            index: self.index,
            start: to_ticks(self.part_start),
            duration: to_ticks(end - self.part_start),
            timescale: self.timescale,
            independent: self.kind == Kind::Audio || samples.iter().any(|s| s.sync),
            discontinuity: self.discontinuity,
            ends_segment,
            init: self.init,
            bytes,
        };
        self.index = self.index.saturating_add(1);
        self.part_start = end;
        self.discontinuity &= !ends_segment;
        part
    }
}

fn to_ticks(value: i128) -> u64 {
    u64::try_from(value.max(0)).unwrap_or(u64::MAX)
}
