//! Who is named to a member that asks for others, and who gets its offers.
//!
//! Nearest first: they share a line that costs nothing, or at least a carrier. But never all: who knows nobody far away is cut off
//! with his neighbours, and who can choose his address, or what he says of himself, would choose everybody's neighbours. So a share
//! is always drawn at random, what members say of themselves decides about less than what the tracker sees, and one network has no
//! more than its share.
//!
//! When a whole audience comes at once, most have nothing yet, and would be named to each other. So half of those who are drawn at
//! random are settled, as far as there are any.

use core::net::IpAddr;
use std::{cmp::Reverse, time::Duration};

use crate::{
    groups::{Key, network, outside},
    member::{Class, Member},
    rng::Rng,
    sdp::{is_inside, is_same_host},
    swarm::Swarm,
};

/// Whoever has been in a swarm for so long has something to give.
const SETTLES: Duration = Duration::from_secs(4);
/// For each candidate so many members are looked at.
const DRAWN_FOR_ONE: usize = 8;

/// How near one is to the asker, as the tracker sees it: the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Site,
    Host,
    /// The same network, or autonomous system.
    Carrier,
    Far,
}

/// Places of up to `wanted` members, that of the asker not among them.
pub(crate) fn draw(swarm: &Swarm, asker: usize, wanted: usize, now: Duration, rng: &mut Rng) -> Vec<usize> {
    let me = &swarm.members()[asker];
    let around = outside(me.from);
    let home = me.standing.site().filter(|_| me.standing.is_named_at_home()).map(Key::Site);
    let Some(everybody) = (if me.standing.meets_outside() { Some(Key::Open) } else { home }) else {
        return Vec::new();
    };
    // Two who have everything have nothing for each other.
    let classes = usize::from(me.claims.complete)..Class::ALL.len();
    let drawn = swarm.sample(everybody, classes.clone(), asker, wanted * DRAWN_FOR_ONE, rng);

    let (most_near, most_claimed) = (wanted - wanted.div_ceil(4), wanted / 2);
    let mut known = Vec::new();
    let near = if me.standing.meets_outside() { &around[1..] } else { &[] };
    for key in home.into_iter().chain(near.iter().copied().flatten()) {
        for class in classes.clone() {
            known.extend(swarm.sample(key, class..class + 1, asker, most_near, rng));
        }
    }
    for class in classes.filter(|&class| class != Class::Viewer as usize) {
        known.extend(swarm.sample(everybody, class..class + 1, asker, most_claimed, rng));
    }
    known.extend(drawn.iter().copied().filter(|&place| says_something(me, &swarm.members()[place])));
    known.sort_by_cached_key(|&place| rank(me, &swarm.members()[place]));

    let mut chosen = Chosen::new(swarm, asker, wanted);
    for place in known {
        let most =
            if nearness(me, &swarm.members()[place]) == Nearness::Far { most_claimed } else { most_near };
        if chosen.places.len() < most {
            chosen.add(place);
        }
    }
    let left = wanted - chosen.places.len();
    let mut rest: Vec<usize> = drawn.into_iter().filter(|place| !chosen.places.contains(place)).collect();
    settled_first(&mut rest, left.div_ceil(2), |place| {
        now.saturating_sub(swarm.members()[place].since) >= SETTLES
    });
    for &place in &rest {
        if chosen.places.len() < wanted {
            chosen.add(place);
        }
    }
    // Where all have been looked at, nobody else is kept out by those of a network that is over its share.
    if swarm.len() <= wanted * DRAWN_FOR_ONE {
        for place in rest {
            if chosen.places.len() < wanted && !chosen.places.contains(&place) {
                chosen.places.push(place);
            }
        }
    }
    chosen.places
}

/// Moves up to `most` of the settled to the front.
fn settled_first(places: &mut [usize], most: usize, is_settled: impl Fn(usize) -> bool) {
    let mut ahead = 0;
    for at in 0..places.len() {
        if ahead < most && is_settled(places[at]) {
            places.swap(ahead, at);
            ahead += 1;
        }
    }
}

fn nearness(me: &Member, other: &Member) -> Nearness {
    let [mine, its] = [me.from, other.from];
    if me.standing.is_same_site(other.standing) {
        return Nearness::Site;
    }
    let seen = !is_inside(mine.address) && !is_inside(its.address);
    if seen && is_same_host(mine.address, its.address) {
        Nearness::Host
    } else if seen && network(mine.address) == network(its.address)
        || mine.asn.is_some() && mine.asn == its.asn
    {
        Nearness::Carrier
    } else {
        Nearness::Far
    }
}

/// Whether a member that is nowhere near says something for which it may be preferred.
fn says_something(me: &Member, other: &Member) -> bool {
    other.claims.class() != Class::Viewer || other.claims.is_near(&me.claims) || other.claims.capacity() > 0
}

/// The smaller the better.
fn rank(me: &Member, other: &Member) -> impl Ord + use<> {
    let is_viewer = other.claims.class() == Class::Viewer;
    (nearness(me, other), is_viewer, other.claims.steps_from(&me.claims), Reverse(other.claims.capacity()))
}

/// Those who are chosen: nobody twice, and of one network no more than a quarter, unless the site or the address is the asker's own.
struct Chosen<'a> {
    swarm: &'a Swarm,
    me: &'a Member,
    places: Vec<usize>,
    most_of_network: usize,
    networks: Vec<(IpAddr, usize)>,
}

impl<'a> Chosen<'a> {
    fn new(swarm: &'a Swarm, asker: usize, wanted: usize) -> Self {
        Self {
            swarm,
            me: &swarm.members()[asker],
            places: Vec::with_capacity(wanted),
            most_of_network: (wanted / 4).max(1),
            networks: Vec::new(),
        }
    }

    fn add(&mut self, place: usize) {
        let other = &self.swarm.members()[place];
        let is_free = is_inside(other.from.address) || nearness(self.me, other) <= Nearness::Host;
        if self.places.contains(&place) || !is_free && !self.has_room(network(other.from.address)) {
            return;
        }
        self.places.push(place);
    }

    /// Whether there is room for another one of the network, which is taken then.
    fn has_room(&mut self, network: IpAddr) -> bool {
        match self.networks.iter_mut().find(|(known, _)| *known == network) {
            Some((_, count)) if *count >= self.most_of_network => false,
            Some((_, count)) => {
                *count += 1;
                true
            }
            None => {
                self.networks.push((network, 1));
                true
            }
        }
    }
}
