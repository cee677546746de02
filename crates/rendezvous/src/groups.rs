//! Where the members of a swarm are, for finding some near another one without looking at all.
//!
//! A group holds the places of its members in the swarm, apart by class, and each member knows its seat in every group it is in:
//! so one is added, removed or drawn in the time of a look-up. Who is named to nobody is in no group. The invariant: at its seat
//! in each of its groups there is a member's place, and nothing else is anywhere.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    Locality,
    member::{Class, Member},
    sdp::{host, is_inside},
    site::{SiteId, Standing},
};

/// Most groups that one member is in: one of each kind of [`Key`].
const KINDS: usize = 5;

/// What the members of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// They meet people of other sites, and of none.
    Open,
    Site(SiteId),
    /// They are open, and seen at one public address: of IPv6 in one /64.
    Host(IpAddr),
    /// They are open, and in one [`network`].
    Network(IpAddr),
    /// They are open, and in one autonomous system.
    Asn(u32),
}

/// The member's places within its groups, in the order of [`keys`].
pub(crate) type Seats = [usize; KINDS];

/// The groups that a member is in, each kind at its own place.
pub(crate) type Keys = [Option<Key>; KINDS];

/// Of a member that is seen there.
pub(crate) fn keys(from: Locality, standing: Standing) -> Keys {
    let home = standing.site().filter(|_| standing.is_named_at_home()).map(Key::Site);
    let [open, around @ ..] = if standing.is_open() { outside(from) } else { [None; 4] };
    let [host, network, asn] = around;
    [open, home, host, network, asn]
}

/// All who meet the outside, then those around `from`, the nearest first. An address within the tracker's own network says nothing
/// of where its peer is: there may be a proxy.
pub(crate) fn outside(from: Locality) -> [Option<Key>; 4] {
    let address = Some(from.address).filter(|&address| !is_inside(address));
    [
        Some(Key::Open),
        address.map(|address| Key::Host(host(address))),
        address.map(|address| Key::Network(network(address))),
        from.asn.map(Key::Asn),
    ]
}

/// The /24 of IPv4 or /48 of IPv6: what one customer may have all of.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & !0xff).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 80)).into(),
    }
}

/// The places of a group's members of one class. None is empty.
#[derive(Debug, Default)]
pub(crate) struct Groups(BTreeMap<(Key, Class), Vec<usize>>);

impl Groups {
    pub(crate) fn of_class(&self, key: Key, class: Class) -> &[usize] {
        self.0.get(&(key, class)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn len(&self, key: Key) -> usize {
        Class::ALL.iter().map(|&class| self.of_class(key, class).len()).sum()
    }

    /// Seats a member that is in no group.
    pub(crate) fn add(&mut self, members: &mut [Member], place: usize) {
        let member = &mut members[place];
        let (keys, class) = (keys(member.from, member.standing), member.claims.class());
        for (key, seat) in keys.into_iter().zip(&mut member.seats) {
            let Some(key) = key else { continue };
            let group = self.0.entry((key, class)).or_default();
            *seat = group.len();
            group.push(place);
        }
    }

    /// Takes a member from its seats: the last of each group takes its seat there.
    pub(crate) fn remove(&mut self, members: &mut [Member], place: usize) {
        let Member { from, standing, claims, seats, .. } = members[place];
        for (kind, key) in keys(from, standing).into_iter().enumerate() {
            let Some(key) = key else { continue };
            let Entry::Occupied(mut group) = self.0.entry((key, claims.class())) else { continue };
            group.get_mut().swap_remove(seats[kind]);
            if let Some(&moved) = group.get().get(seats[kind]) {
                members[moved].seats[kind] = seats[kind];
            }
            if group.get().is_empty() {
                group.remove();
            }
        }
    }

    /// A member has another place in the swarm.
    pub(crate) fn moved(&mut self, member: &Member, place: usize) {
        for (kind, key) in keys(member.from, member.standing).into_iter().enumerate() {
            let class = member.claims.class();
            if let Some(group) = key.and_then(|key| self.0.get_mut(&(key, class))) {
                group[member.seats[kind]] = place;
            }
        }
    }
}
