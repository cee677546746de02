//! The bytes.

use crate::stream::*;
use manifest::live::*;
use manifest::{Hash, SegmentId, digest};
use proptest::prelude::*;

#[test]
fn a_head_is_laid_out_as_the_document_says() {
    let cut = Cut { independent: true, ends_segment: true, is_marked: false };
    let head = head(2, Hash([9; 32]), vec![Entry { cut, ..entry(1, 7) }]);
    let bytes = head.seal(&session(1));
    let leaves = &head.entries[0].leaves;
    let mut body = Vec::new();
    body.extend_from_slice(&STREAM);
    body.extend_from_slice(&[1, 0, 0, 0]);
    body.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&at(2).to_le_bytes());
    body.extend_from_slice(&(at(2) + LIFETIME_MS).to_le_bytes());
    body.extend_from_slice(&[9; 32]);
    body.extend_from_slice(&[2, 1, 0, 0, 0, 1, 0, 0, 0]);
    body.extend_from_slice(&[1, 0]);
    body.extend_from_slice(&[1, 3, 7, 0, 0, 0]);
    body.extend_from_slice(&14_000u32.to_le_bytes());
    body.extend_from_slice(&2000u32.to_le_bytes());
    body.extend_from_slice(&83_000u32.to_le_bytes());
    body.extend_from_slice(&[6, 0]);
    leaves.iter().for_each(|leaf| body.extend_from_slice(&leaf.0));
    assert_eq!(&bytes[..5], b"BCLH\x01");
    assert_eq!(&bytes[69..], &body);
    let signed = [b"braidcast live head v1\n", &body[..]].concat();
    assert!(session(1).public().verifies(&signed, bytes[5..69].try_into().unwrap()));
    assert_eq!(head.digest(), digest::root(&signed));
    assert_eq!(Head::open(&bytes, &session(1).public()), Ok(head));
}

#[test]
fn a_delegation_is_laid_out_as_the_document_says() {
    let bytes = delegation(3);
    let mut body = STREAM.to_vec();
    body.extend_from_slice(&[3, 0, 0, 0]);
    body.extend_from_slice(session(3).public().as_bytes());
    body.extend_from_slice(&START_MS.to_le_bytes());
    body.extend_from_slice(&(START_MS + 24 * HOUR_MS).to_le_bytes());
    assert_eq!(bytes.len(), DELEGATION_BYTES);
    assert_eq!(&bytes[..5], b"BCLD\x01");
    assert_eq!(&bytes[69..], &body);
    let signed = [b"braidcast live delegation v1\n", &body[..]].concat();
    assert!(publisher().public().verifies(&signed, bytes[5..69].try_into().unwrap()));
    assert_eq!(Delegation::open(&bytes, &publisher().public()), Ok(terms(3)));
    assert_eq!(Delegation::open(&bytes, &session(3).public()), Err(Refused::BadSignature));
}

#[test]
fn every_flipped_bit_is_noticed_and_changes_nothing() {
    let heads = story(1, 2);
    let mut chain = viewer(1);
    chain.accept(at(1), &heads[0]).unwrap();
    let before = state(&chain);
    for bit in 0..heads[1].len() * 8 {
        let mut bad = heads[1].clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(chain.accept(at(2), &bad).is_err(), "bit {bit}");
    }
    let next = delegation(2);
    for bit in 0..next.len() * 8 {
        let mut bad = next.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(chain.accept_delegation(at(2), &bad).is_err(), "bit {bit}");
    }
    assert_eq!(state(&chain), before);
    assert_eq!(chain.evidence(), None);
}

#[test]
fn what_is_cut_or_lengthened_is_refused() {
    let good = &story(1, 1)[0];
    for end in 0..good.len() {
        assert_eq!(Head::peek(&good[..end]), Err(Refused::Malformed), "cut at {end}");
    }
    assert_eq!(Head::peek(&[&good[..], &[0]].concat()), Err(Refused::Malformed));
    let good = delegation(1);
    for end in 0..good.len() {
        assert!(Delegation::open(&good[..end], &publisher().public()).is_err(), "cut at {end}");
    }
    assert_eq!(Delegation::open(&[&good[..], &[0]].concat(), &publisher().public()), Err(Refused::Malformed));
}

#[test]
fn another_version_is_named() {
    let mut bytes = story(1, 1).remove(0);
    bytes[4] = 2;
    assert_eq!(Head::peek(&bytes), Err(Refused::Version(2)));
}

#[test]
fn how_a_part_is_cut_has_one_encoding() {
    for bits in 0..8 {
        let cut = Cut { independent: bits & 1 != 0, ends_segment: bits & 2 != 0, is_marked: bits & 4 != 0 };
        assert_eq!(cut.bits(), bits);
        let head = head(2, Hash([1; 32]), vec![Entry { cut, ..entry(0, 1) }]);
        assert_eq!(Head::peek(&head.seal(&session(1))).as_ref(), Ok(&head));
    }
    let head = head(2, Hash([1; 32]), vec![entry(0, 1)]);
    let mut bytes = head.seal(&session(1));
    let at = bytes.len() - 32 * head.entries[0].leaves.len() - 19;
    bytes[at] = 8;
    assert_eq!(Head::peek(&bytes), Err(Refused::Malformed));
}

#[test]
fn the_largest_head_has_the_largest_size() {
    let mut largest = head(2, Hash([1; 32]), Vec::new());
    largest.first = vec![1; 32];
    largest.entries = (0..MAX_ENTRIES as u32)
        .map(|i| Entry {
            segment: SegmentId::new((i / 8) as u8, i % 8 + 1),
            cut: Cut { independent: true, ends_segment: true, is_marked: true },
            start_ms: 0,
            duration_ms: 1,
            size: 1,
            leaves: vec![Hash([0; 32]); MAX_HEAD_LEAVES / MAX_ENTRIES],
        })
        .collect();
    let bytes = largest.seal(&session(1));
    assert_eq!((bytes.len(), DELEGATION_BYTES), (MAX_HEAD_BYTES, 141));
    assert_eq!(MAX_HEAD_BYTES, 136_472);
    assert_eq!(Head::peek(&bytes).as_ref(), Ok(&largest));
    largest.entries[0].leaves.push(Hash([0; 32]));
    assert_eq!(Head::peek(&largest.seal(&session(1))), Err(Refused::Malformed));
    largest.entries.truncate(2);
    largest.entries[0].leaves = vec![Hash([0; 32]); 2048];
    largest.entries[1].leaves = vec![Hash([0; 32]); 2048];
    assert!(largest.validate().is_ok());
    largest.entries.push(entry(31, 1));
    assert_eq!(Head::peek(&largest.seal(&session(1))), Err(Refused::Impossible("more than 4096 leaves")));
}

#[test]
fn impossible_contents_are_named() {
    let open = |change: fn(&mut Head)| {
        let mut head = head(2, Hash([1; 32]), vec![entry(0, 1), entry(1, 1)]);
        change(&mut head);
        match Head::peek(&head.seal(&session(1))) {
            Err(Refused::Impossible(what)) => what,
            other => panic!("{other:?}"),
        }
    };
    let counts = "heads count from 1, and only the first has none before it";
    assert_eq!(open(|h| h.number = 0), counts);
    assert_eq!(open(|h| h.number = 1), counts);
    assert_eq!(open(|h| h.previous = Hash([0; 32])), counts);
    let lives = "a head lives from 1 ms to 10 minutes";
    assert_eq!(open(|h| h.expires_ms = h.at_ms), lives);
    assert_eq!(open(|h| h.expires_ms = h.at_ms + MAX_LIFETIME_MS + 1), lives);
    assert_eq!(open(|h| h.expires_ms = 0), lives);
    let renditions = "1 to 32 renditions, whose sequences start at 1 or later";
    assert_eq!(open(|h| h.first = vec![1; 33]), renditions);
    assert_eq!(open(|h| h.first.clear()), renditions);
    assert_eq!(open(|h| h.first[1] = 0), renditions);
    assert_eq!(open(|h| h.entries.reverse()), "entries out of order");
    assert_eq!(open(|h| h.entries[1] = h.entries[0].clone()), "entries out of order");
    let nameless = "an entry of no rendition, or without a sequence number";
    assert_eq!(open(|h| h.entries[0].segment.sequence = 0), nameless);
    assert_eq!(open(|h| h.entries[1].segment.rendition = 2), nameless);
    assert_eq!(open(|h| h.entries[0].size = 0), "an empty entry");
    assert_eq!(open(|h| h.entries[0].duration_ms = 0), "an empty entry");
    let pieces = "an entry of no piece, or of more than 2048";
    assert_eq!(open(|h| h.entries[0].leaves.clear()), pieces);
    assert_eq!(open(|h| h.entries[0].leaves = vec![Hash([0; 32]); 2049]), pieces);
}

#[test]
fn a_delegation_covers_some_time_but_not_for_ever() {
    let open = |from, to| {
        let terms = Delegation { not_before_ms: from, expires_ms: to, ..terms(1) };
        Delegation::open(&terms.seal(&publisher()), &publisher().public()).err()
    };
    let impossible = Some(Refused::Impossible("a delegation covers from 1 ms to 31 days"));
    assert_eq!(open(5, 6), None);
    assert_eq!(open(5, 5 + MAX_DELEGATION_MS), None);
    assert_eq!(open(5, 5), impossible);
    assert_eq!(open(5, 4), impossible);
    assert_eq!(open(0, u64::MAX), impossible);
}

#[test]
fn the_root_of_an_entry_is_the_plain_hash() {
    for size in [1, 16384, 16385, 100_000] {
        let bytes = &media(0, 20)[..size];
        let entry = Entry::new(SegmentId::new(0, 1), 0, 1, bytes, PIECE_LEN);
        assert_eq!(entry.root(PIECE_LEN), Some(digest::root(bytes)));
        assert_eq!(entry.root(0), None);
        assert_eq!(Entry { size: entry.size + PIECE_LEN, ..entry.clone() }.root(PIECE_LEN), None);
        assert_eq!(Entry { leaves: Vec::new(), ..entry.clone() }.root(PIECE_LEN), None);
        assert_eq!(Entry { size: u32::MAX, ..entry }.root(PIECE_LEN), None);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut chain = viewer(1);
        for prefix in [&b""[..], b"BCLH\x01", b"BCLD\x01"] {
            let bytes = [prefix, &bytes].concat();
            prop_assert!(chain.accept(START_MS, &bytes).is_err());
            prop_assert!(chain.accept_delegation(START_MS, &bytes).is_err());
        }
    }

    #[test]
    fn what_can_be_read_is_written_in_the_same_bytes(
        number in any::<u64>(), first in proptest::collection::vec(0u32..3, 0..4), entries in 0usize..4,
        at in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let entries = (0..entries).map(|i| entry(0, i as u32 + 1)).collect();
        let head = Head { number, first, ..head(2, Hash([1; 32]), entries) };
        let mut bytes = head.seal(&session(1));
        if head.validate().is_ok() {
            prop_assert_eq!(Head::peek(&bytes), Ok(head));
        }
        let at = 69 + at.index(bytes.len() - 69);
        bytes[at] = value;
        if let Ok(read) = Head::peek(&bytes) {
            prop_assert_eq!(&read.seal(&session(1))[69..], &bytes[69..]);
        }
    }
}
