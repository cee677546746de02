//! The packager of a live stream: samples in as they come, parts, playlists and an MPD out.
//!
//! The unit is the *part*, a fraction of a second that is given out as soon as it is complete; a segment is exactly
//! the bytes of its parts joined. A [`Cutter`] makes the parts of one rendition, a [`Window`] knows which of them are
//! on offer, [`hls`] and [`dash`] say so in text, [`Captions`] has what is said meanwhile, [`Name`] and [`Directives`] are
//! what players ask for then. How it is laid out: `docs/spec/live.md`.
//!
//! It lacks: clocks (wall time is an argument), files, sockets, waiting, and the bytes of what was given out: who
//! serves a stream keeps parts until the window and the grace of RFC 8216 section 6.2.2 have passed.
//!
//! The invariant: all times of all renditions are on one timeline, which may start anywhere and never goes back. What
//! a window has said of a segment or a part it never says otherwise, and the part it hints at is the part that comes.
//!
//! ```
//! use cmaf::live::{CutError, Cutter, Rendition, Targets, Window, hls};
//! use cmaf::{Sample, Track};
//! use std::time::Duration;
//!
//! fn serve(track: &Track, samples: impl Iterator<Item = Sample>) -> Result<String, CutError> {
//!     let targets = Targets::new(Duration::from_secs(2), Duration::from_millis(400));
//!     let rendition = Rendition { id: "v0".to_owned(), name: "720p".to_owned(), bandwidth: 3_000_000, query: String::new() };
//!     let mut cutter = Cutter::new(track, targets);
//!     let mut window = Window::new(rendition, track, targets, Duration::from_secs(60));
//!     for sample in samples {
//!         for part in cutter.push(sample)? {
//!             // Here its bytes go to whoever waits for them.
//!             window.push(&part);
//!         }
//!     }
//!     Ok(hls::media(&window, &[], hls::Form::LowLatency))
//! }
//! ```

mod captions;
mod clock;
mod cutter;
pub mod dash;
pub mod hls;
mod listed;
mod request;
mod window;

pub use captions::Captions;
pub use cutter::{CutError, Cutter, Part};
pub use listed::{Answer, Left, Listed, ListedPart, MarkError, Position};
pub use request::{Directives, Name};
pub use window::{MARKS, Window};

use std::time::Duration;

use crate::{Kind, Track, duration_to_ticks};

/// Least share of the part target that a part lasts, in percent, unless it is the last of its segment
/// (RFC 8216bis section 4.4.4.9).
const LEAST_PERCENT: u64 = 85;

/// How long segments and parts shall be. All renditions of a stream have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targets {
    /// Segments start at the first sync sample at or after each multiple of this.
    pub segment: Duration,
    /// Parts last at most this.
    pub part: Duration,
    /// `EXT-X-TARGETDURATION`, seconds: no segment lasts longer, rounded to seconds, for as long as the stream lives. A
    /// source whose keyframes do not fall on the grid needs more than `segment`.
    pub target_duration_s: u32,
}

impl Targets {
    /// Targets for a source that has a keyframe on every multiple of `segment`.
    pub fn new(segment: Duration, part: Duration) -> Self {
        let segment = segment.clamp(Duration::from_millis(100), Duration::from_secs(60));
        let part = part.clamp(Duration::from_millis(10), segment);
        let whole = segment.as_secs() + u64::from(segment.subsec_nanos() > 0);
        // At most 60.
        Self { segment, part, target_duration_s: whole as u32 }
    }

    /// The longest that a segment may last.
    pub fn longest(&self) -> Duration {
        Duration::from_secs(self.target_duration_s.into()) + Duration::from_millis(499)
    }

    /// Ticks of the longest part of this track: as many frames as fit, where a part of the target itself would fall short
    /// of 85 % with whole frames; never less than one frame.
    pub fn part_ticks(&self, track: &Track) -> u64 {
        let scale = u64::from(track.timescale.max(1));
        let target = duration_to_ticks(self.part, scale).max(1);
        let (num, den) = match (track.kind, track.frame_rate) {
            (Kind::Video, Some((num, den))) if num > 0 && den > 0 => (u64::from(num), u64::from(den)),
            _ => return target,
        };
        // Frames of `scale * den / num` ticks each: the bounds of u32 keep the products below 2^127.
        let frame = u128::from(scale) * u128::from(den);
        let of = |frames: u128| u64::try_from((frames * frame).div_ceil(num.into())).unwrap_or(u64::MAX);
        let frames = (u128::from(target) * u128::from(num) / frame).max(1);
        let whole = of(frames);
        if frames == 1 || u128::from(whole) * 100 < u128::from(target) * u128::from(LEAST_PERCENT) {
            whole
        } else {
            target
        }
    }
}

/// What a rendition is called, and what it is said to need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Folder and DASH representation id: `v0`, `a0`. URL-safe.
    pub id: String,
    /// Name shown to viewers, such as `720p` or `English`.
    pub name: String,
    /// Peak bits per second that the encoder was told to keep; a higher one that is measured counts instead.
    pub bandwidth: u64,
    /// What addresses of its media end with, from `?` on, or nothing: caches shall not take them for those of an earlier stream in the same
    /// folder, whose numbers were the same.
    pub query: String,
}
