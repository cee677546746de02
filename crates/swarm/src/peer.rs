//! The state machine: takes inputs in, lets the parts decide, and translates what they decide into outputs.

use crate::config::Config;
use crate::film::Film;
use crate::io::{Hangup, Input, Link, Output, PeerId, Source, Verdict};
use crate::meet::Meet;
use crate::neighbour::Neighbour;
use crate::origin::{Origin, Path};
use crate::store::Store;
use crate::time::Time;
use crate::uploads::{Uploads, Waiting};
use crate::viewer::Viewer;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Kind, SegmentId};
use wire::{Have, Hello, Message, Playing, Refusal, VERSION};

/// One viewer's side of the swarm. See the crate's first page.
#[derive(Debug)]
pub struct Peer {
    pub(crate) me: PeerId,
    pub(crate) config: Config,
    pub(crate) film: Option<Film>,
    pub(crate) viewer: Viewer,
    pub(crate) store: Store,
    pub(crate) origin: Origin,
    pub(crate) path: Path,
    pub(crate) links: BTreeMap<Link, Neighbour>,
    pub(crate) meet: Meet,
    pub(crate) uploads: Uploads,
    pub(crate) seed: u64,
    /// Since when a segment has been needed that neighbours will not bring in time.
    pub(crate) urgent_since: BTreeMap<SegmentId, Time>,
    reported: Time,
    told: Option<(Time, Playing)>,
    pub(crate) fetching_changed: bool,
    duplicates: u64,
    refused: u64,
}

/// What an onlooker may know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Open connections whose peers have greeted.
    pub links: Vec<LinkSnapshot>,
    /// Throughput while anything was asked for, bits a second, over peers and origin: what the player's bandwidth
    /// estimate may rest on. `None` until enough has come.
    pub path_bps: Option<u64>,
    /// Media bytes held.
    pub held_bytes: u64,
    /// Bytes of pieces that came although they were already held.
    pub duplicate_bytes: u64,
    /// Pieces that failed the check.
    pub refused: u64,
    /// Segments the player waits for.
    pub wants: usize,
    /// Segments under way from the origin.
    pub fetching: usize,
}

/// One connection, as an onlooker may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSnapshot {
    /// The driver's name for it.
    pub link: Link,
    /// Who is there.
    pub peer: PeerId,
    /// Verified media bytes that came.
    pub bytes_in: u64,
    /// Media bytes that went.
    pub bytes_out: u64,
    /// Smoothed time from request to piece.
    pub response: Duration,
    /// Segments it holds, in whole or in part.
    pub held_segments: usize,
    /// What it is ready to upload, kbit/s; 0: nothing.
    pub upload_kbps: u32,
}

impl Peer {
    /// A peer that knows nothing yet. The same `seed` and inputs give the same outputs.
    pub fn new(me: PeerId, config: Config, seed: u64) -> Self {
        Self {
            me,
            film: None,
            viewer: Viewer::new(),
            store: Store::default(),
            origin: Origin::new(),
            path: Path::default(),
            links: BTreeMap::new(),
            meet: Meet::default(),
            uploads: Uploads::new(&config),
            seed,
            urgent_since: BTreeMap::new(),
            reported: Time::default(),
            told: None,
            fetching_changed: false,
            duplicates: 0,
            refused: 0,
            config,
        }
    }

    /// Takes in what has happened at `now`, adds what is to be done to `out`, says when to come back at the latest.
    /// Never blocks, never fails.
    pub fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Vec<Output>) -> Option<Time> {
        self.path.tick(now, self.is_busy());
        match input {
            Input::Wake => {}
            Input::Film(index) => self.film = Some(Film::new(index)),
            Input::Player(player) => self.viewer.moved(player),
            Input::Want(segment) => self.want(segment, out),
            Input::Unwant(segment) => self.viewer.unwant(segment),
            Input::Sharing(limit) => self.set_sharing(limit, out),
            Input::Audience(others) => self.meet.audience = Some(others),
            Input::Strangers(peers) => {
                let linked: BTreeSet<PeerId> = self.links.values().map(|n| n.peer).collect();
                self.meet.heard(&self.config, &self.me, peers, &linked);
            }
            Input::LinkUp { link, peer, dialled } => self.link_up(now, link, peer, dialled, out),
            Input::DialFailed(peer) => self.meet.dial_ended(&peer),
            Input::LinkRoom { link, room } => {
                if let Some(neighbour) = self.links.get_mut(&link) {
                    neighbour.room = room;
                }
            }
            Input::LinkDown(link) => self.link_down(link),
            Input::Message(link, message) => self.message(now, link, message, out),
            Input::Garbage(link) => self.drop_forger(link, out),
            Input::Arrived { segment, piece, from, verdict } => {
                self.arrived(now, segment, piece, from, verdict, out);
            }
            Input::FetchEnded { segment, complete } => {
                self.origin.ended(now, segment, complete);
                self.fetching_changed = true;
            }
        }
        let next = self.act(now, out);
        self.path.tick(now, self.is_busy());
        next
    }

    /// What an onlooker may know.
    pub fn snapshot(&self) -> Snapshot {
        let greeted = self.links.iter().filter(|(_, n)| n.greeted);
        let links = greeted.map(|(&link, n)| LinkSnapshot {
            link,
            peer: n.peer,
            bytes_in: n.bytes_in,
            bytes_out: n.bytes_out,
            response: n.response(),
            held_segments: n.held_segments(),
            upload_kbps: n.upload_kbps,
        });
        Snapshot {
            links: links.collect(),
            path_bps: self.path.bps(),
            held_bytes: self.store.bytes,
            duplicate_bytes: self.duplicates,
            refused: self.refused,
            wants: self.viewer.wants().count(),
            fetching: self.origin.fetches.len(),
        }
    }

    fn is_busy(&self) -> bool {
        !self.origin.fetches.is_empty() || self.links.values().any(|n| !n.asked.is_empty())
    }

    /// Everything that may be due after any input.
    fn act(&mut self, now: Time, out: &mut Vec<Output>) -> Option<Time> {
        self.film.as_ref()?;
        self.expire_requests(now, out);
        let idle = self.plan(now, out);
        self.serve(now, out);
        self.report(now, out);
        self.gather(now, out);
        self.evict(out);
        let open = self.links.values().any(|n| !n.asked.is_empty()) || !self.uploads.is_empty();
        let soon = if open || !idle { Duration::from_millis(50) } else { Duration::from_millis(250) };
        Some(now + soon)
    }

    fn want(&mut self, segment: SegmentId, out: &mut Vec<Output>) {
        let Some(film) = &self.film else { return };
        if !film.has(segment) {
            return;
        }
        self.viewer.want(film, segment);
        if self.store.is_whole(segment) {
            self.viewer.delivered(film, segment);
            out.push(Output::Deliver(segment));
        }
    }

    fn set_sharing(&mut self, limit: Option<u32>, out: &mut Vec<Output>) {
        let before = self.uploads.is_sharing();
        self.uploads.set_limit(limit);
        let sharing = self.uploads.is_sharing();
        if !sharing {
            for w in self.uploads.drain() {
                out.push(Output::Send(w.link, Message::Refuse { id: w.id, why: Refusal::NotSharing }));
            }
        }
        let links: Vec<Link> = self.links.keys().copied().collect();
        for link in links {
            out.push(Output::Send(link, self.hello()));
            if sharing && !before {
                out.push(Output::Send(link, Message::Have(self.full_report())));
            }
        }
    }

    fn hello(&self) -> Message {
        let swarm = self.film.as_ref().map_or([0; 20], |film| film.swarm);
        Message::Hello(Hello { version: VERSION, swarm, upload_kbps: self.uploads.kbps() })
    }

    fn full_report(&self) -> Have {
        Have { fetching: self.origin.fetches.keys().copied().collect(), ..self.store.report_all() }
    }

    fn link_up(&mut self, now: Time, link: Link, peer: PeerId, dialled: bool, out: &mut Vec<Output>) {
        self.meet.dial_ended(&peer);
        let twin = self.links.iter().find(|(_, n)| n.peer == peer).map(|(&link, n)| (link, n.dialled));
        if let Some((other, other_dialled)) = twin {
            // Both dialled: both sides keep the connection that the smaller id began.
            let mine = self.me < peer;
            if dialled == other_dialled || other_dialled == mine {
                out.push(Output::Hangup(link, Hangup::Duplicate));
                return;
            }
            self.link_down(other);
            out.push(Output::Hangup(other, Hangup::Duplicate));
        }
        let refusal = match () {
            () if self.film.is_none() || peer == self.me => Some(Hangup::Stranger),
            () if self.meet.is_shunned(now, &peer) => Some(Hangup::Forger),
            () if self.links.len() >= self.config.links_max => Some(Hangup::Full),
            () => None,
        };
        if let Some(why) = refusal {
            out.push(Output::Hangup(link, why));
            return;
        }
        self.links.insert(link, Neighbour::new(now, peer, dialled, self.config.credit_start));
        out.push(Output::Send(link, self.hello()));
        if self.uploads.is_sharing() {
            out.push(Output::Send(link, Message::Have(self.full_report())));
        }
        if let Some((_, playing)) = self.told {
            out.push(Output::Send(link, Message::Playing(playing)));
        }
    }

    fn link_down(&mut self, link: Link) {
        if self.links.remove(&link).is_some() {
            self.uploads.drop_link(link);
        }
    }

    pub(crate) fn hang_up(&mut self, link: Link, why: Hangup, out: &mut Vec<Output>) {
        self.link_down(link);
        out.push(Output::Hangup(link, why));
    }

    fn drop_forger(&mut self, link: Link, out: &mut Vec<Output>) {
        if let Some(neighbour) = self.links.get(&link) {
            self.meet.shun(neighbour.peer, None);
            self.hang_up(link, Hangup::Forger, out);
        }
    }

    fn message(&mut self, now: Time, link: Link, message: Message, out: &mut Vec<Output>) {
        let (Some(film), Some(neighbour)) = (&self.film, self.links.get_mut(&link)) else { return };
        match message {
            Message::Hello(hello) => {
                if hello.version != VERSION || hello.swarm != film.swarm {
                    self.meet.shun(neighbour.peer, Some(now + Duration::from_secs(600)));
                    self.hang_up(link, Hangup::Stranger, out);
                    return;
                }
                neighbour.greeted = true;
                neighbour.upload_kbps = hello.upload_kbps;
            }
            Message::Have(have) => neighbour.learn(film, now, &have),
            Message::Playing(playing) => neighbour.playing = Some(playing),
            Message::Request { id, segment, piece, within_ms, leaves } => {
                let why = match () {
                    () if !self.uploads.is_sharing() => Some(Refusal::NotSharing),
                    () if !self.store.has(segment, piece) => Some(Refusal::Absent),
                    () if self.uploads.waiting(link) >= self.config.serve_queue_max => Some(Refusal::Busy),
                    () => None,
                };
                match why {
                    Some(why) => out.push(Output::Send(link, Message::Refuse { id, why })),
                    None => self.uploads.push(Waiting {
                        link,
                        id,
                        segment,
                        piece,
                        leaves,
                        bytes: film.piece_size(segment, piece),
                        due: now + Duration::from_millis(u64::from(within_ms.min(600_000))),
                    }),
                }
            }
            Message::Cancel { id } => self.uploads.cancel(link, id),
            Message::Refuse { id, why } => {
                let Some(asked) = neighbour.forget(id) else { return };
                match why {
                    Refusal::Absent => {
                        neighbour.unlearn(asked.segment, asked.piece);
                        neighbour.strikes += 1;
                    }
                    Refusal::Busy => neighbour.rest_until = now + Duration::from_millis(300),
                    Refusal::NotSharing => neighbour.upload_kbps = 0,
                }
                self.drop_if_useless(now, link, out);
            }
            Message::Goodbye => self.hang_up(link, Hangup::Full, out),
        }
    }

    /// Closes a link that has failed too often in a row; its peer may come back after a minute.
    pub(crate) fn drop_if_useless(&mut self, now: Time, link: Link, out: &mut Vec<Output>) {
        if let Some(neighbour) = self.links.get(&link)
            && neighbour.strikes >= self.config.strikes_max
        {
            self.meet.shun(neighbour.peer, Some(now + Duration::from_secs(60)));
            self.hang_up(link, Hangup::Unresponsive, out);
        }
    }

    fn arrived(
        &mut self,
        now: Time,
        segment: SegmentId,
        piece: u32,
        from: Source,
        verdict: Verdict,
        out: &mut Vec<Output>,
    ) {
        let Some(film) = &self.film else { return };
        let bytes = film.piece_size(segment, piece);
        if bytes == 0 {
            return;
        }
        if let Source::Peer(link) = from
            && let Some(neighbour) = self.links.get_mut(&link)
            && let Some(asked) = neighbour.find(segment, piece).and_then(|id| neighbour.forget(id))
            && verdict == Verdict::Verified
        {
            neighbour.answered(now, &asked, self.config.credit_start, self.config.credit_max);
            neighbour.bytes_in += u64::from(bytes);
        }
        if from == Source::Origin {
            self.origin.arrived(segment);
        }
        if verdict == Verdict::Forged {
            self.refused += 1;
            if let Source::Peer(link) = from {
                self.drop_forger(link, out);
            }
            return;
        }
        if !self.store.insert(film, segment, piece) {
            self.duplicates += u64::from(bytes);
            return;
        }
        self.path.arrived(bytes);
        if self.viewer.is_wanted(segment) && self.store.is_whole(segment) {
            self.viewer.delivered(film, segment);
            out.push(Output::Deliver(segment));
        }
        self.withdraw(segment, piece, out);
    }

    /// Takes back every other request for a piece that has come.
    pub(crate) fn withdraw(&mut self, segment: SegmentId, piece: u32, out: &mut Vec<Output>) {
        for (&link, neighbour) in &mut self.links {
            if let Some(id) = neighbour.find(segment, piece) {
                neighbour.forget(id);
                out.push(Output::Send(link, Message::Cancel { id }));
            }
        }
    }

    fn serve(&mut self, now: Time, out: &mut Vec<Output>) {
        let in_flight_max = self.config.serve_in_flight_max;
        loop {
            let links = &self.links;
            let in_flight: u32 = links.values().map(|n| LINK_ROOM.saturating_sub(n.room)).sum();
            if in_flight >= in_flight_max {
                return;
            }
            let takes = |w: &Waiting| links.get(&w.link).is_some_and(|n| n.room >= w.bytes);
            let Some(w) = self.uploads.next(now, takes) else { return };
            if let Some(neighbour) = self.links.get_mut(&w.link) {
                neighbour.room -= w.bytes;
                neighbour.bytes_out += u64::from(w.bytes);
            }
            let Waiting { link, id, segment, piece, leaves, .. } = w;
            out.push(Output::SendPiece { link, id, segment, piece, leaves });
        }
    }

    /// Tells neighbours what has changed: holdings, fetches, playhead.
    fn report(&mut self, now: Time, out: &mut Vec<Output>) {
        let due = now.since(self.reported) >= self.config.have_every;
        if self.uploads.is_sharing() && (due || self.fetching_changed) {
            let changes = self.store.report_changes();
            if changes.is_some() || self.fetching_changed {
                let fetching = self.origin.fetches.keys().copied().collect();
                let have = Have { fetching, ..changes.unwrap_or_default() };
                out.extend(self.links.keys().map(|&link| Output::Send(link, Message::Have(have.clone()))));
            }
            self.fetching_changed = false;
            self.reported = now;
        }
        let playing = Playing {
            position_ms: millis(self.viewer.player.position),
            window_end_ms: millis(self.viewer.window_end(&self.config)),
            video: self.viewer.rendition(Kind::Video).unwrap_or(255),
            audio: self.viewer.rendition(Kind::Audio).unwrap_or(255),
        };
        let stale = match &self.told {
            None => true,
            Some((_, told)) if (told.video, told.audio) != (playing.video, playing.audio) => true,
            Some((_, told)) if told.position_ms.abs_diff(playing.position_ms) > 5000 => true,
            Some((at, told)) => now.since(*at) >= Duration::from_secs(1) && told != &playing,
        };
        if stale {
            self.told = Some((now, playing));
            out.extend(self.links.keys().map(|&link| Output::Send(link, Message::Playing(playing))));
        }
    }

    fn gather(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(peer) = self.meet.next_dial(&self.config, now, self.links.len()) {
            out.push(Output::Dial(peer));
        }
        if let Some(want) = self.meet.next_announce(&self.config, now, self.links.len()) {
            out.push(Output::Announce { want });
        }
    }

    /// Makes room when too much is held: what lies behind the viewer and is held by most neighbours goes first.
    fn evict(&mut self, out: &mut Vec<Output>) {
        let Some(film) = &self.film else { return };
        while self.store.bytes > self.config.store_max {
            let keep_from = self.viewer.player.position.saturating_sub(Duration::from_secs(10));
            let window_end = self.viewer.window_end(&self.config);
            let spare = |segment: &SegmentId| {
                let start = film.start(*segment);
                !self.viewer.is_wanted(*segment) && !(keep_from..window_end).contains(&start)
            };
            let copies = |segment: SegmentId| self.links.values().filter(|n| n.holds_any(segment)).count();
            let Some(segment) =
                self.store.segments().filter(spare).max_by_key(|&s| (copies(s), core::cmp::Reverse(s)))
            else {
                return;
            };
            self.store.remove(film, segment);
            out.push(Output::Evict(segment));
        }
    }
}

/// Room of a link that has nothing queued; drivers report room up to this.
pub(crate) const LINK_ROOM: u32 = 128 * 1024;

fn millis(span: Duration) -> u32 {
    span.as_millis().min(u128::from(u32::MAX)) as u32
}
