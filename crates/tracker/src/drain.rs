//! How a tracker that stops lets its clients go: one after another, so that those they come to are not overrun, and with a time to come
//! back in that is each one's own.

use std::time::Duration;

/// A tracker that starts again is there after so long.
const RESTART: Duration = Duration::from_secs(5);
/// Whoever goes to another node goes within this.
const SPREAD_ELSEWHERE: Duration = Duration::from_secs(1);

/// What becomes of so many clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    clients: usize,
    window: Duration,
}

impl Plan {
    /// `per_s` are let go in a second, or more if it would take longer than `most`.
    pub(crate) fn new(clients: usize, per_s: u32, most: Duration) -> Self {
        let window = Duration::from_secs_f64(clients as f64 / f64::from(per_s.max(1)));
        Self { clients, window: window.min(most) }
    }

    /// When the client of that number is let go, from the beginning.
    pub(crate) fn leaves_at(self, number: usize) -> Duration {
        self.window.mul_f64(number as f64 / self.clients.max(1) as f64)
    }

    /// How long it is to wait then. `chance` is 0 to 1.
    pub(crate) fn waits(self, number: usize, elsewhere: bool, chance: f64) -> Duration {
        match elsewhere {
            true => SPREAD_ELSEWHERE.mul_f64(chance),
            // By then all others have been let go, too, and they come back as they went.
            false => self.window - self.leaves_at(number) + RESTART + self.window.mul_f64(chance),
        }
    }
}

/// Longest reason of a close frame, bytes (RFC 6455, 5.5).
const REASON_BYTES: usize = 123;

/// What is said in the close frame. An address that is too long for it is left out.
pub(crate) fn farewell(retry: Duration, elsewhere: Option<&str>) -> String {
    let retry_ms = retry.as_millis();
    let url = elsewhere.map(|url| format!(r#","go to":{}"#, serde_json::Value::from(url)));
    let text = format!(r#"{{"retry ms":{retry_ms}{}}}"#, url.unwrap_or_default());
    if text.len() <= REASON_BYTES { text } else { format!(r#"{{"retry ms":{retry_ms}}}"#) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that fall into one second.
    fn peak(times: impl Iterator<Item = Duration>) -> usize {
        let mut counts = std::collections::BTreeMap::<u64, usize>::new();
        times.for_each(|time| *counts.entry(time.as_secs()).or_default() += 1);
        counts.values().copied().max().unwrap_or(0)
    }

    /// Well spread, and the same in every run.
    fn chance(number: usize) -> f64 {
        (number as f64 * 0.618_033_988_749_895).fract()
    }

    #[test]
    fn a_restart_of_ten_thousand_clients_makes_no_stampede() {
        let plan = Plan::new(10_000, 500, Duration::from_secs(60));
        assert_eq!(peak((0..10_000).map(|one| plan.leaves_at(one))), 500);
        let back = |one: usize| plan.leaves_at(one) + plan.waits(one, false, chance(one));
        assert!(peak((0..10_000).map(back)) <= 550);
        assert!((0..10_000).all(|one| back(one) >= plan.leaves_at(10_000) + RESTART));
        let elsewhere = |one: usize| plan.leaves_at(one) + plan.waits(one, true, chance(one));
        assert!(peak((0..10_000).map(elsewhere)) <= 550);
    }

    #[test]
    fn a_few_are_let_go_at_once_and_a_million_within_the_time_there_is() {
        assert!(Plan::new(10, 500, Duration::from_secs(60)).leaves_at(9) < Duration::from_millis(20));
        assert_eq!(Plan::new(0, 500, Duration::from_secs(60)).leaves_at(0), Duration::ZERO);
        let many = Plan::new(1_000_000, 500, Duration::from_secs(60));
        assert!(many.leaves_at(999_999) < Duration::from_secs(60));
    }
}
