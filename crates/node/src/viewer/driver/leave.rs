//! How much is given away, and the end of it. Its invariant: once it is leaving, nobody new is taken and nothing new is promised.

use super::Driver;
use bytes::Bytes;
use std::time::Duration;
use swarm::Link;
use tokio::sync::oneshot;
use tokio::time::sleep;
use wire::Message;

/// Less than this on its way to a neighbour is no piece, bytes.
const NO_PIECE: usize = 4096;
/// What goodbyes may take on their way.
const FAREWELL: Duration = Duration::from_millis(120);

impl Driver {
    /// Tells the session how much it may upload.
    pub(super) fn share(&mut self) {
        let cap = *self.inbox.caps.borrow_and_update();
        let upload = if self.is_leaving || !self.may_upload { 0 } else { cap.core() };
        self.feed(|session, now| session.sharing(now, (upload > 0).then_some(upload)));
    }

    /// From now on nobody new is taken and nothing new is promised.
    pub(super) fn drain(&mut self, told: oneshot::Sender<()>) {
        self.draining = Some(told);
        self.is_leaving = true;
        tracing::info!(event = "draining", "nobody new is taken");
        if let Some(trackers) = self.trackers.clone() {
            tokio::spawn(trackers.leave());
        }
        self.share();
    }

    /// Whether all pieces that were being sent have come.
    pub(super) fn is_sent(&self) -> bool {
        let waits = |link: Link| self.send_buffer.saturating_sub(self.links.room(link) as usize);
        let is_read = |link: Link| self.disk.as_ref().is_none_or(|disk| disk.due_bytes(link) == 0);
        let is_sent =
            |&link: &Link| self.stream.waiting_for(link) == 0 && waits(link) < NO_PIECE && is_read(link);
        self.neighbours.iter().all(is_sent)
    }

    /// Tells neighbours and trackers that it is gone; a second at most.
    pub(super) async fn say_goodbye(mut self) {
        let mut goodbye = Vec::new();
        wire::put_message(&mut goodbye, &Message::Goodbye);
        let goodbye = Bytes::from(goodbye);
        for link in &self.neighbours {
            self.stream.send_first(*link, goodbye.clone());
            self.stream.hang_up(*link);
        }
        let farewell = if self.neighbours.is_empty() { Duration::ZERO } else { FAREWELL };
        let trackers = self.trackers.take();
        let leave = async {
            if let Some(trackers) = trackers {
                trackers.leave().await;
            }
        };
        tokio::join!(leave, sleep(farewell));
    }
}
