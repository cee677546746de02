//! The client of the trackers of one swarm: who else is there, and the session descriptions to and from them.
//!
//! It is the native twin of the browser's client and speaks `docs/spec/tracker.md`: WebTorrent's protocol with `want` and
//! directed offers. It asks several trackers at a time and makes them look like one. While a tracker is away nothing is
//! lost but newcomers: links live without it, and it is tried again, ever more rarely, until [`Trackers::leave`].
//!
//! The invariant: a tracker is a stranger. Whatever it sends is bounded before it is kept, an answer counts only if it
//! answers an offer that went by that very tracker, and the same offer is handed on once, by however many trackers it
//! comes.
//!
//! Classic trackers name no candidates: they hand out the offers that come with an announce. Only half of that is
//! supported. Their relayed offers are handed on and answered like any other, so peers of such a tracker can come to us;
//! we send them no offers with an announce. Whoever adds that starts where a reply without candidates is noticed
//! (`connection`, `Connection::note_classic`), and puts the offers into the announce there.

mod connection;
mod memory;
mod message;
mod permit;
mod schedule;
mod switchboard;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use swarm::PeerId;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use crate::pass::Pass;
use crate::tracker::{
    connection::{Address, Connection},
    switchboard::{Command, Switchboard},
};

/// Most trackers asked for one swarm; those named later are left out.
pub const MAX_TRACKERS: usize = 16;

/// Commands that wait; beyond it they are dropped.
const COMMANDS: usize = 256;
/// Events that wait; beyond it the trackers are not read.
const EVENTS: usize = 256;
/// What trackers have sent and nobody has looked at.
const REPORTS: usize = 64;
/// How long a farewell may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// The tracker that a publisher's own server has beside its films.
pub fn beside(base: &reqwest::Url) -> String {
    let mut url = base.clone();
    url.set_path("/tracker");
    url.set_query(None);
    url.as_str().replacen("http", "ws", 1)
}

/// Which swarm, and where.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses of trackers, `ws:` or `wss:`, the preferred one first. Repeated ones count once; one that cannot be read
    /// is left out with a warning.
    pub urls: Vec<String>,
    /// Name of the swarm.
    pub info_hash: [u8; 20],
    /// Our own name in it.
    pub peer_id: PeerId,
    /// What we are there for.
    pub role: Role,
    /// What we are ready to upload at the start, kbit/s; 0: it is not said.
    pub upload_kbps: u32,
    /// What is shown to trackers that ask for tokens.
    pub pass: Option<Pass>,
    /// Longest wait before the first new attempt on a tracker that was lost or could not be reached. Each attempt in a
    /// row doubles it. Half of every wait is chance, so that the peers of a tracker that comes back do not all come at once.
    pub first_backoff: Duration,
    /// Longest wait before any attempt.
    pub max_backoff: Duration,
}

/// What a peer tells the tracker it is there for: seeds and edges are named to others first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// To watch.
    #[default]
    Viewer,
    /// To give what it holds.
    Seed,
    /// To keep for those who are near.
    Edge,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Seed => "seed",
            Self::Edge => "edge",
        }
    }
}

impl Config {
    /// A viewer with the usual waits: 1 s, then up to 60 s.
    pub fn new(urls: Vec<String>, info_hash: [u8; 20], peer_id: PeerId) -> Self {
        Self {
            urls,
            info_hash,
            peer_id,
            role: Role::default(),
            upload_kbps: 0,
            pass: None,
            first_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
        }
    }
}

/// An offer's id as it is written here: one code point for each byte.
pub fn offer_name(id: &[u8; 20]) -> String {
    message::binary_string(id)
}

/// What the trackers bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// How many others are in the swarm: what the tracker that knows most of them says.
    Audience(u32),
    /// Whether the trackers let us upload: none says that we are to take only. At first we may; it comes when that changes.
    MayUpload(bool),
    /// Peers that may be offered a connection: at most 50 at a time, never ourselves, and some of them perhaps known.
    Candidates(Vec<PeerId>),
    /// A peer offers a connection. It comes once, by however many trackers it was relayed.
    Offer {
        /// Who offers, by its own account.
        from: PeerId,
        /// To be repeated in the answer: 20 code points of one byte each.
        offer_id: String,
        /// The session description.
        sdp: String,
    },
    /// The peer that was offered a connection answers. At most one comes for an offer.
    Answer {
        /// Who was offered the connection.
        from: PeerId,
        /// The offer's.
        offer_id: String,
        /// The session description.
        sdp: String,
    },
    /// No tracker could deliver the offer. Not all that are lost are reported: an offer has its time limit all the same.
    Undeliverable {
        /// The offer's.
        offer_id: String,
    },
    /// Whether at least one tracker is connected. It comes when that changes; at first none is.
    Connected(bool),
}

/// The trackers of one swarm. Commands never wait: they are carried out in the order given, and when hundreds of them
/// have piled up, further ones are dropped with a warning.
///
/// The swarm is left when [`Trackers::leave`] is called, when the last clone is dropped, or with the receiver of events.
#[derive(Clone)]
pub struct Trackers {
    commands: mpsc::Sender<Command>,
    /// Turns true at the end. Every task holds a receiver for as long as it runs.
    leaving: Arc<watch::Sender<bool>>,
    connected: Arc<AtomicUsize>,
}

impl Trackers {
    /// Starts to connect to all trackers. Nothing is announced before [`Trackers::announce`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O.
    pub fn join(config: Config) -> (Self, mpsc::Receiver<Event>) {
        let (commands, given) = mpsc::channel(COMMANDS);
        let (reports, reported) = mpsc::channel(REPORTS);
        let (events, received) = mpsc::channel(EVENTS);
        let leaving = watch::Sender::new(false);
        let connected = Arc::new(AtomicUsize::new(0));
        let mut lines = Vec::new();
        for (index, address) in Address::read_all(&config.urls).into_iter().enumerate() {
            let (connection, orders) =
                Connection::new(index, address, &config, reports.clone(), leaving.subscribe());
            tokio::spawn(connection.run());
            lines.push(orders);
        }
        let switchboard = Switchboard::new(lines, events, connected.clone());
        tokio::spawn(switchboard.run(given, reported, leaving.subscribe()));
        (Self { commands, leaving: Arc::new(leaving), connected }, received)
    }

    /// Says on every tracker that we are here and that up to `want` peers (20 at most) would be welcome: at once if
    /// possible, else when it can be. Announces less than 2 s apart become one; the trackers are told again as often as
    /// they ask for it, and when they come back.
    pub fn announce(&self, want: u32) {
        self.command(Command::Announce(want));
    }

    /// Offers a connection to `to`, by the tracker that named that peer, else by all that are connected. `offer_id` is 20
    /// code points of one byte each, and must be unpredictable. If there is no tracker to take it, [`Event::Undeliverable`]
    /// follows.
    pub fn offer(&self, to: PeerId, offer_id: &str, sdp: &str) {
        self.command(Command::Offer { to, offer_id: offer_id.to_owned(), sdp: sdp.to_owned() });
    }

    /// Answers an offer of `to`, by the tracker that brought it.
    pub fn answer(&self, to: PeerId, offer_id: &str, sdp: &str) {
        self.command(Command::Answer { to, offer_id: offer_id.to_owned(), sdp: sdp.to_owned() });
    }

    /// How many trackers are connected.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// Says goodbye to all trackers and stays away, for all clones. It takes a second at most, and less than that if the
    /// trackers are quick.
    pub async fn leave(self) {
        self.leaving.send_replace(true);
        if timeout(LEAVE_WITHIN, self.leaving.closed()).await.is_err() {
            tracing::debug!("a tracker did not hear the goodbye in time");
        }
    }

    fn command(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(command) {
            tracing::warn!("too many commands for the trackers at a time: one was dropped");
        }
    }
}

impl fmt::Debug for Trackers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trackers").field("connected", &self.connected()).finish_non_exhaustive()
    }
}
