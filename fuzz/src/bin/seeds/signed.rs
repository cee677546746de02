//! What publishers sign.

use crate::put;
use braidcast_fuzz::{Film, live};
use manifest::live::{Chain, Delegation, Entry, Head, Signer};
use manifest::{SecretKey, SegmentId, text};

pub fn seeds(film: &Film) {
    put("manifest_index", "unsigned", &film.index.seal_unsigned());
    put("manifest_index", "signed", &film.index.seal(&SecretKey::from_seed([7; 32])));
    put("manifest_index", "cut", &film.index.seal_unsigned()[..60]);
    let said = b"WEBVTT\n\n00:01.000 --> 00:02.000\nGood evening\n\n";
    let signed = text::seal(said, &live::STREAM, "t0/1.vtt", &live::publisher());
    put("manifest_text", "signed", &signed);
    put("manifest_text", "other_name", &text::seal(said, &live::STREAM, "t0/2.vtt", &live::publisher()));
    put("manifest_text", "unsigned", said);
    put("manifest_text", "cut", &signed[..signed.len() - 1]);
    heads();
}

/// A stream that changes its key after four heads, once as it was signed and once as bare bodies to be signed.
fn heads() {
    let second = Delegation { epoch: 2, ..live::terms() };
    let sign = |terms: &Delegation, heads: std::ops::Range<u32>| {
        let bytes = terms.seal(&live::publisher());
        let mut chain = Chain::new(live::publisher().public(), live::STREAM, live::PIECE_LEN);
        chain.accept_delegation(live::START_MS, &bytes).expect("its time has come");
        let mut signer = Signer::new(chain, live::session(), 12_000).expect("its key is delegated");
        let sealed: Vec<Vec<u8>> = heads
            .map(|n| {
                let sequences = n.saturating_sub(1).max(1)..=n; // each entry stands in two heads
                let entry = |n| {
                    Entry::new(
                        SegmentId::new(0, n),
                        n * 2000,
                        2000,
                        &vec![n as u8; 9000 * n as usize],
                        live::PIECE_LEN,
                    )
                };
                let now_ms = live::START_MS + u64::from(n) * 300;
                signer.publish(now_ms, &[n.saturating_sub(2).max(1), 1], sequences.map(entry).collect())
            })
            .collect::<Result<_, _>>()
            .expect("viewers take them");
        (bytes, sealed)
    };
    let message =
        |what: u8, bytes: &[u8]| [&[what + 5 * 8][..], &(bytes.len() as u16).to_le_bytes(), bytes].concat();
    let ((_, old), (renewed, new)) = (sign(&live::terms(), 1..5), sign(&second, 4..7));
    let mut signed = Vec::new();
    let mut bodies = Vec::new();
    let mut following = Vec::new();
    for bytes in &old {
        signed.extend(message(0, bytes));
        bodies.extend(message(2, &bytes[69..]));
        following.extend(message(4, &bytes[69..]));
    }
    signed.extend(message(1, &renewed));
    bodies.extend(message(3, &renewed[69..]));
    following.extend(message(3, &renewed[69..]));
    for bytes in &new {
        signed.extend(message(0, bytes));
        bodies.extend(message(2, &bytes[69..]));
        following.extend(message(4, &bytes[69..]));
    }
    put("manifest_head", "signed", &signed);
    put("manifest_head", "bodies", &bodies);
    put("manifest_head", "following", &following);
    let mut other = Head::peek(&old[1]).expect("it can be read");
    other.entries.clear();
    let two = [message(0, &old[0]), message(0, &old[1]), message(0, &other.seal(&live::session()))];
    put("manifest_head", "equivocation", &two.concat());
    let gap = [message(0, &old[0]), message(0, &old[3]), message(0, &old[1]), message(0, &old[3])];
    put("manifest_head", "gap", &gap.concat());
}
