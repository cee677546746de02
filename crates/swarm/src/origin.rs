//! The origin as a source: what is being fetched, how fast it answers, when to leave it alone after a failure.

use crate::time::Time;
use alloc::collections::BTreeMap;
use core::ops::Range;
use core::time::Duration;
use manifest::SegmentId;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch {
    pub first: u32,
    pub end: u32,
    pub bytes: u32,
    pub at: Time,
    /// Pieces that have not come yet.
    pub left: u32,
    /// What had come over the own line when it began: see [`Origin::came`].
    line: u64,
    /// When a piece came last, and how long nothing had come before.
    came: Time,
    silence: Duration,
    /// How long it was expected to take when it began.
    expected: Duration,
    /// When neighbours were first asked for any of it as well.
    beside: Option<Time>,
}

impl Fetch {
    fn new(now: Time, pieces: Range<u32>, bytes: u32, expected: Duration, line: u64) -> Self {
        let Range { start: first, end } = pieces;
        Self {
            first,
            end,
            bytes,
            at: now,
            left: end - first,
            line,
            came: now,
            silence: Duration::ZERO,
            expected,
            beside: None,
        }
    }

    /// Whether neighbours, where they have brought all of it by now, took less time for that than it had before they were asked.
    pub fn is_outrun(&self, now: Time) -> bool {
        self.left > 0 && self.beside.is_some_and(|asked| now.since(asked) < asked.since(self.at))
    }

    /// The bytes of those.
    fn bytes_left(&self) -> u64 {
        u64::from(self.bytes) * u64::from(self.left) / u64::from((self.end - self.first).max(1))
    }
}

#[derive(Debug)]
pub(crate) struct Origin {
    pub fetches: BTreeMap<SegmentId, Fetch>,
    /// Bytes a second over whole fetches, smoothed; `None` until the first was seen.
    rate: Option<u64>,
    failures: u32,
    rest_until: Time,
    /// When fetches were last late here and with others.
    was_slow: Option<Time>,
    /// When the last fetch ended and how long it took, if that was long.
    slow: Option<(Time, Duration)>,
    /// The bytes of all pieces that have come, from wherever.
    came: u64,
    /// When a neighbour last brought a piece, and when one did after a long silence: until then the own line stood still.
    brought: Option<Time>,
    stood_still: Option<Time>,
}

/// A fetch of a part that took longer than this says that the origin has too much to do; or the line, if it is a narrow one.
/// While many come at once, those who have just come are the many.
const SWAMPED: Duration = Duration::from_millis(4000);
const SWAMPED_FOR_NEWCOMER: Duration = Duration::from_millis(1500);
/// For so many times as long the origin is spared then.
const SPARED: u32 = 3;
const SPARED_AT_MOST: Duration = Duration::from_secs(15);

/// So long nothing comes from neighbours either while the own line stands still.
const SILENCE: Duration = Duration::from_millis(1500);

/// Taken until a fetch has been measured: 8 Mbit/s.
const FIRST_RATE: u64 = 1_000_000;
/// What comes later than twice as expected and this is asked of neighbours too; what is far off already is not waited for.
const HEDGES_AFTER: Duration = Duration::from_millis(300);
const HEDGES_AT_MOST: Duration = Duration::from_millis(400);
/// What takes less is not late, and what takes more is, whatever was expected.
const OVERDUE: Duration = Duration::from_millis(1000);
const OVERDUE_AT_MOST: Duration = Duration::from_millis(4000);
/// For so long an origin that others wait for too is called by few: by ever more, until all may.
const SLOW_FOR: Duration = Duration::from_secs(600);
const LATENCY: Duration = Duration::from_millis(50);

impl Origin {
    pub fn new() -> Self {
        Self {
            fetches: BTreeMap::new(),
            rate: None,
            failures: 0,
            rest_until: Time::default(),
            was_slow: None,
            slow: None,
            came: 0,
            brought: None,
            stood_still: None,
        }
    }

    /// Pieces of a segment are asked for, of so many bytes.
    pub fn begin(&mut self, now: Time, segment: SegmentId, pieces: Range<u32>, bytes: u32) {
        let expected = self.estimate(bytes);
        self.fetches.insert(segment, Fetch::new(now, pieces, bytes, expected, self.came));
    }

    /// A neighbour is asked for a piece of a segment.
    pub fn asked_beside(&mut self, now: Time, segment: SegmentId) {
        if let Some(fetch) = self.fetches.get_mut(&segment) {
            fetch.beside.get_or_insert(now);
        }
    }

    /// So many bytes have come over the own line, wanted or not.
    pub fn line_brought(&mut self, bytes: u32) {
        self.came += u64::from(bytes);
    }

    /// The pieces that are on their way, by all we know: what a failing origin was asked for is not, and with `hedge` nothing
    /// that it takes far longer for than it was expected to.
    pub fn covers(&self, now: Time, segment: SegmentId, hedge: bool) -> Range<u32> {
        let fetch = self.fetches.get(&segment).filter(|fetch| {
            let expected = self.estimate(fetch.bytes).min(HEDGES_AT_MOST);
            let slow = || now.since(fetch.at) > expected * 2 + HEDGES_AFTER;
            !(self.is_failing() || hedge && slow())
        });
        fetch.map_or(0..0, |fetch| fetch.first..fetch.end)
    }

    /// A piece has come from the origin. If it came by a fetch of ours (a driver may bring others), says how long it was on its
    /// way at most: pieces may come one by one, or all at the end.
    pub fn arrived(&mut self, now: Time, segment: SegmentId) -> Option<Duration> {
        let fetch = self.fetches.get_mut(&segment)?;
        fetch.left = fetch.left.saturating_sub(1);
        if now > fetch.came {
            fetch.silence = now.since(fetch.came);
            fetch.came = now;
        }
        Some(fetch.silence)
    }

    /// Whether the last fetch that ended had failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    pub fn is_ready(&self, now: Time) -> bool {
        now >= self.rest_until
    }

    /// Whether it has too much to do to be asked for parts of a live stream that neighbours may bring: if every viewer called it
    /// then, those who fetch for all would get nothing from it either.
    pub fn is_spared(&self, now: Time, newcomer: bool) -> bool {
        let swamped = if newcomer { SWAMPED_FOR_NEWCOMER } else { SWAMPED };
        let spared = |&(at, took): &(Time, Duration)| {
            took > swamped && now.since(at) < (took * SPARED).min(SPARED_AT_MOST)
        };
        let takes_long = |fetch: &Fetch| now.since(fetch.at) > swamped && self.line_moved(now, fetch.at);
        self.slow.as_ref().is_some_and(spared) || self.fetches.values().any(takes_long)
    }

    /// A neighbour has brought a piece.
    pub fn neighbour_brought(&mut self, now: Time) {
        if self.brought.is_some_and(|at| now.since(at) > SILENCE) {
            self.stood_still = Some(now);
        }
        self.brought = Some(now);
    }

    fn has_moved(&self, since: Time) -> bool {
        self.stood_still.is_none_or(|at| at < since)
    }

    /// Whether nothing says that the own line has stood still since a time.
    fn line_moved(&self, now: Time, since: Time) -> bool {
        self.brought.is_none_or(|at| now.since(at) <= SILENCE) && self.has_moved(since)
    }

    /// Whether a fetch has been seen.
    pub fn is_measured(&self) -> bool {
        self.rate.is_some()
    }

    /// Bytes a second over whole fetches; `None` until one was seen.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// How long a fetch of `bytes` takes, by what has been seen.
    pub fn estimate(&self, bytes: u32) -> Duration {
        LATENCY
            + Duration::from_micros(u64::from(bytes) * 1_000_000 / self.rate.unwrap_or(FIRST_RATE).max(1000))
    }

    /// Whether a fetch takes far longer than it was expected to. Of what comes at this instant the rest may be there as well.
    pub fn is_overdue(&self, now: Time, segment: SegmentId) -> bool {
        self.fetches.get(&segment).is_some_and(|fetch| {
            let expected = fetch.expected * 2 + HEDGES_AFTER;
            now > fetch.came && now.since(fetch.at) > expected.clamp(OVERDUE, OVERDUE_AT_MOST)
        })
    }

    /// What a line must have carried, in bytes a second, not to be what makes a fetch overdue: so many `times` what the fetch brings,
    /// and all that comes from everybody meanwhile. Both at most: what fetches have not shown yet may have come. The least where
    /// several are overdue; `None` where none is, or the line has stood still since.
    pub fn clears_line_of(&self, now: Time, times: u64) -> Option<u64> {
        let hidden: u64 = self.fetches.values().map(Fetch::bytes_left).sum();
        let is_late = |&(&segment, fetch): &(&SegmentId, &Fetch)| {
            self.is_overdue(now, segment) && self.has_moved(fetch.at)
        };
        let late = self.fetches.iter().filter(is_late);
        let rate = |fetch: &Fetch| {
            let bytes = (u64::from(fetch.bytes) * times).max(self.line_since(fetch) + hidden);
            bytes * 1_000_000 / now.since(fetch.at).as_micros() as u64
        };
        late.map(|(_, fetch)| rate(fetch)).min()
    }

    /// Whether any fetch is overdue.
    pub fn is_late(&self, now: Time) -> bool {
        self.fetches.keys().any(|&segment| self.is_overdue(now, segment))
    }

    /// Fetches are late, and others' are too.
    pub fn found_slow(&mut self, now: Time) {
        self.was_slow = Some(now);
    }

    /// It is not what was slow.
    pub fn acquit(&mut self) {
        self.was_slow = None;
    }

    /// The bytes that have come by the own line since a fetch began, wanted or not.
    pub fn line_since(&self, fetch: &Fetch) -> u64 {
        self.came - fetch.line
    }

    /// How long ago that was, if it counts still.
    pub fn found_slow_ago(&self, now: Time) -> Option<Duration> {
        self.was_slow.map(|at| now.since(at)).filter(|&ago| ago < SLOW_FOR)
    }

    /// Whether it does.
    pub fn is_slow(&self, now: Time) -> bool {
        self.found_slow_ago(now).is_some()
    }

    /// Gives up a fetch. If that is for its slowness, it would have taken as long again at the least.
    pub fn give_up(&mut self, now: Time, segment: SegmentId) {
        let late = self.is_overdue(now, segment);
        if let Some(fetch) = self.fetches.remove(&segment).filter(|_| late) {
            self.seen(u64::from(fetch.bytes) * 500_000 / now.since(fetch.at).as_micros().max(1) as u64);
        }
    }

    /// A fetch ran at so many bytes a second.
    pub fn seen(&mut self, rate: u64) {
        self.rate = Some(self.rate.map_or(rate, |before| (before * 6 + rate * 4) / 10));
    }

    pub fn ended(&mut self, now: Time, segment: SegmentId, complete: bool) {
        let Some(fetch) = self.fetches.remove(&segment) else { return };
        if complete {
            self.failures = 0;
            let took = now.since(fetch.at);
            let is_slow = took > SWAMPED_FOR_NEWCOMER && self.line_moved(now, fetch.at);
            self.slow = is_slow.then_some((now, took));
            self.seen(u64::from(fetch.bytes) * 1_000_000 / took.as_micros().max(1) as u64);
        } else {
            self.failures = (self.failures + 1).min(5);
            self.rest_until = now + Duration::from_millis(250 << self.failures);
        }
    }
}

/// Throughput over the time in which anything was asked for: bytes of verified media, from whomever, by busy time.
///
/// This is what an honest player estimate rests on. Both sums fade with a half-life of about 4 s of busy time.
#[derive(Debug, Default)]
pub(crate) struct Path {
    bytes: u64,
    busy_us: u64,
    since: Time,
    busy: bool,
}

const FADE_US: u64 = 6_000_000;

impl Path {
    /// Accounts for the time since the last call, and says whether from now on something is asked for.
    pub fn tick(&mut self, now: Time, busy: bool) {
        if self.busy {
            self.busy_us += now.since(self.since).as_micros() as u64;
            if self.busy_us > FADE_US {
                // Scale both down to the window: the old fades, the quotient stays.
                self.bytes = (u128::from(self.bytes) * u128::from(FADE_US) / u128::from(self.busy_us)) as u64;
                self.busy_us = FADE_US;
            }
        }
        self.since = now;
        self.busy = busy;
    }

    /// `bytes` have come, spread over the time `over`: what came before the window does not count.
    pub fn arrived(&mut self, bytes: u32, over: Duration) {
        let over_us = (over.as_micros() as u64).max(FADE_US);
        self.bytes += u64::from(bytes) * FADE_US / over_us;
    }

    /// Bits a second; `None` before a quarter of a second of busy time or 64 KiB.
    pub fn bps(&self) -> Option<u64> {
        (self.bytes >= 65_536 && self.busy_us > 0)
            .then(|| self.bytes.saturating_mul(8_000_000) / self.busy_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: SegmentId = SegmentId { rendition: 0, sequence: 1 };

    #[test]
    fn a_fetch_is_overdue_by_what_was_expected_and_at_the_latest_after_some_seconds() {
        let mut origin = Origin::new();
        let late_after = |origin: &mut Origin, bytes| {
            origin.begin(Time::default(), SEGMENT, 0..4, bytes);
            (0..100).find(|&tenth| origin.is_overdue(Time::from_millis(tenth * 100), SEGMENT))
        };
        assert_eq!(
            late_after(&mut origin, 10_000),
            Some(11),
            "little is expected at once, and given a second"
        );
        assert_eq!(late_after(&mut origin, 1_000_000), Some(25));
        origin.seen(1000);
        assert_eq!(late_after(&mut origin, 1_000_000), Some(41), "a slow one is not waited for without end");
        assert!(origin.is_late(Time::from_millis(4100)) && !origin.is_slow(Time::from_millis(4100)));
        origin.arrived(Time::from_millis(4200), SEGMENT);
        assert!(
            !origin.is_late(Time::from_millis(4200)),
            "what is coming is not given up between two pieces"
        );
        assert!(origin.is_late(Time::from_millis(4201)));
        origin.found_slow(Time::from_millis(4100));
        assert!(origin.is_slow(Time::from_millis(604_000)) && !origin.is_slow(Time::from_millis(605_000)));
    }

    #[test]
    fn what_is_given_up_teaches_how_slow_it_was() {
        let mut origin = Origin::new();
        let before = origin.estimate(100_000);
        origin.begin(Time::default(), SEGMENT, 0..10, 100_000);
        origin.arrived(Time::from_millis(2000), SEGMENT);
        origin.give_up(Time::from_millis(4000), SEGMENT);
        assert!(origin.fetches.is_empty() && origin.estimate(100_000) > before * 10);
    }
}
