//! Who may join, where that is not for everybody: what the owner of a table is asked, what it answers, and how long that holds.
//!
//! The table judges nobody. It asks when somebody wants to join who could (the name is free, there is room), or sends a new token
//! as a member; whoever looks at tokens, lists or another server gives the answer, at once or later.
//!
//! The invariant of [`Leases`]: each is of a member that there is, and found both by it and by its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{ConnId, InfoHash, PeerId, message::Announce};

/// Whether somebody may join a swarm, or stay in it. It holds the announce until [`Table::answer`](crate::Table::answer), or
/// [`Cluster::answer`](crate::cluster::Cluster::answer), carries it out.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub conn: ConnId,
    /// The swarm.
    pub info_hash: InfoHash,
    /// As whom.
    pub peer_id: PeerId,
    /// What was sent as `token`.
    pub token: Option<String>,
    /// What was sent as `proof`.
    pub proof: Option<String>,
    pub(crate) held: Held,
}

impl Denial {
    /// What is said when a lease is over.
    pub(crate) fn expired() -> Self {
        Self::plain("expired", "the token has expired, and no new one has come")
    }

    pub(crate) fn plain(code: &'static str, reason: &str) -> Self {
        Self { code, reason: reason.to_owned(), challenge: None, retry: None }
    }
}

/// The announce that waits for the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Of a table.
    Announce(Announce),
    /// Of a node of a cluster, which passes it on: as it came.
    Text(Box<[u8]>),
}

/// How long a membership lasts that was given for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When it ends, in the table's time.
    pub end: Duration,
    /// The same in seconds since 1970, for the client.
    pub until_unix_secs: u64,
    /// By what the token is known that it was given for, in this swarm: other nodes of a cluster are told so.
    pub token: TokenId,
}

/// Names a token and the swarm in which it was shown. It tells nothing of either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub [u8; 16]);

/// Why somebody may not join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// One word for programs.
    pub code: &'static str,
    /// For people.
    pub reason: String,
    /// What the client has to sign with its next token, where it has to.
    pub challenge: Option<String>,
    /// When to try again, if that may help.
    pub retry: Option<Duration>,
}

/// The memberships that end by themselves, each by what it is known by.
#[derive(Debug)]
pub(crate) struct Leases<Member> {
    of: BTreeMap<Member, Lease>,
    by_end: BTreeSet<(Duration, Member)>,
}

impl<Member> Default for Leases<Member> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), by_end: BTreeSet::new() }
    }
}

impl<Member: Copy + Ord> Leases<Member> {
    pub(crate) fn get(&self, member: Member) -> Option<Lease> {
        self.of.get(&member).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Member, Lease)> {
        self.of.iter().map(|(&member, &lease)| (member, lease))
    }

    /// In place of the one before.
    pub(crate) fn set(&mut self, member: Member, lease: Option<Lease>) {
        if let Some(old) = self.of.remove(&member) {
            self.by_end.remove(&(old.end, member));
        }
        if let Some(lease) = lease {
            self.of.insert(member, lease);
            self.by_end.insert((lease.end, member));
        }
    }

    /// One that is over.
    pub(crate) fn due(&self, now: Duration) -> Option<Member> {
        self.by_end.first().filter(|one| one.0 <= now).map(|one| one.1)
    }
}

/// Questions that wait for their answers: of a connection no more than swarms that it may be in.
#[derive(Debug, Default)]
pub(crate) struct Questions(BTreeSet<(ConnId, InfoHash)>);

impl Questions {
    /// False: one waits already.
    pub(crate) fn add(&mut self, conn: ConnId, info_hash: InfoHash) -> bool {
        self.0.insert((conn, info_hash))
    }

    /// Whether it was waiting.
    pub(crate) fn remove(&mut self, conn: ConnId, info_hash: InfoHash) -> bool {
        self.0.remove(&(conn, info_hash))
    }

    pub(crate) fn len(&self, conn: ConnId) -> usize {
        self.of(conn).count()
    }

    pub(crate) fn forget(&mut self, conn: ConnId) {
        let all: Vec<_> = self.of(conn).copied().collect();
        for one in all {
            self.0.remove(&one);
        }
    }

    fn of(&self, conn: ConnId) -> impl Iterator<Item = &(ConnId, InfoHash)> {
        self.0.range((conn, InfoHash([0; 20]))..=(conn, InfoHash([0xff; 20])))
    }
}
