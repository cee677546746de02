//! Carries out what peers and players want. Invariant: every order ends in the events that a browser's driver would see.

use core::time::Duration;

use manifest::SegmentId;
use swarm::{Hangup, Link, Output, PeerId, Time};
use wire::{Have, Message, Refusal, Run};

use super::viewer::{Far, Manner};
use super::{Asked, Carried, Event, World};
use crate::net::{LinkSetup, Transfer};
use crate::rng::Rng;

/// What a link's queue takes, as the browser's driver has it.
const LINK_ROOM: u32 = 128 * 1024;
/// Headers of UDP, DTLS and SCTP round a message or the last part of a piece.
const HEADERS: u32 = 77;
/// Media bytes of a piece in each packet.
const PACKET: u32 = 1150;
/// How long a browser tries to reach somebody before it gives up.
pub(super) const GIVES_UP: Duration = Duration::from_secs(15);
/// A fetch that is given up after this was slow.
const LONG: Duration = Duration::from_secs(1);
/// How long it takes until one who went without a word is missed, by neighbours and by the tracker.
const MISSED_AFTER: Duration = Duration::from_secs(15);

impl World<'_> {
    pub(super) fn carry_out(&mut self, at: u32, output: Output) {
        match output {
            Output::Announce { want } => {
                let viewer = &mut self.viewers[at as usize];
                viewer.wanted = want;
                if viewer.meets {
                    self.after(self.to_tracker(), Event::Announce { from: at, want });
                }
            }
            Output::Dial(peer) => self.dial(at, peer),
            Output::Hangup(link, why) => self.hang_up(at, link, why),
            Output::Send(link, message) => self.send(at, link, message),
            Output::SendPiece { link, id, segment, piece, leaves } => {
                self.send_piece(at, link, id, segment, piece, leaves);
            }
            Output::Fetch { segment, first, end } => self.fetch(at, segment, first, end),
            Output::CancelFetch(segment) => {
                let viewer = &mut self.viewers[at as usize];
                match viewer.fetches.remove(&segment) {
                    Some(Some(request)) => {
                        // What is cut short says how slow it was, too.
                        let asked = self.requests.get(&request);
                        if let Some(asked) = asked.filter(|asked| self.now.since(asked.began) > LONG) {
                            let staged = asked.staged.iter().map(|&piece| viewer.piece_bytes(segment, piece));
                            let bytes = staged.map(u64::from).sum();
                            viewer.origin_rate.sample(self.now, asked.began, bytes);
                        }
                        self.give_up(request);
                    }
                    Some(None) => {}
                    None => self.fail(at, format!("gives up a fetch of {segment:?} that is not open")),
                }
            }
            Output::Deliver(segment) => self.deliver(at, segment),
            Output::SendHeads { link, after } => self.send_heads(at, link, after),
            Output::AskHeads { .. } => self.ask_heads(at),
            // Dials are modelled as a whole.
            Output::Signal(_) => {}
            Output::Evict(segment) => {
                self.viewers[at as usize].held.remove(&segment);
            }
        }
    }

    fn dial(&mut self, at: u32, peer: PeerId) {
        let other = self.number_of(&peer);
        let (mine, theirs) = (self.host(at), self.host(other));
        let between = |far: &Far| self.viewers[far.peer as usize].links.values().any(|f| f.peer == other);
        let by_tracker = self.tracker_is_up() && self.may_call(at, other);
        if !by_tracker && !self.viewers[at as usize].links.values().any(between) {
            // The offer goes by the tracker, or by somebody who is linked to both.
            return self.after(Duration::ZERO, Event::DialFailed { at, peer });
        }
        let there = &self.viewers[other as usize];
        if there.gone || there.id != peer || !self.net.can_connect(mine, theirs) {
            return self.after(GIVES_UP, Event::DialFailed { at, peer });
        }
        let name = u64::from(at) << 32 | u64::from(other);
        let mut rng = Rng::stream(self.seed ^ self.now.0, name, "link");
        let takes =
            LinkSetup::default().draw(&mut rng, self.to_tracker() * 2, self.net.latency(mine, theirs) * 2);
        // Both names are given now, so that the two sides agree on them whenever they hear of it.
        let (near, far) = (Link(self.links + 1), Link(self.links + 2));
        self.links += 2;
        for (end, link, opposite, opposite_link, dialled) in
            [(at, near, other, far, true), (other, far, at, near, false)]
        {
            let side = Far::new(opposite, opposite_link);
            self.viewers[end as usize].coming.insert(link, side);
            self.after(takes, Event::Up { at: end, link, peer: opposite, dialled });
        }
    }

    fn hang_up(&mut self, at: u32, link: Link, why: Hangup) {
        let Some(far) = self.drop_link(at, link) else {
            return self.fail(at, format!("hangs up {link:?}, which it does not have"));
        };
        let manner = self.viewers[far.peer as usize].manner;
        if why == Hangup::Unresponsive && manner == Manner::Honest {
            self.viewers[at as usize].seen.let_go += 1;
        }
        if why == Hangup::Forger && !manner.is_forger() {
            self.fail(at, format!("takes viewer {} for a forger, and it is none", far.peer));
        }
        let latency = self.net.latency(self.host(at), self.host(far.peer));
        self.after(latency, Event::Down { at: far.peer, link: far.link });
    }

    /// Takes a link off one side.
    pub(super) fn drop_link(&mut self, at: u32, link: Link) -> Option<Far> {
        let far = self.viewers[at as usize].links.remove(&link)?;
        self.record.fed(at, far.peer, far.given);
        Some(far)
    }

    fn send(&mut self, at: u32, link: Link, message: Message) {
        let message = match message {
            Message::Have(_) if self.viewers[at as usize].manner.claims_all() => {
                Message::Have(self.everything(at))
            }
            other => other,
        };
        if let Some(far) = self.viewers[at as usize].links.get_mut(&link) {
            match message {
                Message::Follow { stripes } => far.follows = stripes,
                Message::Feed { stripes } => far.feeds = stripes,
                _ => {}
            }
        }
        let mut bytes = Vec::new();
        wire::put_message(&mut bytes, &message);
        self.send_control(at, link, bytes.len() as u32, Carried::Message(message));
    }

    /// Sends what is no media.
    pub(super) fn send_control(&mut self, at: u32, link: Link, bytes: u32, what: Carried) {
        let Some(far) = self.viewers[at as usize].links.get(&link).copied() else { return };
        let bytes = bytes + bytes.div_ceil(PACKET).max(1) * HEADERS;
        self.viewers[at as usize].seen.control += u64::from(bytes);
        let transfer = self.net.send_control(self.now, self.host(at), self.host(far.peer), bytes);
        self.put_on_way(at, link, transfer, what);
    }

    /// Lets something travel, behind all that was sent on the link before: a channel keeps its order.
    fn put_on_way(&mut self, at: u32, link: Link, transfer: Transfer, what: Carried) {
        let Some(far) = self.viewers[at as usize].links.get_mut(&link) else { return };
        far.last = far.last.max(transfer.reaches);
        self.wheel.push(far.last, Event::Reach { transfer, link: far.link, what });
    }

    fn send_piece(&mut self, at: u32, link: Link, id: u32, segment: SegmentId, piece: u32, leaves: bool) {
        let manner = self.viewers[at as usize].manner;
        if !self.viewers[at as usize].holds(segment, piece) {
            return self.fail(at, format!("serves piece {piece} of {segment:?}, which it does not hold"));
        }
        let viewer = &mut self.viewers[at as usize];
        let payload = viewer.piece_bytes(segment, piece);
        let proof = if leaves { 32 * viewer.film.index.piece_count(segment) } else { 0 };
        let Some(far) = viewer.links.get_mut(&link) else { return };
        // The core counts what it gave, without headers.
        far.queued += payload + proof;
        if matches!(manner, Manner::Silent | Manner::Liar) {
            if manner == Manner::Liar {
                self.send(at, link, Message::Refuse { id, why: Refusal::Absent });
            }
            return self.after(Duration::ZERO, Event::Left { from: at, link, bytes: payload + proof });
        }
        let forged = self.forges(manner, segment, piece);
        let left = self.send_bytes(at, link, payload + proof, segment, piece, forged);
        self.wheel.push(left, Event::Left { from: at, link, bytes: payload + proof });
    }

    /// Puts the bytes of a piece on their way; says when they have left.
    pub(super) fn send_bytes(
        &mut self,
        at: u32,
        link: Link,
        bytes: u32,
        segment: SegmentId,
        piece: u32,
        forged: bool,
    ) -> Time {
        let Some(far) = self.viewers[at as usize].links.get(&link).copied() else { return self.now };
        let packets = bytes + bytes.div_ceil(PACKET) * HEADERS;
        let transfer = self.net.send(self.now, self.host(at), self.host(far.peer), packets);
        let left = transfer.left;
        self.put_on_way(at, link, transfer, Carried::Piece { segment, piece, forged });
        left
    }

    /// What a link takes before it would queue.
    pub(super) fn room(far: &Far) -> u32 {
        LINK_ROOM.saturating_sub(far.queued)
    }

    /// Asks the origin for pieces of a segment.
    pub(super) fn fetch(&mut self, at: u32, segment: SegmentId, first: u32, end: u32) {
        let viewer = &self.viewers[at as usize];
        let count = viewer.film.index.piece_count(segment);
        if viewer.fetches.contains_key(&segment) || end > count || first >= end {
            return self.fail(at, format!("fetches {first}..{end} of {segment:?}, which it cannot"));
        }
        if (first, end) != (0, count) && self.stream.is_none() && !viewer.held.contains_key(&segment) {
            return self.fail(at, format!("fetches a part of {segment:?} without its leaves"));
        }
        if self.stream.as_ref().is_some_and(|stream| segment.sequence > stream.born) {
            return self.fail(at, format!("fetches {segment:?}, which is not born"));
        }
        let parts: Vec<u32> = (first..end).map(|piece| viewer.piece_bytes(segment, piece)).collect();
        let bytes = parts.iter().map(|&part| u64::from(part)).sum();
        let request = self.origin.request(self.now, parts);
        self.record.requests += 1;
        self.viewers[at as usize].fetches.insert(segment, request);
        match request {
            Some(request) => {
                self.requests.insert(
                    request,
                    Asked { viewer: at, segment, first, began: self.now, bytes, staged: Vec::new() },
                );
                self.await_origin();
            }
            None => {
                let refused = Duration::from_secs_f64(self.scenario.origin.rtt_ms / 1e3);
                self.after(refused, Event::Cut { to: at, segment, request: None });
            }
        }
    }

    pub(super) fn give_up(&mut self, request: crate::net::origin::Request) {
        self.origin.cancel(self.now, request);
        self.forget(request);
        self.await_origin();
    }

    /// A request is over. What it brought and could not be checked is lost.
    pub(super) fn forget(&mut self, request: crate::net::origin::Request) -> Option<Asked> {
        let asked = self.requests.remove(&request)?;
        let viewer = &mut self.viewers[asked.viewer as usize];
        for &piece in &asked.staged {
            let bytes = u64::from(viewer.piece_bytes(asked.segment, piece));
            viewer.seen.from_origin += bytes;
        }
        Some(asked)
    }

    /// Sees to it that what the origin has to tell is heard when it is due.
    pub(super) fn await_origin(&mut self) {
        if let Some(next) = self.origin.next()
            && self.origin_due.is_none_or(|due| next < due)
        {
            self.origin_due = Some(next);
            self.wheel.push(next, Event::Origin);
        }
    }

    /// Gives a segment to the player.
    pub(super) fn deliver(&mut self, at: u32, segment: SegmentId) {
        if !self.viewers[at as usize].is_whole(segment) {
            return self.fail(at, format!("gives its player {segment:?}, which is not whole"));
        }
        let viewer = &mut self.viewers[at as usize];
        let bytes = viewer.film.index.segment(segment).map_or(0, |s| s.size);
        let received = viewer.seen.from_origin + viewer.seen.from_peers;
        let both = viewer.core.as_ref().and_then(|core| core.path_bps());
        let path = viewer.origin_rate.path_bps(self.now, both, received, viewer.player.buffered());
        // Given once more after a seek, it has not come once more.
        if viewer.given.insert(segment) {
            viewer.used += u64::from(bytes);
            if self.stream.is_none() {
                self.record.viewed(self.now, viewer.film.number, segment, at);
            }
        }
        viewer.player.take(self.now, segment, bytes, path);
        self.after(Duration::ZERO, Event::Ask(at));
    }

    /// Passes on what the player asks for.
    pub(super) fn ask(&mut self, at: u32) {
        let edge = self.stream.as_ref().map_or(u32::MAX, |stream| stream.born);
        let viewer = &mut self.viewers[at as usize];
        if viewer.gone {
            return;
        }
        if let Some(segment) = viewer.player.reconsider(viewer.core.as_ref()) {
            self.feed(at, swarm::Input::Unwant(segment));
        }
        let viewer = &mut self.viewers[at as usize];
        let core = viewer.core.as_ref();
        // Without Braidcast the playlist tells of what is born.
        let edge = if core.is_some() && self.stream.is_some() { viewer.heard } else { edge };
        viewer.player.look_at_offer(core);
        let wanted = viewer.player.ask(edge, core);
        for segment in wanted.into_iter().flatten() {
            if self.alone && self.viewers[at as usize].is_whole(segment) {
                // Browsers have a cache, too.
                self.deliver(at, segment);
            } else if self.alone {
                let count = self.viewers[at as usize].film.index.piece_count(segment);
                self.fetch(at, segment, 0, count);
            } else {
                self.feed(at, swarm::Input::Want(segment));
            }
        }
    }

    /// A viewer goes: at once or after a word.
    pub(super) fn leave(&mut self, at: u32) {
        let viewer = &mut self.viewers[at as usize];
        if viewer.gone {
            return;
        }
        viewer.player.advance(self.now);
        viewer.gone = true;
        viewer.went = self.now;
        let (abrupt, host) = (viewer.abrupt, viewer.host);
        let open: Vec<_> = core::mem::take(&mut viewer.fetches).into_values().flatten().collect();
        let links: Vec<Link> = viewer.links.keys().copied().collect();
        viewer.core = None;
        viewer.held.clear();
        viewer.coming.clear();
        open.into_iter().for_each(|request| self.give_up(request));
        for link in links {
            if let Some(far) = self.drop_link(at, link) {
                let latency = self.net.latency(host, self.host(far.peer));
                let after = if abrupt { MISSED_AFTER } else { latency };
                self.after(after, Event::Down { at: far.peer, link: far.link });
            }
        }
        let after = if abrupt { MISSED_AFTER * 2 } else { self.to_tracker() };
        self.after(after, Event::Missed(at));
        self.net.leave(self.now, host);
    }

    fn everything(&self, at: u32) -> Have {
        let renditions = self.viewers[at as usize].film.index.renditions.iter().enumerate();
        // Of a live stream, what there is.
        let (first, last) =
            self.stream.as_ref().map_or((1, u32::MAX), |stream| (stream.window(), stream.born));
        let run = |(place, r): (usize, &manifest::Rendition)| Run {
            first: SegmentId::new(place as u8, first),
            count: last.min(r.segments.len() as u32) + 1 - first,
        };
        Have { whole: renditions.map(run).collect(), ..Have::default() }
    }
}
