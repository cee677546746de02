//! What a reader of an index accepts, and what it refuses.

use manifest::digest::Hash;
use manifest::{Index, Invalid, Kind, OpenError, Rendition, SecretKey, Segment, SegmentId};
use proptest::prelude::*;

fn film() -> Index {
    let rendition = |id: &str, kind, size: u32| Rendition {
        id: id.into(),
        kind,
        bandwidth_bps: size * 2,
        init: Hash([3; 32]),
        segments: (0..5)
            .map(|i| Segment { duration_ms: 4000, size: size + i, root: Hash([i as u8; 32]) })
            .collect(),
    };
    Index {
        piece_len: 32768,
        renditions: vec![rendition("v0", Kind::Video, 150_000), rendition("a0", Kind::Audio, 60_000)],
    }
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

#[test]
fn a_sealed_index_opens_with_its_key_and_with_none() {
    let bytes = film().seal(&key(1));
    assert_eq!(Index::open(&bytes, Some(&key(1).public())), Ok(film()));
    assert_eq!(Index::open(&bytes, None), Ok(film()));
    assert_eq!(Index::open(&film().seal_unsigned(), None), Ok(film()));
}

#[test]
fn a_player_with_a_key_refuses_unsigned_and_foreign_indexes() {
    let trusted = key(1).public();
    assert_eq!(Index::open(&film().seal_unsigned(), Some(&trusted)), Err(OpenError::Unsigned));
    assert_eq!(Index::open(&film().seal(&key(2)), Some(&trusted)), Err(OpenError::OtherKey));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = film().seal(&key(1));
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Index::open(&bad, Some(&key(1).public())).is_err(), "bit {bit}");
    }
}

#[test]
fn a_cut_or_lengthened_index_is_refused() {
    let bytes = film().seal_unsigned();
    for end in 0..bytes.len() {
        assert!(Index::open(&bytes[..end], None).is_err(), "cut at {end}");
    }
    assert_eq!(Index::open(&[&bytes[..], &[0]].concat(), None), Err(OpenError::Malformed));
}

#[test]
fn impossible_contents_are_named() {
    let open = |change: fn(&mut Index)| {
        let mut index = film();
        change(&mut index);
        Index::open(&index.seal_unsigned(), None).unwrap_err()
    };
    let invalid = OpenError::Invalid;
    assert_eq!(open(|i| i.piece_len = 1000), invalid(Invalid::PieceLen(1000)));
    assert_eq!(open(|i| i.renditions[1].id = "v0".into()), invalid(Invalid::RenditionId("v0".into())));
    assert_eq!(open(|i| i.renditions[1].id = "../x".into()), invalid(Invalid::RenditionId("../x".into())));
    assert_eq!(
        open(|i| i.renditions[0].segments[2].size = 0),
        invalid(Invalid::Segment(SegmentId::new(0, 3)))
    );
    assert_eq!(open(|i| i.renditions[0].segments.clear()), invalid(Invalid::SegmentCount(0)));
}

#[test]
fn another_film_is_another_swarm() {
    let mut other = film();
    other.renditions[0].segments[0].root = Hash([9; 32]);
    assert_ne!(film().swarm_id(), other.swarm_id());
    assert_eq!(Index::open(&film().seal(&key(1)), None).map(|i| i.swarm_id()), Ok(film().swarm_id()));
}

#[test]
fn pieces_cover_the_segment_exactly() {
    let film = film();
    let id = SegmentId::new(0, 2);
    assert_eq!(film.piece_count(id), 5);
    assert_eq!(film.piece_range(id, 0), Some(0..32768));
    assert_eq!(film.piece_range(id, 4), Some(131_072..150_001));
    assert_eq!(film.piece_range(id, 5), None);
    assert_eq!(film.piece_range(SegmentId::new(0, 0), 0), None);
    assert_eq!(film.piece_range(SegmentId::new(7, 1), 0), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Index::open(&bytes, None);
        let _ = Index::open(&[b"BCIX\x01\x00", &bytes[..]].concat(), None);
    }
}
