//! Who meets whom: the WebTorrent WebSocket tracker protocol and the table of swarms, without sockets.
//!
//! Text comes in with the connection it came from, texts go out with the connection they are for. There is no I/O
//! here, no clock (the caller says what time it is) and no entropy (the caller gives a seed), so the same calls give
//! the same answers everywhere. What is missing on purpose: WebSocket framing, timers, TLS, and any knowledge of
//! media. The protocol, with what Braidcast adds to it, is written down in `docs/spec/tracker.md`.
//!
//! The invariant: a member of a swarm is exactly one (connection, info hash) pair, so that whatever ends a connection
//! ends all its memberships, and nobody speaks in the name of another connection's peer.
//!
//! ```
//! use rendezvous::{Config, ConnId, Locality, Table};
//! use std::time::Duration;
//!
//! let mut table = Table::new(Config::default(), 7);
//! let mut out = Vec::new();
//! table.connect(ConnId(1), Locality::default()).unwrap();
//! let announce = r#"{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"-BC0001-000000000001"}"#;
//! let _ = table.handle(Duration::ZERO, ConnId(1), announce.as_bytes(), &mut out);
//! assert_eq!(out[0].to, ConnId(1));
//! assert_eq!(
//!     out[0].text,
//!     r#"{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","interval":120,"complete":0,"incomplete":1}"#
//! );
//! ```

mod admission;
mod bucket;
mod candidates;
pub mod cluster;
mod config;
mod connection;
mod expected;
mod groups;
mod id;
mod locality;
mod member;
mod message;
mod networks;
mod outgoing;
mod refusal;
mod reply;
mod rng;
pub mod sdp;
mod site;
mod swarm;
mod table;

pub use admission::{Denial, Lease, Question, TokenId};
pub use bucket::Rate;
pub use config::Config;
pub use id::{InfoHash, NotBinary, OfferId, PeerId};
pub use ipnet::IpNet;
pub use locality::Locality;
pub use networks::Networks;
pub use outgoing::{Cause, ConnId, Outgoing, Verdict};
pub use site::{Site, SiteMode};
pub use swarm::Counts;
pub use table::{Full, Overview, Seen, SiteCount, Stats, Table};
