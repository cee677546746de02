//! Which rendition of a film to ask for next: rules for native players, and for simulated ones.
//!
//! It fetches nothing, reads no clock and knows no player: whoever does tells it what came over the network
//! ([`Abr::downloaded`]) and how the player stands ([`State`]), and is told a [`Rung`]. [`environment`] is what the rules
//! are judged in.
//!
//! Its invariant: the same downloads and the same state give the same rung on every target, and no download and no state
//! makes it panic.
//!
//! Terms: a *rung* is one of the bitrates of a [`Ladder`]; the *buffer* is the media a player holds ahead of its position;
//! a *holder* is a neighbour that could give the next segment at some rung.
#![no_std]
extern crate alloc;

mod bola;
mod choice;
mod config;
pub mod environment;
mod forecast;
mod ladder;
mod plan;

pub use choice::{Abr, Download, Source, State};
pub use config::{Bola, Caution, Config, Mpc, Policy, Prediction, Swarm};
pub use ladder::{Ladder, Rung};
