//! Whom to connect to: strangers heard of, dials under way, peers never to be met again. Every list is bounded.

use crate::config::Config;
use crate::election::mix;
use crate::io::{Hangup, PeerId};
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Meet {
    strangers: Vec<PeerId>,
    dice: u64,
    dials: BTreeMap<PeerId, Time>,
    shunned: BTreeMap<PeerId, Option<Time>>,
    announced: Option<Time>,
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

const DIAL_PATIENCE: Duration = Duration::from_secs(20);
/// In this time after the first announce most links that come at all have come.
const HOPE: Duration = Duration::from_secs(4);
/// How soon it is first asked how large a live audience is, and how seldom later: it grows most at the beginning.
pub(crate) const REFRESH_FIRST: Duration = Duration::from_secs(5);
const REFRESH_MOST: Duration = Duration::from_secs(120);
const SHUNNED_MAX: usize = 1000;

impl Meet {
    pub fn heard(&mut self, config: &Config, me: &PeerId, peers: &[PeerId], linked: &BTreeSet<PeerId>) {
        for peer in peers {
            let known = peer == me
                || linked.contains(peer)
                || self.dials.contains_key(peer)
                || self.strangers.contains(peer);
            if !known && self.strangers.len() < config.strangers_max {
                self.strangers.push(*peer);
            }
        }
    }

    /// Never again (`None`), or not before a time.
    pub fn shun(&mut self, peer: PeerId, until: Option<Time>) {
        if self.shunned.len() >= SHUNNED_MAX {
            self.shunned.pop_first();
        }
        self.shunned.insert(peer, until);
        self.let_down += 1;
        self.strangers.retain(|p| *p != peer);
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

    pub fn dial_ended(&mut self, peer: &PeerId) {
        self.dials.remove(peer);
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

    /// The next peer to dial.
    pub fn next_dial(&mut self, config: &Config, now: Time, links: usize) -> Option<PeerId> {
        self.dials.retain(|_, at| now.since(*at) < DIAL_PATIENCE);
        while links + self.dials.len() < config.links_wanted && self.dials.len() < config.dials_max {
            // At random: who names many cannot put them all before the others.
            self.dice = mix(self.dice ^ now.0);
            let last = self.strangers.len().checked_sub(1)?;
            let peer = self.strangers.swap_remove((self.dice % (last as u64 + 1)) as usize);
            if self.shunned(now, &peer).is_none() {
                self.dials.insert(peer, now);
                return Some(peer);
            }
        }
        None
    }

    /// How many peers to ask the tracker for, if it is time to ask.
    pub fn next_announce(&mut self, config: &Config, now: Time, links: usize) -> Option<u32> {
        let want = config.links_wanted.saturating_sub(links + self.dials.len() + self.strangers.len());
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
