//! One viewer as every driver has it: the swarm core, the check of every piece, and typed orders to carry out.
//!
//! It has no clock, no randomness and no I/O of its own, and keeps no media: the driver calls it with what happened and the
//! time of it, and carries out the [orders](Order) it leaves. This side only sees a piece long enough to check it.
//!
//! Its invariant: a piece is named in an [`Order::Keep`] only after it has been verified against the index, and only named
//! pieces are stored, delivered or served by the driver.
#![cfg_attr(not(test), deny(clippy::use_debug))] // the player has none: player/build.mjs

mod asked;
mod check;
#[cfg(not(feature = "live"))]
mod film_only;
mod keep;
#[cfg(feature = "live")]
mod live;
mod meet;
mod order;
mod pieces;
mod session;

#[cfg(feature = "live")]
pub use live::Signed;
pub use order::{Order, Place};
pub use session::{Options, Session};
pub use wire::{Said, Signal};
