//! What a connection, and its network, may still send.

use std::time::Duration;

use super::Table;
use crate::{ConnId, Verdict, refusal::Refusal, sdp::is_inside};

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

    /// Takes one message's room of the sender's network, where that is limited.
    pub(super) fn has_network_room(&mut self, now: Duration, conn: ConnId) -> bool {
        let Some(sender) = self.connections.get(&conn) else { return false };
        let address = sender.from.address;
        let is_exempt = sender.standing.site().is_some() || is_inside(address);
        let (rate, most) = (self.config.network_messages, self.config.networks);
        is_exempt || self.networks.take(now, address, rate, most)
    }

    /// Takes one announce's room of both, for one that this table does not see.
    pub(crate) fn take_room(&mut self, now: Duration, conn: ConnId) -> Result<(), Refusal> {
        if !self.has_network_room(now, conn) {
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
