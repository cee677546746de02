//! What keeps a stolen token from being of use: the viewer proves, on each connection and in each swarm, to have the key that
//! is in the token.
//!
//! It is the idea of DPoP (RFC 9449) with the tracker's own nonce. What is signed names one connection by a number that the
//! tracker has just drawn, one swarm, one peer and one token, and so fits nowhere else.

use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use manifest::{PublicKey, SecretKey};

use crate::SwarmId;

/// Tells this signature from all others of the same key.
const CONTEXT: &[u8] = b"braidcast viewer proof v1\n";

/// 32 bytes that a tracker draws at random for one connection, and never again; written as base64url. Who can foresee them
/// can have proofs made in advance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Challenge(pub [u8; 32]);

impl Challenge {
    /// Reads the 43 characters that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text).map(Self)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenge({self})")
    }
}

/// The tracker's `peer_id`, 20 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PeerId(pub [u8; 20]);

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.0.escape_ascii())
    }
}

/// What a proof is made for.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// What the tracker has sent on this connection.
    pub challenge: &'a Challenge,
    /// The swarm that is to be joined.
    pub swarm: SwarmId,
    /// As whom.
    pub peer: PeerId,
    /// The token that is shown with the proof, as it is sent.
    pub token: &'a str,
}

impl Occasion<'_> {
    fn message(&self) -> Vec<u8> {
        [CONTEXT, &self.challenge.0, &self.swarm.0, &self.peer.0, self.token.as_bytes()].concat()
    }
}

/// The viewer's Ed25519 signature over an [`Occasion`]; written as base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof([u8; 64]);

impl Proof {
    /// Signs as a viewer without a browser does. A page has its browser sign: `docs/guides/tokens.md`.
    pub fn sign(key: &SecretKey, occasion: &Occasion<'_>) -> Self {
        Self(key.sign(&occasion.message()))
    }

    /// Reads the 86 characters that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text).map(Self)
    }

    /// Whether `viewer` has made it for this occasion.
    pub fn fits(&self, viewer: &PublicKey, occasion: &Occasion<'_>) -> bool {
        viewer.verifies(&occasion.message(), &self.0)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
