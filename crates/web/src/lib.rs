//! The browser's driver of the swarm core: WASM exports, batches in, batches out.
//!
//! It has no clock, no randomness and no I/O of its own: the WASM module imports nothing, so none can come in. The page
//! calls it with what happened and the time of it, and carries out the [batch](Batch) it gives back. Media bytes stay in
//! the page; this side only sees a piece long enough to check it.
//!
//! All it does is to lay a [`session::Session`] on linear memory: the private module `abi` what goes in, [`Batch`] what is
//! to be done, `look` what the page may read beside that.
#![cfg_attr(not(test), deny(clippy::use_debug))] // the player has none: player/build.mjs

mod abi;
mod batch;
#[cfg(feature = "live")]
mod live;
mod look;

pub use batch::{Batch, op};
