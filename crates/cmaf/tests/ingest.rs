//! What an encoder sends gives the same samples as the film it came from, in pieces of any size.

mod common;

use std::path::Path;

use cmaf::demux::Demuxer;
use cmaf::ingest::{Error, Event, FragmentReader};
use cmaf::{Kind, Sample, Track};
use common::{Scratch, ffmpeg, film};

const FLAGS: &str = "-f mp4 -use_editlist 1 \
     -movflags +cmaf+frag_keyframe+empty_moov+default_base_moof+skip_sidx+skip_trailer+delay_moov";

fn read(stream: &[u8], step: usize) -> (Track, Vec<Sample>) {
    let mut reader = FragmentReader::new();
    let mut track = None;
    let mut samples = Vec::new();
    for part in stream.chunks(step) {
        for event in reader.push(part).expect("a legal stream") {
            match event {
                Event::Track(found) => assert!(track.replace(found).is_none(), "the track comes once"),
                Event::Sample(sample) => samples.push(sample),
            }
        }
    }
    reader.finish().expect("a whole stream");
    (track.expect("a track"), samples)
}

fn demuxed(film: &Path, kind: Kind) -> (Track, Vec<Sample>) {
    let mut demuxer = Demuxer::open(std::fs::File::open(film).expect("exists")).expect("a film");
    let at = demuxer.tracks().iter().position(|t| t.kind == kind).expect("the track is there");
    let mut samples = Vec::new();
    while let Some(sample) = demuxer.next_sample(at).expect("whole") {
        samples.push(sample);
    }
    (demuxer.tracks()[at].clone(), samples)
}

fn stream(film: &Path, scratch: &Scratch, name: &str, args: &str) -> Vec<u8> {
    let out = scratch.path(name);
    ffmpeg(&format!("-i {} -c copy {args} {}", film.display(), out.display()));
    std::fs::read(out).expect("written")
}

#[test]
fn a_stream_gives_the_samples_of_its_film_whatever_pieces_it_comes_in() {
    let scratch = Scratch::new("ingest");
    let source = scratch.path("film.mp4");
    film(&source, 5.0, "");
    for (kind, map) in [(Kind::Video, "v"), (Kind::Audio, "a")] {
        let bytes = stream(&source, &scratch, map, &format!("-map 0:{map} {FLAGS} -frag_duration 400000"));
        let (track, samples) = demuxed(&source, kind);
        for step in [bytes.len(), 4096, 11] {
            let (streamed, pieces) = read(&bytes, step);
            assert_eq!(streamed.sample_entry, track.sample_entry);
            assert_eq!((streamed.frame_rate, streamed.priming), (track.frame_rate, track.priming));
            assert_eq!(pieces.len(), samples.len());
            for (a, b) in pieces.iter().zip(&samples) {
                assert_eq!((a.dts, a.cts_offset, a.sync), (b.dts, b.cts_offset, b.sync));
                assert!(a.data == b.data, "the bytes of the sample at {}", a.dts);
            }
        }
    }
}

#[test]
fn offsets_that_are_negative_already_are_left_alone() {
    let scratch = Scratch::new("ingest-cmaf");
    let source = scratch.path("film.mp4");
    film(&source, 2.0, "");
    let flags = FLAGS.replace("-use_editlist 1", "");
    let (_, samples) = read(&stream(&source, &scratch, "v", &format!("-map 0:v {flags}")), 1000);
    assert_eq!(samples[0].pts(), 0);
    assert_eq!(samples.iter().map(|s| (s.dts, s.cts_offset)).collect::<Vec<_>>(), {
        let (_, samples) = demuxed(&source, Kind::Video);
        samples.iter().map(|s| (s.dts, s.cts_offset)).collect::<Vec<_>>()
    });
}

#[test]
fn two_tracks_in_one_stream_and_a_plain_film_are_refused_by_name() {
    let scratch = Scratch::new("ingest-refused");
    let source = scratch.path("film.mp4");
    film(&source, 1.0, "-movflags +faststart");
    let both = stream(&source, &scratch, "both", FLAGS);
    assert_eq!(FragmentReader::new().push(&both), Err(Error::Tracks(2)));
    let plain = std::fs::read(&source).expect("exists");
    assert_eq!(FragmentReader::new().push(&plain), Err(Error::NotFragmented));
    assert_eq!(FragmentReader::new().push(b"#EXTM3U\n#EXT"), Err(Error::NotMp4));
}

#[test]
fn a_stream_that_stops_in_a_fragment_says_so_and_one_that_failed_takes_no_more() {
    let scratch = Scratch::new("ingest-cut");
    let source = scratch.path("film.mp4");
    film(&source, 1.0, "");
    let bytes = stream(&source, &scratch, "v", &format!("-map 0:v {FLAGS}"));
    let mut reader = FragmentReader::new();
    reader.push(&bytes[..bytes.len() - 1]).expect("legal so far");
    assert_eq!(reader.finish(), Err(Error::Incomplete));
    let mut reader = FragmentReader::new();
    assert!(reader.push(&[0; 16]).is_err());
    assert_eq!(reader.push(&bytes), Err(Error::Failed));
}
