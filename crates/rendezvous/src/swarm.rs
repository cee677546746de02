//! One swarm: its members in a dense vector, where each is, and who is near whom.
//!
//! The invariant: `place` maps every member's id to its position in `members`, and nothing else.

use std::{
    collections::BTreeMap,
    ops::{Add, Bound, Range},
    time::Duration,
};

use crate::{
    ConnId, Locality, PeerId,
    expected::Expected,
    groups::{Groups, Key, Seats},
    member::{Claims, Class, Member},
    rng::Rng,
    site::Standing,
};

/// What a swarm tells about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members that have everything.
    pub complete: usize,
    /// Members that do not.
    pub incomplete: usize,
    /// Members that told of having become complete, since somebody was first here without a break.
    pub downloaded: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            complete: self.complete + other.complete,
            incomplete: self.incomplete + other.incomplete,
            downloaded: self.downloaded + other.downloaded,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Swarm {
    members: Vec<Member>,
    place: BTreeMap<PeerId, usize>,
    groups: Groups,
    complete: usize,
    downloaded: u64,
}

impl Swarm {
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            complete: self.complete,
            incomplete: self.members.len() - self.complete,
            downloaded: self.downloaded,
        }
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member at this place.
    pub(crate) fn at_mut(&mut self, place: usize) -> &mut Member {
        &mut self.members[place]
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(crate) fn place(&self, peer: PeerId) -> Option<usize> {
        self.place.get(&peer).copied()
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Member> {
        self.place(peer).map(|place| &self.members[place])
    }

    /// The members in the order of their names, those behind `after`.
    pub(crate) fn after(&self, after: Option<PeerId>) -> impl Iterator<Item = &Member> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.place.range((from, Bound::Unbounded)).map(|(_, &place)| &self.members[place])
    }

    /// Adds a member that is not there yet.
    pub(crate) fn insert(
        &mut self,
        now: Duration,
        peer: PeerId,
        conn: ConnId,
        from: Locality,
        standing: Standing,
    ) {
        debug_assert!(!self.place.contains_key(&peer));
        let place = self.members.len();
        self.place.insert(peer, place);
        self.members.push(Member {
            peer,
            conn,
            from,
            standing,
            since: now,
            last_seen: now,
            expected: Expected::default(),
            claims: Claims::default(),
            seats: Seats::default(),
        });
        self.groups.add(&mut self.members, place);
    }

    /// Notes what a member says of itself. `event` is true if it says that it just became complete.
    pub(crate) fn set_claims(&mut self, place: usize, claims: Claims, event: bool) {
        let before = self.members[place].claims;
        match (before.complete, claims.complete) {
            (false, true) => {
                self.complete += 1;
                self.downloaded += u64::from(event);
            }
            (true, false) => self.complete -= 1,
            _ => {}
        }
        let moves = before.class() != claims.class();
        if moves {
            self.groups.remove(&mut self.members, place);
        }
        self.members[place].claims = claims;
        if moves {
            self.groups.add(&mut self.members, place);
        }
    }

    /// Removes a member in the time of a look-up: the last one takes its position.
    pub(crate) fn remove(&mut self, peer: PeerId) {
        let Some(place) = self.place.remove(&peer) else { return };
        self.groups.remove(&mut self.members, place);
        let gone = self.members.swap_remove(place);
        self.complete -= usize::from(gone.claims.complete);
        if let Some(moved) = self.members.get(place) {
            self.place.insert(moved.peer, place);
            self.groups.moved(moved, place);
        }
    }

    /// Places of up to `count` members of a group and of these classes, in random order, the asker not among them. Costs
    /// O(count^2), however many there are.
    pub(crate) fn sample(
        &self,
        key: Key,
        classes: Range<usize>,
        asker: usize,
        count: usize,
        rng: &mut Rng,
    ) -> Vec<usize> {
        let parts = Class::ALL.map(|class| {
            let wanted = classes.contains(&(class as usize));
            if wanted { self.groups.of_class(key, class) } else { &[] }
        });
        let len = parts.iter().map(|part| part.len()).sum();
        let own = &self.members[asker];
        let seat = own.seats.iter().map(|&seat| {
            let before: usize = parts[..own.claims.class() as usize].iter().map(|part| part.len()).sum();
            (parts[own.claims.class() as usize].get(seat) == Some(&asker)).then_some(before + seat)
        });
        let skip = seat.flatten().next();
        // Who is not in the group is as one that comes after all of it.
        let (len, skip) = skip.map_or((len + 1, len), |skip| (len, skip));
        let at = |mut index: usize| {
            for part in parts {
                match part.get(index) {
                    Some(&place) => return place,
                    None => index -= part.len(),
                }
            }
            unreachable!("what is drawn is below the sum of the lengths")
        };
        rng.sample(len, skip, count).into_iter().map(at).collect()
    }
}
