//! Peers met through neighbours, when the tracker names none: who asks for them, who is named, and how two that both know a third
//! reach each other through it.
//!
//! Its invariant: what a neighbour says about others buys it a bounded part of what is dialled, kept and passed on, and it is
//! passed on once, in the name of the peer at whose link it came in.

use crate::config::Config;
use crate::election::mix;
use crate::io::{Link, Output, PeerId};
use crate::peer::Peer;
use crate::time::Time;
use alloc::vec::Vec;
use core::time::Duration;
use wire::{MAX_NAMED, MAX_SDP_BYTES, Message, Said, Signal};

/// Neighbours asked at a time.
const ASKED: usize = 3;
/// Who has not been heard for so long may be gone.
const HEARD_WITHIN: Duration = Duration::from_secs(60);
/// Nothing is passed on to who has taken nothing for so long.
const TAKES_WITHIN: Duration = Duration::from_secs(2);
/// Names that are remembered, each with who said it.
const WAYS_MAX: usize = 256;
/// Offers remembered, ours and those of others.
const OFFERS_MAX: usize = 64;

/// Questions that a neighbour may ask.
const ASKS: Limit = Limit { each: Duration::from_secs(10), burst: 3 };
/// Signals that are taken from a neighbour, to be passed on or for us.
const TAKEN: Limit = Limit { each: Duration::from_secs(2), burst: 32 };
/// Signals that a neighbour is given: less than it takes, wherever they come from.
const GIVEN: Limit = Limit { each: Duration::from_secs(3), burst: 24 };
/// What is dropped as too much, before its sender is done with.
const EXCESS: Limit = Limit { each: Duration::from_secs(1), burst: 128 };

/// How often something may happen.
struct Limit {
    /// In the long run, once in this time.
    each: Duration,
    /// At most so many at once.
    burst: u32,
}

/// How much of a limit is used up: until when, if nothing more came.
#[derive(Clone, Copy, Debug, Default)]
struct Pace(Time);

impl Pace {
    fn has_room(self, now: Time, limit: &Limit) -> bool {
        self.0.since(now) <= limit.each * (limit.burst - 1)
    }

    /// Uses up one, if there is one.
    fn take(&mut self, now: Time, limit: &Limit) -> bool {
        let has_room = self.has_room(now, limit);
        if has_room {
            self.0 = self.0.max(now) + limit.each;
        }
        has_room
    }
}

/// What was said to and by one neighbour about others.
#[derive(Debug, Default)]
pub(crate) struct Dealings {
    /// The neighbour that named it or brought its offer, if one did.
    pub by: Option<PeerId>,
    /// Whether it was asked for peers and has not answered.
    asked: bool,
    asks: Pace,
    /// What it gave us to pass on, and what it passed on to us.
    taken: [Pace; 2],
    /// The same in the other direction.
    given: [Pace; 2],
    excess: Pace,
}

/// Which of the two.
const TO_CARRY: usize = 0;
const CARRIED: usize = 1;

/// An offer that went, or came, through a neighbour.
#[derive(Debug)]
struct Offer {
    id: [u8; 20],
    /// At the other end.
    peer: PeerId,
    link: Link,
    /// Whether it has been answered.
    answered: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// When neighbours were last asked.
    asked: Option<Time>,
    /// Through whom a peer that was named can be reached.
    ways: Vec<(PeerId, Link)>,
    /// Our offers, the oldest first.
    sent: Vec<Offer>,
    /// Offers of others, the oldest first.
    brought: Vec<Offer>,
}

impl Exchange {
    /// The tracker has named these: their offers go by it.
    pub fn drop_ways(&mut self, peers: &[PeerId]) {
        self.ways.retain(|(peer, _)| !peers.contains(peer));
    }

    pub fn drop_link(&mut self, link: Link) {
        self.ways.retain(|(_, l)| *l != link);
        self.sent.retain(|offer| offer.link != link);
        self.brought.retain(|offer| offer.link != link);
    }
}

/// Adds to a list that is bounded: the oldest is forgotten.
fn remember<T>(list: &mut Vec<T>, most: usize, new: T) {
    if list.len() >= most {
        list.remove(0);
    }
    list.push(new);
}

/// Takes one out at random.
fn draw<T>(list: &mut Vec<T>, dice: &mut u64) -> Option<T> {
    *dice = mix(*dice);
    let last = list.len().checked_sub(1)?;
    Some(list.swap_remove((*dice % (last as u64 + 1)) as usize))
}

impl Peer {
    /// Asks neighbours for peers, if more are wanted and the tracker names none.
    pub(crate) fn ask_neighbours(&mut self, now: Time, links: usize, out: &mut Vec<Output>) {
        let want = self.meet.lacks(&self.config, links).min(MAX_NAMED);
        let due = self.exchange.asked.is_none_or(|at| now.since(at) >= self.config.announce_every);
        if want == 0 || !due || !self.meet.is_forsaken(&self.config, now, self.links.len()) {
            return;
        }
        let mut greeted: Vec<Link> = self.links.iter().filter(|(_, n)| n.greeted).map(|(&l, _)| l).collect();
        let mut dice = self.seed ^ now.0;
        for _ in 0..ASKED {
            let Some(link) = draw(&mut greeted, &mut dice) else { return };
            self.exchange.asked = Some(now);
            if let Some(neighbour) = self.links.get_mut(&link) {
                neighbour.dealings.asked = true;
                out.push(Output::Send(link, Message::Meet { want: want as u8 }));
            }
        }
    }

    /// Names peers to a neighbour that asks: those that give, and are there.
    pub(crate) fn asked_for_peers(&mut self, now: Time, link: Link, want: u8, out: &mut Vec<Output>) {
        let Some(asker) = self.links.get_mut(&link) else { return };
        if !asker.dealings.asks.take(now, &ASKS) {
            return self.too_much(now, link, out);
        }
        let others = self.links.iter().filter(|(l, n)| {
            **l != link && n.serves() && n.trust.is_fair() && now.since(n.heard) < HEARD_WITHIN
        });
        let mut others: Vec<[u8; 20]> = others.map(|(_, n)| n.peer.0).collect();
        let mut dice = self.seed ^ now.0;
        let most = usize::from(want).min(MAX_NAMED);
        let named = (0..most).map_while(|_| draw(&mut others, &mut dice)).collect();
        out.push(Output::Send(link, Message::Peers(named)));
    }

    /// A neighbour names peers.
    pub(crate) fn named(&mut self, now: Time, link: Link, peers: Vec<[u8; 20]>, out: &mut Vec<Output>) {
        let Some(neighbour) = self.links.get_mut(&link) else { return };
        if !core::mem::take(&mut neighbour.dealings.asked) {
            return self.too_much(now, link, out);
        }
        let by = neighbour.peer;
        for peer in peers.into_iter().map(PeerId) {
            let linked = self.links.values().any(|n| n.peer == peer);
            if peer != self.me && !linked && self.meet.named(&self.config, now, peer, by) {
                self.exchange.ways.retain(|way| *way != (peer, link));
                remember(&mut self.exchange.ways, WAYS_MAX, (peer, link));
            }
        }
    }

    /// A neighbour wants something passed on: to another neighbour, in its name, and no further.
    pub(crate) fn pass_on(&mut self, now: Time, link: Link, signal: Signal, out: &mut Vec<Output>) {
        let Some(from) = self.links.get_mut(&link) else { return };
        if !from.dealings.taken[TO_CARRY].take(now, &TAKEN) {
            return self.too_much(now, link, out);
        }
        let (from, to) = (from.peer, PeerId(signal.peer));
        let there = self.links.iter_mut().find(|(l, n)| **l != link && n.peer == to);
        let takes = there.filter(|(_, n)| {
            let moves = n.greeted && n.stuck_for(now) < TAKES_WITHIN;
            moves && n.dealings.given[CARRIED].has_room(now, &GIVEN)
        });
        if let Some((&link, neighbour)) = takes {
            neighbour.dealings.given[CARRIED].take(now, &GIVEN);
            out.push(Output::Send(link, Message::Carried(Signal { peer: from.0, ..signal })));
        } else if let Said::Offer(_) = signal.what {
            out.push(Output::Send(link, Message::Carried(Signal { what: Said::Nobody, ..signal })));
        }
    }

    /// A neighbour has passed something on to us.
    pub(crate) fn carried(&mut self, now: Time, link: Link, signal: Signal, out: &mut Vec<Output>) {
        let Some(neighbour) = self.links.get_mut(&link) else { return };
        if !neighbour.dealings.taken[CARRIED].take(now, &TAKEN) {
            return self.too_much(now, link, out);
        }
        let (id, peer) = (signal.offer_id, PeerId(signal.peer));
        if let Said::Offer(_) = signal.what {
            let is_known = peer == self.me
                || self.links.values().any(|n| n.peer == peer)
                || self.exchange.brought.iter().any(|o| o.id == id && o.peer == peer);
            let is_welcome = self.links.len() < self.places(false) && self.meet.shunned(now, &peer).is_none();
            if is_known || !is_welcome {
                self.give_to_carry(now, link, Signal { what: Said::Nobody, ..signal }, out);
                return;
            }
            remember(&mut self.exchange.brought, OFFERS_MAX, Offer { id, peer, link, answered: false });
            out.push(Output::Signal(signal));
            return;
        }
        let sent = &mut self.exchange.sent;
        let Some(at) = sent.iter().position(|o| o.id == id && o.peer == peer && o.link == link) else {
            return;
        };
        sent.remove(at);
        if signal.what == Said::Nobody {
            self.exchange.ways.retain(|way| *way != (peer, link));
        }
        out.push(Output::Signal(signal));
    }

    /// Through whom a signal of ours would go.
    fn way_of(&self, now: Time, signal: &Signal) -> Option<Link> {
        let peer = PeerId(signal.peer);
        if let Said::Offer(sdp) | Said::Answer(sdp) = &signal.what
            && !(1..=MAX_SDP_BYTES).contains(&sdp.len())
        {
            return None;
        }
        let takes = |link: &Link| {
            self.links.get(link).is_some_and(|n| n.dealings.given[TO_CARRY].has_room(now, &GIVEN))
        };
        match signal.what {
            Said::Offer(_) => {
                let mut ways = self.exchange.ways.iter().filter(|(named, _)| *named == peer);
                ways.find(|(_, link)| takes(link)).map(|&(_, link)| link)
            }
            Said::Answer(_) | Said::Nobody => {
                let is_it = |o: &&Offer| o.id == signal.offer_id && o.peer == peer && !o.answered;
                self.exchange.brought.iter().find(is_it).map(|offer| offer.link).filter(takes)
            }
        }
    }

    /// Whether a neighbour carries this: an offer to a peer that a neighbour named and the tracker did not, or the answer to an
    /// offer that came through one.
    pub fn carries(&self, now: Time, signal: &Signal) -> bool {
        self.way_of(now, signal).is_some()
    }

    /// The driver has something for a peer that a neighbour knows.
    pub(crate) fn signal(&mut self, now: Time, signal: Signal, out: &mut Vec<Output>) {
        let Some(link) = self.way_of(now, &signal) else { return };
        let (id, peer) = (signal.offer_id, PeerId(signal.peer));
        if let Said::Offer(_) = signal.what {
            remember(&mut self.exchange.sent, OFFERS_MAX, Offer { id, peer, link, answered: false });
        } else if let Some(offer) = self.exchange.brought.iter_mut().find(|o| o.id == id && o.peer == peer) {
            offer.answered = true;
        }
        self.give_to_carry(now, link, signal, out);
    }

    fn give_to_carry(&mut self, now: Time, link: Link, signal: Signal, out: &mut Vec<Output>) {
        if let Some(neighbour) = self.links.get_mut(&link)
            && neighbour.dealings.given[TO_CARRY].take(now, &GIVEN)
        {
            out.push(Output::Send(link, Message::Carry(signal)));
        }
    }

    /// The neighbour through which a peer came to us, if its offer came through one.
    pub(crate) fn brought_by(&self, peer: &PeerId) -> Option<PeerId> {
        let offer = self.exchange.brought.iter().rev().find(|offer| offer.peer == *peer)?;
        self.links.get(&offer.link).map(|n| n.peer)
    }

    /// A forger tells against who named it.
    pub(crate) fn blame(&mut self, now: Time, by: PeerId) {
        if let Some(neighbour) = self.links.values_mut().find(|n| n.peer == by) {
            neighbour.trust.bad(now);
        }
    }

    /// A neighbour says more about others than an honest one would.
    fn too_much(&mut self, now: Time, link: Link, out: &mut Vec<Output>) {
        let neighbour = self.links.get_mut(&link);
        if neighbour.is_some_and(|n| !n.dealings.excess.take(now, &EXCESS)) {
            self.drop_forger(now, link, out);
        }
    }
}

/// Most connections, or dials under way, that one neighbour's names may lead to, of so many in all.
pub(crate) fn share_of_one(all: usize) -> usize {
    (all / 2).max(1)
}

/// Whether a neighbour's names may lead to one more.
pub(crate) fn may_lead_further(config: &Config, links: usize, dials: usize) -> bool {
    links + dials < share_of_one(config.links_wanted) && dials < share_of_one(config.dials_max)
}
