//! Waiting before something is tried again. The invariant: waits grow up to a bound, and two who wait do not come at one moment.

use std::time::Duration;
use tokio::time::sleep;

/// Doubles each time, up to the longest.
#[derive(Debug)]
pub(super) struct Pause {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Pause {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, next: first, longest }
    }

    pub async fn wait(&mut self) {
        let pause = jittered(self.next);
        self.next = (self.next * 2).min(self.longest);
        sleep(pause).await;
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Between half of `pause` and the whole.
pub(super) fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0); // then all wait alike
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}
