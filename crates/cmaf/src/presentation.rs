//! What a finished package holds, as the manifests describe it.
//!
//! The invariant: every time is on the presentation timeline, which starts at zero and is the same for all
//! renditions. Sizes are measured from the written segments, never nominal.

use std::time::Duration;

use crate::{Iframe, Kind, Segment, Track, ticks_to_duration};

/// A whole film: its renditions, subtitles and thumbnails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presentation {
    /// Video (lowest bandwidth first) and audio renditions.
    pub renditions: Vec<Rendition>,
    /// WebVTT subtitles.
    pub subtitles: Vec<Subtitle>,
    /// The sprite of preview pictures, if there is one.
    pub thumbnails: Option<Thumbnails>,
    /// How long the film plays. Zero means "as long as the longest rendition".
    pub duration: Duration,
    /// What tells the segments from those of another version under the same names: letters and digits that manifests
    /// append to every address as `?v=`. Empty for nothing.
    pub version: String,
}

impl Presentation {
    /// The video renditions, in order.
    pub fn videos(&self) -> impl Iterator<Item = &Rendition> {
        self.renditions.iter().filter(|r| r.track.kind == Kind::Video)
    }

    /// The audio renditions, in order.
    pub fn audios(&self) -> impl Iterator<Item = &Rendition> {
        self.renditions.iter().filter(|r| r.track.kind == Kind::Audio)
    }

    /// What is appended to the addresses of init and media segments.
    pub(crate) fn query(&self) -> String {
        let plain: String = self.version.chars().filter(char::is_ascii_alphanumeric).collect();
        if plain.is_empty() { plain } else { format!("?v={plain}") }
    }

    /// How long the film plays: as given, else the longest rendition.
    pub fn play_time(&self) -> Duration {
        if self.duration > Duration::ZERO {
            return self.duration;
        }
        self.renditions.iter().map(Rendition::end).max().unwrap_or_default()
    }
}

/// One quality of the video or one audio track, cut into segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Folder in the package and DASH representation id: `v0`, `a0`. URL-safe.
    pub id: String,
    /// Name shown to viewers, such as `720p` or `English`.
    pub name: String,
    /// Codec and geometry.
    pub track: Track,
    /// The segments, sequence 1 first.
    pub segments: Vec<SegmentInfo>,
}

impl Rendition {
    /// Ticks from the first segment's start to the last one's end.
    pub fn ticks(&self) -> u64 {
        self.segments.iter().fold(0, |sum, s| sum.saturating_add(s.duration))
    }

    /// Presentation time at which the last segment ends.
    pub fn end(&self) -> Duration {
        let end = self.segments.last().map_or(0, |s| s.start.saturating_add(s.duration));
        self.track.duration(end)
    }

    /// Bytes of all segments, without the init segment.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().fold(0, |sum, s| sum.saturating_add(s.bytes))
    }

    /// The largest duration of a segment, rounded to the nearest second, at least 1: `EXT-X-TARGETDURATION`.
    pub fn target_duration_s(&self) -> u64 {
        let longest = self.segments.iter().map(|s| s.duration).max().unwrap_or(0);
        let scale = u64::from(self.track.timescale.max(1));
        (longest.saturating_add(scale / 2) / scale).max(1)
    }

    /// Peak bits per second as RFC 8216 section 4.3.4.2 defines it: the largest rate over contiguous segments that
    /// together last between half and one and a half target durations.
    pub fn peak_bandwidth(&self) -> u64 {
        let spans = self.segments.iter().map(|s| (s.bytes, s.duration));
        peak_bandwidth(spans, self.track.timescale, self.target_duration_s())
    }

    /// Bits per second over all segments.
    pub fn average_bandwidth(&self) -> u64 {
        bits_per_second(self.bytes(), self.ticks(), self.track.timescale)
    }
}

/// What manifests need to know of a written segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Presentation time of its first sample, in ticks of the track.
    pub start: u64,
    /// Ticks until the next segment's start.
    pub duration: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Where its pictures that stand alone lie; empty for audio.
    pub iframes: Vec<Iframe>,
}

impl From<&Segment> for SegmentInfo {
    fn from(segment: &Segment) -> Self {
        Self {
            start: segment.start,
            duration: segment.duration,
            bytes: segment.bytes.len() as u64,
            iframes: segment.iframes.clone(),
        }
    }
}

/// One WebVTT file that covers the whole film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtitle {
    /// Folder in the package and DASH representation id: `t0`.
    pub id: String,
    /// BCP 47 language.
    pub language: Option<String>,
    /// Name shown to viewers.
    pub name: String,
    /// The WebVTT file relative to the package root, such as `t0/subs.vtt`.
    pub uri: String,
    /// How long the film is that it covers.
    pub duration: Duration,
    /// Size of the WebVTT file in bytes.
    pub bytes: u64,
}

/// One sprite of preview pictures in a grid, left to right, top to bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnails {
    /// The picture relative to the package root: `thumbs.jpg`.
    pub uri: String,
    /// Pictures in a row.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// Width of the whole sprite in pixels.
    pub width: u32,
    /// Height of the whole sprite in pixels.
    pub height: u32,
    /// Time that one picture stands for.
    pub interval: Duration,
    /// Size of the picture in bytes.
    pub bytes: u64,
}

/// Segments that one and a half target durations can hold; more are not meant seriously.
const MAX_IN_PEAK: usize = 256;

/// See [`Rendition::peak_bandwidth`]; `spans` are bytes and ticks of the segments in order.
pub(crate) fn peak_bandwidth(
    spans: impl Iterator<Item = (u64, u64)>,
    timescale: u32,
    target_duration_s: u64,
) -> u64 {
    let spans: Vec<(u64, u64)> = spans.collect();
    let target = u128::from(target_duration_s) * u128::from(timescale.max(1));
    let mut peak = 0;
    for first in 0..spans.len() {
        let (mut bytes, mut ticks) = (0u64, 0u64);
        for &(b, t) in spans[first..].iter().take(MAX_IN_PEAK) {
            bytes = bytes.saturating_add(b);
            ticks = ticks.saturating_add(t);
            if u128::from(ticks) * 2 > target * 3 {
                break;
            }
            if u128::from(ticks) * 2 >= target {
                peak = peak.max(bits_per_second(bytes, ticks, timescale));
            }
        }
    }
    if peak == 0 {
        // One segment far from the target: its own rate is all there is to say.
        let (bytes, ticks) =
            spans.iter().fold((0u64, 0u64), |(b, t), s| (b.saturating_add(s.0), t.saturating_add(s.1)));
        peak = bits_per_second(bytes, ticks, timescale);
    }
    peak
}

/// Rounded up; 0 ticks give 0.
fn bits_per_second(bytes: u64, ticks: u64, timescale: u32) -> u64 {
    if ticks == 0 {
        return 0;
    }
    let bits = u128::from(bytes) * 8 * u128::from(timescale.max(1));
    u64::try_from(bits.div_ceil(u128::from(ticks))).unwrap_or(u64::MAX)
}

/// Seconds with microseconds, for the duration attributes of both manifests.
pub(crate) fn seconds(ticks: u64, timescale: u32) -> String {
    decimal(ticks_to_duration(ticks, timescale))
}

/// A duration as decimal seconds, rounded to microseconds.
pub(crate) fn decimal(duration: Duration) -> String {
    let micros = (duration.as_nanos() + 500) / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
