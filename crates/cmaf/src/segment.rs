//! Samples in, CMAF segments out (ISO/IEC 23000-19 section 7.3.3).
//!
//! Cuts fall on a grid of multiples of the target on the presentation timeline, so renditions cut apart from one
//! another still line up: video at the first sync sample at or after each multiple, audio at the first frame.
//!
//! The invariant: segments are gapless. Each one starts, to the tick, where the one before ends, and its `tfdt`
//! is the decode time of its first sample.

use std::ops::Range;
use std::time::Duration;

use crate::init::TRACK_ID;
use crate::write::{boxed, full, put_i32, put_u32, put_u64};
use crate::{Kind, Sample, SegmentInfo, Track, ticks_to_duration};

/// A segment must stay below this, so that 32-bit box sizes hold and memory is bounded.
const MAX_SEGMENT_BYTES: usize = 512 << 20;
/// Samples that one segment can hold.
const MAX_SEGMENT_SAMPLES: usize = crate::fragment::MAX_SAMPLES;

/// Why samples cannot be made into segments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Decode times must rise from sample to sample.
    #[error("a sample's decode time {next} does not come after the one before it ({previous}), in ticks")]
    NotRising {
        /// Decode time of the sample before, in ticks.
        previous: u64,
        /// Decode time of the sample refused, in ticks.
        next: u64,
    },
    /// Two samples lie further apart than a 32-bit duration can say.
    #[error("a gap of {0} ticks between two samples is too long")]
    Gap(u64),
    /// No cut was possible for so long that the segment outgrew 512 MiB or 16384 samples.
    #[error("no keyframe for {0:?}: the segment is too large; re-encode with a keyframe every few seconds")]
    TooLarge(Duration),
}

/// A finished segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number, from 1.
    pub sequence: u32,
    /// Presentation time of its first sample, in ticks.
    pub start: u64,
    /// Ticks until the next segment's start, or the end of the track.
    pub duration: u64,
    /// Ticks per second of `start` and `duration`.
    pub timescale: u32,
    /// `styp`, then `moof` and `mdat` for each group of pictures.
    pub bytes: Vec<u8>,
    /// Its pictures that stand alone, in order; empty for audio.
    pub iframes: Vec<Iframe>,
}

impl Segment {
    /// [`Segment::start`] as a duration since the start of the film.
    pub fn start_time(&self) -> Duration {
        ticks_to_duration(self.start, self.timescale)
    }

    /// [`Segment::duration`] as a duration.
    pub fn play_time(&self) -> Duration {
        ticks_to_duration(self.duration, self.timescale)
    }

    /// What manifests need of it.
    pub fn info(&self) -> SegmentInfo {
        SegmentInfo::from(self)
    }
}

/// A byte range of a segment that holds a `moof` and one sync sample: an entry of an I-frame playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iframe {
    /// Presentation time, in ticks of the track.
    pub start: u64,
    /// First byte within the segment.
    pub offset: u64,
    /// Length in bytes. It ends with the sync sample, inside `mdat`.
    pub len: u64,
}

/// Cuts one track into segments.
#[derive(Debug, Clone)]
pub struct Segmenter {
    kind: Kind,
    timescale: u32,
    priming: u64,
    target: Duration,
    pending: Vec<Sample>,
    pending_bytes: usize,
    /// Presentation time in ticks from which on the next cut may fall.
    boundary: i128,
    sequence: u32,
    fragments: u32,
}

impl Segmenter {
    /// A segmenter for `track` that aims at segments of `target` (at least a millisecond).
    pub fn new(track: &Track, target: Duration) -> Self {
        Self {
            kind: track.kind,
            timescale: track.timescale.max(1),
            priming: track.priming,
            target: target.max(Duration::from_millis(1)),
            pending: Vec::new(),
            pending_bytes: 0,
            boundary: 0,
            sequence: 0,
            fragments: 0,
        }
    }

    /// Takes the next sample in decode order; gives the segment before it when the sample starts a new one.
    ///
    /// Video before the first sync sample is dropped, for nothing could show it. An empty sample only lengthens the
    /// one before it. After an error the segmenter
    /// still holds what it had, and [`Segmenter::finish`] gives it out.
    pub fn push(&mut self, sample: Sample) -> Result<Option<Segment>, SegmentError> {
        let start = self.shown_at(&sample);
        if sample.data.len() > MAX_SEGMENT_BYTES {
            return Err(SegmentError::TooLarge(Duration::ZERO));
        }
        let Some(last) = self.pending.last_mut() else {
            if !sample.data.is_empty() && (self.kind == Kind::Audio || sample.sync) {
                self.hold(sample);
                self.boundary = self.boundary_after(start);
            }
            return Ok(None);
        };
        if sample.dts <= last.dts {
            return Err(SegmentError::NotRising { previous: last.dts, next: sample.dts });
        }
        let step = sample.dts - last.dts;
        last.duration = u32::try_from(step).map_err(|_| SegmentError::Gap(step))?;
        if sample.data.is_empty() {
            last.duration = last.duration.saturating_add(sample.duration);
            return Ok(None);
        }

        let cut = start >= self.boundary && (self.kind == Kind::Audio || sample.sync);
        if cut {
            let segment = self.close(Some(start));
            self.hold(sample);
            self.boundary = self.boundary_after(start);
            return Ok(segment);
        }
        let bytes = self.pending_bytes.saturating_add(sample.data.len());
        if bytes > MAX_SEGMENT_BYTES || self.pending.len() >= MAX_SEGMENT_SAMPLES {
            let since = sample.dts.saturating_sub(self.pending.first().map_or(0, |s| s.dts));
            return Err(SegmentError::TooLarge(ticks_to_duration(since, self.timescale)));
        }
        self.hold(sample);
        Ok(None)
    }

    /// Gives out the last segment, if any samples are left.
    pub fn finish(&mut self) -> Option<Segment> {
        self.close(None)
    }

    fn hold(&mut self, sample: Sample) {
        self.pending_bytes = self.pending_bytes.saturating_add(sample.data.len());
        self.pending.push(sample);
    }

    fn shown_at(&self, sample: &Sample) -> i128 {
        i128::from(sample.dts) + i128::from(sample.cts_offset) - i128::from(self.priming)
    }

    fn boundary_after(&self, start: i128) -> i128 {
        boundary_after(self.target, self.timescale, start)
    }

    /// Makes a segment of all that is pending; `next` is when the sample after it is shown.
    fn close(&mut self, next: Option<i128>) -> Option<Segment> {
        let samples = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let first = samples.first()?;
        let start = self.shown_at(first).max(0);
        let end = next.unwrap_or_else(|| {
            let ends = samples.iter().map(|s| self.shown_at(s) + i128::from(s.duration));
            ends.max().unwrap_or(start)
        });
        self.sequence = self.sequence.saturating_add(1);
        let mut segment = Segment {
            sequence: self.sequence,
            start: to_ticks(start),
            duration: to_ticks(end - start),
            timescale: self.timescale,
            bytes: Vec::with_capacity(samples.iter().map(|s| s.data.len() + 16).sum::<usize>() + 256),
            iframes: Vec::new(),
        };
        styp(&mut segment.bytes);
        for range in self.groups(&samples) {
            let group = &samples[range];
            self.fragments = self.fragments.wrapping_add(1);
            let moof = segment.bytes.len();
            let media = fragment(&mut segment.bytes, self.kind, self.fragments, group);
            if let (Kind::Video, [first, ..]) = (self.kind, group)
                && first.sync
            {
                segment.iframes.push(Iframe {
                    start: to_ticks(self.shown_at(first)),
                    offset: moof as u64,
                    len: (media - moof + first.data.len()) as u64,
                });
            }
        }
        Some(segment)
    }

    /// One fragment for each group of pictures, so that each I-frame follows a `moof`; but none under half a second,
    /// for a film of I-frames alone would double its headers.
    fn groups(&self, samples: &[Sample]) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let mut start = 0;
        if self.kind == Kind::Video {
            let least = u64::from(self.timescale / 2);
            for (at, sample) in samples.iter().enumerate().skip(1) {
                if sample.sync && sample.dts - samples[start].dts >= least {
                    groups.push(start..at);
                    start = at;
                }
            }
        }
        groups.push(start..samples.len());
        groups
    }
}

/// The grid that segments of all renditions start on: the first multiple of `target` after `start`, in ticks, rounded up.
pub(crate) fn boundary_after(target: Duration, timescale: u32, start: i128) -> i128 {
    const NANOS: i128 = 1_000_000_000;
    // A Duration is below 2^94 ns and a timescale below 2^32; clamping the target keeps the products in i128.
    let target = (target.as_nanos().min(1 << 62)) as i128;
    let scale = i128::from(timescale);
    let passed = start.max(0) * NANOS / (target * scale);
    let next = (passed + 1) * target * scale;
    (next + NANOS - 1) / NANOS
}

/// The `styp` that a segment starts with.
pub(crate) fn styp(out: &mut Vec<u8>) {
    boxed(out, b"styp", |out| {
        out.extend_from_slice(b"cmfs");
        put_u32(out, 0);
        out.extend_from_slice(b"cmfsmsdhiso6");
    });
}

/// Writes `moof` and `mdat`; gives the place in `out` where the media starts.
pub(crate) fn fragment(out: &mut Vec<u8>, kind: Kind, number: u32, samples: &[Sample]) -> usize {
    const SYNC: u32 = 0x0200_0000;
    const NOT_SYNC: u32 = 0x0101_0000;
    let flags = |sample: &Sample| if kind == Kind::Audio || sample.sync { SYNC } else { NOT_SYNC };
    let first = &samples[0];
    let same_duration = samples.iter().all(|s| s.duration == first.duration);
    let offsets = samples.iter().any(|s| s.cts_offset != 0);
    let rest_flags = samples.get(1).map_or(flags(first), flags);
    let same_flags = samples.iter().skip(1).all(|s| flags(s) == rest_flags);

    let moof = out.len();
    let mut data_offset = 0;
    boxed(out, b"moof", |out| {
        full(out, b"mfhd", 0, 0, |out| put_u32(out, number));
        boxed(out, b"traf", |out| {
            // default-base-is-moof, default flags, and the duration where one fits all.
            let duration = if same_duration { 0x08 } else { 0 };
            full(out, b"tfhd", 0, 0x02_0020 | duration, |out| {
                put_u32(out, TRACK_ID);
                if same_duration {
                    put_u32(out, first.duration);
                }
                put_u32(out, rest_flags);
            });
            full(out, b"tfdt", 1, 0, |out| put_u64(out, first.dts));
            // Data offset and sizes always; the rest where the defaults do not say it.
            let mut has = 0x201;
            has |= if same_duration { 0 } else { 0x100 };
            has |= if offsets { 0x800 } else { 0 };
            has |= match (same_flags, flags(first) == rest_flags) {
                (true, true) => 0,
                (true, false) => 0x004,
                (false, _) => 0x400,
            };
            full(out, b"trun", 1, has, |out| {
                put_u32(out, samples.len() as u32);
                data_offset = out.len();
                put_u32(out, 0);
                if has & 0x004 != 0 {
                    put_u32(out, flags(first));
                }
                for sample in samples {
                    if has & 0x100 != 0 {
                        put_u32(out, sample.duration);
                    }
                    put_u32(out, sample.data.len() as u32);
                    if has & 0x400 != 0 {
                        put_u32(out, flags(sample));
                    }
                    if has & 0x800 != 0 {
                        put_i32(out, sample.cts_offset);
                    }
                }
            });
        });
    });
    let media = out.len() + 8;
    // MAX_SEGMENT_SAMPLES bounds the moof to a few MiB.
    out[data_offset..data_offset + 4].copy_from_slice(&((media - moof) as u32).to_be_bytes());
    boxed(out, b"mdat", |out| {
        for sample in samples {
            out.extend_from_slice(&sample.data);
        }
    });
    media
}

fn to_ticks(value: i128) -> u64 {
    u64::try_from(value.max(0)).unwrap_or(u64::MAX)
}
