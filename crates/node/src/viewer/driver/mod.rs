//! Carries out what the session wants. Its invariant: the store holds only pieces that the session has named as verified.

mod disk;
mod fetch;
mod heads;
mod leave;
mod meet;
mod wanted;

use super::watched::Watched;
use super::{Options, Stats, new_peer_id};
use crate::links::{self, Links};
use crate::log::Short;
use crate::origin::Origin;
use crate::playback::Playback;
use crate::shelf::Found;
use crate::store::Store;
use crate::tracker::{self, Role, Trackers};
use crate::uplink::{Cap, Stream};
use bytes::{BufMut, Bytes, BytesMut};
use disk::Disk;
use fetch::{Fetch, Fetched};
use heads::{Answered, Heads};
use manifest::SegmentId;
use session::{Order, Place, Session};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swarm::{Config, Link, Player, Source, Time};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use wanted::{Answer, Waiting};

/// How often the session hears where the player is.
const PLAYER_EVERY: Duration = Duration::from_millis(250);
/// Pieces of all fetches that may wait to be checked: at 64 KiB each, 4 MiB.
const FETCHED_MAX: usize = 64;
/// What a handle asks for.
#[derive(Debug)]
pub(super) enum Call {
    Segment(SegmentId, Answer),
    Ahead(SegmentId),
    Player(Player),
    Stats(oneshot::Sender<Stats>),
    /// To be answered when nothing is being sent any more.
    Drain(oneshot::Sender<()>),
    Leave,
}

pub(super) struct Driver {
    watched: Watched,
    origin: Origin,
    session: Session,
    /// Of a live stream.
    heads: Option<Heads>,
    store: Store,
    /// Where a keeper has what it keeps.
    disk: Option<Disk>,
    /// What was there at the start.
    found: Found,
    links: Links,
    stream: Stream,
    send_buffer: usize,
    trackers: Option<Trackers>,
    started: Instant,
    playback: Playback,
    /// Where the player says it is, if it says.
    player: Option<Player>,
    waiting: Waiting,
    fetches: BTreeMap<SegmentId, Fetch>,
    fetch_number: u64,
    stats: Stats,
    neighbours: BTreeSet<Link>,
    /// Who waits for all to be sent, once nobody new is taken.
    draining: Option<oneshot::Sender<()>>,
    is_leaving: bool,
    /// Whether the trackers let us.
    may_upload: bool,
    fetched: mpsc::Sender<Fetched>,
    inbox: Inbox,
}

/// Where news comes from.
struct Inbox {
    links: mpsc::Receiver<links::Event>,
    trackers: Option<mpsc::Receiver<tracker::Event>>,
    fetched: mpsc::Receiver<Fetched>,
    disk: Option<mpsc::Receiver<disk::News>>,
    heads: Option<mpsc::Receiver<Answered>>,
    caps: watch::Receiver<Cap>,
}

impl Driver {
    pub(super) async fn start(
        watched: Watched,
        origin: Origin,
        options: Options,
    ) -> Result<Self, links::Error> {
        let me = new_peer_id();
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the system has randomness");
        let send_buffer = options.links.send_buffer;
        let (links, link_events) = Links::open(options.links).await?;
        let (trackers, tracker_events) = if options.trackers.is_empty() {
            (None, None)
        } else {
            let config = tracker::Config::new(options.trackers, watched.swarm_id(), me);
            let role = if options.keeps.is_some() { Role::Edge } else { Role::Viewer };
            let upload_kbps = options.uplink.caps().borrow().core() / 125;
            let config = tracker::Config { role, upload_kbps, pass: options.pass, ..config };
            let (trackers, events) = Trackers::join(config);
            (Some(trackers), Some(events))
        };
        let (fetched, fetched_events) = mpsc::channel(FETCHED_MAX);
        let caps = options.uplink.caps();
        let role = match (&options.keeps, options.metered) {
            (Some(_), _) => Config::keeper(),
            (None, true) => metered(),
            (None, false) => Config::default(),
        };
        let config = Config { upload: caps.borrow().core(), ..role };
        let session = session::Options { me, seed: u64::from_le_bytes(seed), config, record: false };
        let mut found = Found::default();
        let (disk, disk_news) = match options.keeps {
            Some(shelf) => {
                found = shelf.found().await;
                let (disk, news) = Disk::new(shelf, &found);
                (Some(disk), Some(news))
            }
            None => (None, None),
        };
        let (heads, answered) = match &watched {
            Watched::Film(_) => (None, None),
            Watched::Live(stream) => {
                let (heads, answered) = Heads::new(stream.clone(), origin.clone());
                (Some(heads), Some(answered))
            }
        };
        // Media of an earlier stream in the same folder has the same names.
        let origin = match &watched {
            Watched::Film(_) => origin,
            Watched::Live(stream) => origin.with_version(stream.born_ms()),
        };
        Ok(Self {
            session: watched.session(session),
            watched,
            origin,
            heads,
            store: Store::default(),
            disk,
            found,
            stream: options.uplink.stream(links.clone()),
            links,
            send_buffer,
            trackers,
            started: Instant::now(),
            playback: Playback::default(),
            player: None,
            waiting: Waiting::default(),
            fetches: BTreeMap::new(),
            fetch_number: 0,
            stats: Stats::default(),
            neighbours: BTreeSet::new(),
            draining: None,
            is_leaving: false,
            may_upload: true,
            fetched,
            inbox: Inbox {
                links: link_events,
                trackers: tracker_events,
                fetched: fetched_events,
                disk: disk_news,
                heads: answered,
                caps,
            },
        })
    }

    /// Until it is told to leave, or nobody is there any more to tell it.
    pub(super) async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        self.carry_out(&Bytes::new());
        let found = std::mem::take(&mut self.found);
        self.hold(found);
        let mut player_at = Instant::now();
        loop {
            let wake_at = self.session.wake_at().map(|at| self.started + Duration::from_micros(at.0));
            let is_behind = self.disk.as_ref().is_some_and(Disk::is_behind);
            let inbox = &mut self.inbox;
            tokio::select! {
                call = calls.recv() => match call {
                    None | Some(Call::Leave) => break,
                    Some(call) => self.call(call),
                },
                Some(event) = inbox.links.recv() => self.link(event),
                Some(event) = next(&mut inbox.trackers) => self.tracker(event),
                Some(news) = inbox.fetched.recv(), if !is_behind => self.fetched(news),
                Some(news) = next(&mut inbox.disk) => self.disk_news(news),
                Some(news) = next(&mut inbox.heads) => self.answered(news),
                Ok(()) = inbox.caps.changed() => self.share(),
                () = at(wake_at) => self.feed(|session, now| session.wake(now)),
                () = sleep_until(player_at) => {
                    player_at = Instant::now() + PLAYER_EVERY;
                    self.look();
                    self.look_at_disk().await;
                }
            }
        }
        self.fetches.values().for_each(|fetch| fetch.task.abort());
        self.say_goodbye().await;
    }

    fn now(&self) -> Time {
        Time(self.started.elapsed().as_micros() as u64)
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Segment(segment, answer) => self.want(segment, answer),
            Call::Ahead(segment) => self.want_ahead(segment),
            Call::Player(player) => {
                self.player = Some(player);
                self.look();
            }
            Call::Stats(answer) => {
                let snapshot = self.session.snapshot();
                let trackers = self.trackers.as_ref().map_or(0, Trackers::connected);
                let now =
                    Stats { held: snapshot.held_bytes, peers: snapshot.links.len(), trackers, ..self.stats };
                let _ = answer.send(now); // who asked may have gone
            }
            Call::Drain(told) => self.drain(told),
            Call::Leave => {}
        }
    }

    fn link(&mut self, event: links::Event) {
        match event {
            links::Event::Offer { to, offer_id, sdp } => self.offer(to, offer_id, sdp),
            links::Event::Answer { to, offer_id, sdp } => self.answer_offer(to, &offer_id, sdp),
            links::Event::Up { link, .. } if self.is_leaving => self.links.hang_up(link),
            links::Event::Up { link, peer, dialled, .. } => {
                tracing::info!(event = "link_up", link = link.0, peer = %Short(peer), dialled, "a neighbour has come");
                self.neighbours.insert(link);
                self.feed(|session, now| session.link_up(now, link, peer, dialled));
            }
            links::Event::Down(link) => {
                tracing::info!(event = "link_down", link = link.0, "a neighbour has gone");
                self.neighbours.remove(&link);
                self.stream.forget(link);
                self.feed(|session, now| session.link_down(now, link));
            }
            links::Event::Message(link, message) => {
                let now = self.now();
                self.session.message(now, link, &message);
                self.carry_out(&message);
            }
            links::Event::Room(link, _) => {
                let room = self.room(link);
                self.feed(|session, now| session.link_room(now, link, room));
            }
            links::Event::DialFailed(peer) => self.feed(|session, now| session.dial_failed(now, peer)),
        }
    }

    fn feed(&mut self, call: impl FnOnce(&mut Session, Time)) {
        let now = self.now();
        call(&mut self.session, now);
        self.carry_out(&Bytes::new());
    }

    /// Bytes that a link takes now, without what is on its way from the disk.
    fn room(&self, link: Link) -> u32 {
        let due = self.disk.as_ref().map_or(0, |disk| disk.due_bytes(link));
        self.stream.room(link).saturating_sub(due)
    }

    /// Does what the last call wants; `message` is what it was given.
    fn carry_out(&mut self, message: &Bytes) {
        loop {
            self.carry_out_once(message);
            let Some((link, id)) = self.disk.as_mut().and_then(Disk::next_absent) else { break };
            let now = self.now();
            self.session.absent(now, link, id);
        }
    }

    fn carry_out_once(&mut self, message: &Bytes) {
        for order in self.session.take_orders() {
            match order {
                // The wire wants no order between pieces and what else is said.
                Order::Send(link, bytes) => self.stream.send_first(link, bytes.into()),
                Order::SendPiece { link, id, head, segment, piece } => {
                    if let Some(payload) = self.store.piece(segment, piece) {
                        let mut bytes = BytesMut::with_capacity(head.len() + payload.len());
                        bytes.put_slice(&head);
                        bytes.put_slice(payload);
                        self.stats.to_peers += payload.len() as u64;
                        self.stream.send(link, bytes.freeze());
                    } else {
                        self.send_from_disk(link, id, &head, segment, piece);
                    }
                }
                Order::Dial(_) if self.is_leaving => {}
                Order::Dial(peer) => self.links.dial(peer),
                Order::Signal(signal) => self.carried(signal),
                Order::Hangup(link, why) => {
                    tracing::info!(event = "link_down", link = link.0, ?why, "hanging up");
                    self.neighbours.remove(&link);
                    self.stream.hang_up(link);
                }
                Order::Fetch { segment, first, end } => self.fetch(segment, first, end, false),
                Order::CancelFetch(segment) => self.cancel(segment),
                Order::Deliver(segment) => self.deliver(segment),
                Order::Evict(segment) => self.stats.wasted += self.store.drop(segment),
                Order::Announce(want) => {
                    if let Some(trackers) = &self.trackers {
                        trackers.announce(want);
                    }
                }
                Order::Keep { segment, piece, place, len } => self.keep(segment, piece, place, len, message),
                Order::Refused { from, segment, len, .. } => {
                    tracing::warn!(?from, ?segment, "a piece failed the check");
                    // What the origin gave is counted when its fetch ends.
                    if let Source::Peer(_) = from {
                        self.stats.refused += u64::from(len);
                    }
                }
                Order::AskHeads { epoch, number } => self.ask_heads(epoch, number),
                Order::Told { part, start_ms, duration_ms, cut } => {
                    self.told(part, start_ms, duration_ms, cut);
                }
                Order::Dropped(from, len) => {
                    if let Source::Peer(_) = from {
                        self.stats.from_peers += u64::from(len);
                    }
                    self.stats.wasted += u64::from(len);
                }
            }
        }
    }

    fn keep(&mut self, segment: SegmentId, piece: u32, place: Place, len: u32, message: &Bytes) {
        let bytes = match place {
            Place::Message(at) => {
                self.stats.from_peers += u64::from(len);
                message.slice(at as usize..(at + len) as usize)
            }
            Place::Fetch => {
                let Some(fetch) = self.fetches.get_mut(&segment) else { return };
                let Some(bytes) = fetch.staged.remove(&piece) else { return };
                fetch.kept += u64::from(len);
                bytes
            }
            Place::Early(number) => {
                self.stats.from_peers += u64::from(len);
                Bytes::copy_from_slice(self.session.early(number))
            }
        };
        self.store.put(segment, piece, bytes);
        self.shelve(segment);
    }
}

/// How a viewer behaves whose line is paid by the byte: it gets what its player asks for and nothing else.
fn metered() -> Config {
    let none = Duration::ZERO;
    Config { window: none, prefetch: none, fetch_ahead: none, ..Config::default() }
}

async fn next<T>(events: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
