//! Connections to other viewers: WebRTC data channels by str0m, all of them on one UDP socket, one reliable, ordered channel
//! each, set up without trickle so that any WebTorrent tracker can carry the offers. The native twin of
//! `player/src/links.ts`. It knows no tracker and decides nothing: who is dialled and what is said comes from outside.
//!
//! Where both peers are native, what carries a link is a QUIC stream instead, on the same socket and on the path that ICE
//! found. Whoever has the link need not know.
//!
//! Invariant: everything here has a bound, and whatever does not open in time is closed. A connection whose stack fails, even
//! by a panic, costs only itself.
//!
//! One task, the shard, owns the socket and all connections. Commands go in and [`Event`]s come out by channels. Nobody but
//! the owner of the events can hold it up: while they are not taken, nothing is received.

mod addresses;
mod connection;
mod demux;
mod identity;
mod outlet;
mod queue;
mod quic;
mod sdp;
mod shard;
mod signal;
mod socket;
mod stack;
mod stun;
mod table;
mod tcp;
mod timers;
mod transport;
mod turn;
mod webrtc;

pub use transport::{Transport, Transports};
pub use turn::TurnServer;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use swarm::{Link, PeerId};
use tokio::sync::mpsc;

/// Events that wait to be taken.
const EVENTS: usize = 256;
/// Bytes of commands that wait to be carried out, at least; and by connection.
const WAITING_BYTES: usize = 16 * 1024 * 1024;

/// How links are made.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of the UDP socket. Port 0 is any free port; the unspecified address is all interfaces of its family, and
    /// that of IPv6 is both families.
    pub bind: SocketAddr,
    /// Public addresses that lead to this host, to be offered besides those of its interfaces. The port is the socket's.
    pub external: Vec<IpAddr>,
    /// Connections at a time: pending and open ones.
    pub max_connections: usize,
    /// Bytes a link may have under way: sent but not yet acknowledged.
    pub send_buffer: usize,
    /// Where to listen for ICE over TCP, if at all.
    pub tcp: Option<SocketAddr>,
    /// STUN servers that are asked how this host looks from outside.
    pub stun: Vec<SocketAddr>,
    /// TURN servers, for peers that no other way leads to. The first that gives an address is used.
    pub turn: Vec<TurnServer>,
    /// Whether nothing but the address at a TURN server is offered and used, so that peers do not learn this host's own.
    /// Without such an address there are no links.
    pub relay_only: bool,
    /// Whether offers are answered as ICE-lite (RFC 8445, 2.5): this host waits for the checks of the other side and makes none.
    /// Only right where every datagram from anybody reaches it.
    pub lite: bool,
    /// How long a connection may take to open, from its offer on.
    pub open_within: Duration,
    /// Whether to speak QUIC with peers that do.
    pub quic: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::UNSPECIFIED, 0).into(),
            external: Vec::new(),
            max_connections: 64,
            send_buffer: 128 * 1024,
            tcp: None,
            stun: Vec::new(),
            turn: Vec::new(),
            relay_only: false,
            lite: false,
            open_within: Duration::from_secs(15),
            quic: true,
        }
    }
}

/// Why links cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The UDP socket.
    #[error("cannot bind a UDP socket to {0}: {1}")]
    Bind(SocketAddr, io::Error),
    /// The TCP socket.
    #[error("cannot listen on TCP {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The identity that all connections share.
    #[error("cannot make a certificate")]
    Certificate,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Deliver an offer. If that cannot be done, say so by [`Links::undeliverable`].
    Offer {
        /// To whom.
        to: PeerId,
        /// Its name: 20 letters and digits.
        offer_id: String,
        /// The description.
        sdp: String,
    },
    /// Deliver an answer.
    Answer {
        /// To whom.
        to: PeerId,
        /// The offer it answers.
        offer_id: String,
        /// The description.
        sdp: String,
    },
    /// A link is open.
    Up {
        /// Its name, which is never used again.
        link: Link,
        /// Who is at the other end, as far as the tracker says.
        peer: PeerId,
        /// Whether the offer was ours.
        dialled: bool,
        /// The offer that began it.
        offer_id: String,
    },
    /// A link is gone.
    Down(Link),
    /// A message came.
    Message(Link, Bytes),
    /// A link takes this many bytes before it would queue more than it should, without what was sent since: [`Links::room`]
    /// says how many it takes now. Reported when it is up, after messages were sent, and as it drains.
    Room(Link, u32),
    /// A dial led to nothing.
    DialFailed(PeerId),
}

/// What is wanted.
enum Command {
    Dial(PeerId),
    Offer {
        from: PeerId,
        offer_id: String,
        sdp: String,
    },
    Answer {
        from: PeerId,
        offer_id: String,
        sdp: String,
    },
    Undeliverable(String),
    Send(Link, Bytes),
    /// A message was lost on the way to the shard: the link is not reliable any more.
    Lose(Link),
    HangUp(Link),
}

/// A handle on all links of one peer. They end when the last handle is dropped, or the receiver of the events.
///
/// Commands never wait. Those with something in them share a budget of bytes until the shard takes them, 16 MiB or four
/// times what all links may have under way; an offer or an answer beyond it is dropped, as if it had been lost, and a message
/// beyond it takes its link down.
#[derive(Clone)]
pub struct Links {
    commands: mpsc::UnboundedSender<Command>,
    waiting: Arc<Waiting>,
    local: SocketAddr,
}

/// Bytes in commands that were not taken yet.
struct Waiting {
    bytes: AtomicUsize,
    limit: usize,
    /// Open links whose data goes by a TURN server.
    relayed: AtomicUsize,
    rooms: Mutex<BTreeMap<Link, Room>>,
}

/// What both sides of the commands know of a link.
struct Room {
    /// What carries it.
    transport: Transport,
    /// Bytes that it takes, as it was last told.
    free: usize,
    /// Bytes of messages on their way to the shard.
    coming: usize,
}

impl Waiting {
    fn add(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= self.limit;
        if !fits {
            self.take(bytes);
        }
        fits
    }

    fn take(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<Link, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was taken to its link.
    fn take_message(&self, link: Link, bytes: usize) {
        if let Some(room) = self.rooms().get_mut(&link) {
            room.coming = room.coming.saturating_sub(bytes);
            room.free = room.free.saturating_sub(bytes);
        }
    }
}

impl Links {
    /// Opens the sockets. With STUN servers it takes up to a second to learn what they say, with TURN servers up to two.
    pub async fn open(config: Config) -> Result<(Self, mpsc::Receiver<Event>), Error> {
        let (into, commands) = mpsc::unbounded_channel();
        let (events, out) = mpsc::channel(EVENTS);
        let limit = WAITING_BYTES.max(4 * config.max_connections * config.send_buffer);
        let waiting = Arc::new(Waiting {
            bytes: AtomicUsize::new(0),
            limit,
            relayed: AtomicUsize::new(0),
            rooms: Mutex::default(),
        });
        let shard = shard::Shard::open(config, events, waiting.clone()).await?;
        let local = shard.local_addr();
        tokio::spawn(shard.run(commands));
        Ok((Self { commands: into, waiting, local }, out))
    }

    /// Connects to a peer: leads to [`Event::Offer`], then to [`Event::Up`] or [`Event::DialFailed`]. While that peer's own
    /// offer is being answered there is none of ours: what comes of that one counts.
    pub fn dial(&self, peer: PeerId) {
        self.tell(Command::Dial(peer));
    }

    /// An offer came: leads to [`Event::Answer`] and perhaps [`Event::Up`]; to nothing if it is no good or there is no place.
    pub fn offer(&self, from: PeerId, offer_id: String, sdp: String) {
        if self.waiting.add(offer_id.len() + sdp.len()) {
            self.tell(Command::Offer { from, offer_id, sdp });
        }
    }

    /// An answer to an offer of ours came.
    pub fn answer(&self, from: PeerId, offer_id: String, sdp: String) {
        if self.waiting.add(offer_id.len() + sdp.len()) {
            self.tell(Command::Answer { from, offer_id, sdp });
        }
    }

    /// An offer of ours reached nobody.
    pub fn undeliverable(&self, offer_id: String) {
        if self.waiting.add(offer_id.len()) {
            self.tell(Command::Undeliverable(offer_id));
        }
    }

    /// Sends a message of at most [`wire::MAX_MESSAGE_BYTES`]; a longer one takes the link down, and so does more than 1 MiB
    /// that waits to be sent. Nothing happens if the link is gone, or if the message is empty: there is no such thing on the
    /// wire, and the stack would not get past it.
    pub fn send(&self, link: Link, message: Bytes) {
        if message.is_empty() {
            return;
        }
        match self.waiting.add(message.len()) {
            true => {
                if let Some(room) = self.waiting.rooms().get_mut(&link) {
                    room.coming += message.len();
                }
                self.tell(Command::Send(link, message));
            }
            false => self.tell(Command::Lose(link)),
        }
    }

    /// A message was lost before it got here: the link is not reliable any more and goes down, with [`Event::Down`].
    pub(crate) fn lose(&self, link: Link) {
        self.tell(Command::Lose(link));
    }

    /// Bytes that a link takes now before it would queue more than it should; 0 if it is gone.
    pub fn room(&self, link: Link) -> u32 {
        let left = self.waiting.rooms().get(&link).map_or(0, |room| room.free.saturating_sub(room.coming));
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// The links that are open, by what carries them.
    pub fn transports(&self) -> Transports {
        let mut open = Transports::default();
        for room in self.waiting.rooms().values() {
            match room.transport {
                Transport::WebRtc => open.webrtc += 1,
                Transport::Quic => open.quic += 1,
            }
        }
        open
    }

    /// Closes a link; no [`Event::Down`] follows. What is still queued is sent if it takes no longer than 100 ms.
    pub fn hang_up(&self, link: Link) {
        self.tell(Command::HangUp(link));
    }

    /// Open links whose data goes by a TURN server, as of a second ago at most.
    pub fn relayed(&self) -> usize {
        self.waiting.relayed.load(Ordering::Relaxed)
    }

    /// The address of the UDP socket.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn tell(&self, command: Command) {
        // After the end there is nobody to tell.
        let _ = self.commands.send(command);
    }
}

impl Command {
    /// Its part of the bytes that wait.
    fn cost(&self) -> usize {
        match self {
            Self::Offer { offer_id, sdp, .. } | Self::Answer { offer_id, sdp, .. } => {
                offer_id.len() + sdp.len()
            }
            Self::Undeliverable(offer_id) => offer_id.len(),
            Self::Send(_, message) => message.len(),
            Self::Dial(_) | Self::Lose(_) | Self::HangUp(_) => 0,
        }
    }
}
