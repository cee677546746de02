//! Connections to peers that neighbours know.

use crate::session::Session;
use swarm::{Input, Time};
use wire::Signal;

impl Session {
    /// Has a neighbour carry an offer of ours or an answer to one of theirs. `false`, and nothing has happened, if none does: it goes
    /// by the tracker then. Offers go through neighbours to peers that neighbours named and the tracker did not, answers go
    /// the way that their offers came.
    pub fn signal(&mut self, now: Time, signal: Signal) -> bool {
        let carries = self.peer.carries(now, &signal);
        if carries {
            self.one(now, Input::Signal(signal));
        } else {
            self.begin();
        }
        carries
    }
}
