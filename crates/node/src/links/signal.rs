//! Commands, and above all the exchange of descriptions. Invariant: every dial has one outcome, and of two peers that dial
//! each other at once one offer is answered: theirs would be two connections on the same two addresses, which nothing in
//! their datagrams tells apart.

use super::connection::{Connection, Stage};
use super::demux::Id;
use super::identity::Identity;
use super::quic::Quic;
use super::sdp::Fingerprint;
use super::shard::Shard;
use super::stack::{Broken, Common};
use super::{Command, Event, sdp};
use crate::letters::letters;
use std::time::Instant;
use str0m::{Candidate, CandidateKind};
use swarm::PeerId;

/// The longest name of an offer that is looked at, bytes. A tracker's have 20 code points.
const OFFER_ID_BYTES: usize = 64;
/// Offers that are answered at a time, at least; in any case up to three quarters of the connections.
const ANSWERING: usize = 8;

impl Shard {
    pub(super) fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Dial(peer) => self.dial(now, peer),
            Command::Offer { from, offer_id, sdp } => self.handle_offer(now, from, offer_id, &sdp),
            Command::Answer { from, offer_id, sdp } => self.handle_answer(now, from, &offer_id, &sdp),
            Command::Undeliverable(offer_id) => {
                if let Some(id) = self.table.offered(&offer_id) {
                    self.fail(id);
                }
            }
            Command::Send(link, message) => {
                self.waiting.take_message(link, message.len());
                let Some(id) = self.table.of_link(link) else { return };
                let sent = self.table.get_mut(id).map(|connection| connection.send(message));
                self.settle(id, sent.unwrap_or(Ok(())));
            }
            Command::Lose(link) => {
                if let Some(id) = self.table.of_link(link) {
                    self.fail(id);
                }
            }
            Command::HangUp(link) => {
                self.waiting.rooms().remove(&link);
                let Some(id) = self.table.forget_name(link) else { return };
                if let Some(connection) = self.table.get_mut(id) {
                    connection.leave(now);
                }
                self.mark(id);
            }
        }
    }

    fn dial(&mut self, now: Instant, peer: PeerId) {
        // What is under way to or from that peer already decides this dial, too.
        if let Some(id) = self.table.pending(&peer, |_| true) {
            if let Some(connection) = self.table.get_mut(id) {
                connection.owes_dial = true;
            }
            return;
        }
        let made = match (self.table.len() < self.config.max_connections, letters::<20>()) {
            (true, Some(id)) => {
                let offer_id = String::from_iter(id.map(char::from));
                Connection::dial(now, &self.common(false), peer, offer_id).ok()
            }
            _ => None,
        };
        let Some((connection, offer)) = made else {
            self.report(Event::DialFailed(peer));
            return;
        };
        let offer_id = connection.offer_id.clone();
        self.begin(now, connection);
        let sdp = sdp::outgoing(&offer, self.identity.is_some());
        self.report(Event::Offer { to: peer, offer_id, sdp });
    }

    fn handle_offer(&mut self, now: Instant, from: PeerId, offer_id: String, sdp: &str) {
        let is_known = self.table.pending(&from, |c| !c.dialled && c.offer_id == offer_id).is_some();
        if is_known || offer_id.len() > OFFER_ID_BYTES || !sdp::is_sane(sdp) {
            return;
        }
        // Both dial: of the two offers the lesser name counts, which both sides know.
        let ours = self.table.pending(&from, |c| matches!(c.stage, Stage::Offered(_)));
        if ours.and_then(|id| self.table.get(id)).is_some_and(|c| c.offer_id <= offer_id) {
            return;
        }
        let most = ANSWERING.max(self.config.max_connections / 4 * 3);
        let has_place = ours.is_some() || self.table.len() < self.config.max_connections;
        if !has_place || self.table.answering() >= most {
            return;
        }
        // Where neither side made checks, none would ever be made.
        let lite = self.config.lite && !self.config.relay_only && !sdp::is_lite(sdp);
        let quic = self.quic(sdp, Quic::server);
        let has_quic = quic.is_some();
        let made = Connection::accept(now, &self.common(lite), from, offer_id, &sdp::incoming(sdp), quic);
        let Ok((mut connection, answer)) = made else { return };
        if let Some((mut ours, _)) = ours.and_then(|id| self.table.remove(id)) {
            connection.owes_dial = std::mem::take(&mut ours.owes_dial);
        }
        let offer_id = connection.offer_id.clone();
        self.begin(now, connection);
        let mut sdp = sdp::outgoing(&answer, has_quic);
        if lite {
            let outside = self.candidates.iter().filter(|c| c.kind() == CandidateKind::ServerReflexive);
            sdp = sdp::with_candidates(&sdp, outside.map(Candidate::to_sdp_string));
        }
        self.report(Event::Answer { to: from, offer_id, sdp });
    }

    fn handle_answer(&mut self, now: Instant, from: PeerId, offer_id: &str, sdp: &str) {
        let Some(id) = self.table.offered(offer_id) else { return };
        let is_awaited = |c: &Connection| c.peer == from && matches!(c.stage, Stage::Offered(_));
        if !self.table.get(id).is_some_and(is_awaited) || !sdp::is_sane(sdp) {
            return;
        }
        let quic = self.quic(sdp, Quic::client);
        let Some(connection) = self.table.get_mut(id) else { return };
        let taken = connection.handle_answer(now, &sdp::incoming(sdp), quic);
        self.settle(id, taken);
    }

    fn begin(&mut self, now: Instant, mut connection: Connection) -> Id {
        connection.until = Some(now + self.config.open_within);
        let id = self.table.add(connection);
        self.mark(id);
        id
    }

    /// QUIC with the peer that describes itself so, if both speak it.
    fn quic(
        &self,
        sdp: &str,
        make: impl FnOnce(&Identity, Fingerprint, usize) -> Result<Quic, Broken>,
    ) -> Option<Quic> {
        make(self.identity.as_ref()?, sdp::quic(sdp)?, self.config.send_buffer).ok()
    }

    fn common(&self, lite: bool) -> Common<'_> {
        Common { cert: &self.cert, candidates: &self.candidates, send_buffer: self.config.send_buffer, lite }
    }
}
