//! What a cluster has to know of a table, beside what comes out of it.

use super::Table;
use crate::{ConnId, InfoHash, PeerId};

impl Table {
    /// Whose name it is in a swarm.
    pub(crate) fn holder(&self, info_hash: InfoHash, peer: PeerId) -> Option<ConnId> {
        self.swarms.get(&info_hash)?.get(peer).map(|member| member.conn)
    }

    pub(crate) fn is_member(&self, conn: ConnId, info_hash: InfoHash) -> bool {
        self.connections.get(&conn).is_some_and(|connection| connection.name_in(info_hash).is_some())
    }

    /// How many are in each swarm.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (InfoHash, usize)> {
        self.swarms.iter().map(|(&info_hash, swarm)| (info_hash, swarm.len()))
    }
}
