//! What a native peer needs to sit in the swarms of pages that run p2p-media-loader, unchanged: its messages, the names
//! of its swarms and one peer's conversation. No sockets, no tracker, no store: a driver brings those.
//!
//! The invariant of the whole: nothing that a stranger sends can panic, and nothing of it is kept without a bound.
//!
//! Three families of releases are in use. They speak the same messages ([`wire`], [`session`]) and differ in how they name
//! swarms and number segments ([`identity`]).

pub mod identity;
pub mod peer_id;
pub mod session;
pub mod wire;
