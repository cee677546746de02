//! A film that went through the demuxer and the segmenter decodes to the same pictures and the same sound.

mod common;

use std::path::Path;
use std::time::Duration;

use cmaf::{Kind, Track};
use common::{Scratch, cut, ffmpeg, film, write_package};

const TARGET: Duration = Duration::from_secs(4);

/// The decoded frames with their times, as ffmpeg sums them up.
fn frames(input: &Path, stream: &str) -> String {
    let sums = ffmpeg(&format!("-i {} -map 0:{stream} -f framemd5 -", input.display()));
    let text = String::from_utf8(sums).expect("framemd5 is text");
    // Columns: stream, dts, pts, duration, size, hash. The time base may differ; order and hash may not.
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(',').next().map(|hash| hash.trim().to_owned() + "\n"))
        .collect()
}

/// The decoded samples of all sound, 16 bits each.
fn sound(input: &Path) -> Vec<u8> {
    ffmpeg(&format!("-i {} -map 0:a -f s16le -c:a pcm_s16le -", input.display()))
}

/// ffmpeg gives out the decoder delay of fragmented films; the edit list says how much of it there is.
fn sound_after_priming(input: &Path, track: &Track) -> Vec<u8> {
    let skip = track.priming as usize * 2 * usize::from(track.channels);
    sound(input).split_off(skip)
}

fn assert_same(name: &str, source: &Path, scratch: &Scratch) {
    for cut in cut(source, TARGET) {
        let out = scratch.path(&format!("{name}-{}.mp4", cut.rendition.id));
        std::fs::write(&out, cut.whole()).expect("writable");
        let track = &cut.rendition.track;
        match track.kind {
            Kind::Video => {
                assert_eq!(frames(source, "v"), frames(&out, "v"), "{name}: pictures");
            }
            Kind::Audio => assert!(sound(source) == sound_after_priming(&out, track), "{name}: sound"),
        }
        assert_eq!(cut.segments[0].start, 0, "{name}: presentation starts at zero");
    }
}

#[test]
fn pictures_with_b_frames_and_sound_with_priming_decode_the_same() {
    let scratch = Scratch::new("remux");
    let source = scratch.path("film.mp4");
    film(&source, 9.5, "");
    assert_same("end", &source, &scratch);
}

#[test]
fn a_moov_at_the_start_and_a_quicktime_file_read_the_same() {
    let scratch = Scratch::new("faststart");
    let (fast, mov) = (scratch.path("fast.mp4"), scratch.path("film.mov"));
    film(&fast, 3.0, "-movflags +faststart");
    ffmpeg(&format!("-i {} -c copy {}", fast.display(), mov.display()));
    assert_same("fast", &fast, &scratch);
    assert_same("mov", &mov, &scratch);
}

#[test]
fn the_whole_package_plays_through_its_master_playlist_and_its_mpd() {
    let scratch = Scratch::new("package");
    let source = scratch.path("film.mp4");
    film(&source, 9.0, "");
    let cuts = cut(&source, TARGET);
    write_package(scratch.root(), &cuts);
    let (master, mpd) = (scratch.path("master.m3u8"), scratch.path("manifest.mpd"));
    assert_eq!(frames(&source, "v"), frames(&master, "v"), "pictures through HLS");
    assert_eq!(frames(&source, "v"), frames(&mpd, "v"), "pictures through DASH");
    let track = &cuts[1].rendition.track;
    assert!(sound(&source) == sound_after_priming(&master, track), "sound through HLS");
    assert!(sound(&source) == sound_after_priming(&mpd, track), "sound through DASH");
}
