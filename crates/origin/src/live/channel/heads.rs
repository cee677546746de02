//! The signed heads of one stream, and which of them are kept for those who come.
//!
//! The invariant: heads that are kept follow on each other without a gap, and each lives as long as a viewer's clock may be ahead
//! when it is handed out.

use bytes::Bytes;
use manifest::SecretKey;
use manifest::live::{
    CLOCK_TOLERANCE_MS, Chain, Delegation, Description, Entry, MAX_ENTRIES, MAX_HEAD_LEAVES, NotSigned,
    Signer,
};
use std::collections::VecDeque;

/// How far back viewers exchange parts; beyond, they ask the origin. Who comes is given the heads of this time.
pub(super) const EXCHANGE_MS: u64 = 30_000;
/// How long a head lives: the oldest that is handed out still lives as long as a clock may be ahead.
const LIFETIME_MS: u64 = EXCHANGE_MS + CLOCK_TOLERANCE_MS;
/// A session key speaks for so long, and is replaced after half of it.
const DELEGATION_MS: u64 = 24 * 3600 * 1000;
/// Heads of one epoch, of which viewers can tell 2^20 apart.
const MOST_HEADS: u64 = 1 << 19;

/// Why there is no head.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeadError {
    #[error("no random bytes for a session key: {0}")]
    Random(getrandom::Error),
    #[error("{0}")]
    NotSigned(#[from] NotSigned),
    #[error("it has had more initialisation segments than a description can name")]
    Inits,
}

#[derive(Debug)]
pub(super) struct Heads {
    publisher: SecretKey,
    stream: [u8; 20],
    piece_len: u32,
    epoch: u32,
    delegation: Bytes,
    renew_ms: u64,
    signer: Signer,
    kept: VecDeque<Kept>,
    /// What viewers may exchange, by rendition, and the lowest number of it.
    exchanged: Vec<VecDeque<Entry>>,
    first: Vec<u32>,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    at_ms: u64,
    bytes: Bytes,
}

impl Heads {
    /// Heads of the stream that `description` describes, in its first epoch.
    pub fn new(description: &Description, publisher: SecretKey, now_ms: u64) -> Result<Self, HeadError> {
        let (stream, piece_len) = (description.stream(), description.piece_len);
        let (delegation, signer) = begin(&publisher, stream, piece_len, 1, now_ms)?;
        let renditions = description.renditions.len();
        Ok(Self {
            publisher,
            stream,
            piece_len,
            epoch: 1,
            delegation,
            renew_ms: now_ms + DELEGATION_MS / 2,
            signer,
            kept: VecDeque::new(),
            exchanged: vec![VecDeque::new(); renditions],
            first: vec![1; renditions],
        })
    }

    /// Announces `entries`, born just now and in order within each rendition; none make a sign of life. `listed` has the lowest number
    /// of each rendition that is served.
    pub fn publish(&mut self, now_ms: u64, entries: Vec<Entry>, listed: &[u32]) -> Result<(), HeadError> {
        for entry in &entries {
            if let Some(line) = self.exchanged.get_mut(usize::from(entry.segment.rendition)) {
                line.push_back(entry.clone());
            }
        }
        let end = |entry: &Entry| u64::from(entry.start_ms) + u64::from(entry.duration_ms);
        let edge = self.exchanged.iter().filter_map(|line| line.back()).map(end).max().unwrap_or(0);
        for ((line, first), &listed) in self.exchanged.iter_mut().zip(&mut self.first).zip(listed) {
            while let Some(oldest) = line.front() {
                if oldest.segment.sequence >= listed && end(oldest) + EXCHANGE_MS >= edge {
                    break;
                }
                *first = oldest.segment.sequence + 1;
                line.pop_front();
            }
        }
        let newest = self.kept.back().map_or(0, |head| head.number);
        let worn = now_ms >= self.renew_ms || newest >= MOST_HEADS;
        let outcome = if worn { Err(NotSigned::EpochUsed) } else { self.sign(now_ms, entries) };
        if let Err(why) = outcome {
            if !worn {
                tracing::warn!(%why, "a head was not signed; a new epoch begins");
            }
            self.renew(now_ms)?;
        }
        while self.kept.front().is_some_and(|head| head.at_ms + EXCHANGE_MS < now_ms) && self.kept.len() > 1 {
            self.kept.pop_front();
        }
        Ok(())
    }

    /// A new session key, whose first heads say all anew.
    fn renew(&mut self, now_ms: u64) -> Result<(), HeadError> {
        let epoch = self.epoch + 1;
        let (delegation, signer) = begin(&self.publisher, self.stream, self.piece_len, epoch, now_ms)?;
        (self.epoch, self.delegation, self.signer) = (epoch, delegation, signer);
        self.renew_ms = now_ms + DELEGATION_MS / 2;
        self.kept.clear();
        let all = self.exchanged.iter().flatten().cloned().collect();
        Ok(self.sign(now_ms, all)?)
    }

    /// Signs as many heads as `entries` need.
    fn sign(&mut self, now_ms: u64, entries: Vec<Entry>) -> Result<(), NotSigned> {
        // What is not on offer any more is not announced.
        let offered = |entry: &Entry| {
            self.first.get(usize::from(entry.segment.rendition)).is_some_and(|&f| entry.segment.sequence >= f)
        };
        let mut rest: Vec<Entry> = entries.into_iter().filter(offered).collect();
        loop {
            let mut leaves = 0;
            let fits = rest.iter().take(MAX_ENTRIES).take_while(|entry| {
                leaves += entry.leaves.len();
                leaves <= MAX_HEAD_LEAVES
            });
            let count = fits.count();
            let later = rest.split_off(count);
            let bytes = self.signer.publish(now_ms, &self.first, rest)?;
            let (_, number) = self.signer.chain().position().ok_or(NotSigned::NoDelegation)?;
            self.kept.push_back(Kept { number, at_ms: now_ms, bytes: bytes.into() });
            if later.is_empty() || count == 0 {
                return Ok(());
            }
            rest = later;
        }
    }

    /// What follows on head `after` of `epoch`: the delegation where the epoch is another, then heads, each after its length; `None`
    /// where nothing does yet.
    pub fn after(&self, epoch: u32, after: u64) -> Option<Vec<u8>> {
        let (delegation, after) =
            if epoch == self.epoch { (None, after) } else { (Some(&self.delegation), 0) };
        let heads = self.kept.iter().filter(|head| head.number > after).map(|head| &head.bytes);
        let mut out = Vec::new();
        for signed in delegation.into_iter().chain(heads) {
            // At most `MAX_HEAD_BYTES`.
            out.extend_from_slice(&(signed.len() as u32).to_le_bytes());
            out.extend_from_slice(signed);
        }
        (!out.is_empty()).then_some(out)
    }
}

fn begin(
    publisher: &SecretKey,
    stream: [u8; 20],
    piece_len: u32,
    epoch: u32,
    now_ms: u64,
) -> Result<(Bytes, Signer), HeadError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(HeadError::Random)?;
    let session = SecretKey::from_seed(seed);
    let delegation = Delegation {
        stream,
        epoch,
        key: session.public(),
        not_before_ms: now_ms,
        expires_ms: now_ms + DELEGATION_MS,
    };
    let delegation = delegation.seal(publisher);
    let mut chain = Chain::new(publisher.public(), stream, piece_len);
    chain.accept_delegation(now_ms, &delegation).map_err(NotSigned::Refused)?;
    let signer = Signer::new(chain, session, LIFETIME_MS)?;
    Ok((delegation.into(), signer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::live::{LiveRendition, Refused};
    use manifest::{Hash, Kind, SegmentId};

    const BORN_MS: u64 = 1_770_000_000_000;

    fn description(key: &SecretKey) -> Description {
        let rendition = |id: &str, kind| LiveRendition {
            id: id.into(),
            kind,
            bandwidth_bps: 1,
            inits: vec![Hash([1; 32])],
        };
        Description {
            publisher: key.public(),
            born_ms: BORN_MS,
            name: "stage".into(),
            number: 1,
            piece_len: 32768,
            renditions: vec![rendition("v0", Kind::Video), rendition("a0", Kind::Audio)],
        }
    }

    fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some((len, rest)) = bytes.split_first_chunk() {
            let (one, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
            all.push(one.to_vec());
            bytes = rest;
        }
        all
    }

    /// A viewer that comes at `now_ms` with a clock that is wrong by `off_ms`, and takes all.
    fn come(heads: &Heads, description: &Description, now_ms: u64, off_ms: i64) -> Result<Chain, Refused> {
        let mut chain = Chain::new(description.publisher, description.stream(), description.piece_len);
        let now_ms = now_ms.saturating_add_signed(off_ms);
        let all = split(&heads.after(0, 0).unwrap());
        chain.accept_delegation(now_ms, &all[0])?;
        all[1..].iter().try_for_each(|head| chain.accept(now_ms, head).map(drop))?;
        Ok(chain)
    }

    #[test]
    fn who_comes_gets_the_window_and_whoever_stays_follows_without_a_gap() {
        let key = SecretKey::from_seed([7; 32]);
        let description = description(&key);
        let mut heads = Heads::new(&description, key, BORN_MS).unwrap();
        let mut viewer: Option<(Chain, u32)> = None;
        for turn in 1..=400u32 {
            let now_ms = BORN_MS + u64::from(turn) * 400;
            let entry = |rendition, sequence| {
                let id = SegmentId::new(rendition, sequence);
                Entry::new(id, (sequence - 1) * 400, 400, &[rendition; 5000], 32768)
            };
            let mut entries = vec![entry(0, turn), entry(1, turn)];
            if turn % 7 == 0 {
                entries.clear();
            } else if turn % 7 == 1 && turn > 7 {
                entries = vec![entry(0, turn - 1), entry(0, turn), entry(1, turn - 1), entry(1, turn)];
            }
            if turn == 300 {
                heads.renew_ms = 0; // its key is old
            }
            heads.publish(now_ms, entries, &[1, 1]).unwrap();
            for off in [-29_000, 0, 29_000] {
                let chain = come(&heads, &description, now_ms, off).unwrap();
                let first = chain.first(0).unwrap();
                assert!(turn - first <= 76, "{turn} {first}");
                if turn % 7 != 0 {
                    assert!((first..=turn).all(|s| chain.segment(SegmentId::new(1, s)).is_some()));
                }
            }
            let (chain, epoch) =
                viewer.get_or_insert_with(|| (come(&heads, &description, now_ms, 0).unwrap(), 1));
            let (_, after) = chain.position().unwrap();
            for signed in split(&heads.after(*epoch, after).unwrap_or_default()) {
                match signed.starts_with(b"BCLD") {
                    true => {
                        chain.accept_delegation(now_ms, &signed).unwrap();
                        *epoch += 1;
                    }
                    false => drop(chain.accept(now_ms, &signed).unwrap()),
                }
            }
            assert!(heads.after(*epoch, chain.position().unwrap().1).is_none());
        }
        assert_eq!(heads.epoch, 2);
        assert!(heads.kept.len() < 90, "{}", heads.kept.len());
    }

    #[test]
    fn many_that_are_born_at_once_are_told_in_several_heads() {
        let key = SecretKey::from_seed([7; 32]);
        let description = description(&key);
        let mut heads = Heads::new(&description, key, BORN_MS).unwrap();
        let entry = |s| Entry::new(SegmentId::new(0, s), (s - 1) * 10, 10, b"x", 32768);
        heads.publish(BORN_MS + 9000, (1..=700).map(entry).collect(), &[1, 1]).unwrap();
        assert_eq!(heads.kept.len(), 3);
        assert!(
            come(&heads, &description, BORN_MS + 9000, 0).unwrap().segment(SegmentId::new(0, 700)).is_some()
        );
    }
}
