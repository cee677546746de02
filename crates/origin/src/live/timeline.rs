//! Where publications lie on their broadcast's timeline. Time zero is when the first one began; a later one begins at the time that it is, and
//! never before what has been given out.
//!
//! The invariant: all tracks of a publication are moved by the same time, so they stay in step to within one tick.

use cmaf::webvtt::Text;
use cmaf::{Sample, Track};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Left free before a later publication: the encoder's first sound begins that much early.
const ROOM: Duration = Duration::from_millis(60);

/// Nanoseconds in a second.
pub(super) const NANOS: i128 = 1_000_000_000;

/// The timeline of one broadcast.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    /// When time zero was, by the clock on the wall.
    pub zero: SystemTime,
    begun: Instant,
    /// Milliseconds, rounded up, until which samples have been given out.
    end_ms: Arc<AtomicU64>,
}

/// How the times of one publication become times of the broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    shift_nanos: i128,
}

impl Timeline {
    /// A timeline whose zero is `begun`, `zero` on the wall.
    pub fn new(begun: Instant, zero: SystemTime) -> Self {
        Self { zero, begun, end_ms: Arc::default() }
    }

    /// Places a publication that began at `now`, with samples from `first` on.
    pub fn place(&self, now: Instant, first: i128) -> Placement {
        let elapsed = now.saturating_duration_since(self.begun);
        let end = match self.end_ms.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            end => Duration::from_millis(end) + ROOM,
        };
        // Whole milliseconds, of which the encoder's input has no parts.
        let at = i128::from(elapsed.max(end).as_millis() as u64) * 1_000_000;
        Placement { shift_nanos: at - first }
    }

    /// Notes that `sample` of `track` has been given out.
    pub fn reached(&self, timescale: u32, sample: &Sample) {
        let end = cmaf::ticks_to_duration(sample.dts + u64::from(sample.duration), timescale);
        self.end_ms.fetch_max(end.as_millis() as u64 + 1, Ordering::Relaxed);
    }
}

impl Placement {
    /// Moves a sample of `track`, whose decoder delay is taken off for good; `None` for one that would lie before zero.
    pub fn apply(&self, track: &Track, mut sample: Sample) -> Option<Sample> {
        let shift = rounded(self.shift_nanos * i128::from(track.timescale), NANOS);
        let dts = i128::from(sample.dts) - i128::from(track.priming) + shift;
        sample.dts = u64::try_from(dts).ok()?;
        Some(sample)
    }

    /// Moves the cues of a text; those that would be over before zero are left out.
    pub fn move_text(&self, mut text: Text) -> Text {
        text.cues.retain_mut(|cue| {
            cue.start = self.moved(cue.start).unwrap_or_default();
            cue.end = self.moved(cue.end).unwrap_or_default();
            cue.end > cue.start
        });
        text
    }

    fn moved(&self, time: Duration) -> Option<Duration> {
        let nanos = i128::try_from(time.as_nanos()).ok()?.checked_add(self.shift_nanos)?;
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }

    /// Decode time in milliseconds, moved, and how much later it is shown.
    pub fn millis(&self, track: &Track, sample: &Sample) -> Option<(u64, i32)> {
        let to_ms = |ticks: i128| {
            rounded(ticks * NANOS / i128::from(track.timescale.max(1)) + self.shift_nanos, 1_000_000)
        };
        let priming = i128::from(track.priming);
        let (dts, pts) = (i128::from(sample.dts) - priming, i128::from(sample.pts()) - priming);
        let (dts, pts) = (to_ms(dts), to_ms(pts));
        Some((u64::try_from(dts).ok()?, i32::try_from(pts - dts).ok()?))
    }
}

/// Where the first sample of `track` begins, in nanoseconds of the publisher's clock.
pub(super) fn start(track: &Track, sample: &Sample) -> i128 {
    let ticks = i128::from(sample.dts).min(i128::from(sample.pts())) - i128::from(track.priming);
    rounded(ticks * NANOS, i128::from(track.timescale.max(1)))
}

/// When `sample` of `track` is decoded, in nanoseconds of the publisher's clock.
pub(super) fn decoded(track: &Track, sample: &Sample) -> i128 {
    let ticks = i128::from(sample.dts) - i128::from(track.priming);
    rounded(ticks * NANOS, i128::from(track.timescale.max(1)))
}

fn rounded(value: i128, by: i128) -> i128 {
    (value + by / 2).div_euclid(by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn sample(dts: u64) -> Sample {
        Sample { dts, cts_offset: 0, duration: 1024, sync: true, data: Bytes::new() }
    }

    #[tokio::test]
    async fn tracks_stay_in_step_and_nothing_overlaps() {
        let begun = Instant::now();
        let timeline = Timeline::new(begun, SystemTime::now());
        let track = Track::aac(&[0x11, 0x90]).unwrap();
        let first = start(&track, &sample(4801));
        let placement = timeline.place(begun, first);
        assert_eq!(placement.apply(&track, sample(4801)).unwrap().dts, 0);
        assert_eq!(placement.apply(&track, sample(9601)).unwrap().dts, 4800);
        assert_eq!(placement.apply(&track, sample(0)), None);
        timeline.reached(48_000, &sample(480_000));
        let next = timeline.place(begun + Duration::from_secs(3), 0);
        let at = next.apply(&track, sample(0)).unwrap().dts;
        assert!(at > 481_024 && at < 490_000, "{at}");
        let later = timeline.place(begun + Duration::from_secs(60), 0);
        assert_eq!(later.apply(&track, sample(0)).unwrap().dts, 60 * 48_000);
        assert_eq!(later.millis(&track, &sample(480)), Some((60_010, 0)));
    }
}
