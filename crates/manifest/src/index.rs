//! The index of a film.

use crate::digest::{self, Hash};
use crate::{SegmentId, codec};
use alloc::string::String;
use alloc::vec::Vec;

/// Most renditions (video, audio) in an index.
pub const MAX_RENDITIONS: usize = 32;
/// Most segments in a rendition: 55 hours of 4 s segments.
pub const MAX_SEGMENTS: usize = 50_000;
/// Most pieces in a segment.
pub const MAX_PIECES: u32 = 2048;

/// What a rendition carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// One segment of one rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Length of its presentation, milliseconds.
    pub duration_ms: u32,
    /// Length of its bytes; never 0.
    pub size: u32,
    /// Plain BLAKE3 of its bytes, which is the root of its piece tree.
    pub root: Hash,
}

/// One rendition: what HLS calls a variant or an audio rendition and DASH a Representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// Its folder in the package tree, such as `v0`: letters, digits, `-` and `_`, at most 32.
    pub id: String,
    /// What it carries.
    pub kind: Kind,
    /// Average bits per second.
    pub bandwidth_bps: u32,
    /// Digest of `init.mp4`.
    pub init: Hash,
    /// Segments in order; the first has the media sequence number 1.
    pub segments: Vec<Segment>,
}

/// What there is to watch in one film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Length of every piece but the last of a segment: a power of two from 16 KiB to 64 KiB.
    pub piece_len: u32,
    /// Renditions, video first; a rendition's place here is its number in [`SegmentId`].
    pub renditions: Vec<Rendition>,
}

/// Why an index cannot be: each names the first thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The piece length is not 16, 32 or 64 KiB.
    PieceLen(u32),
    /// None, or more than [`MAX_RENDITIONS`].
    RenditionCount(usize),
    /// A rendition id that is empty, too long, repeated, or has other characters than letters, digits, `-`, `_`.
    RenditionId(String),
    /// None, or more than [`MAX_SEGMENTS`].
    SegmentCount(usize),
    /// A segment of no bytes, of no duration, or of more than [`MAX_PIECES`] pieces.
    Segment(SegmentId),
}

impl core::fmt::Display for Invalid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::PieceLen(n) => write!(f, "piece length {n} is not 16, 32 or 64 KiB"),
            Self::RenditionCount(n) => write!(f, "{n} renditions (1 to {MAX_RENDITIONS} are possible)"),
            Self::RenditionId(id) => {
                write!(f, "\"{}\" is no rendition id, or stands twice", id.escape_default())
            }
            Self::SegmentCount(n) => {
                write!(f, "{n} segments in a rendition (1 to {MAX_SEGMENTS} are possible)")
            }
            Self::Segment(s) => write!(
                f,
                "segment {} of rendition {} is empty, without duration, or over {MAX_PIECES} pieces",
                s.sequence, s.rendition
            ),
        }
    }
}

impl core::error::Error for Invalid {}

impl Index {
    /// Checks every bound that this crate promises.
    pub fn validate(&self) -> Result<(), Invalid> {
        if !matches!(self.piece_len, 16384 | 32768 | 65536) {
            return Err(Invalid::PieceLen(self.piece_len));
        }
        if self.renditions.is_empty() || self.renditions.len() > MAX_RENDITIONS {
            return Err(Invalid::RenditionCount(self.renditions.len()));
        }
        for (place, rendition) in self.renditions.iter().enumerate() {
            let id = &rendition.id;
            let legal = !id.is_empty()
                && id.len() <= 32
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && self.renditions[..place].iter().all(|other| other.id != *id);
            if !legal {
                return Err(Invalid::RenditionId(id.clone()));
            }
            if rendition.segments.is_empty() || rendition.segments.len() > MAX_SEGMENTS {
                return Err(Invalid::SegmentCount(rendition.segments.len()));
            }
            for (i, segment) in rendition.segments.iter().enumerate() {
                let pieces = digest::piece_count(segment.size, self.piece_len);
                if segment.duration_ms == 0 || pieces == 0 || pieces > MAX_PIECES {
                    return Err(Invalid::Segment(SegmentId::new(place as u8, i as u32 + 1)));
                }
            }
        }
        Ok(())
    }

    /// The segment `id`, if there is one.
    pub fn segment(&self, id: SegmentId) -> Option<&Segment> {
        self.renditions.get(usize::from(id.rendition))?.segments.get(id.sequence.checked_sub(1)? as usize)
    }

    /// How many pieces the segment `id` has; 0 where there is none.
    pub fn piece_count(&self, id: SegmentId) -> u32 {
        self.segment(id).map_or(0, |s| digest::piece_count(s.size, self.piece_len))
    }

    /// Where in the segment's bytes piece `piece` lies, if there is one.
    pub fn piece_range(&self, id: SegmentId, piece: u32) -> Option<core::ops::Range<u32>> {
        let size = self.segment(id)?.size;
        let start = piece.checked_mul(self.piece_len).filter(|&start| start < size)?;
        Some(start..size.min(start.saturating_add(self.piece_len)))
    }

    /// The swarm of everybody who watches exactly this film, in whichever rendition: 20 bytes, used as the tracker's
    /// `info_hash`. A changed byte in any segment is another film and another swarm. The context string carries the
    /// version of the peer wire, so that peers of incompatible versions never meet.
    pub fn swarm_id(&self) -> [u8; 20] {
        let key = blake3::derive_key("braidcast 2026 swarm of an index, peer wire 1", &codec::encode(self));
        let mut id = [0; 20];
        id.copy_from_slice(&key[..20]);
        id
    }
}
