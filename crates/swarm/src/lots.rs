//! Who calls an origin that has too much to do.
//!
//! Such an origin brings the same to everybody at once, and late; what it brings to a few, these can pass on to all. Whoever sees
//! that its own fetches are late, and those of most neighbours too, therefore draws a lot for each segment.

use crate::election;
use crate::io::Output;
use crate::origin::Fetch;
use crate::peer::Peer;
use crate::time::Time;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::SegmentId;

/// How many in the whole swarm call a slow origin for a segment at first.
const CALLERS: u64 = 8;

/// Who fetches a part, or a whole segment, for longer than this has waited long.
const WAITS_FOR_PART: Duration = Duration::from_millis(1000);
const WAITS_FOR_SEGMENT: Duration = Duration::from_millis(1500);

impl Peer {
    /// Gives up what a slow origin brings late to everybody at once, so that those on whom the lot falls get it soon, for all.
    pub(crate) fn yield_fetches(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.origin.is_late(now) && self.others_wait(now) {
            self.origin.found_slow(now);
        }
        let is_left = |&(&segment, fetch): &(&SegmentId, &Fetch)| {
            fetch.left > 0 && self.origin.is_overdue(now, segment) && !self.may_call_slow(now, segment)
        };
        // One at a time: the next plan is not far.
        if let Some((&segment, _)) = self.origin.fetches.iter().find(is_left) {
            self.origin.give_up(now, segment);
            self.fetching_changed = true;
            out.push(Output::CancelFetch(segment));
        }
    }

    /// Whether most neighbours that fetch something have waited long for it: then it is not the own line that is slow.
    fn others_wait(&self, now: Time) -> bool {
        let long = if self.is_live() { WAITS_FOR_PART } else { WAITS_FOR_SEGMENT };
        let (mut wait, mut rest) = (0, 0);
        for n in self.links.values().filter(|n| n.serves()) {
            match n.fetching.first() {
                Some(&(_, since)) if now.since(since) > long => wait += 1,
                Some(_) => rest += 1,
                None => {}
            }
        }
        wait >= 2 && wait >= rest
    }

    /// While the origin is slow only a few of all that want a segment may call it: who, is drawn by lot, and every four
    /// seconds that it has been urgent double the chance. Who is helped by nobody may always.
    pub(crate) fn may_call_slow(&self, now: Time, segment: SegmentId) -> bool {
        let is_helped = || self.links.values().any(|n| n.serves() && n.gave.by(now) > 0);
        if !self.origin.is_slow(now) || !is_helped() {
            return true;
        }
        let known = self.links.values().filter(|n| n.greeted && n.playing.is_some());
        let (count, wanting) = known.fold((1, 1), |(count, wanting), n| {
            (count + 1, wanting + u64::from(self.is_wanted_by(n, segment)))
        });
        let all = self.meet.audience.map_or(count, |others| u64::from(others) + 1);
        let waited = self.urgent.get(&segment).map_or(0, |urgent| now.since(urgent.since).as_secs() / 4);
        election::is_drawn(&self.me, segment, CALLERS * count, all * wanting, waited)
    }
}
