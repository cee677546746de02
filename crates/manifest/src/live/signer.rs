//! The publisher's side: one epoch of heads.

use super::chain::Chain;
use super::head::{Entry, Head, MAX_LIFETIME_MS};
use super::refused::Refused;
use crate::digest::Hash;
use crate::key::SecretKey;
use alloc::vec::Vec;

/// Why a head is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSigned {
    /// The chain has no delegation.
    NoDelegation,
    /// The delegation is for another session key.
    OtherKey,
    /// The epoch has heads already. Two signers of one epoch would contradict each other.
    EpochUsed,
    /// Heads would live 0 ms, or more than [`MAX_LIFETIME_MS`].
    Lifetime,
    /// Viewers would refuse it.
    Refused(Refused),
}

impl core::fmt::Display for NotSigned {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoDelegation => f.write_str("no session key is delegated"),
            Self::OtherKey => f.write_str("the delegation is for another session key"),
            Self::EpochUsed => f.write_str("the epoch has heads already; a new signer needs a new epoch"),
            Self::Lifetime => f.write_str("a head lives from 1 ms to 10 minutes"),
            Self::Refused(why) => write!(f, "viewers would refuse this head: {why}"),
        }
    }
}

impl core::error::Error for NotSigned {}

impl From<Refused> for NotSigned {
    fn from(why: Refused) -> Self {
        Self::Refused(why)
    }
}

/// Makes the heads of one epoch, each following the one before.
///
/// Its invariant: it gives out no head that a viewer who has all before it would refuse; it is such a viewer itself. A program
/// that starts again takes a new epoch with a new delegation: the same one again would look like an equivocation.
#[derive(Clone, Debug)]
pub struct Signer {
    chain: Chain,
    session: SecretKey,
    lifetime_ms: u64,
}

impl Signer {
    /// A signer by the delegation that `chain` has taken and that has no head yet. Heads live `lifetime_ms`, less at the end
    /// of the delegation: a viewer can be held that far back, and one whose clock is that far ahead takes none. A few target
    /// durations are right.
    ///
    /// # Errors
    /// [`NotSigned`], every variant but the last.
    pub fn new(chain: Chain, session: SecretKey, lifetime_ms: u64) -> Result<Self, NotSigned> {
        let delegation = chain.delegation().ok_or(NotSigned::NoDelegation)?;
        if delegation.key != session.public() {
            return Err(NotSigned::OtherKey);
        }
        if chain.newest().is_some() {
            return Err(NotSigned::EpochUsed);
        }
        if !(1..=MAX_LIFETIME_MS).contains(&lifetime_ms) {
            return Err(NotSigned::Lifetime);
        }
        Ok(Self { chain, session, lifetime_ms })
    }

    /// Signs the next head. `first` is the start of each rendition's window, `entries` what was born since the last head, in
    /// any order, and whatever is to be repeated. A clock that was set back does not set back the stream's.
    ///
    /// # Errors
    /// [`NotSigned::Refused`], and then the next head takes the number that this one would have had.
    pub fn publish(
        &mut self,
        now_ms: u64,
        first: &[u32],
        mut entries: Vec<Entry>,
    ) -> Result<Vec<u8>, NotSigned> {
        let delegation = self.chain.delegation().ok_or(NotSigned::NoDelegation)?;
        let (epoch, last) = self.chain.position().ok_or(NotSigned::NoDelegation)?;
        entries.sort_by_key(|entry| entry.segment);
        let at_ms = now_ms.max(self.chain.newest_at_ms().unwrap_or(0));
        if at_ms >= delegation.expires_ms {
            return Err(Refused::OutsideDelegation.into());
        }
        let head = Head {
            stream: self.chain.stream(),
            epoch,
            number: last.checked_add(1).ok_or(Refused::Impossible("numbers are used up"))?,
            at_ms,
            expires_ms: at_ms.saturating_add(self.lifetime_ms).min(delegation.expires_ms),
            previous: self.chain.newest_digest().unwrap_or(Hash([0; 32])),
            first: first.to_vec(),
            entries,
        };
        head.validate()?; // before its counts are written into fewer bits
        let bytes = head.seal(&self.session);
        self.chain.accept(at_ms, &bytes)?;
        Ok(bytes)
    }

    /// What viewers know who have taken every head.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }
}
