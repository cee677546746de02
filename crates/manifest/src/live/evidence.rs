//! Proof that a signer told two truths.

use super::delegation::Delegation;
use super::head::Head;
use crate::key::PublicKey;
use alloc::vec::Vec;

/// Two signed statements that exclude each other. It convicts by itself: whoever knows the publisher's key can check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// By the publisher: two delegations of one epoch.
    Delegations([Vec<u8>; 2]),
    /// By a session key: two heads of one number, or one that follows the other by number and names another as the one before.
    Heads {
        /// That the key spoke for the publisher.
        delegation: Vec<u8>,
        /// The one that was taken, and the one that was refused.
        heads: [Vec<u8>; 2],
    },
}

impl Evidence {
    /// Whether this proves that the publisher of `stream`, or a key that it delegated, told two truths.
    pub fn proves(&self, publisher: &PublicKey, stream: &[u8; 20]) -> bool {
        let delegation = |bytes: &[u8]| {
            Delegation::open(bytes, publisher).ok().filter(|delegation| delegation.stream == *stream)
        };
        match self {
            Self::Delegations([a, b]) => match (delegation(a), delegation(b)) {
                (Some(a), Some(b)) => a.epoch == b.epoch && a != b,
                _ => false,
            },
            Self::Heads { delegation: by, heads: [a, b] } => {
                let Some(by) = delegation(by) else { return false };
                let head = |bytes: &[u8]| {
                    Head::open(bytes, &by.key)
                        .ok()
                        .filter(|head| head.stream == by.stream && head.epoch == by.epoch)
                };
                match (head(a), head(b)) {
                    (Some(a), Some(b)) if a.number == b.number => a != b,
                    (Some(a), Some(b)) => b.number - 1 == a.number && b.previous != a.digest(),
                    _ => false,
                }
            }
        }
    }
}
