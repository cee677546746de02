//! How far one neighbour is trusted: by what it did to us, and by nothing that anybody says.
//!
//! The mean of Beta(1 + good, 1 + bad) (Jøsang and Ismail 2002). A verified piece is good, an answer that never came or was
//! refused is bad, both fade by a hundredth a minute. A forged piece is no matter of degree: the link ends, and its peer is not
//! met again. As names cost nothing, a newcomer is tried before it is relied upon: what it can waste is one piece.

use crate::config::Config;
use crate::time::Time;
use core::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Trust {
    /// In thousandths.
    good: u32,
    bad: u32,
    faded: Time,
    /// Pieces that came and were verified.
    verified: u32,
}

const ONE: u32 = 1000;
/// However long it was good, it can lose that within minutes.
const MOST: u32 = 64 * ONE;
/// What is brought along by one that was no help before.
const BAD_PAST: u32 = 3 * ONE;
const MINUTE: Duration = Duration::from_secs(60);

impl Trust {
    /// Of one that came up now; `failed`: it was let go before, as no help.
    pub fn new(now: Time, failed: bool) -> Self {
        Self { good: 0, bad: if failed { BAD_PAST } else { 0 }, faded: now, verified: 0 }
    }

    /// A piece that it was asked for has come and is the publisher's.
    pub fn good(&mut self, now: Time) {
        self.fade(now);
        self.good = (self.good + ONE).min(MOST);
        self.verified = self.verified.saturating_add(1);
    }

    /// It did not answer, or refused what it had offered.
    pub fn bad(&mut self, now: Time) {
        self.fade(now);
        self.bad = (self.bad + ONE).min(MOST);
    }

    fn fade(&mut self, now: Time) {
        let minutes = (now.since(self.faded).as_secs() / MINUTE.as_secs()).min(1000) as u32;
        self.faded = self.faded + MINUTE * minutes;
        for _ in 0..minutes {
            self.good -= self.good / 100;
            self.bad -= self.bad / 100;
        }
    }

    /// How likely it is, in thousandths, that it does what it says.
    pub fn permille(&self) -> u32 {
        (ONE + self.good) * 1000 / (2 * ONE + self.good + self.bad)
    }

    /// Whether it was more of a help than not, as far as that is known.
    pub fn is_fair(&self) -> bool {
        self.good >= self.bad
    }

    /// Whether it has brought anything: until then it is asked for one piece at a time.
    pub fn is_tried(&self) -> bool {
        self.verified > 0
    }

    /// Whether it has brought enough to be relied upon: until then it is asked for nothing that would be missed.
    pub fn is_settled(&self, config: &Config) -> bool {
        self.verified >= config.trial_pieces
    }

    /// What something costs that may have to be done again.
    pub fn weigh(&self, cost: Duration) -> Duration {
        cost * 1000 / self.permille().max(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(0);

    #[test]
    fn a_newcomer_is_trusted_by_half_and_tried_piece_by_piece() {
        let config = Config { trial_pieces: 3, ..Config::default() };
        let mut trust = Trust::new(NOW, false);
        assert_eq!((trust.permille(), trust.is_tried()), (500, false));
        trust.good(NOW);
        assert_eq!((trust.permille(), trust.is_tried(), trust.is_settled(&config)), (666, true, false));
        (0..2).for_each(|_| trust.good(NOW));
        assert_eq!((trust.permille(), trust.is_settled(&config)), (800, true));
    }

    #[test]
    fn silence_makes_dear_and_one_that_failed_before_begins_with_less() {
        let cost = Duration::from_millis(100);
        let mut trust = Trust::new(NOW, false);
        let before = trust.weigh(cost);
        (0..8).for_each(|_| trust.bad(NOW));
        assert_eq!(trust.permille(), 100);
        assert!(trust.weigh(cost) == before * 5 && !trust.is_fair());
        assert_eq!(Trust::new(NOW, true).permille(), 200);
    }

    #[test]
    fn both_fade_by_a_hundredth_a_minute_and_neither_grows_without_end() {
        let mut trust = Trust::new(NOW, false);
        (0..1000).for_each(|_| trust.good(NOW));
        assert_eq!(trust.good, MOST);
        trust.bad(Time::from_millis(60_000));
        assert_eq!((trust.good, trust.bad), (MOST / 100 * 99, ONE));
        trust.bad(Time::from_millis(60_000 * 100_000));
        assert!(trust.good < ONE && trust.bad < 2 * ONE, "{trust:?}");
    }
}
