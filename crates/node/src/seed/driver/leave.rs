//! The end of it. Its invariant: once it is leaving, nobody new is taken and nothing new is promised.

use super::{Driver, Peer};
use crate::pml::session::{Holdings, Input};
use crate::uplink::Cap;
use swarm::Link;
use tokio::sync::oneshot;

impl Driver {
    /// From now on nobody new is taken and nothing new is promised.
    pub(super) fn drain(&mut self, told: oneshot::Sender<()>) {
        self.draining = Some(told);
        self.is_leaving = true;
        tracing::info!(event = "draining", "nobody new is taken");
        for swarm in &mut self.swarms {
            tokio::spawn(swarm.trackers.clone().leave());
            swarm.holdings = Holdings::new([], []);
        }
        let links: Vec<Link> = self.peers.keys().copied().collect();
        for link in links {
            self.handle(link, Input::Holdings(Holdings::new([], [])));
        }
    }

    /// Whether a viewer has got all that was being sent to it.
    pub(super) fn is_idle(&self, link: Link, peer: &Peer) -> bool {
        let is_sent =
            self.stream.waiting_for(link) == 0 && self.links.room(link) as usize >= self.send_buffer;
        is_sent && !peer.session.is_serving()
    }

    pub(super) fn hang_up_all(&mut self) {
        for link in std::mem::take(&mut self.peers).into_keys() {
            self.stream.hang_up(link);
        }
    }

    /// Whether there may be viewers.
    pub(super) fn is_open(&self) -> bool {
        self.cap != Cap::Nothing && self.may_upload && !self.is_leaving
    }
}
