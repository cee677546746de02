//! The publisher's word that a key may speak for a stream.

use super::refused::Refused;
use super::seal::{SEAL_BYTES, Sealed, Sort};
use crate::key::{PublicKey, SecretKey};
use crate::reader::Reader;
use alloc::vec::Vec;

const BODY_BYTES: usize = 20 + 4 + 32 + 8 + 8;
const SORT: Sort =
    Sort { magic: b"BCLD", context: b"braidcast live delegation v1\n", max_bytes: DELEGATION_BYTES };

/// Length of a sealed delegation.
pub const DELEGATION_BYTES: usize = SEAL_BYTES + BODY_BYTES;

/// Longest time that a delegation may cover: 31 days.
pub const MAX_DELEGATION_MS: u64 = 31 * 24 * 3600 * 1000;

/// The publisher's long-lived key lets a session key sign the heads of one stream, for one epoch and a bounded time.
///
/// The publisher's key can stay off the machine that streams, if that makes no captions ([`text`](crate::text)). When a session key is
/// lost or stolen, or just old, a delegation with a higher epoch ends its say at once, wherever that delegation is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The stream's swarm id.
    pub stream: [u8; 20],
    /// Rises with each delegation of the stream. Two delegations of one epoch are an equivocation by the publisher.
    pub epoch: u32,
    /// The session key.
    pub key: PublicKey,
    /// From when on it may sign, milliseconds since 1970 UTC.
    pub not_before_ms: u64,
    /// From when on nothing that it signed counts, milliseconds since 1970 UTC; later than `not_before_ms`, by at most
    /// [`MAX_DELEGATION_MS`].
    pub expires_ms: u64,
}

impl Delegation {
    /// The signed bytes. A delegation that covers no time, or too much, makes bytes that are refused.
    pub fn seal(&self, publisher: &SecretKey) -> Vec<u8> {
        let mut body = Vec::with_capacity(BODY_BYTES);
        body.extend_from_slice(&self.stream);
        body.extend_from_slice(&self.epoch.to_le_bytes());
        body.extend_from_slice(self.key.as_bytes());
        body.extend_from_slice(&self.not_before_ms.to_le_bytes());
        body.extend_from_slice(&self.expires_ms.to_le_bytes());
        SORT.seal(&body, publisher)
    }

    /// Reads what `publisher` has signed. Whether its time has come is for a [`Chain`](super::Chain) to say.
    ///
    /// # Errors
    /// [`Refused::Malformed`], [`Refused::Version`], [`Refused::Impossible`], [`Refused::BadSignature`].
    pub fn open(bytes: &[u8], publisher: &PublicKey) -> Result<Self, Refused> {
        let (delegation, sealed) = Self::parse(bytes)?;
        sealed.verify(publisher)?;
        Ok(delegation)
    }

    /// Reads, and leaves the signature to the caller.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, Sealed), Refused> {
        let sealed = SORT.unseal(bytes)?;
        let mut reader = Reader(sealed.body());
        let delegation = Self {
            stream: reader.array()?,
            epoch: reader.u32()?,
            key: PublicKey::from_bytes(reader.array()?)
                .map_err(|_| Refused::Impossible("the session key is no Ed25519 public key"))?,
            not_before_ms: reader.u64()?,
            expires_ms: reader.u64()?,
        };
        if !reader.0.is_empty() {
            return Err(Refused::Malformed);
        }
        match delegation.expires_ms.checked_sub(delegation.not_before_ms) {
            Some(1..=MAX_DELEGATION_MS) => Ok((delegation, sealed)),
            _ => Err(Refused::Impossible("a delegation covers from 1 ms to 31 days")),
        }
    }
}
