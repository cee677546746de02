//! What happens, one event after another. Invariant: each reaches the peer it concerns as the input a browser's driver would give.

use core::time::Duration;

use swarm::{Input, PeerId, Source, Time, Verdict};
use wire::Bits;

use super::carry::GIVES_UP;
use super::player::Shows;
use super::{Carried, Event, World, live, tracker};
use crate::rng::Rng;

/// The most others the tracker names at once.
const MOST_CANDIDATES: u32 = 20;
/// How often a player looks round, as the browser's does.
const LOOKS_EVERY: Duration = Duration::from_millis(250);

impl World<'_> {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Come => self.come(),
            Event::Begin(at) => self.begin(at),
            Event::Go(at) => self.leave(at),
            Event::Seek(at, to) => self.seek(at, to),
            Event::Player(at) => self.look(at),
            Event::Ask(at) => self.ask(at),
            Event::Meet(at) => self.meet(at),
            Event::Wake(at) => {
                let viewer = &mut self.viewers[at as usize];
                if viewer.alarm > self.now {
                    return; // one that came sooner has taken its place
                }
                viewer.alarm = viewer.wake;
                if viewer.wake <= self.now {
                    viewer.alarm = Time(u64::MAX);
                    self.feed(at, Input::Wake);
                } else if !viewer.gone {
                    self.wheel.push(viewer.wake, Event::Wake(at));
                }
            }
            Event::Reach { transfer, link, what } => {
                let to = self.number_on(transfer.to);
                match self.net.receive(self.now, transfer) {
                    Some(through) if through > self.now => {
                        self.wheel.push(through, Event::Through { to, link, what });
                    }
                    Some(_) => self.arrive(to, link, what),
                    None => {}
                }
            }
            Event::Through { to, link, what } => self.arrive(to, link, what),
            Event::Left { from, link, bytes } => {
                if let Some(far) = self.viewers[from as usize].links.get_mut(&link) {
                    far.queued -= bytes;
                    let room = Self::room(far);
                    self.feed(from, Input::LinkRoom { link, room });
                }
            }
            Event::Up { at, link, peer, dialled } => {
                let viewer = &mut self.viewers[at as usize];
                let Some(far) = viewer.coming.remove(&link).filter(|_| viewer.core.is_some()) else { return };
                if self.viewers[peer as usize].gone {
                    if dialled {
                        let peer = self.viewers[peer as usize].id;
                        self.after(GIVES_UP, Event::DialFailed { at, peer });
                    }
                    return;
                }
                self.viewers[at as usize].links.insert(link, far);
                let peer = self.viewers[peer as usize].id;
                self.feed(at, Input::LinkUp { link, peer, dialled });
                if self.viewers[at as usize].links.contains_key(&link) {
                    self.feed(at, Input::LinkRoom { link, room: Self::room(&far) });
                }
            }
            Event::Down { at, link } => {
                // It may be gone before it was up.
                self.viewers[at as usize].coming.remove(&link);
                if self.drop_link(at, link).is_some() {
                    self.feed(at, Input::LinkDown(link));
                }
            }
            Event::DialFailed { at, peer } => self.feed(at, Input::DialFailed(peer)),
            Event::Announce { from, want } => {
                let viewer = &self.viewers[from as usize];
                if viewer.gone || !self.tracker_is_up() {
                    return;
                }
                let (swarm, id) = (viewer.film.swarm, viewer.id);
                let (want, seen) = (want.min(MOST_CANDIDATES), self.seen_at(from));
                if let Some(mut told) = self.tracker.announce(self.now, (from, seen), swarm, id, want) {
                    told.candidates = self.named_to(from, told.candidates);
                    self.after(self.to_tracker(), Event::Told { to: from, told });
                }
            }
            Event::Told { to, told } => {
                if told.only_takes {
                    self.feed(to, Input::Sharing(None));
                }
                self.feed(to, Input::Audience(told.audience));
                if !told.candidates.is_empty() {
                    self.feed(to, Input::Strangers(&told.candidates));
                }
            }
            Event::Renew(at) => {
                if !self.viewers[at as usize].gone {
                    self.after(self.to_tracker(), Event::Announce { from: at, want: 0 });
                    self.after(tracker::INTERVAL, Event::Renew(at));
                }
            }
            Event::Missed(at) => self.tracker.disconnect(at),
            Event::Origin => self.hear_origin(),
            Event::Part { to, began, bytes, request, part, last } => {
                let host = self.host(to);
                match self.net.receive_from_origin(self.now, host, began, bytes) {
                    Some(through) if through > self.now => {
                        self.wheel.push(through, Event::Came { to, request, part, last });
                    }
                    Some(_) => self.came(to, request, part, last),
                    None => {}
                }
            }
            Event::Came { to, request, part, last } => self.came(to, request, part, last),
            Event::Cut { to, segment, request } => self.cut(to, segment, request),
            Event::Retry { to, segment, count } => {
                let viewer = &self.viewers[to as usize];
                if !viewer.gone && viewer.player.waits_for(segment) && !viewer.fetches.contains_key(&segment)
                {
                    self.fetch(to, segment, 0, count);
                }
            }
            Event::Rename(at) => self.rename(at),
            Event::Crash(share) => {
                for at in 0..self.viewers.len() as u32 {
                    let mut rng = Rng::stream(self.seed ^ self.now.0, u64::from(at), "crash");
                    if rng.chance(share) {
                        self.viewers[at as usize].abrupt = true;
                        self.leave(at);
                    }
                }
            }
            Event::Born => self.born(),
            Event::Heads { to, first, last } => self.take_heads(to, Source::Origin, first, last),
            Event::Moment => self.take_moment(),
        }
    }

    /// A viewer meets others once its picture moves, or after a while: see the browser's engine.
    fn meet(&mut self, at: u32) {
        let viewer = &mut self.viewers[at as usize];
        if !viewer.meets && !viewer.gone {
            viewer.meets = true;
            let want = viewer.wanted;
            let opens = Duration::from_secs_f64(self.scenario.tracker.opens_ms / 1000.0);
            self.after(opens + self.to_tracker(), Event::Announce { from: at, want });
        }
    }

    /// The player looks round: time passes for it, its peer is told where it is, and it asks for more.
    pub(super) fn look(&mut self, at: u32) {
        let viewer = &mut self.viewers[at as usize];
        if viewer.gone {
            return;
        }
        viewer.player.advance(self.now);
        if viewer.player.shows == Shows::End {
            return self.leave(at);
        }
        let state = viewer.player.state();
        let started = viewer.player.figures.started.is_some();
        if started && !viewer.meets && !self.alone {
            self.meet(at);
        }
        self.feed(at, Input::Player(state));
        self.ask(at);
        self.after(LOOKS_EVERY, Event::Player(at));
    }

    fn seek(&mut self, at: u32, to: Duration) {
        let viewer = &mut self.viewers[at as usize];
        if viewer.gone {
            return;
        }
        let waiting = viewer.player.seek(self.now, to);
        for segment in waiting.into_iter().flatten() {
            self.feed(at, Input::Unwant(segment));
            if self.alone
                && let Some(Some(request)) = self.viewers[at as usize].fetches.remove(&segment)
            {
                self.give_up(request);
            }
        }
        let state = self.viewers[at as usize].player.state();
        self.feed(at, Input::Player(state));
        self.ask(at);
    }

    pub(super) fn arrive(&mut self, to: u32, link: swarm::Link, what: Carried) {
        let Some(far) = self.viewers[to as usize].links.get(&link).copied() else {
            // What a forger had on its way still came down the line.
            if let Carried::Piece { segment, piece, forged: true } = what {
                let viewer = &mut self.viewers[to as usize];
                viewer.seen.refused += u64::from(viewer.piece_bytes(segment, piece));
            }
            return;
        };
        match what {
            Carried::Message(message) if self.invents(to, link, &message) => {}
            Carried::Message(message) => self.feed(to, Input::Message(link, message)),
            Carried::Heads { first, last } => self.take_heads(to, Source::Peer(link), first, last),
            Carried::Piece { segment, piece, forged } => {
                let viewer = &mut self.viewers[to as usize];
                if self.stream.is_some() && segment.sequence > viewer.heard {
                    if viewer.early.len() < live::EARLY_MAX {
                        viewer.early.push((link, Carried::Piece { segment, piece, forged }));
                    }
                    return;
                }
                let bytes = u64::from(viewer.piece_bytes(segment, piece));
                if forged {
                    viewer.seen.refused += bytes;
                } else {
                    viewer.seen.from_peers += bytes;
                    self.note_exchange(far.peer, to, bytes);
                }
                self.viewers[far.peer as usize].seen.to_peers += bytes;
                self.record.peers_bytes += bytes;
                if let Some(near) = self.viewers[far.peer as usize].links.get_mut(&far.link) {
                    near.given += bytes;
                }
                let verdict = if forged { Verdict::Forged } else { Verdict::Verified };
                let began = self.viewers[to as usize].held.contains_key(&segment);
                if !forged {
                    self.reached(to, segment, piece);
                    self.hold(to, segment, piece, bytes);
                }
                self.feed(to, Input::Arrived { segment, piece, from: Source::Peer(link), verdict });
                // With it came the leaves: what the origin has brought by now can be checked.
                if !forged && !began {
                    let open = self.viewers[to as usize].fetches.get(&segment).copied().flatten();
                    if let Some(asked) = open.and_then(|request| self.requests.get_mut(&request)) {
                        let staged = core::mem::take(&mut asked.staged);
                        self.settle(to, segment, staged);
                    }
                }
            }
        }
    }

    /// Stores a verified piece.
    pub(super) fn hold(&mut self, at: u32, segment: manifest::SegmentId, piece: u32, bytes: u64) {
        self.check_born(at, segment);
        let viewer = &mut self.viewers[at as usize];
        let count = viewer.film.index.piece_count(segment);
        if !viewer.held.entry(segment).or_insert_with(|| Bits::none(count)).set(piece) {
            viewer.seen.duplicate += bytes;
        }
    }

    /// A viewer's number, from its peer's name.
    pub(super) fn number_of(&self, peer: &PeerId) -> u32 {
        peer.0[8..].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    }

    /// The viewer on a host: they join in the same order.
    fn number_on(&self, host: crate::net::HostId) -> u32 {
        host.0
    }
}
