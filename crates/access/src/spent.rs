//! The tokens that have admitted, each until it would admit nobody anyway.
//!
//! Its invariant: nothing is forgotten before its time. When there is no room for one more, that one is refused and what is
//! there stays: otherwise whoever has many good tokens could have old ones forgotten, and use them again. Nobody without a
//! token and its key comes this far, so strangers cannot fill it. The price is paid by viewers who come when it is full, and
//! it is small: they play from the origin.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::{Denied, SwarmId, Timestamp};
use manifest::PublicKey;

/// Names a token and the swarm that it was used in. Neither can be found from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use(pub [u8; 16]);

impl Use {
    /// The use, in `swarm`, of the token that `signer` calls `id`.
    pub(crate) fn new(signer: &PublicKey, swarm: SwarmId, id: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("braidcast 2026 use of a token in a swarm 1");
        hasher.update(signer.as_bytes()).update(&swarm.0).update(id.as_bytes());
        let mut name = [0; 16];
        hasher.finalize_xof().fill(&mut name);
        Self(name)
    }
}

/// A bounded memory of used tokens. It is in RAM only: after a restart of the tracker each token that has not expired admits
/// once more, to the holder of its key and nobody else.
#[derive(Debug)]
pub struct Spent {
    until: BTreeMap<Use, Timestamp>,
    by_time: BTreeSet<(Timestamp, Use)>,
    room: usize,
}

impl Spent {
    /// Remembers up to `room` uses at a time.
    pub(crate) const fn new(room: usize) -> Self {
        Self { until: BTreeMap::new(), by_time: BTreeSet::new(), room }
    }

    /// How many uses are remembered.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    pub(crate) fn contains(&self, it: &Use) -> bool {
        self.until.contains_key(it)
    }

    /// Remembers a use until `until`, and forgets those whose time is over.
    pub(crate) fn insert(&mut self, now: Timestamp, it: Use, until: Timestamp) -> Result<(), Denied> {
        while let Some(&(over, old)) = self.by_time.first()
            && over <= now
        {
            self.by_time.pop_first();
            self.until.remove(&old);
        }
        if self.until.contains_key(&it) {
            return Err(Denied::Spent);
        }
        if self.until.len() >= self.room {
            return Err(Denied::Full);
        }
        self.until.insert(it, until);
        self.by_time.insert((until, it));
        Ok(())
    }
}

impl core::fmt::Debug for Use {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        /// Against a plain list that forgets what is over.
        #[test]
        fn what_is_remembered_is_what_has_not_expired(
            calls in prop::collection::vec((0..4u64, 0..12u8, 1..9u64), 1..200),
            room in 1..6usize,
        ) {
            let mut spent = Spent::new(room);
            let mut model: Vec<(u8, u64)> = Vec::new();
            let mut now = 0;
            for (later, id, life) in calls {
                now += later;
                model.retain(|&(_, until)| until > now);
                let expected = if model.iter().any(|&(known, _)| known == id) {
                    Err(Denied::Spent)
                } else if model.len() == room {
                    Err(Denied::Full)
                } else {
                    model.push((id, now + life));
                    Ok(())
                };
                prop_assert_eq!(spent.insert(Timestamp(now), Use([id; 16]), Timestamp(now + life)), expected);
                prop_assert_eq!(spent.len(), model.len());
                prop_assert_eq!(spent.by_time.len(), model.len());
            }
        }
    }
}
