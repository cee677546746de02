//! The WebSocket server round the [`rendezvous`] table: a router to put under a path of an HTTP server, and a handle.
//!
//! A [`Tracker`] opens no port and ends no TLS: [`listener`] does, and any other server may. It knows nothing of media. Where clients
//! are it learns from a [`Locality`] in the request's extensions, or from axum's `ConnectInfo` and, where [`Whereabouts`] says so, from
//! a proxy; without either all count as being on the server's own host. Compression is not offered. What it sends and takes in is
//! written down in `docs/spec/tracker.md`.
//!
//! The invariant: everything kept for a connection is dropped with the task that serves it, and until then is bounded
//! by [`Config`]. A connection that does not read, does not answer pings or floods is closed.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! let tracker = tracker::Tracker::new(tracker::Config::default());
//! let app = axum::Router::new().nest_service("/tracker", tracker.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! axum::serve(listener, app).await?;
//! tracker.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod acme;
pub mod admin;
pub mod admission;
mod asn;
mod budget;
pub mod bus;
mod connection;
mod drain;
mod files;
mod floods;
mod frame;
pub mod hook;
mod hub;
pub mod jwks;
mod keeper;
pub mod listener;
mod masked;
mod neighbourhoods;
mod outbox;
mod patience;
pub mod server;
pub mod tls;
mod turns;
mod whereabouts;

use std::{
    any::Any,
    fmt,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

/// Why a stream was taken down.
pub use access::revocations::Reason;
use access::{
    Policy,
    revocations::{ListError, Taken},
};
pub use asn::{AsnError, Asns};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
pub use files::{RESERVED_FILES, raise_file_limit};
/// Reads any bytes as a client's frames: an entry for fuzzers.
pub use frame::fuzz as fuzz_frames;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
pub use masked::Masked;
/// Where a client is, for the server to put into a request's extensions: behind a proxy only the server can know.
pub use rendezvous::Locality;
pub use rendezvous::{
    Counts, InfoHash, Rate, Site, SiteMode, Stats,
    cluster::{self, NodeId},
};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
pub use whereabouts::{Contradiction, Whereabouts};

pub use crate::admission::Admission;
use crate::{admission::NoName, bus::Link, hub::Hub};

/// How often a node looks at the time.
const TICK: Duration = Duration::from_millis(250);

/// Limits of the server, beside those of the table.
#[derive(Clone, Debug)]
pub struct Config {
    /// Limits and intervals of the protocol. Whether it asks is set by `admission`.
    pub table: rendezvous::Config,
    /// Who may join; `None` for everybody.
    pub admission: Option<Admission>,
    /// Which proxies are believed about where clients are, and which autonomous system an address is of.
    pub whereabouts: Whereabouts,
    /// How often a connection is pinged.
    pub ping_every: Duration,
    /// A connection from which nothing came for so long, not even a pong, is closed.
    pub silent_after: Duration,
    /// A write that takes longer ends the connection.
    pub write_within: Duration,
    /// How long the other side has for its part of the closing.
    pub close_within: Duration,
    /// How many clients in a second are let go when the tracker is drained.
    pub closes_per_s: u32,
    /// Draining takes no longer, however many there are.
    pub drain_within: Duration,
    /// How long other nodes have to take over, before the first client of a tracker that is drained is let go.
    pub handover: Duration,
    /// Most that waits to be written to one connection, in bytes. Replies beyond it close the connection; what other
    /// peers send it is dropped from half of it on, so that nobody closes another's connection.
    pub queue_bytes: usize,
    /// Most that waits for all connections together, or has not come whole from them, in bytes. From three quarters of it on newcomers are
    /// sent away; beyond it who holds much gives way: readers with an eighth of `queue_bytes` waiting, and senders of messages of more
    /// than 16 KiB. What else a connection takes is 2 to 12 KiB, with TLS.
    pub memory_bytes: usize,
    /// Most frames of one message.
    pub fragments: usize,
    /// Longest request for a WebSocket, its address and headers, in bytes.
    pub handshake_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            table: rendezvous::Config::default(),
            admission: None,
            whereabouts: Whereabouts::default(),
            ping_every: Duration::from_secs(30),
            silent_after: Duration::from_secs(75),
            write_within: Duration::from_secs(10),
            close_within: Duration::from_secs(1),
            closes_per_s: 500,
            drain_within: Duration::from_secs(60),
            handover: Duration::from_secs(2),
            queue_bytes: 256 * 1024,
            memory_bytes: 256 * 1024 * 1024,
            fragments: 16,
            handshake_bytes: 8 * 1024,
        }
    }
}

/// A running tracker. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Tracker(Arc<Hub>);

impl Tracker {
    /// An empty tracker. Needs no runtime yet.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Hub::new(config)))
    }

    /// A node of a cluster. It speaks to others over `link` until the last handle is dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn join(config: Config, cluster: cluster::Config, link: Link) -> Self {
        let Link { id, bus, inbox } = link;
        let hub = Arc::new(Hub::linked(config, cluster, id, bus));
        tokio::spawn(follow(Arc::downgrade(&hub), inbox));
        Self(hub)
    }

    /// What there is of the cluster, if this is a node of one.
    pub fn cluster(&self) -> Option<ClusterFigures> {
        self.0.figures()
    }

    /// Refuses new connections, gives its swarms to other nodes, and closes its connections (1012, service restart) one after another,
    /// each with a time after which to come back, or where to go. [`Tracker::shutdown`] is to follow.
    pub async fn drain(&self) {
        self.0.drain().await;
    }

    /// Serves WebSockets at every path below the one it is put under: an announce URL may carry more. `nest_service`
    /// also covers the path with a slash at its end, which `nest` does not.
    pub fn router(&self) -> Router {
        Router::new().fallback(upgrade).with_state(self.0.clone())
    }

    /// What there is at this moment, and what was done since the start.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// What is known of a swarm: all zero if nobody is in it.
    pub fn counts(&self, info_hash: InfoHash) -> Counts {
        self.0.counts(info_hash)
    }

    /// Lets people in by other rules or keys from now on; those who are in stay. Where [`Config::admission`] is `None`, everybody is let
    /// in all the same.
    pub fn set_policy(&self, policy: Policy) {
        self.0.set_policy(policy);
    }

    /// Says what the stream of a swarm is called, for tokens, lists and takedowns that name it so; `None`: nothing any more.
    ///
    /// # Errors
    /// [`NoName`] for what is no name, and beyond [`admission::MAX_NAMES`] streams.
    pub fn set_name(&self, info_hash: InfoHash, name: Option<&str>) -> Result<(), NoName> {
        self.0.set_name(info_hash, name)
    }

    /// Takes in a list of revocations by one of the authorities. What it takes down is left by all its members at once, and nobody
    /// joins it any more.
    ///
    /// # Errors
    /// If it is not taken; all stays as it was then.
    pub fn revoke(&self, list: &[u8]) -> Result<Taken, ListError> {
        self.0.revoke(list)
    }

    /// Why a stream was taken down, if it was.
    pub fn revoked(&self, info_hash: InfoHash) -> Option<Reason> {
        self.0.revoked(info_hash)
    }

    /// Where its clients are, for the listener that it is behind.
    pub fn whereabouts(&self) -> &Whereabouts {
        &self.0.config().whereabouts
    }

    /// From now on newcomers are sent away, or let in again. Who is there stays.
    pub fn turn_away(&self, draining: bool) {
        self.0.turn_away(draining);
    }

    /// Whether newcomers are sent away.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    /// Closes all connections (1001, going away), refuses new ones, and waits until the last is closed. That takes
    /// no longer than `write_within` and `close_within` together.
    pub async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}

/// Figures of a node of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterFigures {
    /// The node's own.
    pub node: cluster::Figures,
    /// Envelopes that the bus had no room for.
    pub unsent: u64,
}

/// An id that no other node has.
pub fn node_id() -> NodeId {
    NodeId(hub::seed())
}

/// Takes in what comes from other nodes, and keeps the node's time.
async fn follow(hub: Weak<Hub>, mut inbox: mpsc::Receiver<Vec<u8>>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let received = tokio::select! {
            _ = ticks.tick() => None,
            Some(bytes) = inbox.recv() => Some(bytes),
        };
        let Some(hub) = hub.upgrade() else { return };
        match received {
            Some(bytes) => hub.receive(&bytes),
            None => hub.tick(),
        }
    }
}

/// Something to keep for as long as a WebSocket is open, such as its place in a count: put it into the request's
/// extensions.
#[derive(Clone)]
pub struct Hold(#[expect(dead_code, reason = "kept only to be dropped")] Arc<dyn Any + Send + Sync>);

impl Hold {
    /// Keeps `held`, and drops it when the socket is closed, or was none.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Arc::new(held))
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

async fn upgrade(State(hub): State<Arc<Hub>>, mut request: Request) -> Response {
    let response = create_response_with_body(&request, Body::empty);
    let (Ok(response), Some(upgrade)) = (response, request.extensions_mut().remove::<OnUpgrade>()) else {
        let text = "This is a tracker for WebTorrent clients: connect with a WebSocket.\n";
        return (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "websocket")], text).into_response();
    };
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if headers.sum::<usize>() + target > hub.config().handshake_bytes {
        return (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long.\n").into_response();
    }
    let extensions = request.extensions();
    let from = match (extensions.get::<Locality>(), extensions.get::<ConnectInfo<SocketAddr>>()) {
        (Some(locality), _) => *locality,
        (None, Some(ConnectInfo(address))) => {
            match hub.config().whereabouts.of(address.ip(), request.headers()) {
                Ok(locality) => locality,
                Err(contradiction) => return contradiction.into_response(),
            }
        }
        (None, None) => Locality::default(),
    };
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let Some(guest) = hub.admit(from, origin) else {
        tracing::debug!(from = %Masked(from.address), "sent away");
        let text = "The tracker takes no more connections now.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], text).into_response();
    };
    let hold = request.extensions_mut().remove::<Hold>();
    tokio::spawn(async move {
        if let Ok(socket) = upgrade.await {
            // A task of its own: this one has the handshake in it.
            tokio::spawn(connection::serve(TokioIo::new(socket), guest, hold));
        }
    });
    response
}
