//! What peers say to each other: messages to bytes and back. Spec: `docs/spec/wire.md`.
//!
//! It takes no decisions and holds no state. Its invariant: decoding never panics, allocates no more than a small
//! multiple of what it was given, and whatever it accepts encodes back to the same bytes.
//!
//! A *frame* is `kind:u8 length:varint body`. Frames may follow each other in one data-channel message, and the same
//! bytes can be laid on a stream transport as they are. Integers are LEB128 varints of at most 32 bits.
#![no_std]
#![cfg_attr(not(test), deny(clippy::use_debug))] // the player has none: player/build.mjs
extern crate alloc;

mod bits;
mod codec;
mod frame;
mod message;

pub use bits::Bits;
pub use codec::{Bytes, Malformed, put_varint};
pub use frame::{Frame, Frames, MAX_MESSAGE_BYTES, PUSHED, put_head, put_leaves, put_message, put_piece};
pub use message::{
    Have, Hello, MAX_NAMED, MAX_PATH, MAX_SDP_BYTES, MAX_STRIPES, Message, Partial, Playing, Refusal, Run,
    Said, Seat, Signal, VERSION,
};
