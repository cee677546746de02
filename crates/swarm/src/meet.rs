//! Whom to connect to: strangers heard of, dials under way, peers never to be met again. Every list is bounded.

use crate::config::Config;
use crate::election::mix;
use crate::exchange::may_lead_further;
use crate::io::{Hangup, PeerId};
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Meet {
    strangers: Vec<Stranger>,
    dice: u64,
    dials: BTreeMap<PeerId, (Time, Option<PeerId>)>,
    /// When peers that neighbours named were last dialled.
    tried: Vec<(PeerId, Time)>,
    shunned: BTreeMap<PeerId, Option<Time>>,
    announced: Option<Time>,
    /// When the tracker last said anything, and when it last named peers.
    answered: Option<Time>,
    named: Option<Time>,
    /// When the tracker was first asked.
    begun: Option<Time>,
    asked_for: usize,
    /// After which time to ask how many there are, though nobody is wanted: where that matters.
    pub refresh: Option<Duration>,
    /// How many turned out to be no help, or worse, since somebody last looked.
    pub let_down: u32,
    /// Other viewers that the tracker knows of; `None` before its first answer.
    pub audience: Option<u32>,
}

/// A peer that might be dialled.
#[derive(Debug)]
struct Stranger {
    peer: PeerId,
    /// The neighbour that named it; `None`: the tracker did.
    by: Option<PeerId>,
}

/// Peers named by one neighbour that are remembered.
const NAMED_BY_ONE: usize = 32;
/// A peer that a neighbour named is not dialled again before.
const TRY_AGAIN: Duration = Duration::from_secs(120);
const TRIED_MAX: usize = 256;
const DIAL_PATIENCE: Duration = Duration::from_secs(20);
/// A dial that leads to a link mostly has by now: one that takes longer keeps no other waiting. Where address translators let few
/// through, those that lead nowhere would hold up the rest.
const DIAL_USUAL: Duration = Duration::from_millis(1500);
/// In this time after the first announce most links that come at all have come.
const HOPE: Duration = Duration::from_secs(4);
/// How soon it is first asked how large a live audience is, and how seldom later: it grows most at the beginning.
pub(crate) const REFRESH_FIRST: Duration = Duration::from_secs(5);
const REFRESH_MOST: Duration = Duration::from_secs(120);
const SHUNNED_MAX: usize = 1000;

impl Meet {
    /// The tracker says how many others there are.
    pub fn counted(&mut self, now: Time, others: u32) {
        self.audience = Some(others);
        self.answered = Some(now);
    }

    /// The tracker names peers.
    pub fn heard(
        &mut self,
        config: &Config,
        now: Time,
        me: &PeerId,
        peers: &[PeerId],
        linked: &BTreeSet<PeerId>,
    ) {
        if !peers.is_empty() {
            self.named = Some(now);
        }
        for peer in peers {
            if let Some(stranger) = self.strangers.iter_mut().find(|s| s.peer == *peer) {
                stranger.by = None;
                continue;
            }
            let known = peer == me || linked.contains(peer) || self.dials.contains_key(peer);
            if !known && self.strangers.len() < config.strangers_max {
                self.strangers.push(Stranger { peer: *peer, by: None });
            }
        }
    }

    /// A neighbour names a peer; whether it is one to be met.
    pub fn named(&mut self, config: &Config, now: Time, peer: PeerId, by: PeerId) -> bool {
        let tried = self.tried.iter().any(|(other, at)| *other == peer && now.since(*at) < TRY_AGAIN);
        if tried || self.dials.contains_key(&peer) || self.shunned(now, &peer).is_some() {
            return false;
        }
        if self.strangers.iter().any(|s| s.peer == peer) {
            return true;
        }
        let named = self.strangers.iter().filter(|s| s.by == Some(by)).count();
        let takes = named < NAMED_BY_ONE && self.strangers.len() < config.strangers_max;
        if takes {
            self.strangers.push(Stranger { peer, by: Some(by) });
        }
        takes
    }

    /// How many more are to be met than are linked, dialled, or named by the tracker: whom a neighbour names keeps nobody from
    /// asking others.
    pub fn lacks(&self, config: &Config, links: usize) -> usize {
        let strangers = self.strangers.iter().filter(|s| s.by.is_none()).count();
        config.links_wanted.saturating_sub(links + self.dials.len() + strangers)
    }

    /// Whether the tracker was asked and names nobody, though there are more than those `known`, or does not answer at all.
    pub fn is_forsaken(&self, config: &Config, now: Time, known: usize) -> bool {
        let Some(asked) = self.announced else { return false };
        now.since(asked) >= config.announce_every / 4
            && self.named.is_none_or(|at| at < asked)
            && (self.answered.is_none_or(|at| at < asked) || self.expects_more_than(config, known))
    }

    /// Never again (`None`), or not before a time.
    pub fn shun(&mut self, peer: PeerId, until: Option<Time>) {
        if self.shunned.len() >= SHUNNED_MAX {
            self.shunned.pop_first();
        }
        self.shunned.insert(peer, until);
        self.let_down += 1;
        self.strangers.retain(|s| s.peer != peer);
    }

    /// Why a peer is not to be met, if it is not: for ever as a forger, for a while as no help.
    pub fn shunned(&self, now: Time, peer: &PeerId) -> Option<Hangup> {
        match self.shunned.get(peer)? {
            None => Some(Hangup::Forger),
            Some(until) => (now < *until).then_some(Hangup::Unresponsive),
        }
    }

    /// Whether a peer was let go before, as no help.
    pub fn has_failed(&self, peer: &PeerId) -> bool {
        self.shunned.contains_key(peer)
    }

    /// A dial has led to something or to nothing. Who named the peer, if a neighbour did.
    pub fn dial_ended(&mut self, peer: &PeerId) -> Option<PeerId> {
        self.dials.remove(peer)?.1
    }

    /// A peer is met: when it is gone, it may be met again.
    pub fn met(&mut self, peer: &PeerId) {
        self.tried.retain(|(other, _)| other != peer);
    }

    /// Whether the first links may still come: peers that cannot be reached are not waited for again and again.
    pub fn is_hopeful(&self, now: Time) -> bool {
        self.begun.is_none_or(|at| now.since(at) < HOPE)
    }

    /// Whether the tracker was first asked that long ago.
    pub fn has_begun_before(&self, now: Time, span: Duration) -> bool {
        self.begun.is_some_and(|at| now.since(at) >= span)
    }

    /// Whether there are more to be met than those `known`.
    pub fn expects_more_than(&self, config: &Config, known: usize) -> bool {
        known < config.links_wanted && self.audience.is_none_or(|others| known < others as usize)
    }

    /// The next peer to dial; `links_by`: how many connections a neighbour's names have led to.
    pub fn next_dial(
        &mut self,
        config: &Config,
        now: Time,
        links: usize,
        links_by: impl Fn(PeerId) -> usize,
    ) -> Option<PeerId> {
        self.dials.retain(|_, (at, _)| now.since(*at) < DIAL_PATIENCE);
        let mut later = Vec::new();
        let mut next = None;
        let young = self.dials.values().filter(|(at, _)| now.since(*at) < DIAL_USUAL).count();
        while next.is_none()
            && !self.strangers.is_empty()
            && links + self.dials.len() < config.links_wanted
            && young < config.dials_max
        {
            // At random: who names many cannot put them all before the others.
            self.dice = mix(self.dice ^ now.0);
            let place = (self.dice % self.strangers.len() as u64) as usize;
            let stranger = self.strangers.swap_remove(place);
            if self.shunned(now, &stranger.peer).is_some() {
                continue;
            }
            if let Some(by) = stranger.by {
                let dials = self.dials.values().filter(|(_, other)| *other == Some(by)).count();
                let has_room = self.make_room_to_try(now);
                if !has_room || !may_lead_further(config, links_by(by), dials) {
                    later.push(stranger);
                    continue;
                }
                self.tried.push((stranger.peer, now));
            }
            self.dials.insert(stranger.peer, (now, stranger.by));
            next = Some(stranger.peer);
        }
        self.strangers.append(&mut later);
        next
    }

    fn make_room_to_try(&mut self, now: Time) -> bool {
        if self.tried.len() >= TRIED_MAX {
            self.tried.retain(|(_, at)| now.since(*at) < TRY_AGAIN);
        }
        self.tried.len() < TRIED_MAX
    }

    /// How many peers to ask the tracker for, if it is time to ask.
    pub fn next_announce(&mut self, config: &Config, now: Time, links: usize) -> Option<u32> {
        let want = self.lacks(config, links);
        let due = match self.announced {
            None => true,
            // A swarm that has lost links asks sooner than one that never found any.
            Some(at) if want > self.asked_for => now.since(at) >= config.announce_every / 4,
            Some(at) if want > 0 => now.since(at) >= config.announce_every,
            Some(at) => self.refresh.is_some_and(|refresh| now.since(at) >= refresh),
        };
        if !due {
            return None;
        }
        self.refresh = self.refresh.map(|refresh| (refresh * 2).min(REFRESH_MOST));
        self.announced = Some(now);
        self.begun.get_or_insert(now);
        self.asked_for = want;
        Some(want as u32)
    }
}
