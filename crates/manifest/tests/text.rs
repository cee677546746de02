//! Which texts a viewer takes.

use manifest::text::{TEXT_SEAL_BYTES, TextRefused, open, seal, strip};
use manifest::{PublicKey, SecretKey};
use proptest::prelude::*;

const STREAM: [u8; 20] = [5; 20];
const TEXT: &[u8] =
    b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.001,MPEGTS:90\n\n00:01.000 --> 00:02.000\nGood evening\n\n";

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn ours() -> PublicKey {
    key(1).public()
}

fn sealed() -> Vec<u8> {
    seal(TEXT, &STREAM, "t0/17.vtt", &key(1))
}

#[test]
fn a_text_is_what_was_signed_and_other_players_read_a_comment() {
    let sealed = sealed();
    assert_eq!(open(&sealed, &STREAM, "t0/17.vtt", &ours()), Ok(TEXT));
    assert_eq!(sealed.len(), TEXT.len() + TEXT_SEAL_BYTES);
    let note = std::str::from_utf8(&sealed[TEXT.len()..]).unwrap();
    assert!(note.starts_with("NOTE ") && !note.contains("-->") && note.lines().count() == 1, "{note}");
    assert_eq!(strip(&sealed), TEXT);
    assert_eq!(strip(TEXT), TEXT);
}

#[test]
fn the_signature_is_a_block_of_its_own_however_the_text_ends() {
    for text in ["", "WEBVTT", "WEBVTT\n", "WEBVTT\n\n1\n00:00.000 --> 00:01.000\nx", "WEBVTT\r\n\r\n"] {
        let sealed = seal(text.as_bytes(), &STREAM, "t0/subs.vtt", &key(1));
        let opened = open(&sealed, &STREAM, "t0/subs.vtt", &ours()).unwrap();
        assert!(opened.starts_with(text.as_bytes()) && opened.ends_with(b"\n\n"), "{text:?}");
        let again = seal(strip(&sealed), &STREAM, "t0/subs.vtt", &key(1));
        assert_eq!(again, sealed, "{text:?}");
    }
}

#[test]
fn another_number_track_stream_key_or_text_is_refused() {
    let sealed = sealed();
    let refused = Err(TextRefused::BadSignature);
    for name in ["t0/18.vtt", "t0/1.vtt", "t0/170.vtt", "t1/17.vtt", "t0/subs.vtt", "17.vtt", ""] {
        assert_eq!(open(&sealed, &STREAM, name, &ours()), refused, "{name}");
    }
    assert_eq!(open(&sealed, &[6; 20], "t0/17.vtt", &ours()), refused);
    assert_eq!(open(&sealed, &STREAM, "t0/17.vtt", &key(2).public()), refused);
    // The signature of another text under the same name.
    let other = seal(b"WEBVTT\n\n", &STREAM, "t0/17.vtt", &key(1));
    let moved = [TEXT, &other[strip(&other).len()..]].concat();
    assert_eq!(open(&moved, &STREAM, "t0/17.vtt", &ours()), refused);
}

#[test]
fn a_text_without_a_whole_signature_at_its_end_is_unsigned() {
    let sealed = sealed();
    let unsigned = Err(TextRefused::Unsigned);
    let is = |bytes: &[u8]| open(bytes, &STREAM, "t0/17.vtt", &ours()).map(drop);
    assert_eq!(is(TEXT), unsigned);
    assert_eq!(is(b""), unsigned);
    assert_eq!(is(&[&sealed[..], b"\n00:03.000 --> 00:04.000\nforged\n"].concat()), unsigned);
    for end in 0..sealed.len() {
        assert_eq!(is(&sealed[..end]), unsigned, "cut at {end}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let sealed = sealed();
    for bit in 0..sealed.len() * 8 {
        let mut bad = sealed.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&bad, &STREAM, "t0/17.vtt", &ours()).is_err(), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back_under_its_name_only(
        text in prop::collection::vec(any::<u8>(), 0..300),
        name in "[a-z0-9/.]{0,20}",
        other in "[a-z0-9/.]{0,20}",
    ) {
        let sealed = seal(&text, &STREAM, &name, &key(1));
        prop_assert!(open(&sealed, &STREAM, &name, &ours()).unwrap().starts_with(&text));
        prop_assert_eq!(open(&sealed, &STREAM, &other, &ours()).is_ok(), other == name);
    }
}
