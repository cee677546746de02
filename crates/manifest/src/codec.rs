//! The index as bytes. Spec: `docs/spec/index.md`.
//!
//! ```text
//! "BCIX" version:u8=1 flags:u8 (bit 0: signed) [public key:32 signature:64] body
//! body = piece_len:u32 rendition_count:u8 { id_len:u8 id kind:u8 bandwidth:u32 init:32 segment_count:u32
//!        { duration_ms:u32 size:u32 root:32 } }          (integers little-endian)
//! ```
//! The signature is over `SIGN_CONTEXT || body`. There is exactly one encoding of an index; bytes after the body are refused.

use crate::digest::Hash;
use crate::index::{Index, Invalid, Kind, MAX_RENDITIONS, MAX_SEGMENTS, Rendition, Segment};
use crate::key::{PublicKey, SecretKey};
use crate::reader::{Cut, Reader};
use alloc::string::String;
use alloc::vec::Vec;

const MAGIC: &[u8; 4] = b"BCIX";
const VERSION: u8 = 1;
const SIGNED: u8 = 1;
const SIGN_CONTEXT: &[u8] = b"braidcast index v1\n";
const SEGMENT_BYTES: usize = 40;

/// Largest index that a reader takes: 32 renditions of 50,000 segments.
pub const MAX_INDEX_BYTES: usize = MAX_RENDITIONS * (MAX_SEGMENTS * SEGMENT_BYTES + 128) + 128;

/// Why an index is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Not an index at all, or cut short, or longer than its contents.
    Malformed,
    /// Made by a version this code does not read.
    Version(u8),
    /// It carries no signature, and a key was given.
    Unsigned,
    /// Signed by another key than the one given.
    OtherKey,
    /// The signature does not fit the contents.
    BadSignature,
    /// Well-formed bytes, impossible contents.
    Invalid(Invalid),
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a Braidcast index, or damaged"),
            Self::Version(v) => write!(f, "index version {v} is newer than this player"),
            Self::Unsigned => f.write_str("the index is not signed, but a publisher key is given"),
            Self::OtherKey => f.write_str("the index is signed by another key than the one given"),
            Self::BadSignature => f.write_str("the index's signature does not fit its contents"),
            Self::Invalid(why) => write!(f, "impossible index: {why}"),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<Cut> for OpenError {
    fn from(_: Cut) -> Self {
        Self::Malformed
    }
}

impl Index {
    /// The file `index.bci`, signed by `key`.
    pub fn seal(&self, key: &SecretKey) -> Vec<u8> {
        let body = encode(self);
        let mut out = Vec::with_capacity(body.len() + 102);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, SIGNED]);
        out.extend_from_slice(key.public().as_bytes());
        out.extend_from_slice(&key.sign(&signed_message(&body)));
        out.extend_from_slice(&body);
        out
    }

    /// The file `index.bci` without a signature: good against accidents, not against a lying mirror.
    pub fn seal_unsigned(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, 0]);
        out.extend_from_slice(&encode(self));
        out
    }

    /// Reads `index.bci`. With `trusted` given, anything but an index signed by that key is refused; without it a
    /// signature, where there is one, must still fit.
    pub fn open(bytes: &[u8], trusted: Option<&PublicKey>) -> Result<Self, OpenError> {
        let mut reader = Reader(bytes);
        if reader.take(4)? != MAGIC {
            return Err(OpenError::Malformed);
        }
        match reader.u8()? {
            VERSION => {}
            other => return Err(OpenError::Version(other)),
        }
        match reader.u8()? {
            0 if trusted.is_some() => return Err(OpenError::Unsigned),
            0 => {}
            SIGNED => {
                let signer = reader.array::<32>()?;
                let signature = reader.array::<64>()?;
                if trusted.is_some_and(|key| *key.as_bytes() != signer) {
                    return Err(OpenError::OtherKey);
                }
                let signer = PublicKey::from_bytes(signer).map_err(|_| OpenError::BadSignature)?;
                if !signer.verifies(&signed_message(reader.0), &signature) {
                    return Err(OpenError::BadSignature);
                }
            }
            _ => return Err(OpenError::Malformed),
        }
        let index = decode(reader)?;
        index.validate().map_err(OpenError::Invalid)?;
        Ok(index)
    }
}

fn signed_message(body: &[u8]) -> Vec<u8> {
    [SIGN_CONTEXT, body].concat()
}

pub(crate) fn encode(index: &Index) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&index.piece_len.to_le_bytes());
    out.push(index.renditions.len() as u8);
    for rendition in &index.renditions {
        out.push(rendition.id.len() as u8);
        out.extend_from_slice(rendition.id.as_bytes());
        out.push(match rendition.kind {
            Kind::Video => 0,
            Kind::Audio => 1,
        });
        out.extend_from_slice(&rendition.bandwidth_bps.to_le_bytes());
        out.extend_from_slice(&rendition.init.0);
        out.extend_from_slice(&(rendition.segments.len() as u32).to_le_bytes());
        for segment in &rendition.segments {
            out.extend_from_slice(&segment.duration_ms.to_le_bytes());
            out.extend_from_slice(&segment.size.to_le_bytes());
            out.extend_from_slice(&segment.root.0);
        }
    }
    out
}

fn decode(mut reader: Reader<'_>) -> Result<Index, OpenError> {
    let piece_len = reader.u32()?;
    let rendition_count = usize::from(reader.u8()?);
    if rendition_count > MAX_RENDITIONS {
        return Err(OpenError::Invalid(Invalid::RenditionCount(rendition_count)));
    }
    let mut renditions = Vec::with_capacity(rendition_count);
    for _ in 0..rendition_count {
        let id_len = usize::from(reader.u8()?);
        let id = String::from_utf8(reader.take(id_len)?.to_vec()).map_err(|_| OpenError::Malformed)?;
        let kind = match reader.u8()? {
            0 => Kind::Video,
            1 => Kind::Audio,
            _ => return Err(OpenError::Malformed),
        };
        let bandwidth_bps = reader.u32()?;
        let init = Hash(reader.array()?);
        let segment_count = reader.u32()? as usize;
        if segment_count > MAX_SEGMENTS {
            return Err(OpenError::Invalid(Invalid::SegmentCount(segment_count)));
        }
        if reader.0.len() < segment_count * SEGMENT_BYTES {
            return Err(OpenError::Malformed); // before room for what is not there is set aside
        }
        let segments = (0..segment_count)
            .map(|_| {
                Ok(Segment { duration_ms: reader.u32()?, size: reader.u32()?, root: Hash(reader.array()?) })
            })
            .collect::<Result<_, OpenError>>()?;
        renditions.push(Rendition { id, kind, bandwidth_bps, init, segments });
    }
    if reader.0.is_empty() { Ok(Index { piece_len, renditions }) } else { Err(OpenError::Malformed) }
}
