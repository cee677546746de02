//! Whom to serve next. Requests are served one after the other, the most urgent first (science of store-and-forward:
//! a piece served whole is passed on sooner than two halves), within the viewer's upload limit.

use crate::config::Config;
use crate::io::Link;
use crate::slots::Recent;
use crate::time::Time;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::SegmentId;
use wire::PUSHED;

/// A neighbour's request that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub link: Link,
    pub id: u32,
    pub segment: SegmentId,
    pub piece: u32,
    pub leaves: bool,
    pub bytes: u32,
    pub due: Time,
}

impl Waiting {
    /// Its place in the order of service, where a link's requests count as less urgent by `behind`. What was promised by a tree
    /// is owed to whoever stands in it.
    fn place(&self, behind: &impl Fn(Link) -> Duration) -> Time {
        if self.id == PUSHED { self.due } else { self.due + behind(self.link) }
    }
}

/// A token bucket over the uplink, and the queue before it. `queue` is bounded by links x `serve_queue_max`.
#[derive(Debug)]
pub(crate) struct Uploads {
    queue: Vec<Waiting>,
    /// Bytes a second; `None`: nothing is shared.
    limit: Option<u32>,
    tokens: u64,
    filled: Time,
    /// What was sent of late.
    sent: Recent,
}

impl Uploads {
    pub fn new(config: &Config) -> Self {
        let limit = (config.upload > 0).then_some(config.upload);
        Self { queue: Vec::new(), limit, tokens: 0, filled: Time::default(), sent: Recent::default() }
    }

    pub fn set_limit(&mut self, limit: Option<u32>) {
        self.limit = limit.filter(|&l| l > 0);
        self.tokens = 0;
    }

    pub fn is_sharing(&self) -> bool {
        self.limit.is_some()
    }

    pub fn kbps(&self) -> u32 {
        self.limit.map_or(0, |l| l / 125)
    }

    pub fn waiting(&self, link: Link) -> usize {
        self.queue.iter().filter(|w| w.link == link).count()
    }

    pub fn push(&mut self, waiting: Waiting) {
        self.queue.push(waiting);
    }

    pub fn cancel(&mut self, link: Link, id: u32) {
        self.queue.retain(|w| w.link != link || w.id != id);
    }

    pub fn drop_link(&mut self, link: Link) {
        self.queue.retain(|w| w.link != link);
    }

    /// What waits for a segment that is about to go.
    pub fn take_segment(&mut self, segment: SegmentId) -> Vec<Waiting> {
        let (gone, kept) = self.queue.drain(..).partition(|w| w.segment == segment);
        self.queue = kept;
        gone
    }

    /// Everything that waits, when sharing ends.
    pub fn drain(&mut self) -> Vec<Waiting> {
        core::mem::take(&mut self.queue)
    }

    /// The next request to serve among those whose link takes it (`takes`), if the limit allows one now: the most urgent,
    /// where each link's count as less urgent by `behind`.
    pub fn next(
        &mut self,
        now: Time,
        takes: impl Fn(&Waiting) -> bool,
        behind: impl Fn(Link) -> Duration,
    ) -> Option<Waiting> {
        let limit = u64::from(self.limit?);
        let burst = (limit / 4).max(128 * 1024);
        let earned = (now.since(self.filled).as_micros() as u64).saturating_mul(limit) / 1_000_000;
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(burst);
            self.filled = now;
        }
        let tokens = self.tokens;
        let (place, _) = self
            .queue
            .iter()
            .enumerate()
            .filter(|(_, w)| u64::from(w.bytes) <= tokens && takes(w))
            .min_by_key(|(_, w)| (w.place(&behind), w.link, w.id))?;
        let next = self.queue.swap_remove(place);
        self.tokens -= u64::from(next.bytes);
        self.sent.add(now, next.bytes);
        Some(next)
    }

    /// In what time a request would be served that is due at `due`, if it came now: what goes before it is ordered as in
    /// [`Self::next`].
    pub fn wait(&self, due: Time, link: Link, behind: impl Fn(Link) -> Duration) -> Duration {
        let place = due + behind(link);
        let before = self.queue.iter().filter(|w| w.place(&behind) <= place);
        let bytes: u64 = before.map(|w| u64::from(w.bytes)).sum();
        let limit = u64::from(self.limit.unwrap_or(1));
        Duration::from_micros(bytes.saturating_sub(self.tokens) * 1_000_000 / limit)
    }

    /// How much of the limit is left over, in thousandths, over the last 20 s or so.
    pub fn spare_permille(&self, now: Time) -> u32 {
        let might = u64::from(self.limit.unwrap_or(0)) * Recent::LASTS_S;
        1000 - (self.sent.by(now) * 1000 / might.max(1)).min(1000) as u32
    }

    /// Keeps of what is pushed only this.
    pub fn retain_pushes(&mut self, keep: impl Fn(&Waiting) -> bool) {
        self.queue.retain(|w| w.id != PUSHED || keep(w));
    }

    /// When the push that waits longest was due.
    pub fn oldest_push(&self) -> Option<Time> {
        self.queue.iter().filter(|w| w.id == PUSHED).map(|w| w.due).min()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(link: u32, id: u32, due_ms: u64) -> Waiting {
        let (segment, due) = (SegmentId::new(0, 1), Time::from_millis(due_ms));
        Waiting { link: Link(link), id, segment, piece: 0, leaves: false, bytes: 1000, due }
    }

    fn served(uploads: &mut Uploads, behind: impl Fn(Link) -> Duration) -> Vec<u32> {
        let next = || uploads.next(Time::from_millis(1000), |_| true, &behind).map(|w| w.link.0);
        core::iter::from_fn(next).collect()
    }

    #[test]
    fn what_is_pushed_goes_by_its_time_whatever_its_link_owes() {
        let mut uploads = Uploads::new(&Config::default());
        for (link, id, due) in [(1, 5, 100), (2, PUSHED, 300), (3, 6, 400)] {
            uploads.push(waiting(link, id, due));
        }
        assert_eq!(uploads.oldest_push(), Some(Time::from_millis(300)));
        assert_eq!(served(&mut uploads, |_| Duration::from_secs(8)), [2, 1, 3]);
        assert!(uploads.is_empty() && uploads.oldest_push().is_none());
    }

    #[test]
    fn a_request_waits_for_what_goes_before_it() {
        let mut uploads = Uploads::new(&Config { upload: 1000, ..Config::default() });
        for (link, id, due) in [(1, 5, 100), (2, 6, 300), (3, PUSHED, 900)] {
            uploads.push(waiting(link, id, due));
        }
        let wait = |due_ms, link| {
            let behind = |link| if link == Link(2) { Duration::from_secs(8) } else { Duration::ZERO };
            uploads.wait(Time::from_millis(due_ms), Link(link), behind).as_secs()
        };
        assert_eq!((wait(50, 4), wait(100, 4), wait(1000, 4), wait(1000, 2)), (0, 1, 2, 3));
    }

    #[test]
    fn only_what_is_pushed_is_dropped_as_stale() {
        let mut uploads = Uploads::new(&Config::default());
        for (link, id) in [(1, 5), (2, PUSHED), (3, PUSHED)] {
            uploads.push(waiting(link, id, 100));
        }
        uploads.retain_pushes(|w| w.link == Link(3));
        assert_eq!(served(&mut uploads, |_| Duration::ZERO), [1, 3]);
    }
}
