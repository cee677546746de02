//! What a viewer is told first.

use crate::stream::*;
use manifest::live::*;
use manifest::{Hash, Kind};

fn description() -> Description {
    let rendition = |id: &str, kind, inits: &[u8]| LiveRendition {
        id: id.to_owned(),
        kind,
        bandwidth_bps: 100_000,
        inits: inits.iter().map(|&of| Hash([of; 32])).collect(),
    };
    Description {
        publisher: publisher().public(),
        born_ms: START_MS,
        name: "town-hall".to_owned(),
        number: 1,
        piece_len: 32768,
        renditions: vec![rendition("v0", Kind::Video, &[1, 2]), rendition("a0", Kind::Audio, &[3])],
    }
}

#[test]
fn a_description_is_laid_out_as_the_document_says() {
    let bytes = description().seal(&publisher());
    let mut body = publisher().public().as_bytes().to_vec();
    body.extend_from_slice(&START_MS.to_le_bytes());
    body.extend_from_slice(b"\x09town-hall");
    body.extend_from_slice(&[1, 0, 0, 0]);
    body.extend_from_slice(&32768u32.to_le_bytes());
    body.push(2);
    body.extend_from_slice(b"\x02v0\x00");
    body.extend_from_slice(&100_000u32.to_le_bytes());
    body.push(2);
    body.extend_from_slice(&[1; 32]);
    body.extend_from_slice(&[2; 32]);
    body.extend_from_slice(b"\x02a0\x01");
    body.extend_from_slice(&100_000u32.to_le_bytes());
    body.push(1);
    body.extend_from_slice(&[3; 32]);
    assert_eq!(&bytes[..5], b"BCLS\x01");
    assert_eq!(&bytes[69..], &body);
    assert_eq!(Description::open(&bytes, Some(&publisher().public())), Ok(description()));
    assert_eq!(Description::open(&bytes, None), Ok(description()));
    assert_eq!(Description::open(&bytes, Some(&session(1).public())), Err(Refused::BadSignature));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = description().seal(&publisher());
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Description::open(&bad, None).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(Description::open(&bytes[..len], None).is_err(), "{len} bytes");
    }
    assert!(Description::open(&[&bytes[..], &[0]].concat(), None).is_err());
}

#[test]
fn what_cannot_be_is_refused_though_it_is_signed() {
    type Change = fn(&mut Description);
    let changes: [Change; 9] = [
        |d| d.piece_len = 1000,
        |d| d.name.clear(),
        |d| d.name = "../x".to_owned(),
        |d| d.name = "n".repeat(65),
        |d| d.renditions.clear(),
        |d| d.renditions[1].id = "v0".to_owned(),
        |d| d.renditions[0].id = "v 0".to_owned(),
        |d| d.renditions[0].inits.clear(),
        |d| d.renditions[0].inits = vec![Hash([0; 32]); MAX_INITS + 1],
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let mut wrong = description();
        change(&mut wrong);
        let opened = Description::open(&wrong.seal(&publisher()), None);
        assert!(matches!(opened, Err(Refused::Impossible(_))), "{place}: {opened:?}");
    }
}

#[test]
fn a_stream_is_another_with_every_publisher_start_and_name() {
    let mut seen = std::collections::BTreeSet::from([description().stream()]);
    for other in [
        Description { publisher: session(1).public(), ..description() },
        Description { born_ms: START_MS + 1, ..description() },
        Description { name: "town-hal".to_owned(), ..description() },
    ] {
        assert!(seen.insert(other.stream()));
    }
    assert_eq!(Description { number: 2, ..description() }.stream(), description().stream());
}

#[test]
fn a_stream_may_get_new_initialisation_segments_and_nothing_else() {
    let with = |change: fn(&mut Description)| {
        let mut newer = Description { number: 2, ..description() };
        change(&mut newer);
        description().becomes(&newer)
    };
    assert!(with(|d| d.renditions[1].inits.push(Hash([4; 32]))));
    assert!(with(|d| d.renditions[1].bandwidth_bps = 1), "that is only told");
    assert!(!with(|d| d.number = 1));
    assert!(!with(|d| d.renditions[0].inits[0] = Hash([9; 32])));
    assert!(!with(|d| d.renditions[0].kind = Kind::Audio));
    assert!(!with(|d| d.renditions.truncate(1)));
    assert!(!with(|d| d.piece_len = 65536));
    assert!(!with(|d| d.born_ms += 1));
}
