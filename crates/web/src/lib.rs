//! The browser's driver of the swarm core: WASM exports, batches in, batches out.
//!
//! It has no clock, no randomness and no I/O of its own: the WASM module imports nothing, so none can come in. The page
//! calls it with what happened and the time of it, and carries out the [batch](Batch) it gives back. Media bytes stay in
//! the page; this side only sees a piece long enough to check it.
//!
//! Its invariant: a piece is named in a [`op::STORE`] only after it has been verified against the index, and only named
//! pieces are stored, delivered or served by the page.
//!
//! [`Session`] is the whole of it, and is tested natively; the private module `abi` lays it on linear memory.

mod abi;
mod asked;
mod batch;
mod pieces;
mod session;

pub use batch::{Batch, op};
pub use session::{Options, Session};
