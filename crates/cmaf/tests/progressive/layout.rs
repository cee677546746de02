//! Every byte has its place before any media is there, and what does not fit is refused.

use cmaf::Malformed;
use cmaf::progressive::{Error, Extent, MAX_SEGMENTS, Progressive, SegmentSpan, Track};
use proptest::prelude::*;

use crate::common::boxed;
use crate::{Film, minute, read, spans, tracks};

#[test]
fn tracks_get_ids_of_their_own_and_numbers_rise() {
    let film = minute();
    let mut last = 0;
    let mut rest = &film.bytes[..];
    let mut fragments = 0;
    while let Some((header, _)) = rest.split_first_chunk::<8>() {
        let size = u32::from_be_bytes(header[..4].try_into().expect("four bytes")) as usize;
        let field = |name: &[u8; 4]| {
            let at = rest[..size].windows(4).position(|w| w == name).expect("it is there");
            u32::from_be_bytes(rest[at + 8..at + 12].try_into().expect("four bytes"))
        };
        if &header[4..] == b"moof" {
            assert!(field(b"mfhd") > last && (1..=2).contains(&field(b"tfhd")));
            last = field(b"mfhd");
            fragments += 1;
        } else {
            assert!(matches!(&header[4..], b"ftyp" | b"moov" | b"sidx" | b"mdat" | b"free"), "{header:?}");
        }
        rest = &rest[size..];
    }
    assert!(rest.is_empty());
    assert_eq!(fragments, film.cuts.iter().map(|cut| cut.segments.len()).sum::<usize>());
}

#[test]
fn what_is_no_package_is_refused_by_name() {
    let cuts = &minute().cuts;
    let spans: Vec<_> = cuts.iter().map(spans).collect();
    let good = tracks(cuts, &spans);
    let with = |track| Progressive::new(&[good[0], track]).expect_err("refused");
    assert_eq!(Progressive::new(&[]), Err(Error::Tracks(0)));
    assert_eq!(Progressive::new(&[good[0], good[1], good[1]]), Err(Error::Tracks(3)));
    assert_eq!(with(Track { segments: &[], ..good[1] }), Error::Segments(0));
    let span = SegmentSpan { duration_ms: 1, size: 1 };
    let many = vec![span; MAX_SEGMENTS + 1];
    assert_eq!(with(Track { segments: &many, ..good[1] }), Error::Segments(MAX_SEGMENTS + 1));
    let empty = [span, SegmentSpan { size: 0, ..span }];
    assert_eq!(with(Track { segments: &empty, ..good[1] }), Error::SegmentSize { track: 1, sequence: 2 });
    // So much lies between two segments of pictures.
    let huge = [SegmentSpan { size: u32::MAX, ..span }, span];
    assert_eq!(with(Track { segments: &huge, ..good[1] }), Error::SegmentSize { track: 0, sequence: 1 });
    let endless = [SegmentSpan { duration_ms: u32::MAX, ..span }];
    assert_eq!(
        with(Track { segments: &endless, ..good[1] }),
        Error::SegmentDuration { track: 1, sequence: 1 }
    );
    assert!(matches!(with(Track { init: &[], ..good[1] }), Error::Malformed(Malformed::Missing { .. })));
    let moov = cuts[1].init.windows(4).position(|w| w == b"mvex").expect("there is one");
    let mut lacking = cuts[1].init.clone();
    lacking[moov..moov + 4].copy_from_slice(b"free");
    assert!(matches!(with(Track { init: &lacking, ..good[1] }), Error::Malformed(Malformed::Missing { .. })));
}

#[test]
fn a_segment_that_does_not_fit_is_refused_and_stays_as_it_was() {
    let Film { cuts, file, .. } = minute();
    let whole = &cuts[1].segments[2].bytes;
    let mut bytes = whole.clone();
    for (track, sequence) in [(2, 1), (0, 0), (0, 16), (1, u32::MAX)] {
        assert_eq!(file.adapt(track, sequence, &mut bytes), Err(Error::NoSegment { track, sequence }));
    }
    assert!(matches!(file.adapt(1, 3, &mut bytes[1..]), Err(Error::Length { .. })));
    let field = |name: &[u8; 4]| whole.windows(4).position(|w| w == name).expect("it is there") + 4;
    let damaged = |at: usize, value: u8| {
        let mut bytes = whole.clone();
        bytes[at] = value;
        let damaged = bytes.clone();
        let error = file.adapt(1, 3, &mut bytes).expect_err("refused");
        assert_eq!(bytes, damaged);
        error
    };
    assert_eq!(damaged(field(b"tfhd") + 7, 9), Error::ForeignTrack(9));
    assert_eq!(damaged(field(b"tfhd") + 3, 0x21), Error::FileOffsets);
    assert!(matches!(damaged(field(b"mdat") - 5, 0), Error::Malformed(_)));
    assert!(matches!(damaged(field(b"mdat") - 8, 0x7f), Error::Malformed(Malformed::Size(..))));
    assert_eq!(damaged(field(b"moof") - 1, b'v'), Error::Fragment);
}

#[test]
fn a_segment_of_more_fragments_than_have_numbers_is_refused() {
    let cuts = &minute().cuts;
    let segment = [boxed(b"moof", &[]), boxed(b"mdat", &[])].concat().repeat(5000);
    let span = SegmentSpan { duration_ms: 4000, size: segment.len() as u32 };
    let file = Progressive::new(&[Track { init: &cuts[0].init, segments: &[span] }]).expect("a file");
    assert_eq!(file.adapt(0, 1, &mut segment.clone()), Err(Error::Fragments));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_range_is_the_slice_of_the_whole(ranges in proptest::collection::vec((0u64..5_000_000, 0u64..3_000_000), 1..4)) {
        let film = minute();
        for (start, len) in ranges {
            let found = read(&film.file, &film.cuts, start..start + len);
            let clip = |at: u64| at.min(film.file.len()) as usize;
            prop_assert_eq!(&found[..], &film.bytes[clip(start)..clip(start + len)]);
        }
    }

    #[test]
    fn the_places_of_random_segments_are_gapless(
        pictures in proptest::collection::vec((1u32..9000, 1u32..2_000_000), 1..40),
        sound in proptest::collection::vec((1u32..9000, 1u32..90_000), 1..40),
    ) {
        let spans = |all: &[(u32, u32)]| {
            all.iter().map(|&(duration_ms, size)| SegmentSpan { duration_ms, size }).collect::<Vec<_>>()
        };
        let spans = [spans(&pictures), spans(&sound)];
        let file = Progressive::new(&tracks(&minute().cuts, &spans)).expect("a file");
        let mut at = 0;
        let mut next = [1, 1];
        for extent in file.extents(0..u64::MAX) {
            let len = match extent {
                Extent::Head(range) => range.len() as u64,
                Extent::Tail(range) => range.len() as u64,
                Extent::Segment { track, sequence, range } => {
                    prop_assert_eq!(sequence, next[track]);
                    prop_assert_eq!(range, 0..spans[track][sequence as usize - 1].size);
                    next[track] += 1;
                    u64::from(spans[track][sequence as usize - 1].size)
                }
            };
            // The first and the last byte of it are found alone.
            prop_assert_eq!(file.extents(at..at + 1).count(), 1);
            at += len;
            prop_assert_eq!(file.extents(at - 1..at).count(), 1);
        }
        prop_assert_eq!(at, file.len());
        prop_assert_eq!(next, [spans[0].len() as u32 + 1, spans[1].len() as u32 + 1]);
        prop_assert_eq!(file.extents(at..u64::MAX).count(), 0);
    }

    #[test]
    fn damaged_inits_and_segments_do_no_harm(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        len in any::<prop::sample::Index>(),
    ) {
        let cut = &minute().cuts[1];
        let segment = &cut.segments[0].bytes;
        // The headers: what follows is sound.
        for whole in [[&cut.init[..], &segment[..400]].concat(), [&cut.init[..], &segment[..]].concat()] {
            let mut bytes = whole;
            let headers = cut.init.len() + 400;
            for (at, value) in &damage {
                bytes[at.index(headers)] = *value;
            }
            cmaf::progressive::fuzz(&bytes);
            cmaf::progressive::fuzz(&bytes[..len.index(bytes.len())]);
        }
    }
}
