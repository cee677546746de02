//! The state machine: takes inputs in, lets the parts decide, and translates what they decide into outputs.

use crate::config::Config;
use crate::exchange::Exchange;
use crate::film::Film;
use crate::hurry::Hurry;
use crate::io::{Input, Link, Output, PeerId, Source, Verdict};
use crate::keep::{Kept, Offered};
use crate::late::Urgent;
use crate::live::Live;
use crate::meet::Meet;
use crate::neighbour::Neighbour;
use crate::origin::{Origin, Path};
use crate::slots::{Recent, Slots};
use crate::store::Store;
use crate::time::Time;
use crate::uploads::Uploads;
use crate::viewer::Viewer;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use manifest::SegmentId;
use wire::{Message, Playing};

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
    pub(crate) exchange: Exchange,
    pub(crate) uploads: Uploads,
    pub(crate) slots: Slots,
    pub(crate) seed: u64,
    pub(crate) live: Live,
    pub(crate) kept: Kept,
    /// The segments that are needed so soon that the origin is thought of.
    pub(crate) urgent: BTreeMap<SegmentId, Urgent>,
    /// Since when nobody is known to hold or fetch a segment of the window.
    pub(crate) orphaned: BTreeMap<SegmentId, Time>,
    /// What was missing when plans were last made.
    pub(crate) missing: Vec<SegmentId>,
    /// When plans were last made, and when they are made next unless something happens before.
    acted: Time,
    act_at: Time,
    pub(crate) reported: Time,
    /// Neighbours of late that were no help, or worse, in thousandths.
    pub(crate) let_down: Recent,
    /// When a connection last made room.
    pub(crate) room_made: Time,
    /// Up to when the pace of getting ahead is used up.
    pub(crate) ahead_until: Time,
    pub(crate) told: Option<(Time, Playing)>,
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
    /// See [`Peer::offered`].
    pub offered: Option<Offered>,
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
    /// Of a live stream, for each stripe how many peers lie between the origin and this one: 0 for a top, `None` where the stripe
    /// does not come down a tree.
    pub depths: Vec<Option<usize>>,
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
            exchange: Exchange::default(),
            uploads: Uploads::new(&config),
            slots: Slots::default(),
            seed,
            live: Live::new(config.topology.stripes.min(wire::MAX_STRIPES)),
            kept: Kept::default(),
            urgent: BTreeMap::new(),
            orphaned: BTreeMap::new(),
            missing: Vec::new(),
            acted: Time::default(),
            act_at: Time::default(),
            reported: Time::default(),
            let_down: Recent::default(),
            room_made: Time::default(),
            ahead_until: Time::default(),
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
        let hurry = self.hurry(&input);
        match input {
            Input::Wake => {}
            Input::Film(_) | Input::Live { .. } if self.film.is_some() => {}
            Input::Film(index) => self.film = Some(Film::new(index)),
            Input::Live { swarm, piece_len, kinds } => self.begin_live(swarm, piece_len, kinds),
            Input::Head { from, number, parts } => self.head(now, from, number, parts, out),
            Input::Player(player) => {
                self.viewer.moved(player);
                self.watch_keepers();
            }
            Input::Want(segment) => self.want(segment, out),
            Input::Unwant(segment) => self.viewer.unwant(segment),
            Input::Sharing(limit) => self.set_sharing(limit, out),
            Input::Audience(others) => self.meet.counted(now, others),
            Input::OriginRate(rate) => self.origin.seen(u64::from(rate)),
            Input::Strangers(peers) => {
                let linked: BTreeSet<PeerId> = self.links.values().map(|n| n.peer).collect();
                self.meet.heard(&self.config, now, &self.me, peers, &linked);
                self.exchange.drop_ways(peers);
            }
            Input::LinkUp { link, peer, dialled } => self.link_up(now, link, peer, dialled, out),
            Input::DialFailed(peer) => {
                self.meet.dial_ended(&peer);
            }
            Input::LinkRoom { link, room } => {
                if let Some(neighbour) = self.links.get_mut(&link) {
                    neighbour.drained(now, room);
                }
            }
            Input::LinkDown(link) => self.link_down(now, link),
            Input::Message(link, message) => self.message(now, link, message, out),
            Input::Signal(signal) => self.signal(now, signal, out),
            Input::Garbage(link) => self.drop_forger(now, link, out),
            Input::Arrived { segment, piece, from, verdict } => {
                self.arrived(now, segment, piece, from, verdict, out);
            }
            Input::Held(_) | Input::Lost(_) if !cfg!(feature = "keep") => {}
            Input::Held(segment) => self.held(segment, out),
            Input::Lost(segment) => self.lost(segment, out),
            Input::FetchEnded { segment, complete } => {
                if complete {
                    self.judge_line(now, segment);
                }
                self.origin.ended(now, segment, complete);
                self.fetching_changed = true;
            }
        }
        let due = match hurry {
            Hurry::Now => now,
            Hurry::Soon => self.act_at.min(self.acted + PAUSE),
            Hurry::No => self.act_at,
        };
        if due <= now {
            self.acted = now;
            self.act_at = now + self.act(now, out);
        } else {
            self.act_at = due;
        }
        self.serve(now, out);
        if !self.uploads.is_empty() {
            self.act_at = self.act_at.min(now + WATCH);
        }
        self.path.tick(now, self.is_busy());
        self.film.is_some().then_some(self.act_at)
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
            offered: self.offered(),
            held_bytes: self.store.bytes,
            duplicate_bytes: self.duplicates,
            refused: self.refused,
            wants: self.viewer.wants().count(),
            fetching: self.origin.fetches.values().filter(|fetch| fetch.left > 0).count(),
            depths: self.depths(),
        }
    }

    /// [`Snapshot::path_bps`] by itself.
    pub fn path_bps(&self) -> Option<u64> {
        self.path.bps()
    }

    /// How many neighbours hold a segment, in whole or in part.
    pub fn holders(&self, segment: SegmentId) -> u32 {
        self.links.values().filter(|n| n.holds_any(segment)).count() as u32
    }

    /// Whether the origin has too much to do to bring every viewer what it wants, as this peer and its neighbours see it, or has failed
    /// this one.
    pub fn origin_is_slow(&self, now: Time) -> bool {
        self.origin.is_slow(now) || self.origin.is_failing()
    }

    fn is_busy(&self) -> bool {
        !self.origin.fetches.is_empty() || self.links.values().any(|n| !n.asked.is_empty())
    }

    /// Everything that may be due by now; says after what time something may be due again.
    fn act(&mut self, now: Time, out: &mut Vec<Output>) -> Duration {
        if self.film.is_none() {
            return REST;
        }
        self.expire_requests(now, out);
        let let_down = core::mem::take(&mut self.meet.let_down);
        self.let_down.add(now, let_down * 1000);
        if self.is_live() {
            self.tend(now, out);
            self.ask_heads(now, out);
            self.drop_the_past(out);
        }
        let idle = self.plan(now, out);
        self.drop_silent(now, out);
        self.report(now, out);
        self.gather(now, out);
        self.evict(out);
        let open = self.links.values().any(|n| !n.asked.is_empty()) || !self.uploads.is_empty();
        match open || !idle {
            true if self.is_live() => WATCH_LIVE,
            true => WATCH,
            false => REST,
        }
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
        let mut pushed = false;
        if let Source::Peer(link) = from
            && let Some(neighbour) = self.links.get_mut(&link)
        {
            neighbour.heard = now;
            let asked = neighbour.find(segment, piece).and_then(|(id, _)| neighbour.forget(id));
            pushed = asked.is_none();
            if verdict == Verdict::Verified && (asked.is_some() || self.live.number > 0) {
                neighbour.brought(now, bytes);
            }
            match asked {
                Some(asked) if verdict == Verdict::Verified => {
                    neighbour.answered(now, &asked, self.config.credit_start, self.config.credit_max);
                }
                None if verdict == Verdict::Verified => {
                    neighbour.trust.good(now);
                    self.live.pushed(now, film, link, segment, piece);
                }
                _ => {}
            }
        }
        self.origin.line_brought(bytes);
        let over = match from {
            Source::Origin => self.origin.arrived(now, segment),
            Source::Peer(_) => {
                self.origin.neighbour_brought(now);
                Some(Duration::ZERO)
            }
        };
        if verdict == Verdict::Forged {
            self.refused += 1;
            if let Source::Peer(link) = from {
                self.drop_forger(now, link, out);
            }
            return;
        }
        if !self.store.insert(film, segment, piece) {
            self.duplicates += u64::from(bytes);
            return;
        }
        if let Some(over) = over {
            self.path.arrived(bytes, over);
        }
        if self.viewer.is_wanted(segment) && self.store.is_whole(segment) {
            self.viewer.delivered(film, segment);
            out.push(Output::Deliver(segment));
        }
        self.withdraw(segment, piece, out);
        if self.is_expected_below(now, segment, piece, pushed) {
            self.push(now, segment, piece);
        }
    }

    /// Takes back every other request for a piece that has come.
    pub(crate) fn withdraw(&mut self, segment: SegmentId, piece: u32, out: &mut Vec<Output>) {
        for (&link, neighbour) in &mut self.links {
            if let Some((id, _)) = neighbour.find(segment, piece) {
                neighbour.forget(id);
                out.push(Output::Send(link, Message::Cancel { id }));
            }
        }
    }

    fn gather(&mut self, now: Time, out: &mut Vec<Output>) {
        self.make_room(now, out);
        let links = self.useful_links(now);
        let known = &self.links;
        let links_by = |by| known.values().filter(|n| n.dialled && n.dealings.by == Some(by)).count();
        while let Some(peer) = self.meet.next_dial(&self.config, now, links, links_by) {
            out.push(Output::Dial(peer));
        }
        if let Some(want) = self.meet.next_announce(&self.config, now, links) {
            out.push(Output::Announce { want });
        }
        self.ask_neighbours(now, links, out);
    }
}

/// Between two rounds of planning, unless something pressing happens.
const PAUSE: Duration = Duration::from_millis(8);
/// The same while something is missing or was asked for, and while nothing is.
const WATCH: Duration = Duration::from_millis(50);
/// Of a live stream something always is missing: most of it is on its way.
const WATCH_LIVE: Duration = Duration::from_millis(100);
const REST: Duration = Duration::from_millis(250);
