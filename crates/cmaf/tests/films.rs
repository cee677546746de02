//! Films as cameras and editors leave them: trimmed, delayed, turned, unfinished, in other codecs.

mod common;

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use cmaf::demux::{Demuxer, Error};
use cmaf::{Kind, Sample};
use common::{ENCODE, Scratch, cut, ffmpeg, film};

fn open(film: &Path) -> Result<Demuxer<std::fs::File>, Error> {
    Demuxer::open(std::fs::File::open(film).expect("exists"))
}

fn samples(demuxer: &mut Demuxer<std::fs::File>, kind: Kind) -> Vec<Sample> {
    let at = demuxer.tracks().iter().position(|t| t.kind == kind).expect("the track is there");
    std::iter::from_fn(|| demuxer.next_sample(at).expect("whole")).collect()
}

/// First and last presentation time of a kind, in seconds; decoder delay counts as negative.
fn span(demuxer: &mut Demuxer<std::fs::File>, kind: Kind) -> (f64, f64) {
    let track = demuxer.tracks().iter().find(|t| t.kind == kind).expect("the track is there").clone();
    let shown: Vec<f64> = samples(demuxer, kind)
        .iter()
        .map(|s| (s.pts() - track.priming as i64) as f64 / f64::from(track.timescale))
        .collect();
    (shown.iter().copied().fold(f64::MAX, f64::min), shown.iter().copied().fold(f64::MIN, f64::max))
}

#[test]
fn a_film_cut_in_the_middle_of_a_group_starts_at_the_keyframe_with_its_sound() {
    let scratch = Scratch::new("trim");
    let (whole, cut) = (scratch.path("whole.mp4"), scratch.path("cut.mp4"));
    film(&whole, 9.0, "");
    // Keyframes are 2 s apart: the cut keeps pictures from 2 s on and hides one second of them.
    ffmpeg(&format!("-ss 3 -i {} -c copy {}", whole.display(), cut.display()));
    let mut film = open(&cut).expect("a film");
    let (first, last) = span(&mut film, Kind::Video);
    assert_eq!(first, 0.0);
    assert!((last - 6.96).abs() < 0.01, "from the keyframe at 2 s on: {last}");
    let sound = span(&mut film, Kind::Audio);
    assert!(sound.0 > 0.9 && sound.0 < 1.05, "sound starts where the cut was made: {}", sound.0);
    assert!((sound.1 - 7.0).abs() < 0.1, "and ends with the pictures: {}", sound.1);
}

#[test]
fn a_track_that_starts_late_keeps_its_distance() {
    let scratch = Scratch::new("late");
    let (whole, late) = (scratch.path("whole.mp4"), scratch.path("late.mp4"));
    film(&whole, 3.0, "");
    let path = whole.display();
    ffmpeg(&format!("-i {path} -itsoffset 0.5 -i {path} -map 0:v -map 1:a -c copy {}", late.display()));
    let mut film = open(&late).expect("a film");
    assert_eq!(span(&mut film, Kind::Video).0, 0.0);
    let sound = span(&mut film, Kind::Audio).0;
    assert!((sound - 0.48).abs() < 0.03, "{sound}");
}

#[test]
fn a_film_whose_tracks_all_start_late_starts_at_zero() {
    let scratch = Scratch::new("shifted");
    let (whole, late) = (scratch.path("whole.mp4"), scratch.path("late.mp4"));
    film(&whole, 2.0, "-an");
    ffmpeg(&format!("-itsoffset 1.5 -i {} -c copy {}", whole.display(), late.display()));
    assert_eq!(span(&mut open(&late).expect("a film"), Kind::Video).0, 0.0);
}

#[test]
fn an_edit_list_that_ends_early_ends_the_track() {
    let scratch = Scratch::new("short");
    let path = scratch.path("film.mp4");
    film(&path, 4.0, "");
    let mut bytes = std::fs::read(&path).expect("exists");
    // The first edit's duration, in milliseconds, lies 16 bytes after the name: make it one second.
    let elst = bytes.windows(4).position(|w| w == b"elst").expect("there is an edit list");
    bytes[elst + 12..elst + 16].copy_from_slice(&1000u32.to_be_bytes());
    let mut film = Demuxer::open(Cursor::new(bytes)).expect("a film");
    let kept = std::iter::from_fn(|| film.next_sample(0).expect("whole")).collect::<Vec<_>>();
    assert!(kept.len() >= 25 && kept.len() <= 27, "25 pictures and what they refer to: {}", kept.len());
}

#[test]
fn edits_that_rearrange_a_film_are_refused_by_name() {
    let scratch = Scratch::new("edits");
    let path = scratch.path("film.mp4");
    film(&path, 1.0, "-an");
    let mut bytes = std::fs::read(&path).expect("exists");
    let elst = bytes.windows(4).position(|w| w == b"elst").expect("there is an edit list");
    // Half speed.
    bytes[elst + 20..elst + 24].copy_from_slice(&0x8000u32.to_be_bytes());
    assert!(matches!(Demuxer::open(Cursor::new(bytes)), Err(Error::EditList { track: 1 })));
}

#[test]
fn a_phone_film_keeps_its_rotation() {
    let scratch = Scratch::new("turned");
    let (plain, turned) = (scratch.path("plain.mp4"), scratch.path("turned.mp4"));
    film(&plain, 1.0, "");
    ffmpeg(&format!("-i {} -c copy -metadata:s:v rotate=90 {}", plain.display(), turned.display()));
    let film = open(&turned).expect("a film");
    let rotation = film.tracks()[0].rotation;
    assert!(rotation == 90 || rotation == 270, "{rotation}");
    let package = cut(&turned, Duration::from_secs(4));
    let out = scratch.path("out.mp4");
    std::fs::write(&out, package[0].whole()).expect("writable");
    let show = "-v error -select_streams v -show_entries stream_side_data=rotation -of csv=p=0";
    let rotation_of = |path: &Path| common::run("ffprobe", &format!("{show} {}", path.display()));
    assert_eq!(rotation_of(&turned), rotation_of(&out));
}

#[test]
fn rates_languages_and_layouts_are_read() {
    let scratch = Scratch::new("facts");
    let path = scratch.path("film.mp4");
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=size=64x64:rate=30000/1001:duration=1 \
         -f lavfi -i anullsrc=channel_layout=5.1:sample_rate=44100 -t 1 {ENCODE} -metadata:s:a:0 language=ger {}",
        path.display()
    ));
    let film = open(&path).expect("a film");
    let [video, audio] = film.tracks() else { panic!("two tracks") };
    assert_eq!(video.frame_rate, Some((30000, 1001)));
    assert_eq!((audio.channels, audio.sample_rate), (6, 44100));
    assert_eq!(audio.language.as_deref(), Some("de"));
    assert!((film.duration().as_secs_f64() - 1.0).abs() < 0.05, "{:?}", film.duration());
}

#[test]
fn other_codecs_are_named_or_left_out_when_there_is_another_track() {
    let scratch = Scratch::new("codecs");
    let (mpeg, mixed) = (scratch.path("mpeg4.mp4"), scratch.path("mixed.mp4"));
    let source = "-f lavfi -i testsrc2=size=64x64:rate=25:duration=1 -f lavfi -i sine=duration=1";
    ffmpeg(&format!("{source} -c:v mpeg4 -c:a aac {}", mpeg.display()));
    let error = open(&mpeg).expect_err("not H.264").to_string();
    assert!(error.contains("Video codec mp4v"), "{error}");

    ffmpeg(&format!(
        "{source} -map 0:v -map 1:a -map 1:a -c:v libx264 -preset ultrafast -c:a:0 ac3 -c:a:1 aac {}",
        mixed.display()
    ));
    let film = open(&mixed).expect("AAC is there");
    assert_eq!(film.tracks().len(), 2);
    assert_eq!(film.skipped().iter().map(|s| s.codec.as_str()).collect::<Vec<_>>(), ["ac-3"]);
}

#[test]
fn what_is_no_finished_film_is_refused_by_name() {
    let scratch = Scratch::new("broken");
    let path = scratch.path("film.mp4");
    film(&path, 1.0, "");
    let bytes = std::fs::read(&path).expect("exists");
    let moov = bytes.windows(4).position(|w| w == b"moov").expect("at the end") - 4;
    assert!(matches!(Demuxer::open(Cursor::new(&bytes[..moov])), Err(Error::NoMoov)));
    assert!(matches!(Demuxer::open(Cursor::new(&bytes[..moov + 100])), Err(Error::Malformed(_))));
    assert!(matches!(Demuxer::open(Cursor::new(b"RIFF....AVI LIST")), Err(Error::NotMp4)));
    assert!(matches!(Demuxer::open(Cursor::new(b"")), Err(Error::NoMoov)));

    let fragmented = scratch.path("fragmented.mp4");
    ffmpeg(&format!(
        "-i {} -c copy -movflags +frag_keyframe+empty_moov {}",
        path.display(),
        fragmented.display()
    ));
    assert!(matches!(open(&fragmented), Err(Error::Fragmented)));

    let fast = scratch.path("fast.mp4");
    ffmpeg(&format!("-i {} -c copy -movflags +faststart {}", path.display(), fast.display()));
    let bytes = std::fs::read(&fast).expect("exists");
    let mut film = Demuxer::open(Cursor::new(&bytes[..bytes.len() / 2])).expect("the moov is there");
    let broken = loop {
        match film.next_sample(0) {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(broken, Err(Error::Incomplete { .. })), "{broken:?}");
}

#[test]
fn a_film_beyond_four_gigabytes_is_read_where_its_samples_lie() {
    let scratch = Scratch::new("large");
    let path = scratch.path("film.mp4");
    film(&path, 1.0, "");
    let small: Vec<Sample> = samples(&mut open(&path).expect("a film"), Kind::Video);
    // The same film with its media behind a hole of 5 GiB: the file is sparse and takes no room.
    let bytes = std::fs::read(&path).expect("exists");
    let moov = bytes.windows(4).position(|w| w == b"moov").expect("at the end") - 4;
    const HOLE: u64 = 5 << 30;
    let header = bytes_with_far_chunks(&bytes[moov..], HOLE);
    let large = scratch.path("large.mp4");
    let mut file = std::fs::File::create(&large).expect("writable");
    use std::io::{Seek, SeekFrom, Write};
    let mut start = common::boxed(b"ftyp", b"isom\0\0\0\0isom");
    start.extend_from_slice(&[0, 0, 0, 1]);
    start.extend_from_slice(b"free");
    start.extend_from_slice(&(HOLE - start.len() as u64 + 8).to_be_bytes());
    file.write_all(&start).expect("writable");
    file.seek(SeekFrom::Start(HOLE)).expect("a sparse file");
    file.write_all(&bytes[..moov]).expect("writable");
    file.write_all(&header).expect("writable");
    drop(file);
    assert_eq!(samples(&mut open(&large).expect("a large film"), Kind::Video), small);
}

/// A `moov` whose 32-bit chunk offsets became 64-bit ones that lie `by` further.
fn bytes_with_far_chunks(moov: &[u8], by: u64) -> Vec<u8> {
    let kind: &[u8; 4] = moov[4..8].try_into().expect("a box");
    let payload = &moov[8..];
    if kind == b"stco" {
        let mut far = payload[..8].to_vec();
        for offset in payload[8..].chunks(4) {
            let offset = u32::from_be_bytes(offset.try_into().expect("four bytes"));
            far.extend_from_slice(&(u64::from(offset) + by).to_be_bytes());
        }
        return common::boxed(b"co64", &far);
    }
    if ![*b"moov", *b"trak", *b"mdia", *b"minf", *b"stbl"].contains(kind) {
        return moov.to_vec();
    }
    let mut out = Vec::new();
    let mut rest = payload;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        out.extend_from_slice(&bytes_with_far_chunks(&rest[..size], by));
        rest = &rest[size..];
    }
    common::boxed(kind, &out)
}
