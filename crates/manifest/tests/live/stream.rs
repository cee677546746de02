//! One small stream, its keys, and its heads.

use manifest::live::{Chain, Delegation, Entry, Head, Signer};
use manifest::{Hash, SecretKey, SegmentId};

pub const PIECE_LEN: u32 = 16384;
pub const STREAM: [u8; 20] = *b"the stream of tests!";
/// 2026, and the start of every delegation here.
pub const START_MS: u64 = 1_770_000_000_000;
pub const HOUR_MS: u64 = 3_600_000;
pub const LIFETIME_MS: u64 = 12_000;

pub fn publisher() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

/// The session key of an epoch.
pub fn session(epoch: u32) -> SecretKey {
    let mut seed = [100; 32];
    seed[..4].copy_from_slice(&epoch.to_le_bytes());
    SecretKey::from_seed(seed)
}

pub fn terms(epoch: u32) -> Delegation {
    Delegation {
        stream: STREAM,
        epoch,
        key: session(epoch).public(),
        not_before_ms: START_MS,
        expires_ms: START_MS + 24 * HOUR_MS,
    }
}

pub fn delegation(epoch: u32) -> Vec<u8> {
    terms(epoch).seal(&publisher())
}

/// A viewer who has only the publisher's key.
pub fn stranger() -> Chain {
    Chain::new(publisher().public(), STREAM, PIECE_LEN)
}

/// A viewer who has an epoch's delegation, too.
pub fn viewer(epoch: u32) -> Chain {
    let mut chain = stranger();
    chain.accept_delegation(START_MS, &delegation(epoch)).unwrap();
    chain
}

pub fn signer(epoch: u32) -> Signer {
    Signer::new(viewer(epoch), session(epoch), LIFETIME_MS).unwrap()
}

pub fn media(rendition: u8, sequence: u32) -> Vec<u8> {
    (0..20_000 + sequence * 9000).map(|i| (i * 31 + sequence * 7 + u32::from(rendition)) as u8).collect()
}

pub fn entry(rendition: u8, sequence: u32) -> Entry {
    Entry::new(
        SegmentId::new(rendition, sequence),
        sequence * 2000,
        2000,
        &media(rendition, sequence),
        PIECE_LEN,
    )
}

/// The same name, other contents.
pub fn other_entry(rendition: u8, sequence: u32) -> Entry {
    Entry::new(SegmentId::new(rendition, sequence), sequence * 2000, 2000, b"something else", PIECE_LEN)
}

/// One segment a head, one head every two seconds: head `n` is made at second `2 * n`.
pub fn story(epoch: u32, heads: u64) -> Vec<Vec<u8>> {
    let mut signer = signer(epoch);
    (1..=heads).map(|n| signer.publish(at(n), &[1, 1], vec![entry(0, n as u32)]).unwrap()).collect()
}

pub fn at(number: u64) -> u64 {
    START_MS + number * 2000
}

/// A head that stands alone, to be spoilt.
pub fn head(number: u64, previous: Hash, entries: Vec<Entry>) -> Head {
    Head {
        stream: STREAM,
        epoch: 1,
        number,
        at_ms: at(number),
        expires_ms: at(number) + LIFETIME_MS,
        previous,
        first: vec![1, 1],
        entries,
    }
}

pub fn digest(head_bytes: &[u8]) -> Hash {
    Head::peek(head_bytes).unwrap().digest()
}

/// All that a chain holds, but for evidence.
pub fn state(chain: &Chain) -> String {
    let all = format!("{chain:?}");
    all.split_once(", evidence: ").expect("it comes last").0.to_owned()
}
