//! Every offer and every answer, from the announce that brought it to the answer that came back.
//!
//! The invariant: what was sent is at any time under way, done, refused or lost, and in exactly one of these. What comes
//! twice, to the wrong peer or too late is counted, and changes nothing else.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use serde_json::{Value, json};

use crate::histogram::Histogram;

/// Different reasons of refusals that are told apart.
const REASONS: usize = 32;

/// An announce by the number of its first offer: no two have the same.
type Announce = u64;

#[derive(Debug)]
struct Offer {
    announce: Announce,
    from: usize,
    sent: Duration,
    /// Who got it.
    to: Option<usize>,
}

#[derive(Debug)]
struct Open {
    from: usize,
    sent: Duration,
    /// Offers of it.
    offers: u64,
    /// Its reply and the answers to its offers, as far as they have not come.
    missing: u64,
    replied: bool,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Announces whose reply and answers all came.
    pub done: u64,
    pub announces: u64,
    pub offers: u64,
    pub relayed: u64,
    pub answers: u64,
    pub returned: u64,
    pub refused: u64,
    pub lost_replies: u64,
    pub lost_offers: u64,
    pub lost_answers: u64,
    /// An offer for someone of another swarm or for its sender, or an answer for someone else.
    pub misrouted: u64,
    /// What came twice, or was given up before.
    pub strays: u64,
    /// Replies nobody asked for: some trackers send one to every answer.
    pub acknowledgements: u64,
}

impl Counts {
    /// All that was sent and did not arrive.
    pub fn lost(&self) -> u64 {
        self.lost_replies + self.lost_offers + self.lost_answers
    }
}

#[derive(Debug)]
pub struct Ledger {
    next: u64,
    swarms: usize,
    open: HashMap<Announce, Open>,
    offers: HashMap<u64, Offer>,
    /// By connection: the announces that wait for their replies, which come in order.
    waiting: Vec<VecDeque<Announce>>,
    pub counts: Counts,
    pub reasons: BTreeMap<String, u64>,
    pub relay: Histogram,
    pub round_trip: Histogram,
}

impl Ledger {
    /// Connection `n` is in swarm `n % swarms`.
    pub fn new(connections: usize, swarms: usize) -> Self {
        Self {
            next: 0,
            swarms,
            open: HashMap::new(),
            offers: HashMap::new(),
            waiting: vec![VecDeque::new(); connections],
            counts: Counts::default(),
            reasons: BTreeMap::new(),
            relay: Histogram::default(),
            round_trip: Histogram::default(),
        }
    }

    /// Announces that are not done.
    pub fn under_way(&self) -> usize {
        self.open.len()
    }

    /// Begins to count anew. What is under way stays.
    pub fn reset(&mut self) {
        self.counts = Counts::default();
        self.reasons.clear();
        self.take_times();
    }

    /// The times since the last call: of the relay, and of the round trip.
    pub fn take_times(&mut self) -> (Histogram, Histogram) {
        (std::mem::take(&mut self.relay), std::mem::take(&mut self.round_trip))
    }

    /// An announce goes out. Returns the numbers of its offers.
    pub fn announced(&mut self, now: Duration, from: usize, offers: u64) -> std::ops::Range<u64> {
        let first = self.next;
        // One without offers has a number too.
        self.next += offers.max(1);
        self.open.insert(first, Open { from, sent: now, offers, missing: offers + 1, replied: false });
        self.waiting[from].push_back(first);
        for offer in first..first + offers {
            self.offers.insert(offer, Offer { announce: first, from, sent: now, to: None });
        }
        self.counts.announces += 1;
        self.counts.offers += offers;
        first..first + offers
    }

    /// A reply came, to the oldest announce that waits for one.
    pub fn replied(&mut self, at: usize) {
        match self.waiting[at].pop_front() {
            Some(announce) => {
                if let Some(open) = self.open.get_mut(&announce) {
                    open.replied = true;
                }
                self.arrived(announce);
            }
            None => self.counts.acknowledgements += 1,
        }
    }

    /// The oldest announce that waits was refused, so its offers go nowhere.
    pub fn refused(&mut self, at: usize, reason: &str) {
        self.counts.refused += 1;
        if self.reasons.len() < REASONS || self.reasons.contains_key(reason) {
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
        let Some(announce) = self.waiting[at].pop_front() else { return };
        if let Some(open) = self.open.remove(&announce) {
            for offer in announce..announce + open.offers {
                self.offers.remove(&offer);
            }
        }
    }

    /// An offer came to `to`. Whether it is to be answered.
    pub fn relayed(&mut self, now: Duration, offer: u64, from: Option<usize>, to: usize) -> bool {
        match self.offers.get_mut(&offer) {
            Some(known) if known.to.is_none() => {
                let same_swarm = known.from % self.swarms == to % self.swarms;
                if Some(known.from) != from || !same_swarm || known.from == to {
                    self.counts.misrouted += 1;
                    return false;
                }
                known.to = Some(to);
                self.relay.add(now.saturating_sub(known.sent));
                self.counts.relayed += 1;
                self.counts.answers += 1;
                true
            }
            _ => {
                self.counts.strays += 1;
                false
            }
        }
    }

    /// An answer of `from` came back to `at`.
    pub fn returned(&mut self, now: Duration, offer: u64, from: Option<usize>, at: usize) {
        let Some(known) = self.offers.get(&offer) else {
            self.counts.strays += 1;
            return;
        };
        if known.from != at || known.to.is_none() || known.to != from {
            self.counts.misrouted += 1;
            return;
        }
        self.round_trip.add(now.saturating_sub(known.sent));
        self.counts.returned += 1;
        let announce = known.announce;
        self.offers.remove(&offer);
        self.arrived(announce);
    }

    fn arrived(&mut self, announce: Announce) {
        let Some(open) = self.open.get_mut(&announce) else { return };
        open.missing -= 1;
        if open.missing == 0 {
            self.open.remove(&announce);
            self.counts.done += 1;
        }
    }

    /// Whatever of announces before `before` has not come is lost.
    pub fn give_up(&mut self, before: Duration) {
        let Self { open, offers, waiting, counts, .. } = self;
        open.retain(|&announce, open| {
            if open.sent >= before {
                return true;
            }
            for offer in announce..announce + open.offers {
                match offers.remove(&offer) {
                    Some(Offer { to: None, .. }) => counts.lost_offers += 1,
                    Some(Offer { to: Some(_), .. }) => counts.lost_answers += 1,
                    None => {}
                }
            }
            if !open.replied {
                counts.lost_replies += 1;
                waiting[open.from].retain(|&one| one != announce);
            }
            false
        });
    }

    pub fn json(&self) -> Value {
        let Counts { offers, relayed, answers, returned, lost_replies, lost_offers, lost_answers, .. } =
            self.counts;
        json!({
            "offers": { "sent": offers, "relayed": relayed },
            "answers": { "sent": answers, "returned": returned },
            "lost": {
                "all": self.counts.lost(), "replies": lost_replies, "offers": lost_offers, "answers": lost_answers,
            },
            "misrouted": self.counts.misrouted,
            "strays": self.counts.strays,
            "acknowledgements": self.counts.acknowledgements,
            "refused": self.counts.refused,
            "reasons": self.reasons,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_announce_is_done_when_its_reply_and_all_its_answers_have_come() {
        let mut ledger = Ledger::new(4, 1);
        let offers = ledger.announced(at(0), 0, 2);
        ledger.replied(0);
        for (offer, to) in offers.clone().zip([1, 2]) {
            assert!(ledger.relayed(at(10), offer, Some(0), to));
        }
        ledger.returned(at(20), offers.start, Some(1), 0);
        assert_eq!((ledger.under_way(), ledger.counts.done), (1, 0));
        ledger.returned(at(30), offers.start + 1, Some(2), 0);
        assert_eq!((ledger.under_way(), ledger.counts.done), (0, 1));
        assert_eq!(
            (ledger.relay.json()["max"].clone(), ledger.round_trip.json()["max"].clone()),
            (10_000.into(), 30_000.into())
        );
        ledger.give_up(at(1000));
        assert_eq!((ledger.counts.lost(), ledger.counts.strays, ledger.counts.misrouted), (0, 0, 0));
    }

    #[test]
    fn what_has_not_come_in_time_is_lost_and_told_apart() {
        let mut ledger = Ledger::new(4, 1);
        let offers = ledger.announced(at(0), 0, 3);
        assert!(ledger.relayed(at(1), offers.start, Some(0), 1));
        assert!(ledger.relayed(at(1), offers.start + 1, Some(0), 2));
        ledger.returned(at(2), offers.start, Some(1), 0);
        ledger.give_up(at(0));
        assert_eq!(ledger.counts.lost(), 0);
        ledger.give_up(at(1));
        let Counts { lost_replies, lost_offers, lost_answers, .. } = ledger.counts;
        assert_eq!((lost_replies, lost_offers, lost_answers, ledger.under_way()), (1, 1, 1, 0));
        // Too late now.
        ledger.returned(at(9), offers.start + 1, Some(2), 0);
        assert!(!ledger.relayed(at(9), offers.start + 2, Some(0), 1));
        ledger.replied(0);
        assert_eq!((ledger.counts.strays, ledger.counts.acknowledgements, ledger.counts.done), (2, 1, 0));
    }

    #[test]
    fn what_goes_to_the_wrong_peer_or_comes_twice_does_not_count_as_arrived() {
        // Two swarms: the even ones and the odd ones.
        let mut ledger = Ledger::new(6, 2);
        let offer = ledger.announced(at(0), 0, 1).start;
        for (from, to) in [(Some(0), 1), (Some(0), 0), (Some(2), 4), (None, 2)] {
            assert!(!ledger.relayed(at(1), offer, from, to));
        }
        assert!(ledger.relayed(at(1), offer, Some(0), 2));
        assert!(!ledger.relayed(at(1), offer, Some(0), 4), "the same offer for a second peer");
        ledger.returned(at(2), offer, Some(4), 0);
        ledger.returned(at(2), offer, Some(2), 4);
        assert_eq!((ledger.counts.misrouted, ledger.counts.strays, ledger.counts.returned), (6, 1, 0));
        ledger.returned(at(2), offer, Some(2), 0);
        assert_eq!(ledger.counts.returned, 1);
    }

    #[test]
    fn offers_of_a_refused_announce_are_not_waited_for() {
        let mut ledger = Ledger::new(2, 1);
        ledger.announced(at(0), 0, 5);
        ledger.announced(at(0), 0, 0);
        ledger.refused(0, "too many");
        assert_eq!(ledger.under_way(), 1);
        ledger.replied(0);
        assert_eq!((ledger.under_way(), ledger.counts.done, ledger.reasons["too many"]), (0, 1, 1));
        ledger.give_up(at(10));
        assert_eq!(ledger.counts.lost(), 0);
    }
}
