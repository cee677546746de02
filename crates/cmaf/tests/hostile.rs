//! Whatever bytes come, the readers return: no panic, no endless loop, no memory beyond their bounds.

mod common;

use std::sync::OnceLock;
use std::time::Duration;

use cmaf::{check, demux, ingest};
use common::{Scratch, cut, film};
use proptest::prelude::*;

/// A small film, its fragments, and its manifests.
struct Corpus {
    film: Vec<u8>,
    stream: Vec<u8>,
    playlist: Vec<u8>,
    mpd: Vec<u8>,
}

fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let scratch = Scratch::new("hostile");
        let path = scratch.path("film.mp4");
        film(&path, 0.4, "-s 32x32");
        let cuts = cut(&path, Duration::from_secs(4));
        let presentation = common::write_package(scratch.root(), &cuts);
        Corpus {
            film: std::fs::read(&path).expect("written"),
            stream: cuts[0].whole(),
            playlist: cmaf::hls::iframes(&presentation, &cuts[0].rendition).into_bytes(),
            mpd: cmaf::dash::mpd(&presentation).into_bytes(),
        }
    })
}

fn read_all(bytes: &[u8]) {
    demux::fuzz(bytes);
    ingest::fuzz(bytes);
    check::fuzz(bytes);
}

/// Where the boxes named lie, so that tests can aim at headers rather than at pixels.
fn headers(bytes: &[u8]) -> std::ops::Range<usize> {
    let moov = bytes.windows(4).position(|w| w == b"moov").expect("there is one") - 4;
    let size = u32::from_be_bytes(bytes[moov..moov + 4].try_into().expect("four bytes")) as usize;
    moov..moov + size
}

#[test]
fn truncated_anywhere_nothing_panics() {
    let corpus = corpus();
    for whole in [&corpus.film, &corpus.stream, &corpus.playlist, &corpus.mpd] {
        let step = (whole.len() / 400).max(1);
        for len in (0..whole.len()).step_by(step) {
            read_all(&whole[..len]);
        }
    }
}

#[test]
fn every_header_byte_at_its_extremes_does_no_harm() {
    let corpus = corpus();
    for whole in [&corpus.film, &corpus.stream] {
        for at in headers(whole) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                demux::fuzz(&bytes);
                ingest::fuzz(&bytes);
            }
        }
    }
}

#[test]
fn every_header_word_at_its_extremes_does_no_harm() {
    let corpus = corpus();
    for whole in [&corpus.film, &corpus.stream] {
        let mut range = headers(whole);
        // The fragment's own headers come right after the moov.
        range.end = (range.end + 400).min(whole.len());
        for at in range.start..range.end - 4 {
            for value in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                let mut bytes = whole.clone();
                bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
                demux::fuzz(&bytes);
                ingest::fuzz(&bytes);
            }
        }
    }
}

#[test]
fn boxes_nested_in_themselves_and_xml_nested_deep_are_bounded() {
    let mut bytes = Vec::new();
    for _ in 0..1000 {
        bytes = common::boxed(b"moov", &bytes);
    }
    read_all(&bytes);
    let deep = "<MPD>".repeat(100_000);
    check::fuzz(deep.as_bytes());
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{}", "#EXTINF:4,\na.m3u8\n".repeat(100_000));
    check::fuzz(playlist.as_bytes());
}

#[test]
fn manifests_that_repeat_themselves_without_end_are_bounded() {
    let corpus = corpus();
    let file = |url: &str| match url.rsplit('.').next() {
        Some("mp4" | "m4s") => Ok(corpus.stream.clone()),
        _ => Err("no".to_owned()),
    };
    let zero = "#EXTINF:0,\n1.m4s\n".repeat(300_000);
    let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"i.mp4\"\n{zero}");
    let master = format!("#EXTM3U\n{}", "#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n".repeat(100_000));
    let found = check::package(|url| match url {
        "master.m3u8" => Ok(master.clone().into_bytes()),
        "v.m3u8" => Ok(list.clone().into_bytes()),
        "manifest.mpd" => Ok(b"<MPD><Period/></MPD>".to_vec()),
        url => file(url),
    });
    assert!(found.iter().any(|f| f.what.contains("more than 256 renditions")));
    assert!(found.len() < 1100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_all(&bytes);
    }

    #[test]
    fn random_boxes_do_no_harm(
        names in proptest::collection::vec(0usize..24, 1..12),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        const NAMES: [&[u8; 4]; 24] = [
            b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1", b"mp4a", b"avcC", b"esds", b"mvex", b"trex",
            b"moof", b"traf", b"trun", b"tfhd", b"tfdt", b"mdat", b"edts", b"elst", b"mvhd", b"tkhd", b"mdhd", b"hdlr",
        ];
        let mut all = bytes;
        for name in names {
            let inner = common::boxed(NAMES[name], &all);
            all.extend_from_slice(&inner);
            all.truncate(20_000);
        }
        read_all(&all);
        read_all(&common::boxed(b"moov", &all));
    }

    #[test]
    fn films_with_random_damage_do_no_harm(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        for whole in [&corpus().film, &corpus().stream] {
            let range = headers(whole);
            let mut bytes = whole.clone();
            for (at, value) in &damage {
                bytes[range.start + at.index(range.len())] = *value;
            }
            read_all(&bytes);
        }
    }

    #[test]
    fn manifests_with_random_damage_do_no_harm(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        for whole in [&corpus().playlist, &corpus().mpd] {
            let mut bytes = whole.clone();
            for (at, value) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            check::fuzz(&bytes);
        }
    }
}
