//! Whom to serve first while not all can be served at once: those who give.
//!
//! Of a bounded number of upload slots three in four are *earned*, by what came from a neighbour in the last 20 s; the others
//! are *lent*, to newcomers and to each in turn, so that there is a beginning, and a little for those who have little. Whoever
//! took more than it gave back by some seconds of film waits behind the others unless it has a lent slot; whoever shares
//! nothing, or did not keep its word, waits behind all. Nobody is cut off, and who waits behind nobody waits for nothing.

use crate::config::Config;
use crate::election::mix;
use crate::film::Film;
use crate::io::Link;
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;
use wire::Playing;

/// A neighbour that would be served.
#[derive(Clone, Copy, Debug)]
struct Claim {
    link: Link,
    /// What it gave of late, in bytes.
    gave: u64,
    /// When it came.
    since: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Earned,
    Lent,
}

/// Who holds which slot, and how far each neighbour stands behind. Bounded by [`Config::upload_slots`] and the links.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    held: BTreeMap<Link, Slot>,
    renewed: Option<Time>,
    /// How many that come before the next turn are lent one too.
    kept: usize,
    turn: u64,
    behind: BTreeMap<Link, Duration>,
    looked: Option<Time>,
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For so long one is new.
const NEW: Duration = Duration::from_secs(30);

impl Slots {
    /// By how much a neighbour's requests count as less urgent than they say.
    pub fn behind(&self, link: Link) -> Duration {
        self.behind.get(&link).copied().unwrap_or_default()
    }

    /// Gives the slots out anew.
    fn renew(&mut self, config: &Config, now: Time, seed: u64, mut claims: Vec<Claim>) {
        self.renewed = Some(now);
        self.turn += 1;
        self.held.clear();
        let lent = (config.upload_slots / 4).max(1);
        claims.sort_by_key(|c| (Reverse(c.gave), c.link));
        let earned = claims.iter().take_while(|c| c.gave > 0).count().min(config.upload_slots - lent);
        let mut others = claims.split_off(earned);
        self.held.extend(claims.iter().map(|c| (c.link, Slot::Earned)));
        // A new name costs nothing: half of what is lent, no more, goes to newcomers as such.
        let left = config.upload_slots - earned;
        others.sort_by_key(|c| mix(seed ^ self.turn << 32 ^ u64::from(c.link.0)));
        let (new, old): (Vec<&Claim>, Vec<&Claim>) = others.iter().partition(|c| now.since(c.since) < NEW);
        let (sooner, rest) = new.split_at(left.div_ceil(2).min(new.len()));
        self.kept = (left.div_ceil(2) - sooner.len()).max(1);
        let in_turn = sooner.iter().chain(&old).chain(rest);
        self.held.extend(in_turn.take(left).map(|c| (c.link, Slot::Lent)));
    }

    /// One that came after the slots were given out need not wait for the next turn, as long as something is kept for such.
    fn admit(&mut self, link: Link) {
        if self.kept > 0 && !self.held.contains_key(&link) {
            self.kept -= 1;
            self.held.insert(link, Slot::Lent);
        }
    }

    pub fn drop_link(&mut self, link: Link) {
        self.held.remove(&link);
        self.behind.remove(&link);
    }

    /// `plays`: by what is played its debt is measured.
    fn place(
        &self,
        config: &Config,
        film: &Film,
        link: Link,
        neighbour: &Neighbour,
        plays: Option<Playing>,
    ) -> Duration {
        let debt = neighbour.bytes_out.saturating_sub(neighbour.bytes_in);
        match self.held.get(&link) {
            _ if neighbour.upload_kbps == 0 || !neighbour.trust.is_fair() => config.served_last,
            Some(Slot::Lent) => Duration::ZERO,
            Some(Slot::Earned) if debt <= worth(film, plays, config.debt_max) => Duration::ZERO,
            _ => config.served_later,
        }
    }
}

impl Peer {
    /// Looks once a second who stands where, if anybody waits.
    pub(crate) fn renew_slots(&mut self, now: Time) {
        let Some(film) = &self.film else { return };
        if self.uploads.is_empty() || self.slots.looked.is_some_and(|at| now.since(at) < LOOK_EVERY) {
            return;
        }
        self.slots.looked = Some(now);
        if self.slots.renewed.is_none_or(|at| now.since(at) >= self.config.slots_every) {
            let sharing = self.links.iter().filter(|(_, n)| n.serves());
            let claims = sharing.map(|(&link, n)| Claim { link, gave: n.gave.by(now), since: n.since });
            self.slots.renew(&self.config, now, self.seed, claims.collect());
        } else if let Some(renewed) = self.slots.renewed {
            let came = self.links.iter().filter(|(_, n)| n.serves() && n.since > renewed);
            came.for_each(|(&link, _)| self.slots.admit(link));
        }
        // One that keeps for others plays nothing: it may owe as much as who plays what we play.
        let own = self.told.map(|(_, playing)| playing);
        let place = |(&link, n): (&Link, &Neighbour)| {
            let plays = if n.keeps { own } else { n.playing };
            (link, self.slots.place(&self.config, film, link, n, plays))
        };
        self.slots.behind = self.links.iter().map(place).collect();
    }
}

/// What `span` of the film takes, in bytes, as somebody plays it.
fn worth(film: &Film, playing: Option<Playing>, span: Duration) -> u64 {
    let Some(playing) = playing else { return 0 };
    let at = Duration::from_millis(u64::from(playing.position_ms));
    [playing.video, playing.audio]
        .into_iter()
        .filter(|&rendition| film.last(rendition) > 0)
        .map(|rendition| {
            let segment = manifest::SegmentId::new(rendition, film.at(rendition, at));
            let length = (film.end(segment).saturating_sub(film.start(segment))).as_millis().max(1);
            (u128::from(film.size(segment)) * span.as_millis() / length) as u64
        })
        .sum()
}

/// A sum of bytes that fades with a time constant of 20 s.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recent {
    bytes: u64,
    at: Time,
}

impl Recent {
    /// Its time constant in seconds.
    pub const LASTS_S: u64 = 20;

    pub fn add(&mut self, now: Time, bytes: u32) {
        self.bytes = self.by(now) + u64::from(bytes);
        // Whole seconds fade; the rest is kept for the next time.
        self.at = Time(now.0 - u64::from(now.since(self.at).subsec_micros()));
    }

    pub fn by(&self, now: Time) -> u64 {
        let kept = u128::from(kept(now.since(self.at).as_secs()));
        ((u128::from(self.bytes) * kept) >> 32) as u64
    }
}

/// What is left of one after so many seconds, in units of 2⁻³².
fn kept(seconds: u64) -> u64 {
    let (mut kept, mut square, mut bits) = (1 << 32, (1 << 32) - (1 << 32) / Recent::LASTS_S, seconds);
    while bits > 0 {
        if bits & 1 == 1 {
            kept = (kept * square) >> 32;
        }
        square = (square * square) >> 32;
        bits >>= 1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(link: u32, gave: u64, since_s: u64) -> Claim {
        Claim { link: Link(link), gave, since: Time::from_millis(since_s * 1000) }
    }

    fn held(slots: &Slots, kind: Slot) -> Vec<u32> {
        slots.held.iter().filter(|(_, slot)| **slot == kind).map(|(link, _)| link.0).collect()
    }

    #[test]
    fn most_slots_are_earned_and_some_are_lent_in_turn() {
        let config = Config { upload_slots: 8, ..Config::default() };
        let now = Time::from_millis(100_000);
        let mut slots = Slots::default();
        let claims: Vec<Claim> = (1..=20).map(|n| claim(n, u64::from(n) * 1000, 0)).collect();
        let mut lent = alloc::collections::BTreeSet::new();
        for _ in 0..60 {
            slots.renew(&config, now, 7, claims.clone());
            assert_eq!(held(&slots, Slot::Earned), [15, 16, 17, 18, 19, 20]);
            assert_eq!(held(&slots, Slot::Lent).len(), 2);
            lent.extend(held(&slots, Slot::Lent));
        }
        assert_eq!(lent.len(), 14, "everybody else has had a turn: {lent:?}");
    }

    #[test]
    fn newcomers_get_no_more_than_half_of_what_is_lent() {
        let config = Config { upload_slots: 8, ..Config::default() };
        let now = Time::from_millis(100_000);
        let mut slots = Slots::default();
        let mut claims: Vec<Claim> = (1..=6).map(|n| claim(n, 1, 0)).collect();
        claims.extend((7..=9).map(|n| claim(n, 0, 0)));
        claims.extend((10..=1000).map(|n| claim(n, 0, 90)));
        let mut old = 0;
        for _ in 0..2000 {
            slots.renew(&config, now, 7, claims.clone());
            assert_eq!(slots.held.len(), 8);
            old += held(&slots, Slot::Lent).iter().filter(|&&link| link < 10).count();
        }
        assert!(old > 0, "the others have their turn among very many newcomers");
    }

    #[test]
    fn some_of_those_who_come_between_two_turns_are_admitted_at_once() {
        let config = Config { upload_slots: 8, ..Config::default() };
        let mut slots = Slots::default();
        slots.renew(&config, Time::from_millis(60_000), 7, (1..=8).map(|n| claim(n, 1, 0)).collect());
        assert_eq!(held(&slots, Slot::Lent).len(), 2);
        (9..=90).for_each(|link| slots.admit(Link(link)));
        assert_eq!(held(&slots, Slot::Lent).len(), 3, "half of two are kept");
        slots.renew(&config, Time::from_millis(70_000), 7, Vec::new());
        (10..=90).for_each(|link| slots.admit(Link(link)));
        assert_eq!(slots.held.len(), 4);
    }

    #[test]
    fn what_came_of_late_fades() {
        let mut recent = Recent::default();
        let at = |s: u64| Time::from_millis(s * 1000);
        recent.add(at(1000), 100_000);
        let after_20_s = recent.by(at(1020));
        assert!((34_000..38_000).contains(&after_20_s), "{after_20_s}");
        assert_eq!(recent.by(at(5000)), 0);
        // Many small sums fade as one does.
        let mut often = Recent::default();
        (0..200).for_each(|tenth| often.add(Time::from_millis(1_000_000 + tenth * 100), 1000));
        assert!((120_000..135_000).contains(&often.by(at(1020))), "{often:?}");
    }
}
