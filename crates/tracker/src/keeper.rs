//! What keeps the memberships: a table alone, or a node of a cluster.

use std::time::Duration;

use rendezvous::{
    ConnId, Counts, Denial, InfoHash, Lease, Locality, Overview, PeerId, Question, Seen, Stats, Table,
    Verdict,
    cluster::{Cluster, Out},
};

#[derive(Debug)]
pub(crate) enum Keeper {
    Alone(Box<Table>),
    Node(Box<Cluster>),
}

impl Keeper {
    pub(crate) fn connect(&mut self, conn: ConnId, from: Locality) -> bool {
        match self {
            Self::Alone(table) => table.connect(conn, from).is_ok(),
            Self::Node(node) => node.connect(conn, from).is_ok(),
        }
    }

    pub(crate) fn disconnect(&mut self, conn: ConnId, out: &mut Out) {
        match self {
            Self::Alone(table) => table.disconnect(conn),
            Self::Node(node) => node.disconnect(conn, out),
        }
    }

    pub(crate) fn handle(&mut self, now: Duration, conn: ConnId, text: &[u8], out: &mut Out) -> Verdict {
        match self {
            Self::Alone(table) => table.handle(now, conn, text, &mut out.texts),
            Self::Node(node) => node.handle(now, conn, text, out),
        }
    }

    pub(crate) fn charge(&mut self, now: Duration, conn: ConnId) -> Verdict {
        match self {
            Self::Alone(table) => table.charge(now, conn),
            Self::Node(node) => node.charge(now, conn),
        }
    }

    /// Lets silent members go, says how many, and ends what was for a while.
    pub(crate) fn expire(&mut self, now: Duration, out: &mut Out) -> usize {
        match self {
            Self::Alone(table) => {
                let gone = table.expire(now);
                table.end_leases(now, &mut out.texts);
                gone
            }
            Self::Node(node) => node.expire(now),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        match self {
            Self::Alone(table) => table.stats(),
            Self::Node(node) => node.stats(),
        }
    }

    pub(crate) fn counts(&self, info_hash: InfoHash) -> Counts {
        match self {
            Self::Alone(table) => table.counts(info_hash),
            Self::Node(node) => node.counts(info_hash),
        }
    }

    /// Lets one join who had to be asked about, or not.
    pub(crate) fn answer(
        &mut self,
        now: Duration,
        question: Question,
        answer: Result<Option<Lease>, Denial>,
        out: &mut Out,
    ) {
        match self {
            Self::Alone(table) => table.answer(now, question, answer, &mut out.texts),
            Self::Node(node) => node.answer(now, question, answer, out),
        }
    }

    /// Puts all members out of a swarm, and says how many; a node those that are its own clients.
    pub(crate) fn empty(&mut self, now: Duration, info_hash: InfoHash, why: &Denial, out: &mut Out) -> usize {
        match self {
            Self::Alone(table) => table.empty(info_hash, why, &mut out.texts),
            Self::Node(node) => node.empty(now, info_hash, why, out),
        }
    }

    /// Those with members, of a node those with clients of its own.
    pub(crate) fn swarms(&self) -> Vec<InfoHash> {
        match self {
            Self::Alone(table) => table.swarms().collect(),
            Self::Node(node) => node.swarms().into_iter().collect(),
        }
    }

    /// The tables of this process: the operator of a node sees what is kept here.
    fn tables(&self) -> Vec<&Table> {
        match self {
            Self::Alone(table) => vec![table],
            Self::Node(node) => node.tables().collect(),
        }
    }

    pub(crate) fn swarms_after(&self, after: Option<InfoHash>, most: usize) -> Vec<(InfoHash, Counts)> {
        let mut found: Vec<_> =
            self.tables().into_iter().flat_map(|table| table.swarms_after(after, most)).collect();
        found.sort_by_key(|one| one.0);
        found.dedup_by(|cell, first| {
            let is_same = cell.0 == first.0;
            if is_same {
                first.1 = first.1 + cell.1;
            }
            is_same
        });
        found.truncate(most);
        found
    }

    pub(crate) fn overview(&self, info_hash: InfoHash) -> Option<Overview> {
        self.tables().into_iter().filter_map(|table| table.overview(info_hash)).reduce(Overview::with)
    }

    pub(crate) fn members_after(
        &self,
        now: Duration,
        swarm: InfoHash,
        after: Option<PeerId>,
        most: usize,
    ) -> Vec<Seen> {
        let tables = self.tables().into_iter();
        let mut found: Vec<_> =
            tables.flat_map(|table| table.members_after(now, swarm, after, most)).collect();
        found.sort_by_key(|one| one.peer);
        found.truncate(most);
        found
    }

    /// A client of this tracker, by its name in a swarm.
    pub(crate) fn connection_of(&self, info_hash: InfoHash, peer: PeerId) -> Option<ConnId> {
        let conn = self.tables().into_iter().find_map(|table| table.connection_of(info_hash, peer))?;
        match self {
            Self::Node(node) if !node.is_client(conn) => None,
            _ => Some(conn),
        }
    }

    pub(crate) fn close_swarm(&mut self, info_hash: InfoHash, out: &mut Out) -> usize {
        match self {
            Self::Alone(table) => table.close_swarm(info_hash, &mut out.texts),
            Self::Node(node) => node.close_swarm(info_hash, out),
        }
    }

    pub(crate) fn node(&mut self) -> Option<&mut Cluster> {
        match self {
            Self::Alone(_) => None,
            Self::Node(node) => Some(node),
        }
    }
}
