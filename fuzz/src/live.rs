//! A viewer of a live stream under heads and delegations of any bytes.

use manifest::live::{Chain, Delegation, Head};
use manifest::{SecretKey, digest};

/// The stream that the corpus is of.
pub const STREAM: [u8; 20] = *b"the stream of seeds!";
/// When it starts, milliseconds since 1970 UTC.
pub const START_MS: u64 = 1_770_000_000_000;
/// Length of its pieces.
pub const PIECE_LEN: u32 = 16384;
const SEAL_BYTES: usize = 69;

/// Who may delegate.
pub fn publisher() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

/// Who signs heads, in every epoch.
pub fn session() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

/// The delegation that the viewer has from the start.
pub fn terms() -> Delegation {
    let hour_ms = 3_600_000;
    Delegation {
        stream: STREAM,
        epoch: 1,
        key: session().public(),
        not_before_ms: START_MS,
        expires_ms: START_MS + 24 * hour_ms,
    }
}

/// Messages of `what:u8 length:u16 bytes`: as a stranger sends them, or signed by who may sign them. The viewer never goes
/// back, and what it takes says the same when it is written again.
pub fn manifest_head(bytes: &[u8]) {
    let mut chain = Chain::new(publisher().public(), STREAM, PIECE_LEN);
    chain.accept_delegation(START_MS, &terms().seal(&publisher())).expect("it is valid");
    let mut now_ms = START_MS;
    let mut rest = bytes;
    while let [what, low, high, tail @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (message, next) = tail.split_at(length.min(tail.len()));
        rest = next;
        now_ms += u64::from(what >> 3) * 100;
        match what % 5 {
            0 => head(&mut chain, now_ms, message),
            1 => delegation(&mut chain, now_ms, message),
            2 => head(&mut chain, now_ms, &sealed(b"BCLH", b"braidcast live head v1\n", message, &session())),
            3 => delegation(
                &mut chain,
                now_ms,
                &sealed(b"BCLD", b"braidcast live delegation v1\n", message, &publisher()),
            ),
            _ => following(&mut chain, now_ms, message),
        }
        if let Some(evidence) = chain.evidence() {
            assert!(evidence.proves(&publisher().public(), &STREAM), "what is kept convicts");
        }
    }
}

fn sealed(magic: &[u8; 4], context: &[u8], body: &[u8], key: &SecretKey) -> Vec<u8> {
    [&magic[..], &[1], &key.sign(&[context, body].concat()), body].concat()
}

/// A head of any contents in the next place, which bytes alone would hardly find.
fn following(chain: &mut Chain, now_ms: u64, body: &[u8]) {
    let Ok(mut next) = Head::peek(&[b"BCLH\x01", &[0; 64][..], body].concat()) else { return };
    if let (Some(last), Some((epoch, number))) = (chain.newest(), chain.position()) {
        let last = Head::peek(last).expect("it was taken");
        (next.epoch, next.number, next.previous) = (epoch, number.saturating_add(1), last.digest());
    }
    head(chain, now_ms, &next.seal(&session()));
}

fn head(chain: &mut Chain, now_ms: u64, bytes: &[u8]) {
    let before = (chain.position(), chain.newest().map(<[u8]>::to_vec));
    let firsts = |chain: &Chain| [0, 1, 31].map(|rendition| chain.first(rendition));
    let firsts_before = firsts(chain);
    let Ok(accepted) = chain.accept(now_ms, bytes) else {
        assert_eq!((chain.position(), chain.newest().map(<[u8]>::to_vec)), before);
        assert_eq!(firsts(chain), firsts_before);
        return;
    };
    assert!(chain.position() > before.0, "it went back");
    assert!(firsts(chain) >= firsts_before, "a window went back");
    assert_eq!(chain.newest(), Some(bytes));
    assert_eq!(accepted.head.seal(&session())[SEAL_BYTES..], bytes[SEAL_BYTES..]);
    assert_eq!(
        accepted.head.digest(),
        digest::root(&[b"braidcast live head v1\n", &bytes[SEAL_BYTES..]].concat())
    );
    assert!(!chain.is_frozen(now_ms, 2000), "it has just been taken");
    for entry in &accepted.head.entries {
        let known = chain.segment(entry.segment).expect("it was announced");
        assert_eq!(Some(known.root), entry.root(PIECE_LEN));
    }
    assert!(accepted.born.iter().all(|id| accepted.head.entries.iter().any(|entry| entry.segment == *id)));
    assert!(chain.accept(now_ms, bytes).is_err(), "it was taken twice");
}

fn delegation(chain: &mut Chain, now_ms: u64, bytes: &[u8]) {
    let before = chain.delegation().cloned();
    if chain.accept_delegation(now_ms, bytes).is_err() {
        assert_eq!(chain.delegation(), before.as_ref());
        return;
    }
    let now = chain.delegation().expect("it was taken");
    assert!(before.is_none_or(|before| before.epoch < now.epoch), "an epoch went back");
    assert_eq!(now.seal(&publisher())[SEAL_BYTES..], bytes[SEAL_BYTES..]);
    assert_eq!(chain.newest(), None);
}
