//! What trackers say, and how descriptions of connections travel. Its invariant: an offer goes by whoever named the peer, a neighbour or the tracker, and
//! an answer goes the way that its offer came.

use super::Driver;
use crate::tracker;
use bytes::Bytes;
use rendezvous::OfferId;
use session::{Said, Signal};
use swarm::PeerId;

impl Driver {
    pub(super) fn tracker(&mut self, event: tracker::Event) {
        match event {
            tracker::Event::Audience(others) => {
                self.stats.audience = Some(others);
                self.feed(|session, now| session.audience(now, others));
            }
            tracker::Event::MayUpload(may) => {
                tracing::info!(event = "may_upload", may, "the tracker's operator has a rule for this place");
                self.may_upload = may;
                self.share();
            }
            tracker::Event::Candidates(peers) => self.feed(|session, now| session.strangers(now, &peers)),
            tracker::Event::Offer { from, offer_id, sdp } => self.links.offer(from, offer_id, sdp),
            tracker::Event::Answer { from, offer_id, sdp } => self.links.answer(from, offer_id, sdp),
            tracker::Event::Undeliverable { offer_id } => self.links.undeliverable(offer_id),
            tracker::Event::Connected(_) => {}
        }
    }

    pub(super) fn offer(&mut self, to: PeerId, offer_id: String, sdp: String) {
        if self.is_carried(to, &offer_id, Said::Offer(sdp.clone())) {
            return;
        }
        match &self.trackers {
            Some(trackers) => trackers.offer(to, &offer_id, &sdp),
            None => self.links.undeliverable(offer_id),
        }
    }

    pub(super) fn answer_offer(&mut self, to: PeerId, offer_id: &str, sdp: String) {
        if self.is_carried(to, offer_id, Said::Answer(sdp.clone())) {
            return;
        }
        if let Some(trackers) = &self.trackers {
            trackers.answer(to, offer_id, &sdp);
        }
    }

    /// Whether a neighbour carries it.
    fn is_carried(&mut self, to: PeerId, offer_id: &str, what: Said) -> bool {
        let Ok(OfferId(offer_id)) = OfferId::from_binary(offer_id) else { return false };
        let signal = Signal { peer: to.0, offer_id, what };
        let now = self.now();
        let carried = self.session.signal(now, signal);
        self.carry_out(&Bytes::new());
        carried
    }

    /// A neighbour has carried something to us.
    pub(super) fn carried(&self, signal: Signal) {
        let (from, offer_id) = (PeerId(signal.peer), tracker::offer_name(&signal.offer_id));
        match signal.what {
            Said::Offer(sdp) => self.links.offer(from, offer_id, sdp),
            Said::Answer(sdp) => self.links.answer(from, offer_id, sdp),
            Said::Nobody => self.links.undeliverable(offer_id),
        }
    }
}
