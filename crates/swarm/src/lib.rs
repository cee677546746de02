//! What a peer decides: which piece to ask of whom and when, whom to serve, what to leave to the origin, whom to drop.
//!
//! One pure state machine, [`Peer`]. It reads no clock, does no I/O, holds no media bytes and hashes nothing: a driver
//! tells it what happened ([`Input`]), carries out what it says ([`Output`]) and calls again at the time it names. The same
//! inputs give the same outputs on every target, which [`trace`] records and replays.
//!
//! Its first law: a viewer is never worse off than with the origin alone. Whatever peers do or fail to do, a segment that
//! the player needs is fetched from the origin while there is still time for that.
//!
//! Terms: the *window* is what the viewer will want soon; a *want* is a segment the player has asked for; a *holder* is a
//! neighbour that has said it holds a piece.
#![no_std]
#![cfg_attr(not(test), deny(clippy::use_debug))] // the player has none: player/build.mjs
extern crate alloc;

mod ask;
mod config;
mod crowded;
mod election;
mod exchange;
mod film;
mod follow;
mod holdings;
mod hurry;
mod io;
mod keep;
mod late;
mod links;
mod live;
mod lots;
mod meet;
mod neighbour;
mod origin;
mod peer;
mod plan;
mod prefetch;
mod slots;
mod store;
mod stripes;
mod talk;
mod thin;
mod time;
pub mod trace;
mod trees;
mod trust;
mod uploads;
mod viewer;

pub use config::{Config, Role, Topology};
pub use io::{Hangup, Input, Link, Output, Part, PeerId, Player, Source, Verdict};
pub use keep::Offered;
pub use peer::{LinkSnapshot, Peer, Snapshot};
pub use time::Time;
