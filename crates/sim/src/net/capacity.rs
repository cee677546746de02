//! How fast a link is, now and later.

use core::time::Duration;
use std::sync::Arc;

/// A link's capacity: constant, or following a [`Profile`].
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// Bits a second; with a profile, what a factor of 1 stands for. Nothing ever comes through a link of 0.
    pub bps: u64,
    /// How it varies, and where in the profile it starts.
    pub varies: Option<(Arc<Profile>, Duration)>,
}

impl Capacity {
    /// Always the same.
    pub fn constant(bps: u64) -> Self {
        Self { bps, varies: None }
    }

    /// The same, in Mbit/s.
    pub fn mbps(mbps: f64) -> Self {
        Self::constant((mbps * 1e6) as u64)
    }

    /// As `profile` says, from `offset` in it on, over and over. `bps` is what its factor 1 stands for.
    pub fn varying(bps: u64, profile: Arc<Profile>, offset: Duration) -> Self {
        Self { bps, varies: Some((profile, offset)) }
    }

    /// When a transfer that has the link for itself from `start` is through; both in nanoseconds. `u64::MAX` is never.
    pub(super) fn finish(&self, start: u64, bytes: u32) -> u64 {
        if self.bps == 0 || start == u64::MAX {
            return u64::MAX;
        }
        let bits = u64::from(bytes) * 8;
        match &self.varies {
            None => {
                let span = (u128::from(bits) * 1_000_000_000).div_ceil(u128::from(self.bps));
                start.saturating_add(u64::try_from(span).unwrap_or(u64::MAX))
            }
            Some((profile, offset)) => {
                let offset = offset.as_secs_f64();
                let end =
                    profile.finish(start as f64 * 1e-9 + offset, bits as f64 / self.bps as f64) - offset;
                start.max((end * 1e9) as u64)
            }
        }
    }
}

/// A capacity that varies, replayed in a loop: factors, each of which holds for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    factor: f64,
    /// Seconds from the start of the loop.
    end: f64,
    /// What has come through at `end`, in seconds of factor 1.
    done: f64,
}

impl Profile {
    /// From spans and the factor during each. `None` if nothing would ever come through: no factor above 0 for any time.
    pub fn new(spans: impl IntoIterator<Item = (Duration, f64)>) -> Option<Self> {
        let (mut end, mut done) = (0.0, 0.0);
        let steps: Vec<Step> = spans
            .into_iter()
            .filter(|(span, _)| !span.is_zero())
            .map(|(span, factor)| {
                let factor = factor.max(0.0);
                end += span.as_secs_f64();
                done += span.as_secs_f64() * factor;
                Step { factor, end, done }
            })
            .collect();
        (done > 0.0 && done.is_finite()).then_some(Self { steps })
    }

    /// How long it takes until it begins anew.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.last().end)
    }

    /// The mean factor.
    pub fn mean(&self) -> f64 {
        self.last().done / self.last().end
    }

    /// The factor at a time.
    pub fn factor_at(&self, time: Duration) -> f64 {
        let phase = time.as_secs_f64() % self.last().end;
        self.steps[self.step_at(phase)].factor
    }

    /// When `work` (seconds of factor 1) begun at `start` is done; seconds.
    fn finish(&self, start: f64, work: f64) -> f64 {
        let (length, whole) = (self.last().end, self.last().done);
        let loops_before = (start / length).floor();
        let phase = start - loops_before * length;
        let step = self.steps[self.step_at(phase)];
        let target = step.done - (step.end - phase) * step.factor + work;
        // The last loop ends where `whole` is reached, not where the next begins: an outage may lie between.
        let loops = ((target / whole).ceil() - 1.0).max(0.0);
        let rest = target - loops * whole;
        let last = self.steps.partition_point(|step| step.done < rest).min(self.steps.len() - 1);
        let Step { factor, end, done } = self.steps[last];
        let within = if factor > 0.0 { end - (done - rest) / factor } else { end };
        ((loops_before + loops) * length + within).max(start)
    }

    fn step_at(&self, phase: f64) -> usize {
        self.steps.partition_point(|step| step.end <= phase).min(self.steps.len() - 1)
    }

    fn last(&self) -> Step {
        self.steps[self.steps.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(spans: &[(u64, f64)]) -> Arc<Profile> {
        let spans = spans.iter().map(|&(seconds, factor)| (Duration::from_secs(seconds), factor));
        Arc::new(Profile::new(spans).unwrap())
    }

    /// 1 Mbyte at a factor of 1 takes one second.
    fn seconds(profile: &Arc<Profile>, offset: u64, start: f64, megabytes: f64) -> f64 {
        let link = Capacity::varying(8_000_000, profile.clone(), Duration::from_secs(offset));
        link.finish((start * 1e9) as u64, (megabytes * 1e6) as u32) as f64 * 1e-9
    }

    #[track_caller]
    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn a_transfer_takes_what_the_link_gives_meanwhile() {
        // 3 s hold 1 * 1 + 0 + 2 * 1 = 3 Mbyte.
        let profile = profile(&[(1, 1.0), (1, 0.0), (1, 2.0)]);
        assert_near(profile.mean(), 1.0);
        assert_near(seconds(&profile, 0, 0.0, 0.5), 0.5);
        assert_near(seconds(&profile, 0, 0.5, 0.5), 1.0);
        assert_near(seconds(&profile, 0, 0.5, 1.5), 2.5);
        assert_near(seconds(&profile, 0, 1.2, 1.0), 2.5);
        assert_near(seconds(&profile, 0, 0.0, 3.0), 3.0);
        assert_near(seconds(&profile, 0, 0.0, 30.5), 30.5);
        assert_near(seconds(&profile, 2, 0.0, 1.0), 0.5);
        assert_near(seconds(&profile, 2, 100.25, 1.0), 102.125);
        assert_near(profile.factor_at(Duration::from_millis(3_100)), 1.0);
    }

    #[test]
    fn an_outage_at_the_end_is_not_waited_for_when_all_is_through_before() {
        let profile = profile(&[(1, 1.0), (9, 0.0)]);
        assert_near(seconds(&profile, 0, 0.0, 1.0), 1.0);
        assert_near(seconds(&profile, 0, 0.0, 2.0), 11.0);
        assert_near(seconds(&profile, 0, 5.0, 1.0), 11.0);
    }

    #[test]
    fn a_profile_that_lets_nothing_through_is_none() {
        assert!(Profile::new([]).is_none());
        assert!(Profile::new([(Duration::from_secs(1), 0.0)]).is_none());
        assert_eq!(Capacity::constant(0).finish(5, 1), u64::MAX);
    }
}
