//! What a connection, and its network, may still send.

use std::time::Duration;

use super::Table;
use crate::{ConnId, Verdict, refusal::Refusal};

impl Table {
    /// Counts something else that a connection sent, such as a ping, against its allowance of messages.
    pub fn charge(&mut self, now: Duration, conn: ConnId) -> Verdict {
        let rate = self.config.messages;
        let connection = self.connections.get_mut(&conn);
        if connection.is_some_and(|connection| connection.messages.take(now, rate)) {
            Verdict::Stay
        } else {
            Verdict::Close
        }
    }

    /// Takes one announce's room of both, for one that this table does not see.
    pub(crate) fn take_room(&mut self, now: Duration, conn: ConnId) -> Result<(), Refusal> {
        let Self { config, connections, networks, .. } = self;
        if !connections.get(&conn).is_some_and(|sender| sender.has_network_room(now, networks, config)) {
            return Err(Refusal::BusyNetwork { retry: self.config.interval / 4 });
        }
        self.check_announce_rate(now, conn)
    }

    pub(super) fn check_announce_rate(&mut self, now: Duration, conn: ConnId) -> Result<(), Refusal> {
        let rate = self.config.announces;
        let connection = self.connections.get_mut(&conn);
        if connection.is_some_and(|connection| connection.announces.take(now, rate)) {
            Ok(())
        } else {
            Err(Refusal::TooManyAnnounces { every: rate.every })
        }
    }
}
