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
/// They double with every such time that a segment has been urgent, so that somebody brings it, ...
const URGENT_DOUBLES: Duration = Duration::from_secs(4);
/// ... and with every such time that the origin has not been found slow again: all together would only find it so.
const CALM_DOUBLES: Duration = Duration::from_secs(10);
/// A film's viewer that has this much in hand leaves it to the first few, whatever time has passed: they double at most so many
/// times as it has less. What is needed later than that, and spreads already, it leaves to its neighbours.
const ENOUGH: Duration = Duration::from_secs(12);

/// Who fetches a part, or a whole segment, for longer than this has waited long.
const WAITS_FOR_PART: Duration = Duration::from_millis(1000);
const WAITS_FOR_SEGMENT: Duration = Duration::from_millis(1500);

/// So many times as fast as a late fetch a neighbour is on the same line only if the line is not what is slow.
const FASTER: u64 = 4;

impl Peer {
    /// Gives up what a slow origin brings late to everybody at once, so that those on whom the lot falls get it soon, for all.
    pub(crate) fn yield_fetches(&mut self, now: Time, out: &mut Vec<Output>) {
        // Who may not call it itself any more hears from those who do.
        let doubted = self.origin.is_late(now) || self.origin.is_slow(now);
        if doubted && self.others_wait(now) || self.line_is_faster(now) {
            self.origin.found_slow(now);
        }
        let is_left = |&(&segment, fetch): &(&SegmentId, &Fetch)| {
            let is_spared = || self.origin.is_overdue(now, segment) || self.comes_anyway(segment);
            fetch.left > 0 && is_spared() && !self.may_call_slow(now, segment)
        };
        // What is begun here, one that keeps for us leaves to us.
        if self.is_kept_for(now) {
            return;
        }
        // One at a time: the next plan is not far.
        if let Some((&segment, _)) = self.origin.fetches.iter().find(is_left) {
            self.origin.give_up(now, segment);
            self.fetching_changed = true;
            out.push(Output::CancelFetch(segment));
        }
    }

    /// What neighbours bring comes by the same line: if that carries a segment in less time than a fetch had before they were asked,
    /// it is the origin that is slow.
    pub(crate) fn look_for_outrun(&mut self, now: Time) {
        let is_outrun =
            |(&segment, fetch): (&SegmentId, &Fetch)| self.store.is_whole(segment) && fetch.is_outrun(now);
        if !self.is_live() && self.origin.fetches.iter().any(is_outrun) {
            self.origin.found_slow(now);
        }
    }

    /// A fetch is at its end. If it was most of what came meanwhile, and no neighbour has ever brought twice as much in that time, then it
    /// had the own line to itself, and the origin is not what is slow. Else a verdict of a moment would last for minutes.
    pub(crate) fn judge_line(&mut self, now: Time, segment: SegmentId) {
        let Some(fetch) = self.origin.fetches.get(&segment).filter(|_| !self.is_live()) else { return };
        let came = self.origin.line_since(fetch);
        let twice = came * 2000 / (now.since(fetch.at).as_millis() as u64).max(1);
        if u64::from(fetch.bytes) * 2 > came && !self.has_been_faster(twice) {
            self.origin.acquit();
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

    /// Whether a neighbour has brought pieces far faster than a fetch that is late comes, to who has nothing to play, and faster
    /// than everything together comes meanwhile: then it is not the own line either. On a line that neighbours fill, what is late is
    /// late for that. Parts of a live stream are too short to tell.
    fn line_is_faster(&self, now: Time) -> bool {
        let starves = !self.is_live() && self.viewer.is_starving();
        let fast = self.origin.clears_line_of(now, FASTER).filter(|_| starves);
        fast.is_some_and(|rate| self.has_been_faster(rate))
    }

    /// Whether a neighbour has brought pieces at more than so many bytes a second.
    fn has_been_faster(&self, rate: u64) -> bool {
        self.links.values().any(|n| n.has_shown() > rate)
    }

    /// While the origin is slow only a few of all that want a segment may call it: who, is drawn by lot. Who is helped by
    /// nobody may always.
    pub(crate) fn may_call_slow(&self, now: Time, segment: SegmentId) -> bool {
        // Who fetches for all is one of the few.
        if self.keeps() {
            return true;
        }
        let is_helped = || self.links.values().any(|n| n.serves() && n.gave.by(now) > 0);
        let Some(calm) = self.origin.found_slow_ago(now).filter(|_| is_helped()) else { return true };
        let known = self.links.values().filter(|n| n.greeted && n.playing.is_some());
        let (count, wanting) = known.fold((1, 1), |(count, wanting), n| {
            (count + 1, wanting + u64::from(self.is_wanted_by(n, segment)))
        });
        let all = self.meet.audience.map_or(count, |others| u64::from(others) + 1);
        let urgent = self.urgent.get(&segment).map_or(Duration::ZERO, |urgent| now.since(urgent.since));
        // What has been urgent for long does not come, whoever holds it.
        if urgent < URGENT_DOUBLES && self.comes_anyway(segment) {
            return false;
        }
        let doubled = urgent.as_secs() / URGENT_DOUBLES.as_secs() + calm.as_secs() / CALM_DOUBLES.as_secs();
        let doubled = doubled.min(self.doublings_most(segment));
        election::is_drawn(&self.me, segment, CALLERS * count, all * wanting, doubled)
    }

    /// Whether a film's segment is to be had without the origin: neighbours that are relied upon hold what is missing, or some hold
    /// any of it and there is time until it has spread. A slow origin is for what nobody has, and for whom nobody reaches.
    fn comes_anyway(&self, segment: SegmentId) -> bool {
        let Some(film) = self.film.as_ref().filter(|film| !film.is_live()) else { return false };
        let mut serving = self.links.values().filter(|n| n.serves());
        if self.viewer.slack(film, segment) > ENOUGH {
            return serving.any(|n| n.holds_any(segment));
        }
        let mut held = self.store.pieces(film, segment);
        let reliable = serving.filter(|n| n.strikes == 0 && n.trust.is_settled(&self.config));
        reliable.for_each(|n| n.add_to(&mut held, segment));
        held.is_full()
    }

    /// Who has enough of a film to play lets those go first who have not: parts of a live stream are all needed soon.
    fn doublings_most(&self, segment: SegmentId) -> u64 {
        let Some(film) = self.film.as_ref().filter(|film| !film.is_live()) else { return u64::MAX };
        let slack = self.viewer.slack(film, segment).max(Duration::from_millis(1));
        (ENOUGH.as_millis() / slack.as_millis()) as u64
    }
}
