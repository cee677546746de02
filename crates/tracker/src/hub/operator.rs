//! What an operator sees and does: the table, looked at from outside, and connections that are told to end.

use std::sync::{Arc, atomic::Ordering};

use rendezvous::{InfoHash, Overview, PeerId, Seen};

use super::{Hub, State};
use crate::outbox::End;

impl Hub {
    pub(crate) fn swarms_after(
        &self,
        after: Option<InfoHash>,
        most: usize,
    ) -> Vec<(InfoHash, rendezvous::Counts)> {
        self.lock().keeper.swarms_after(after, most)
    }

    pub(crate) fn overview(&self, info_hash: InfoHash) -> Option<Overview> {
        self.lock().keeper.overview(info_hash)
    }

    pub(crate) fn members_after(&self, swarm: InfoHash, after: Option<PeerId>, most: usize) -> Vec<Seen> {
        let mut state = self.lock();
        let now = state.now();
        state.keeper.members_after(now, swarm, after, most)
    }

    /// Ends all memberships of a swarm; says how many.
    pub(crate) fn close_swarm(&self, info_hash: InfoHash) -> usize {
        let mut state = self.lock();
        let State { keeper, outboxes, out, .. } = &mut *state;
        let closed = keeper.close_swarm(info_hash, out);
        self.carry_out(outboxes, None, out);
        closed
    }

    /// Closes the connection of a member, with all its memberships. False if there is no such member.
    pub(crate) fn close_member(&self, info_hash: InfoHash, peer: PeerId) -> bool {
        let state = self.lock();
        let conn = state.keeper.connection_of(info_hash, peer);
        let Some(outbox) = conn.and_then(|conn| state.outboxes.get(conn)) else { return false };
        outbox.end(End::Closed);
        true
    }

    /// Bytes that all connections hold together.
    pub(crate) fn held(&self) -> usize {
        self.budget.held()
    }

    /// Whether newcomers are sent away. Who is there stays.
    pub(crate) fn turn_away(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(self: &Arc<Self>) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
