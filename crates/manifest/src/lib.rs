//! What there is to watch: renditions, segments, pieces, their digests, and the publisher's signature over them.
//!
//! It knows nothing of peers, networks or players. Its invariant: an [`Index`] in hand is well formed (counts bounded,
//! segments in order, sizes above zero), and one from [`Index::open`] with a key was signed by that key.
//!
//! A film is a set of renditions; a rendition is a list of segments; a segment is cut into pieces of
//! [`Index::piece_len`] bytes, the last one shorter. The hash of a segment is plain BLAKE3 of its bytes, which is at
//! the same time the root of a tree whose leaves are the pieces (see [`digest`]), so that a single piece can be
//! checked before its neighbours have arrived.
//!
//! A live stream has no index, for it has no end: [`live`] is what its publisher signs instead, each time something is born. Captions and
//! subtitles of both are signed one by one: [`text`].
#![no_std]
#![cfg_attr(not(test), deny(clippy::use_debug))] // the player has none: player/build.mjs
extern crate alloc;
#[cfg(test)]
extern crate std;

mod codec;
pub mod digest;
mod index;
mod key;
pub mod live;
mod reader;
pub mod text;

pub use codec::{MAX_INDEX_BYTES, OpenError};
pub use digest::Hash;
pub use index::{Index, Invalid, Kind, MAX_PIECES, MAX_RENDITIONS, MAX_SEGMENTS, Rendition, Segment};
pub use key::{KeyError, PublicKey, SecretKey};

/// Names a segment inside one film: rendition by its place in [`Index::renditions`], and media sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// Place of the rendition in the index.
    pub rendition: u8,
    /// Media sequence number, as in `EXT-X-MEDIA-SEQUENCE` and DASH `$Number$`; the first segment is 1.
    pub sequence: u32,
}

impl SegmentId {
    /// The segment `sequence` of the rendition at place `rendition`.
    pub const fn new(rendition: u8, sequence: u32) -> Self {
        Self { rendition, sequence }
    }
}
