//! The seeder's task: viewers of every swarm on one socket, each with its conversation. Its invariant: a conversation is told
//! only of segments of its own swarm.

mod leave;

use super::filler::{Filler, News};
use super::names::Names;
use super::{Error, Options, SeedStats, fetch, hls};
use crate::cache::Cache;
use crate::links::{self, Links};
use crate::log::Short;
use crate::pml::identity::{self, Family, Variant};
use crate::pml::peer_id;
use crate::pml::session::{Action, Config, Holdings, Input, Session};
use crate::pml::wire::{SegmentId, is_framed};
use crate::tracker::{self, Role, Trackers};
use crate::uplink::{Cap, Stream};
use bytes::Bytes;
use manifest::Hash;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use swarm::{Link, PeerId};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

/// News that may wait.
const NEWS_MAX: usize = 256;
/// Segments fetched at a time.
const FETCHES: usize = 2;
/// Offers whose swarm is remembered.
const OFFERS_MAX: usize = 4096;
/// How often it is looked whether all is sent, while it drains.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the handle asks for.
#[derive(Debug)]
pub(super) enum Call {
    Stats(oneshot::Sender<SeedStats>),
    /// To be answered when nothing is being sent any more.
    Drain(oneshot::Sender<()>),
    /// To be answered when all goodbyes are said.
    Leave(oneshot::Sender<()>),
}

/// Reads the presentation, joins its swarms, and begins to fetch it.
pub(super) async fn start(options: Options) -> Result<mpsc::Sender<Call>, Error> {
    let client = fetch::client()?;
    let presentation = hls::open(&client, &options.hls).await?;
    let send_buffer = options.links.send_buffer;
    let (links, link_events) = Links::open(options.links).await?;
    let (said, heard) = mpsc::channel(NEWS_MAX);
    let me = peer_id();
    let variants: Vec<Variant> = presentation.renditions.iter().map(|r| r.variant.clone()).collect();
    let mut swarms = Vec::new();
    for family in options.families {
        // The last family asks for the address as pages name it, the others for where it is found.
        let address = if family == Family::C { &options.hls } else { &presentation.found_at };
        let name = options.swarm_id.as_deref().unwrap_or_else(|| identity::swarm_id(address.as_str()));
        for (rendition, named) in identity::swarms(family, name, &variants).into_iter().enumerate() {
            tracing::info!(stream = named.stream_id, info_hash = %named.info_hash, "joining");
            let config = tracker::Config::new(options.trackers.clone(), *named.info_hash.as_bytes(), me);
            let config = tracker::Config { role: Role::Seed, pass: options.pass.clone(), ..config };
            let (trackers, mut events) = Trackers::join(config);
            trackers.announce(0);
            let (at, said) = (swarms.len(), said.clone());
            tokio::spawn(async move {
                while let Some(event) = events.recv().await {
                    if said.send((at, event)).await.is_err() {
                        break;
                    }
                }
            });
            swarms.push(Swarm {
                family,
                rendition,
                trackers,
                roots: BTreeMap::new(),
                holdings: Holdings::new([], []),
            });
        }
    }
    let (told, news) = mpsc::channel(NEWS_MAX);
    let turns = Arc::new(Semaphore::new(FETCHES));
    let names = Arc::new(Names::open(&options.names).map_err(Error::Names)?);
    let caps = options.uplink.caps();
    let when = options.metered.then(|| caps.clone());
    let filler = Filler { client, cache: options.cache.clone(), names, turns, news: told, when };
    let count = presentation.renditions.len();
    let mut losses = Vec::with_capacity(count);
    let fillers: Vec<_> = presentation
        .renditions
        .into_iter()
        .enumerate()
        .map(|(at, rendition)| {
            let (lose, lost) = mpsc::channel(NEWS_MAX);
            losses.push(lose);
            tokio::spawn(filler.clone().run(at, rendition, lost))
        })
        .collect();
    let (read, reads) = mpsc::channel(NEWS_MAX);
    let driver = Driver {
        stream: options.uplink.stream(links.clone()),
        cap: *caps.borrow(),
        links,
        cache: options.cache,
        started: Instant::now(),
        send_buffer,
        swarms,
        listings: vec![None; count],
        losses,
        peers: BTreeMap::new(),
        offers: VecDeque::new(),
        draining: None,
        is_leaving: false,
        may_upload: true,
        read,
        stats: SeedStats::default(),
    };
    let (calls, asked) = mpsc::channel(16);
    let inbox = Inbox { calls: asked, links: link_events, trackers: heard, news, reads, caps };
    tokio::spawn(async move {
        let told = driver.run(inbox).await;
        fillers.iter().for_each(tokio::task::JoinHandle::abort);
        drop(told);
    });
    Ok(calls)
}

struct Inbox {
    calls: mpsc::Receiver<Call>,
    links: mpsc::Receiver<links::Event>,
    trackers: mpsc::Receiver<(usize, tracker::Event)>,
    news: mpsc::Receiver<(usize, News)>,
    reads: mpsc::Receiver<Read>,
    caps: watch::Receiver<Cap>,
}

/// A segment for a conversation.
struct Read {
    link: Link,
    segment: SegmentId,
    bytes: Option<Bytes>,
}

struct Swarm {
    family: Family,
    rendition: usize,
    trackers: Trackers,
    /// The segments held, with their numbers in the playlist.
    roots: BTreeMap<SegmentId, (u64, Hash)>,
    holdings: Arc<Holdings>,
}

struct Peer {
    swarm: usize,
    session: Session,
}

/// What a rendition's playlist says: whether it has ended, its first sequence number, how many segments it lists.
type Listed = Option<(bool, u64, u64)>;

struct Driver {
    links: Links,
    stream: Stream,
    cap: Cap,
    cache: Cache,
    started: Instant,
    send_buffer: usize,
    swarms: Vec<Swarm>,
    listings: Vec<Listed>,
    /// Where to say which segments of a rendition were damaged in the cache.
    losses: Vec<mpsc::Sender<u64>>,
    peers: BTreeMap<Link, Peer>,
    /// The swarm of each offer that is being answered, the oldest first.
    offers: VecDeque<((PeerId, String), usize)>,
    /// Who waits for all to be sent, once nobody new is taken.
    draining: Option<oneshot::Sender<()>>,
    is_leaving: bool,
    /// Whether the trackers let us.
    may_upload: bool,
    read: mpsc::Sender<Read>,
    stats: SeedStats,
}

impl Driver {
    /// Until it is told to leave, or nobody is there any more to tell it; who told it waits for what is returned to be dropped.
    async fn run(mut self, mut inbox: Inbox) -> Option<oneshot::Sender<()>> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let told = loop {
            tokio::select! {
                call = inbox.calls.recv() => match call {
                    None => break None,
                    Some(Call::Leave(told)) => break Some(told),
                    Some(Call::Drain(told)) => self.drain(told),
                    Some(Call::Stats(answer)) => {
                        let _ = answer.send(self.stats()); // who asked may have gone
                    }
                },
                event = inbox.links.recv() => match event {
                    Some(event) => self.link(event),
                    None => break None,
                },
                Some((swarm, event)) = inbox.trackers.recv() => self.tracker(swarm, event),
                Some((rendition, news)) = inbox.news.recv() => self.news(rendition, news),
                Some(Read { link, segment, bytes }) = inbox.reads.recv() => {
                    if bytes.is_none() {
                        self.lose(link, segment);
                    }
                    self.handle(link, Input::Read { segment, bytes });
                }
                Ok(()) = inbox.caps.changed() => {
                    self.cap = *inbox.caps.borrow_and_update();
                    if self.cap == Cap::Nothing {
                        self.hang_up_all();
                    }
                }
                _ = look.tick(), if self.draining.is_some() => {
                    if self.peers.iter().all(|(link, peer)| self.is_idle(*link, peer)) {
                        self.draining = None;
                    }
                }
            }
        };
        self.hang_up_all();
        let goodbyes = self.swarms.into_iter().map(|swarm| swarm.trackers.leave());
        futures_util::future::join_all(goodbyes).await;
        told
    }

    fn stats(&self) -> SeedStats {
        let listed = self.listings.iter().flatten().map(|(_, _, count)| count).sum();
        let knows_all = self.listings.iter().all(Option::is_some);
        SeedStats { listed, knows_all, peers: self.peers.len(), swarms: self.swarms.len(), ..self.stats }
    }

    fn tracker(&mut self, swarm: usize, event: tracker::Event) {
        match event {
            tracker::Event::Offer { from, offer_id, sdp } if self.is_open() => {
                self.offers.push_back(((from, offer_id.clone()), swarm));
                if self.offers.len() > OFFERS_MAX {
                    self.offers.pop_front();
                }
                self.links.offer(from, offer_id, sdp);
            }
            // It is the same in all swarms, for it is about where we are.
            tracker::Event::MayUpload(may) => {
                tracing::warn!(event = "may_upload", may, "the tracker's operator has a rule for this place");
                self.may_upload = may;
                if !may {
                    self.hang_up_all();
                }
            }
            _ => {}
        }
    }

    /// The swarm in which an offer came.
    fn swarm_of(&self, peer: PeerId, offer_id: &str) -> Option<usize> {
        self.offers
            .iter()
            .rev()
            .find(|((from, id), _)| *from == peer && id == offer_id)
            .map(|(_, swarm)| *swarm)
    }

    fn link(&mut self, event: links::Event) {
        match event {
            links::Event::Answer { to, offer_id, sdp } => {
                if let Some(swarm) = self.swarm_of(to, &offer_id) {
                    self.swarms[swarm].trackers.answer(to, &offer_id, &sdp);
                }
            }
            links::Event::Up { link, .. } if !self.is_open() => self.links.hang_up(link),
            links::Event::Up { link, peer, offer_id, .. } => {
                let Some(swarm) = self.swarm_of(peer, &offer_id) else { return self.links.hang_up(link) };
                tracing::info!(event = "link_up", link = link.0, peer = %Short(peer), "a viewer has come");
                let mut actions = Vec::new();
                let holdings = self.swarms[swarm].holdings.clone();
                let session = Session::open(Config::default(), holdings, &mut actions);
                self.peers.insert(link, Peer { swarm, session });
                self.carry_out(link, actions);
            }
            links::Event::Down(link) => {
                tracing::info!(event = "link_down", link = link.0, "a viewer has gone");
                self.stream.forget(link);
                self.peers.remove(&link);
            }
            links::Event::Message(link, message) => self.handle(link, Input::Message(message)),
            links::Event::Room(link, _) => {
                let buffered = self.send_buffer.saturating_sub(self.stream.room(link) as usize);
                self.handle(link, Input::Room { buffered });
            }
            // A seeder dials nobody.
            links::Event::Offer { .. } | links::Event::DialFailed(_) => {}
        }
    }

    fn news(&mut self, rendition: usize, news: News) {
        match news {
            _ if self.is_leaving => {}
            News::Listed { ended, sequence, count } => {
                self.listings[rendition] = Some((ended, sequence, count));
            }
            News::Held { number, root, bytes } => {
                self.stats.held += 1;
                self.stats.from_origin += bytes;
                self.change(rendition, number, Some(root));
            }
            News::Gone { number } => {
                self.stats.held -= 1;
                self.change(rendition, number, None);
            }
        }
    }

    /// Takes a segment into the swarms of its rendition, or out of them, and lets their viewers know.
    fn change(&mut self, rendition: usize, number: u64, root: Option<Hash>) {
        let Some((ended, sequence, _)) = self.listings[rendition] else { return };
        for at in 0..self.swarms.len() {
            let swarm = &mut self.swarms[at];
            if swarm.rendition != rendition {
                continue;
            }
            let first = if ended { sequence } else { number };
            let Ok(index) = u32::try_from(number - first.min(number)) else { continue };
            let Some(segment) = identity::segment_id(swarm.family, ended, first, index) else { continue };
            match root {
                Some(root) => swarm.roots.insert(segment, (number, root)),
                None => swarm.roots.remove(&segment),
            };
            swarm.holdings = Holdings::new(swarm.roots.keys().copied(), []);
            let holdings = swarm.holdings.clone();
            let viewers: Vec<Link> =
                self.peers.iter().filter(|(_, peer)| peer.swarm == at).map(|(link, _)| *link).collect();
            for link in viewers {
                self.handle(link, Input::Holdings(holdings.clone()));
            }
        }
    }

    fn handle(&mut self, link: Link, input: Input) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let mut actions = Vec::new();
        peer.session.handle(self.started.elapsed(), input, &mut actions);
        self.carry_out(link, actions);
    }

    fn carry_out(&mut self, link: Link, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(message) => {
                    self.stats.to_peers += message.len() as u64;
                    // The end of a segment must not come before its last chunk.
                    if is_framed(&message) {
                        self.stream.send_behind(link, message);
                    } else {
                        self.stream.send(link, message);
                    }
                }
                Action::Read(segment) => self.bring(link, segment),
                Action::Close(why) => {
                    tracing::info!(event = "link_down", link = link.0, why = %why, "hanging up");
                    self.peers.remove(&link);
                    self.stream.hang_up(link);
                }
                // It asks for nothing.
                Action::Announced | Action::Received { .. } | Action::Missed { .. } => {}
            }
        }
    }

    /// A segment is not in the cache as it was put there: it is fetched again.
    fn lose(&mut self, link: Link, segment: SegmentId) {
        let Some(peer) = self.peers.get(&link) else { return };
        let swarm = &self.swarms[peer.swarm];
        let Some((number, _)) = swarm.roots.get(&segment).copied() else { return };
        let rendition = swarm.rendition;
        if self.is_leaving {
            return;
        }
        tracing::warn!(rendition, number, "damaged in the cache; it is fetched again");
        // Where the filler is too busy to hear it, the segment stays out.
        let _ = self.losses[rendition].try_send(number);
        self.stats.held -= 1;
        self.change(rendition, number, None);
    }

    fn bring(&self, link: Link, segment: SegmentId) {
        let held = self.peers.get(&link).and_then(|peer| self.swarms[peer.swarm].roots.get(&segment));
        let root = held.map(|(_, root)| *root);
        let (cache, read) = (self.cache.clone(), self.read.clone());
        tokio::spawn(async move {
            let bytes = match root {
                Some(root) => cache.get(&root).await,
                None => None,
            };
            let _ = read.send(Read { link, segment, bytes }).await; // the seeder may have left
        });
    }
}

/// A name such as those releases have that are met most.
fn peer_id() -> PeerId {
    let mut random = [0; 12];
    getrandom::fill(&mut random).expect("the system has randomness");
    PeerId(*peer_id::PeerId::new(2, 3, random).as_bytes())
}
