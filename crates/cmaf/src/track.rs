//! A track and its samples, as everything in this crate passes them on.
//!
//! The invariant: presentation times start at zero. Edit lists are already applied when a [`Track`] or
//! [`Sample`] exists; what is left of them is [`Track::priming`].

use std::time::Duration;

use bytes::Bytes;

/// What a track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// One elementary stream and all a player must know before its first sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Video or audio.
    pub kind: Kind,
    /// Ticks per second of every time of this track; never 0.
    pub timescale: u32,
    /// RFC 6381 codec string, such as `avc1.64001f` or `mp4a.40.2`.
    pub codec: String,
    /// The sample entry (the child of `stsd`), header included: codec configuration in its canonical form.
    pub sample_entry: Vec<u8>,
    /// Width in pixels as encoded; 0 for audio.
    pub width: u16,
    /// Height in pixels as encoded; 0 for audio.
    pub height: u16,
    /// Clockwise rotation to apply when showing, in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Frames per second as numerator and denominator; `None` for audio and where unknown.
    pub frame_rate: Option<(u32, u32)>,
    /// Audio channels; 0 for video.
    pub channels: u16,
    /// Audio samples per second; 0 for video.
    pub sample_rate: u32,
    /// BCP 47 language (RFC 5646); `None` when undetermined.
    pub language: Option<String>,
    /// Ticks of decoder delay at the start of an audio track: presentation time is decode time minus this. The
    /// init segment carries it as an edit list. Always 0 for video, whose samples carry negative offsets instead.
    pub priming: u64,
}

impl Track {
    /// A track of which nothing is known but this.
    pub(crate) fn blank(kind: Kind, timescale: u32) -> Self {
        Self {
            kind,
            timescale,
            codec: String::new(),
            sample_entry: Vec::new(),
            width: 0,
            height: 0,
            rotation: 0,
            frame_rate: None,
            channels: 0,
            sample_rate: 0,
            language: None,
            priming: 0,
        }
    }

    /// `ticks` of this track as a duration.
    pub fn duration(&self, ticks: u64) -> Duration {
        ticks_to_duration(ticks, self.timescale)
    }
}

/// One access unit, in decode order within its track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Decode time in ticks.
    pub dts: u64,
    /// Presentation time minus decode time, in ticks; may be negative.
    pub cts_offset: i32,
    /// Ticks until the next sample's decode time.
    pub duration: u32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// The coded bytes (length-prefixed NAL units, or a raw AAC frame).
    pub data: Bytes,
}

impl Sample {
    /// Presentation time in ticks, before [`Track::priming`] is taken off; negative only for what is never shown.
    pub fn pts(&self) -> i64 {
        i64::try_from(self.dts).unwrap_or(i64::MAX).saturating_add(i64::from(self.cts_offset))
    }
}

/// `ticks` of a clock running at `timescale` ticks per second, rounded down to the nanosecond. A timescale of 0
/// counts as 1.
pub fn ticks_to_duration(ticks: u64, timescale: u32) -> Duration {
    let scale = u64::from(timescale.max(1));
    let nanos = (ticks % scale) * 1_000_000_000 / scale;
    // A remainder below one second is below 10^9 nanoseconds.
    Duration::new(ticks / scale, nanos as u32)
}

/// `duration` in ticks of a clock running at `timescale` ticks per second, rounded down, and at most what a u64 holds.
pub fn duration_to_ticks(duration: Duration, timescale: u64) -> u64 {
    u64::try_from(duration.as_nanos().saturating_mul(timescale.into()) / 1_000_000_000).unwrap_or(u64::MAX)
}

/// Frames per second out of the duration most frames have, the ticks of all, and their count: the usual duration
/// when it explains the whole to within one percent, else the average in thousandths.
pub(crate) fn frame_rate(timescale: u32, usual: u32, ticks: u64, count: u32) -> Option<(u32, u32)> {
    if count == 0 || ticks == 0 {
        return None;
    }
    let explained = u64::from(usual) * u64::from(count);
    let (mut num, mut den) = if usual > 0 && explained.abs_diff(ticks) <= ticks / 100 {
        (timescale, usual)
    } else {
        let thousandths = u128::from(count) * u128::from(timescale) * 1000 / u128::from(ticks);
        (u32::try_from(thousandths).ok()?, 1000)
    };
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    // Never zero: the denominator is not.
    num /= a;
    den /= a;
    (num > 0).then_some((num, den))
}
