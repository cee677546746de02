//! One direction of an access line, in virtual time. Invariant: packets leave it in the order they came, no faster than its
//! rate.

use crate::plan::{Access, Rate};
use std::time::Duration;

/// Why a packet does not come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// By chance.
    Lost,
    /// The queue was full.
    Queue,
}

pub(crate) struct Direction {
    rate: Option<Rate>,
    delay: Duration,
    loss: f64,
    queue: Duration,
    /// When what it has taken will have been sent.
    free_at: Duration,
}

impl Direction {
    pub fn up(access: &Access) -> Self {
        Self::new(access, access.up)
    }

    pub fn down(access: &Access) -> Self {
        Self::new(access, access.down)
    }

    fn new(access: &Access, rate: Option<Rate>) -> Self {
        let Access { delay, loss, queue, .. } = *access;
        Self { rate, delay, loss, queue, free_at: Duration::ZERO }
    }

    /// When a packet that comes now arrives at the other end.
    pub fn pass(
        &mut self,
        now: Duration,
        bytes: usize,
        random: &mut fastrand::Rng,
    ) -> Result<Duration, Dropped> {
        let mut sent = now;
        if let Some(rate) = self.rate {
            let begin = self.free_at.max(now);
            if begin - now > self.queue {
                return Err(Dropped::Queue);
            }
            self.free_at = begin.saturating_add(rate.time_of(bytes));
            sent = self.free_at;
        }
        // What is lost has used the line all the same.
        if self.loss > 0.0 && random.f64() < self.loss {
            return Err(Dropped::Lost);
        }
        Ok(sent.saturating_add(self.delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn all(direction: &mut Direction, count: usize) -> Vec<Result<Duration, Dropped>> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..count).map(|_| direction.pass(Duration::ZERO, 1000, &mut random)).collect()
    }

    #[test]
    fn packets_leave_at_the_rate_and_arrive_after_the_delay() {
        let access = Access { up: Some(Rate::mbit(8)), delay: 10 * MS, ..Access::default() };
        assert_eq!(all(&mut Direction::up(&access), 3), [Ok(11 * MS), Ok(12 * MS), Ok(13 * MS)]);
        assert_eq!(all(&mut Direction::down(&access), 2), [Ok(10 * MS), Ok(10 * MS)]);
    }

    #[test]
    fn what_finds_the_queue_full_is_dropped() {
        let access = Access { down: Some(Rate::mbit(8)), queue: 5 * MS, ..Access::default() };
        let mut line = Direction::down(&access);
        let passed = all(&mut line, 10);
        assert_eq!(passed.iter().filter(|passed| passed.is_ok()).count(), 6);
        assert_eq!(passed[9], Err(Dropped::Queue));
        let later = line.pass(6 * MS, 1000, &mut fastrand::Rng::new());
        assert_eq!(later, Ok(7 * MS), "and the line is free again");
    }

    #[test]
    fn the_share_that_is_lost_is_as_planned() {
        let mut line = Direction::up(&Access { loss: 0.1, ..Access::default() });
        let lost = all(&mut line, 100_000).iter().filter(|passed| **passed == Err(Dropped::Lost)).count();
        assert!((9_700..10_300).contains(&lost), "{lost} of 100000");
    }
}
