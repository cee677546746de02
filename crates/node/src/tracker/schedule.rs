//! When to announce to one tracker, and when to try it again.
//!
//! The invariant: two announces on one connection are never closer than [`MIN_GAP`], and once something was asked for, a
//! connection always has a next one.

use std::time::Duration;

use tokio::time::Instant;

/// Announces closer together than this become one.
const MIN_GAP: Duration = Duration::from_secs(2);
/// Taken until the tracker has said how often it wants to hear of us, and after it has refused an announce: a name that is
/// still taken is free again by then.
const FIRST_INTERVAL: Duration = Duration::from_secs(30);
/// Most peers that may be asked for at a time.
const MAX_WANT: u32 = 20;

/// An announce that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announce {
    /// The first one on its connection.
    pub(super) is_first: bool,
    /// How many candidates to ask for.
    pub(super) want: u32,
}

#[derive(Debug)]
pub(super) struct Schedule {
    /// Asked for by ourselves and not announced yet.
    want: Option<u32>,
    /// What was last announced; `None`: nothing was, on any connection.
    asked: Option<u32>,
    /// When, on this connection.
    announced: Option<Instant>,
    earliest: Instant,
    interval: Duration,
    /// Attempts in a row that came to nothing.
    failures: u32,
}

impl Schedule {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            want: None,
            asked: None,
            announced: None,
            earliest: now,
            interval: FIRST_INTERVAL,
            failures: 0,
        }
    }

    /// Up to `want` peers would be welcome.
    pub(super) fn ask(&mut self, want: u32) {
        self.want = Some(self.want.unwrap_or(0).max(want.min(MAX_WANT)));
    }

    /// What was asked for last is to be asked again, as soon as may be.
    pub(super) fn ask_again(&mut self) {
        self.want = self.want.or(self.asked);
    }

    /// A new connection is there, on which nothing has been said: what was asked for on the last one is asked again.
    pub(super) fn handle_open(&mut self, now: Instant) {
        self.want = self.want.or(self.asked);
        self.announced = None;
        self.earliest = now;
        self.interval = FIRST_INTERVAL;
    }

    /// The tracker has answered an announce.
    pub(super) fn handle_reply(&mut self, interval: Option<Duration>) {
        self.failures = 0;
        self.interval = interval.unwrap_or(self.interval);
    }

    /// The tracker has refused an announce.
    pub(super) fn handle_refusal(&mut self) {
        self.interval = self.interval.min(FIRST_INTERVAL);
    }

    /// Whether the tracker has heard of us on this connection.
    pub(super) fn is_started(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether the last announce has asked for candidates.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.is_some_and(|want| want > 0)
    }

    /// When the next announce is due; `None` until something is asked for.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.want {
            Some(_) => Some(self.earliest),
            None => self.announced.map(|at| at + self.interval),
        }
    }

    /// The announce to send now.
    pub(super) fn take(&mut self, now: Instant) -> Announce {
        let announce = Announce { is_first: !self.is_started(), want: self.want.take().unwrap_or(0) };
        self.asked = Some(announce.want);
        self.announced = Some(now);
        self.earliest = now + MIN_GAP;
        announce
    }

    /// How long to wait for the next attempt, after the connection was lost or could not be had. `chance` is 0 to 1.
    pub(super) fn back_off(&mut self, first: Duration, max: Duration, chance: f64) -> Duration {
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(max);
        self.failures = self.failures.saturating_add(1);
        wait / 2 + wait.mul_f64(chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn announces_in_a_hurry_become_one_that_asks_for_the_most() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert_eq!(schedule.due(), None, "nothing was asked for");
        schedule.ask(3);
        assert_eq!(schedule.due(), Some(now));
        assert_eq!(schedule.take(now), Announce { is_first: true, want: 3 });
        assert_eq!(schedule.due(), Some(now + FIRST_INTERVAL));
        schedule.ask(100);
        schedule.ask(1);
        // The reply to the first does not put the second off.
        schedule.handle_reply(Some(120 * SECOND));
        assert_eq!(schedule.due(), Some(now + MIN_GAP));
        assert_eq!(schedule.take(now + MIN_GAP), Announce { is_first: false, want: 20 });
        assert_eq!(schedule.due(), Some(now + MIN_GAP + 120 * SECOND));
        assert_eq!(schedule.take(now + 130 * SECOND), Announce { is_first: false, want: 0 });
    }

    #[test]
    fn a_new_connection_is_told_all_again_at_once() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        schedule.handle_open(now);
        assert_eq!(schedule.due(), None);
        schedule.ask(5);
        schedule.take(now);
        schedule.handle_open(now + SECOND);
        assert_eq!(schedule.due(), Some(now + SECOND));
        assert_eq!(schedule.take(now + SECOND), Announce { is_first: true, want: 5 });
    }

    #[test]
    fn a_refused_announce_is_tried_again_soon() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        schedule.ask(5);
        schedule.take(now);
        schedule.handle_reply(Some(3600 * SECOND));
        schedule.handle_refusal();
        assert_eq!(schedule.due(), Some(now + FIRST_INTERVAL));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_half_of_each_is_chance() {
        let mut schedule = Schedule::new(Instant::now());
        let mut wait = |chance| schedule.back_off(SECOND, 60 * SECOND, chance).as_secs_f64();
        assert_eq!([wait(0.0), wait(1.0), wait(0.5), wait(1.0)], [0.5, 2.0, 3.0, 8.0]);
        for _ in 0..100 {
            wait(1.0);
        }
        assert_eq!([wait(0.0), wait(1.0)], [30.0, 60.0]);
        schedule.handle_reply(None);
        assert_eq!(schedule.back_off(SECOND, 60 * SECOND, 1.0), SECOND);
    }
}
