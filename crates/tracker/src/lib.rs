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
mod asn;
mod budget;
mod connection;
mod files;
mod frame;
mod hub;
pub mod listener;
mod masked;
mod outbox;
mod patience;
pub mod server;
pub mod tls;
mod whereabouts;

use std::{any::Any, fmt, net::SocketAddr, sync::Arc, time::Duration};

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
pub use rendezvous::{Counts, InfoHash, Rate, Site, SiteMode, Stats};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
pub use whereabouts::{Contradiction, Whereabouts};

use crate::hub::Hub;

/// Limits of the server, beside those of the table.
#[derive(Clone, Debug)]
pub struct Config {
    /// Limits and intervals of the protocol.
    pub table: rendezvous::Config,
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
            whereabouts: Whereabouts::default(),
            ping_every: Duration::from_secs(30),
            silent_after: Duration::from_secs(75),
            write_within: Duration::from_secs(10),
            close_within: Duration::from_secs(1),
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

    /// Where its clients are, for the listener that it is behind.
    pub fn whereabouts(&self) -> &Whereabouts {
        &self.0.config().whereabouts
    }

    /// From now on newcomers are sent away, or let in again. Who is there stays.
    pub fn drain(&self, draining: bool) {
        self.0.drain(draining);
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
    let Some(guest) = hub.admit(from) else {
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
