//! What happens: each event reaches the core it concerns, unless its link or its viewer is gone by then.

use std::time::Duration;
use swarm::{Input, Source, Time, Verdict};

use super::{Event, World, peer_id};

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(at) => {
                if self.viewers[at].wake <= self.now {
                    self.viewers[at].wake = Time(u64::MAX);
                    self.feed(at, Input::Wake);
                }
            }
            Event::Tick(at) => {
                if !self.viewers[at].gone {
                    self.tick_player(at, Duration::from_millis(100));
                    self.after(Duration::from_millis(100), Event::Tick(at));
                }
            }
            Event::Ask(at) => self.ask_next(at),
            Event::Message(at, link, message) => {
                if self.viewers[at].links.contains_key(&link) {
                    self.feed(at, Input::Message(link, message));
                }
            }
            Event::Piece { to, link, segment, piece, forged } => {
                if !self.viewers[to].links.contains_key(&link) {
                    return;
                }
                let bytes = u64::from(self.piece_size(segment, piece));
                let viewer = &mut self.viewers[to];
                let verdict = if forged { Verdict::Forged } else { Verdict::Verified };
                if forged {
                    viewer.forged_in += 1;
                } else if viewer.held.insert((segment, piece)) {
                    viewer.from_peers += bytes;
                } else {
                    viewer.wasted += bytes;
                }
                self.feed(to, Input::Arrived { segment, piece, from: Source::Peer(link), verdict });
            }
            Event::Room(at, link, bytes) => {
                let viewer = &mut self.viewers[at];
                if let Some(queued) = viewer.queued.get_mut(&link) {
                    *queued -= bytes;
                    let room = (128 * 1024u32).saturating_sub(*queued);
                    self.feed(at, Input::LinkRoom { link, room });
                }
            }
            Event::Fetched { at, segment, first, end, id } => {
                if self.viewers[at].fetches.get(&segment) != Some(&id) || self.viewers[at].gone {
                    return;
                }
                let complete = self.origin_up;
                for piece in (first..end).filter(|_| complete) {
                    // A core may have no more use for the rest.
                    if !self.viewers[at].fetches.contains_key(&segment) {
                        return;
                    }
                    let bytes = u64::from(self.piece_size(segment, piece));
                    self.viewers[at].from_origin += bytes;
                    if !self.viewers[at].held.insert((segment, piece)) {
                        self.viewers[at].wasted += bytes;
                    }
                    let verdict = Verdict::Verified;
                    self.feed(at, Input::Arrived { segment, piece, from: Source::Origin, verdict });
                }
                self.viewers[at].fetches.remove(&segment);
                self.feed(at, Input::FetchEnded { segment, complete });
            }
            Event::LinkUp { at, link, peer, dialled } => {
                if self.viewers[at].links.contains_key(&link) {
                    self.viewers[at].queued.insert(link, 0);
                    self.feed(at, Input::LinkUp { link, peer: peer_id(peer), dialled });
                    if self.viewers[at].links.contains_key(&link) {
                        self.feed(at, Input::LinkRoom { link, room: 128 * 1024 });
                    }
                }
            }
        }
    }
}
