//! Carries out what a core wants, each viewer in its own manner, and checks that the core may want it.

use manifest::{Rendition, SegmentId};
use std::time::Duration;
use swarm::{Input, Link, Output, PeerId};
use wire::{Have, Message, Run};

use super::{Event, Manner, World, peer_id};

impl World {
    pub(super) fn carry_out(&mut self, at: usize, output: Output) {
        match output {
            Output::Announce { want } => {
                if self.tracker_up {
                    let others: Vec<PeerId> = (0..self.viewers.len())
                        .filter(|&n| n != at && !self.viewers[n].gone)
                        .map(peer_id)
                        .collect();
                    self.feed(at, Input::Audience(others.len() as u32));
                    let skip = others.len().saturating_sub(want as usize);
                    self.feed(at, Input::Strangers(&others[skip..]));
                }
            }
            Output::Dial(peer) => {
                let other = (0..self.viewers.len())
                    .find(|&n| peer_id(n) == peer)
                    .expect("only known peers are dialled");
                if self.viewers[other].gone {
                    return;
                }
                self.serial += 2;
                let (mine, theirs) = (Link(self.serial as u32), Link(self.serial as u32 + 1_000_000));
                self.viewers[at].links.insert(mine, (other, theirs));
                self.viewers[other].links.insert(theirs, (at, mine));
                let set_up = Duration::from_millis(300);
                self.after(set_up, Event::LinkUp { at, link: mine, peer: other, dialled: true });
                self.after(set_up, Event::LinkUp { at: other, link: theirs, peer: at, dialled: false });
            }
            Output::Hangup(link, why) => {
                let Some((other, theirs)) = self.viewers[at].links.remove(&link) else { return };
                self.viewers[at].hangups.push((other, why));
                if self.viewers[other].links.remove(&theirs).is_some() {
                    self.feed(other, Input::LinkDown(theirs));
                }
            }
            Output::Send(link, message) => {
                let Some(&(other, theirs)) = self.viewers[at].links.get(&link) else { return };
                let mut bytes = Vec::new();
                wire::put_message(&mut bytes, &message);
                let message = match message {
                    Message::Have(_) if self.viewers[at].manner == Manner::Liar => {
                        Message::Have(self.whole_film())
                    }
                    other => other,
                };
                self.after(self.latency, Event::Message(other, theirs, message));
            }
            Output::SendPiece { link, id, .. } if self.viewers[at].manner == Manner::Liar => {
                let Some(&(other, theirs)) = self.viewers[at].links.get(&link) else { return };
                let refusal = Message::Refuse { id, why: wire::Refusal::Absent };
                self.after(self.latency, Event::Message(other, theirs, refusal));
            }
            Output::SendPiece { link, segment, piece, .. } => {
                assert!(self.viewers[at].held.contains(&(segment, piece)), "only held pieces are served");
                let Some(&(other, theirs)) = self.viewers[at].links.get(&link) else { return };
                let bytes = self.piece_size(segment, piece);
                let viewer = &mut self.viewers[at];
                *viewer.queued.entry(link).or_default() += bytes;
                let begin = viewer.uplink_free.max(self.now);
                let done = begin + Duration::from_micros(u64::from(bytes) * 8_000_000 / viewer.uplink_bps);
                viewer.uplink_free = done;
                viewer.to_peers += u64::from(bytes);
                let (manner, latency) = (viewer.manner, self.latency);
                self.at(done, Event::Room(at, link, bytes));
                if manner != Manner::Silent {
                    let forged = manner == Manner::Forger;
                    self.at(done + latency, Event::Piece { to: other, link: theirs, segment, piece, forged });
                }
            }
            Output::Fetch { segment, first, end } => {
                let whole = first == 0 && end == self.film.piece_count(segment);
                let begun = self.viewers[at].held.iter().any(|(s, _)| *s == segment);
                assert!(whole || begun, "a part is fetched only where the leaves are known");
                self.serial += 1;
                let id = self.serial;
                self.viewers[at].fetches.insert(segment, id);
                self.fetched.push((at, segment));
                let bytes: u64 = (first..end).map(|piece| u64::from(self.piece_size(segment, piece))).sum();
                let begin = self.origin_free.max(self.now);
                let mut done = begin + Duration::from_micros(bytes * 8_000_000 / self.origin_bps);
                if self.origin_up {
                    self.origin_free = done;
                } else {
                    done = self.now + Duration::from_millis(20);
                }
                self.at(done + self.latency * 2, Event::Fetched { at, segment, first, end, id });
            }
            Output::CancelFetch(segment) => {
                self.viewers[at].fetches.remove(&segment).expect("only open fetches are cancelled");
            }
            Output::Deliver(segment) => {
                let whole = (0..self.film.piece_count(segment))
                    .all(|p| self.viewers[at].held.contains(&(segment, p)));
                assert!(whole, "only whole segments are delivered");
                self.viewers[at].delivered.insert(segment);
                self.give_player(at, segment);
            }
            // Dials are modelled as a whole.
            Output::Signal(_) => {}
            Output::SendHeads { .. } | Output::AskHeads { .. } => panic!("a film has no heads"),
            Output::Evict(segment) => self.viewers[at].held.retain(|(s, _)| *s != segment),
        }
    }

    fn whole_film(&self) -> Have {
        let run = |(place, r): (usize, &Rendition)| Run {
            first: SegmentId::new(place as u8, 1),
            count: r.segments.len() as u32,
        };
        Have { whole: self.film.renditions.iter().enumerate().map(run).collect(), ..Have::default() }
    }
}
