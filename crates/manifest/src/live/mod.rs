//! The head of a live stream: what its publisher signs each time a part or a segment is born. Spec: `docs/spec/head.md`.
//!
//! Its invariant: what a [`Chain`] has taken was signed by a key that the publisher had delegated for this stream and epoch,
//! and its place `(epoch, number)` only ever rises. Everything is checked before anything is kept.
//!
//! The attacks are those of The Update Framework (TUF, <https://theupdateframework.io>), under its names:
//!
//! | attack | what meets it |
//! |---|---|
//! | rollback | numbers and epochs never fall, nor does a window's start: [`Refused::Rollback`], [`Refused::OldEpoch`], [`Refused::WindowBackwards`] |
//! | indefinite freeze | heads expire, and come often: [`Refused::Expired`], [`Chain::is_frozen`] |
//! | mix-and-match | each head names its stream, its epoch and the head before it: [`Refused::OtherStream`], [`Refused::Forked`], [`Refused::Contradiction`] |
//! | equivocation: two truths for two audiences | the two heads convict the key that signed both: [`Refused::Equivocation`], [`Evidence`] |
//! | fast-forward by a stolen session key | a delegation of a higher epoch starts anew; only the publisher's own key makes one |
//! | endless data | every count is bounded before room is made for it: [`MAX_HEAD_BYTES`] |
//!
//! What it cannot see: a viewer that has just come has no past to compare with. Someone who holds everything back from it can
//! show it the past for as long as a head lives, so publishers let them live a few target durations.
//!
//! Times are milliseconds since 1970-01-01 UTC, and are arguments: nothing here reads a clock.

mod chain;
mod delegation;
mod description;
mod evidence;
mod head;
mod refused;
mod seal;
mod signer;
mod window;

pub use chain::{Accepted, CLOCK_TOLERANCE_MS, Chain, MAX_VOUCHED, RECENT_HEADS, Step};
pub use delegation::{DELEGATION_BYTES, Delegation, MAX_DELEGATION_MS};
pub use description::{Description, LiveRendition, MAX_DESCRIPTION_BYTES, MAX_INITS};
pub use evidence::Evidence;
pub use head::{Cut, Entry, Head, MAX_ENTRIES, MAX_HEAD_BYTES, MAX_HEAD_LEAVES, MAX_LIFETIME_MS};
pub use refused::Refused;
pub use signer::{NotSigned, Signer};
pub use window::MAX_WINDOW;
