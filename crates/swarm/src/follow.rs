//! Whom to follow in which stripe, whom to let follow, when to be a top.

use crate::election;
use crate::io::{Link, Output};
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::stripes;
use crate::time::Time;
use crate::trees::path_below;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Kind, SegmentId};
use wire::{MAX_PATH, Message, Seat};

/// How many in the whole swarm fetch a stripe of a rendition from the origin.
const TOPS: u64 = 3;
/// An answer to `Follow` that takes longer does not come.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// Who refused a place, or was left, is not asked again before.
const REFUSED_FOR: Duration = Duration::from_millis(1500);
/// Those below one that has lost its parent stay with it for so long.
const STAY_WITH_ORPHAN: Duration = Duration::from_secs(3);
const LEFT_FOR: Duration = Duration::from_secs(15);
/// How often a better place is looked for.
const LOOKS_EVERY: Duration = Duration::from_secs(4);
/// Each time an orphan has waited this long it is twice as ready to be a top; the next in rank as long after the first.
const ORPHAN_STEP: Duration = Duration::from_secs(2);
/// Between two reports of one's seats, unless a path has changed.
const SEATS_EVERY: Duration = Duration::from_millis(500);
/// Who has been linked for less gets nobody else's place.
const STABLE: Duration = Duration::from_secs(10);
/// With what waits longer than this no more may follow; somewhat longer, and one has to go.
const FULL_AT: Duration = Duration::from_millis(900);
const OVERFULL_AT: Duration = Duration::from_millis(1600);
/// A branch that is late this often is left, and how often another place is looked for then.
const LATE_MAX: u8 = 8;
const LATE_LOOKS_EVERY: Duration = Duration::from_secs(1);

impl Peer {
    /// Looks after this peer's places in the trees.
    pub(crate) fn tend(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(video) = self.viewer.rendition(Kind::Video).filter(|_| self.is_live()) else { return };
        if self.live.plays != Some(video) {
            (self.live.plays, self.live.settled) = (Some(video), now);
        }
        for branch in &mut self.live.trees.branches {
            let over = branch.parent.is_some() || now.since(branch.since) > STAY_WITH_ORPHAN;
            branch.path_before.take_if(|_| over);
        }
        if self.config.topology.push && self.keeps_away(now, out) {
            return self.tell_seats(now, out);
        }
        for stripe in 0..self.live.trees.stripes() {
            if self.config.topology.push {
                self.judge(now, stripe, video);
                self.check_parent(now, stripe, video, out);
            }
            self.seek_place(now, stripe, video, out);
        }
        if self.config.topology.push {
            self.shed(now, out);
            self.tell_seats(now, out);
        }
    }

    /// Gives up every place and every part as a top.
    pub(crate) fn leave_trees(&mut self, now: Time, out: &mut Vec<Output>) {
        for stripe in 0..self.live.trees.stripes() {
            let path = self.path(stripe);
            let branch = &mut self.live.trees.branches[usize::from(stripe)];
            if !branch.top && branch.parent.is_none() && branch.asked.is_none() {
                continue;
            }
            branch.top = false;
            let left = branch.parent.into_iter().chain(branch.asked.take().map(|(link, _)| link));
            let left: Vec<Link> = left.collect();
            branch.orphan(now, path);
            left.into_iter().for_each(|link| self.follow(link, out));
        }
    }

    /// Counts how often the stripe's runs were not there in their time.
    fn judge(&mut self, now: Time, stripe: u8, video: u8) {
        let Some(film) = &self.film else { return };
        let count = self.live.trees.stripes();
        let branch = &mut self.live.trees.branches[usize::from(stripe)];
        if branch.parent.is_none() {
            return;
        }
        let first = branch.judged.saturating_add(1).max(film.first(video));
        for sequence in first..=film.last(video) {
            let segment = SegmentId::new(video, sequence);
            let (heard, grace) = (film.heard(segment), Duration::from_micros(branch.grace_us()) * 2);
            if heard >= branch.since {
                if now.since(heard) < grace {
                    return;
                }
                // A short part has nothing in most stripes.
                let mut run = stripes::run(count, sequence, stripe, film.pieces(segment));
                if !run.is_empty() {
                    let late = run.any(|piece| !self.store.has(film, segment, piece));
                    branch.late =
                        if late { branch.late.saturating_add(2) } else { branch.late.saturating_sub(1) };
                }
            }
            branch.judged = sequence;
        }
    }

    /// Leaves a parent that is of no use (any more).
    fn check_parent(&mut self, now: Time, stripe: u8, video: u8, out: &mut Vec<Output>) {
        let me = stripes::short(&self.me);
        let branch = &mut self.live.trees.branches[usize::from(stripe)];
        if let Some((link, at)) = branch.asked
            && now.since(at) > ANSWERS_WITHIN
        {
            branch.asked = None;
            if let Some(n) = self.links.get_mut(&link) {
                n.standing.refuses_until[usize::from(stripe)] = now + REFUSED_FOR;
            }
            self.follow(link, out);
        }
        let branch = &mut self.live.trees.branches[usize::from(stripe)];
        let Some(link) = branch.parent else { return };
        let silent = self.links.get(&link).is_some_and(|n| self.is_gone(now, n));
        let branch = &mut self.live.trees.branches[usize::from(stripe)];
        let Some(n) = self.links.get_mut(&link) else { return branch.orphan(now, None) };
        let path = n.standing.path(stripe, stripes::short(&n.peer), me);
        if path.is_none() || silent || n.playing.is_none_or(|p| p.video != video) {
            branch.orphan(now, path);
            // Who plays another rendition for a moment, as viewers do who have just come, is as good a parent when that is over.
            let pause = if silent { LEFT_FOR } else { REFUSED_FOR };
            n.standing.refuses_until[usize::from(stripe)] = now + pause;
            self.follow(link, out);
        }
    }

    /// Finds a parent for a stripe that has none, or a better one; becomes a top, or ceases to be one.
    fn seek_place(&mut self, now: Time, stripe: u8, video: u8, out: &mut Vec<Output>) {
        let branch = &self.live.trees.branches[usize::from(stripe)];
        if branch.asked.is_some() {
            return;
        }
        let (top, parent, since, looked) = (branch.top, branch.parent, branch.since, branch.looked);
        let late = branch.late > LATE_MAX;
        if top || parent.is_some() {
            let jitter = Duration::from_millis(election::mix(self.seed ^ u64::from(stripe)) % 2000);
            let every = if late { LATE_LOOKS_EVERY } else { LOOKS_EVERY + jitter };
            if now.since(looked.max(since)) < every {
                return;
            }
            self.live.trees.branches[usize::from(stripe)].looked = now;
            if top && self.is_called(now, stripe, video, Duration::ZERO) {
                return;
            }
            if !self.config.topology.push {
                self.live.trees.branches[usize::from(stripe)].top = false;
                return;
            }
        }
        // A late parent is left for any other, but not before there is one.
        if late && let Some(n) = parent.and_then(|link| self.links.get_mut(&link)) {
            n.standing.refuses_until[usize::from(stripe)] = now + LEFT_FOR;
        }
        let depth = parent
            .filter(|_| !late)
            .and_then(|link| Some(self.links.get(&link)?.standing.seat(stripe)?.path.len()));
        let place =
            if self.config.topology.push { self.best_parent(now, stripe, video, depth) } else { None };
        if let Some(link) = place {
            self.live.trees.branches[usize::from(stripe)].asked = Some((link, now));
            return self.follow(link, out);
        }
        if late && let Some(link) = parent {
            // All who have it have it through us: somebody above is gone without a word.
            let path = self.path(stripe);
            self.live.trees.branches[usize::from(stripe)].orphan(now, path);
            return self.follow(link, out);
        }
        // Where nothing is pushed, news of the stream shows that it comes.
        let unwell = if self.config.topology.push { since } else { self.live.heard };
        let waited = now.since(unwell.max(self.live.settled));
        // To whom a neighbour may give a place in a moment is no top yet: whoever comes would be one beside those who are.
        let has_room = |n| self.place_of(now, n, stripe, video).is_some_and(|seat| seat.room > 0);
        let may_follow = waited < ORPHAN_STEP && self.links.values().any(has_room);
        if !top && parent.is_none() && !may_follow && self.is_called(now, stripe, video, waited) {
            let branch = &mut self.live.trees.branches[usize::from(stripe)];
            (branch.top, branch.since) = (true, now);
        }
    }

    /// The neighbour to follow in a stripe; only one higher up than `depth`, if that is given.
    fn best_parent(&self, now: Time, stripe: u8, video: u8, depth: Option<usize>) -> Option<Link> {
        let me = stripes::short(&self.me);
        let places = self.links.iter().filter_map(|(&link, n)| {
            let seat = self.place_of(now, n, stripe, video)?;
            path_below(seat, stripes::short(&n.peer), me)?;
            let strong = seat.room > 0 || self.is_interior(&self.me, stripe) && now.since(n.since) > STABLE;
            let fits = strong
                && now >= n.standing.refuses_until[usize::from(stripe)]
                && depth.is_none_or(|depth| seat.path.len() < depth);
            // Not the same parent twice, and not outside its home stripe, if there is another as good.
            let second = self.live.trees.followed(link) != 0 || !self.is_interior(&n.peer, stripe);
            fits.then_some(((seat.path.len(), seat.room == 0, second, n.expected()), link))
        });
        places.min().map(|(_, link)| link)
    }

    /// The place in a stripe of what we play that a neighbour has for others.
    fn place_of<'a>(&self, now: Time, n: &'a Neighbour, stripe: u8, video: u8) -> Option<&'a Seat> {
        let plays_it = n.playing.is_some_and(|playing| playing.video == video);
        n.standing.seat(stripe).filter(|_| n.serves() && plays_it && !self.is_gone(now, n))
    }

    /// Tells a neighbour in which stripes we follow it.
    fn follow(&mut self, link: Link, out: &mut Vec<Output>) {
        if self.links.contains_key(&link) {
            out.push(Output::Send(link, Message::Follow { stripes: self.live.trees.followed(link) }));
        }
    }

    /// Whether it falls to this peer to be a top. Of those who know each other the one with the highest score is, with a
    /// probability that leaves [`TOPS`] in the swarm; the longer nobody's stripe has come, the more are.
    fn is_called(&self, now: Time, stripe: u8, video: u8, waited: Duration) -> bool {
        if !self.uploads.is_sharing() || !self.is_interior(&self.me, stripe) || self.slots() == 0 {
            return false;
        }
        let known = self.links.values().filter(|n| n.greeted && n.playing.is_some()).count() as u64 + 1;
        let all = match self.meet.audience {
            Some(others) => u64::from(others) + 1,
            None if self.meet.is_hopeful(now) => return false,
            None => known,
        };
        if known == 1 && all > 1 && self.meet.is_hopeful(now) {
            return false;
        }
        let of = SegmentId::new(video, u32::from(stripe));
        let mine = election::score(&self.me, self.uploads.kbps(), of);
        let rivals = self.links.values().filter(|n| {
            n.serves()
                && n.playing.is_some_and(|p| p.video == video)
                && self.is_interior(&n.peer, stripe)
                && election::score(&n.peer, n.upload_kbps, of) > mine
        });
        let steps = (waited.as_millis() / ORPHAN_STEP.as_millis()) as u32;
        rivals.count() as u32 <= steps
            && election::is_drawn(&self.me, of, TOPS * known, all, u64::from(steps))
    }

    /// How many more stripes this peer's uplink carries in all.
    fn slots(&self) -> u32 {
        let Some(film) = &self.film else { return 0 };
        let playing = [Kind::Video, Kind::Audio].into_iter().filter_map(|kind| self.viewer.rendition(kind));
        let rate: u64 = playing.map(|rendition| film.rate(rendition)).sum();
        let each = (rate / u64::from(self.live.trees.stripes())).max(1);
        (u64::from(self.uploads.kbps()) * 125 * 85 / 100 / each).min(250) as u32
    }

    fn room(&self, now: Time) -> u32 {
        let taken: u32 = self.links.values().map(|n| n.standing.fed.count_ones()).sum();
        if self.push_delay(now) > FULL_AT { 0 } else { self.slots().saturating_sub(taken) }
    }

    /// What a place gains if `n` has it: the kbit/s with which it passes the stripe on.
    pub(crate) fn weight(&self, n: &Neighbour, stripe: u8) -> u32 {
        if n.serves() && self.is_interior(&n.peer, stripe) { n.upload_kbps } else { 0 }
    }

    /// A neighbour asks to follow us in these stripes, and in no others.
    pub(crate) fn followed_by(&mut self, now: Time, link: Link, mask: u8, out: &mut Vec<Output>) {
        let Some(n) = self.links.get(&link) else { return };
        let before = n.standing.fed;
        let mut fed = before & mask;
        for stripe in (0..self.live.trees.stripes()).filter(|s| mask >> s & 1 == 1 && before >> s & 1 == 0) {
            if self.may_follow(now, link, stripe, out) {
                fed |= 1 << stripe;
            }
        }
        if let Some(n) = self.links.get_mut(&link) {
            n.standing.fed = fed;
        }
        if mask != 0 {
            out.push(Output::Send(link, Message::Feed { stripes: fed }));
        }
    }

    fn may_follow(&mut self, now: Time, link: Link, stripe: u8, out: &mut Vec<Output>) -> bool {
        let Some(path) = self.path(stripe).filter(|_| self.uploads.is_sharing()) else { return false };
        let Some(n) = self.links.get(&link).filter(|n| n.greeted) else { return false };
        let above_us = path.contains(&stripes::short(&n.peer));
        if above_us || path.len() >= MAX_PATH || !self.is_interior(&self.me, stripe) {
            return false;
        }
        if self.room(now) > 0 {
            return true;
        }
        // One that passes on more takes the place of one that passes on least.
        let (weight, stable) = (self.weight(n, stripe), now.since(n.since) > STABLE);
        let weakest = self.weakest(1 << stripe);
        let Some((other, ..)) = weakest.filter(|&(_, least, _)| stable && weight / 2 > least) else {
            return false;
        };
        self.stop_feeding(other, stripe, out);
        true
    }

    /// The place in these stripes that gains least: who has it, what it gains, and the stripe.
    fn weakest(&self, mask: u8) -> Option<(Link, u32, u8)> {
        let places = self.links.iter().flat_map(|(&link, n)| {
            let stripes =
                (0..self.live.trees.stripes()).filter(move |s| mask >> s & 1 == 1 && n.standing.is_fed(*s));
            stripes.map(move |stripe| (link, self.weight(n, stripe), stripe))
        });
        places.min_by_key(|&(link, weight, stripe)| (weight, link, stripe))
    }

    fn stop_feeding(&mut self, link: Link, stripe: u8, out: &mut Vec<Output>) {
        if let Some(n) = self.links.get_mut(&link) {
            n.standing.fed &= !(1 << stripe);
            out.push(Output::Send(link, Message::Feed { stripes: n.standing.fed }));
        }
    }

    /// The uplink does not carry all that follow: the least has to go.
    fn shed(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.push_delay(now) > OVERFULL_AT && now.since(self.live.shed) > Duration::from_secs(1) {
            self.live.shed = now;
            if let Some((link, _, stripe)) = self.weakest(u8::MAX) {
                self.stop_feeding(link, stripe, out);
            }
        }
    }

    /// A neighbour says in which stripes it pushes to us.
    pub(crate) fn fed_by(&mut self, now: Time, link: Link, mask: u8, out: &mut Vec<Output>) {
        let mut left = Vec::new();
        let mut refused = 0u8;
        let me = stripes::short(&self.me);
        for (stripe, branch) in self.live.trees.branches.iter_mut().enumerate() {
            let given = mask >> stripe & 1 == 1;
            if branch.asked.take_if(|(asked, _)| *asked == link).is_some() {
                if given {
                    left.extend(branch.parent.replace(link));
                    (branch.top, branch.since, branch.late) = (false, now, 0);
                } else {
                    refused |= 1 << stripe;
                }
            } else if branch.parent == Some(link) && !given {
                let n = self.links.get(&link);
                let path = n.and_then(|n| n.standing.path(stripe as u8, stripes::short(&n.peer), me));
                branch.orphan(now, path);
            }
        }
        if let Some(n) = self.links.get_mut(&link) {
            let refusals = n.standing.refuses_until.iter_mut().enumerate();
            refusals
                .filter(|(stripe, _)| refused >> stripe & 1 == 1)
                .for_each(|(_, until)| *until = now + REFUSED_FOR);
        }
        if mask & !self.live.trees.followed(link) != 0 {
            left.push(link);
        }
        left.into_iter().for_each(|link| self.follow(link, out));
    }

    /// Through whom a stripe comes; `None` if it does not.
    fn path(&self, stripe: u8) -> Option<Vec<u32>> {
        let branch = &self.live.trees.branches[usize::from(stripe)];
        if branch.top {
            return Some(Vec::new());
        }
        let Some(parent) = branch.parent else { return branch.path_before.clone() };
        let n = self.links.get(&parent)?;
        n.standing.path(stripe, stripes::short(&n.peer), stripes::short(&self.me))
    }

    /// How deep this peer is in the tree of each stripe.
    pub(crate) fn depths(&self) -> Vec<Option<usize>> {
        let stripes = if self.is_live() { self.live.trees.stripes() } else { 0 };
        (0..stripes).map(|stripe| self.path(stripe).map(|path| path.len())).collect()
    }

    /// Where others may follow.
    fn seats(&self, now: Time) -> Vec<Seat> {
        if !self.uploads.is_sharing() {
            return Vec::new();
        }
        let room = self.room(now);
        let stripes = 0..self.live.trees.stripes();
        let offered = stripes.filter_map(|stripe| {
            let branch = &self.live.trees.branches[usize::from(stripe)];
            let comes = branch.top || branch.parent.is_some();
            let interior = self.is_interior(&self.me, stripe);
            let room = if comes && interior { room } else { 0 };
            let used = || self.links.values().any(|n| n.standing.is_fed(stripe));
            if !interior && !used() {
                return None;
            }
            Some(Seat { stripe, room: room.min(3) as u8, path: self.path(stripe)? })
        });
        offered.collect()
    }

    fn tell_seats(&mut self, now: Time, out: &mut Vec<Output>) {
        let seats = self.seats(now);
        let paths = |seats: &[Seat]| -> Vec<(u8, Vec<u32>)> {
            seats.iter().map(|seat| (seat.stripe, seat.path.clone())).collect()
        };
        let due = match &self.live.trees.told {
            None => !seats.is_empty(),
            Some((_, told)) if told == &seats => false,
            Some((at, told)) => now.since(*at) >= SEATS_EVERY || paths(told) != paths(&seats),
        };
        if due {
            out.extend(self.links.keys().map(|&link| Output::Send(link, Message::Seats(seats.clone()))));
            self.live.trees.told = Some((now, seats));
        }
    }
}
