//! One swarm: its members in a dense vector for sampling, and where each is.
//!
//! The invariant: `place` maps every member's id to its position in `members`, and nothing else.

use std::{collections::BTreeMap, time::Duration};

use crate::{ConnId, PeerId, expected::Expected};

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

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) conn: ConnId,
    pub(crate) since: Duration,
    pub(crate) last_seen: Duration,
    pub(crate) expected: Expected,
    complete: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Swarm {
    members: Vec<Member>,
    place: BTreeMap<PeerId, usize>,
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

    pub(crate) fn place(&self, peer: PeerId) -> Option<usize> {
        self.place.get(&peer).copied()
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Member> {
        self.place(peer).map(|place| &self.members[place])
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Member> {
        self.place(peer).map(|place| &mut self.members[place])
    }

    /// Adds a member that is not there yet.
    pub(crate) fn insert(&mut self, now: Duration, peer: PeerId, conn: ConnId) {
        debug_assert!(!self.place.contains_key(&peer));
        self.place.insert(peer, self.members.len());
        self.members.push(Member {
            peer,
            conn,
            since: now,
            last_seen: now,
            expected: Expected::default(),
            complete: false,
        });
    }

    /// Notes whether a member has everything. `event` is true if it says that it just got there.
    pub(crate) fn set_complete(&mut self, peer: PeerId, complete: bool, event: bool) {
        let Some(member) = self.place.get(&peer).map(|&place| &mut self.members[place]) else { return };
        match (member.complete, complete) {
            (false, true) => {
                self.complete += 1;
                self.downloaded += u64::from(event);
            }
            (true, false) => self.complete -= 1,
            _ => {}
        }
        member.complete = complete;
    }

    /// Removes a member in the time of a look-up: the last one takes its position.
    pub(crate) fn remove(&mut self, peer: PeerId) {
        let Some(place) = self.place.remove(&peer) else { return };
        let gone = self.members.swap_remove(place);
        self.complete -= usize::from(gone.complete);
        if let Some(moved) = self.members.get(place) {
            self.place.insert(moved.peer, place);
        }
    }
}
