//! ffmpeg plays the file as it plays the renditions, and seeks in it without reading it.

use crate::server::Server;
use crate::{Film, LADDER, common, minute};
use common::Scratch;

/// Presentation time and digest of every decoded frame.
fn frames(input: &str, more: &str) -> Vec<String> {
    let args = format!("-loglevel warning -nostdin -copyts {input} {more} -f framemd5 -");
    let output =
        std::process::Command::new("ffmpeg").args(args.split_whitespace()).output().expect("ffmpeg starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args}");
    let text = String::from_utf8(output.stdout).expect("framemd5 is text");
    let fields = |line: &str| line.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>();
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(fields);
    lines.map(|fields| format!("{} {}", fields[2], fields[5])).collect()
}

fn probe(path: &str, what: &str) -> String {
    let args = format!("-v warning -show_entries {what} -of csv=p=0 {path}");
    let output =
        std::process::Command::new("ffprobe").args(args.split_whitespace()).output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Plays every frame of the renditions, and nothing else, to the last digit.
fn plays_as_its_renditions(film: &Film, scratch: &Scratch) {
    let path = scratch.path("whole.mp4").display().to_string();
    std::fs::write(&path, &film.bytes).expect("writable");
    for (cut, stream) in film.cuts.iter().zip(["0:v", "0:a"]) {
        let alone = scratch.path("alone.mp4").display().to_string();
        std::fs::write(&alone, cut.whole()).expect("writable");
        let (ours, theirs) =
            (frames(&format!("-i {path}"), &format!("-map {stream}")), frames(&format!("-i {alone}"), ""));
        assert!(theirs.len() > 10);
        assert!(ours == theirs, "{stream}: {} and {} frames", ours.len(), theirs.len());
    }
}

#[test]
fn it_plays_as_its_renditions_do_and_ffprobe_knows_its_length_and_streams() {
    let scratch = Scratch::new("progressive-whole");
    let film = minute();
    assert_eq!(film.bytes.len() as u64, film.file.len());
    plays_as_its_renditions(film, &scratch);
    let path = scratch.path("whole.mp4").display().to_string();
    assert_eq!(probe(&path, "stream=codec_name"), "h264\naac");
    let length: f64 = probe(&path, "format=duration").parse().expect("seconds");
    assert!((length - 60.0).abs() < 0.1, "{length}");
}

#[test]
fn films_with_many_groups_in_a_segment_and_cuts_off_the_grid_play_too() {
    let scratch = Scratch::new("progressive-groups");
    for more in [
        "-g 33 -sc_threshold 0",
        "-g 1 -bf 0",
        "-g 20 -sc_threshold 0 -vf setpts=PTS+mod(N\\,3)*0.004/TB -vsync vfr",
    ] {
        let path = scratch.path("film.mp4");
        common::film(&path, 20.0, more);
        plays_as_its_renditions(&Film::new(&path), &scratch);
    }
}

#[test]
fn seeks_in_any_order_start_at_the_segment_wherever_it_was_read_before() {
    let scratch = Scratch::new("progressive-order");
    let path = scratch.path("film.mp4");
    common::film(&path, 40.0, "-g 50 -sc_threshold 0");
    let film = Film::new(&path);
    let path = scratch.path("whole.mp4").display().to_string();
    std::fs::write(&path, &film.bytes).expect("writable");
    let seconds = [33.0f64, 11.0, 34.5, 2.5, 22.0, 11.0, 26.0, 5.0, 39.0];
    let intervals = seconds.map(|at| format!("{at}%+#12")).join(",");
    let show = format!("packet=stream_index,pts_time,flags -read_intervals {intervals}");
    let packets = probe(&path, &show);
    let starts = packets.lines().filter(|packet| packet.starts_with('0') && packet.contains('K'));
    // ffmpeg shows pictures one frame late where any is reordered.
    let starts: Vec<f64> = starts
        .map(|packet| packet.split(',').nth(1).and_then(|pts| pts.parse().ok()).expect("a time"))
        .collect();
    assert_eq!(starts, seconds.map(|at| (at / 4.0).floor() * 4.0 + 0.04), "{packets}");
}

#[test]
fn sound_that_ends_early_or_goes_on_and_a_film_without_any_are_files_too() {
    for (name, more) in [("short", "-af atrim=end=5"), ("long", "-vf trim=end=5"), ("silent", "-an")] {
        let scratch = Scratch::new(&format!("progressive-{name}"));
        let path = scratch.path("film.mp4");
        common::film(&path, 14.0, &format!("{LADDER} {more}"));
        let film = Film::new(&path);
        plays_as_its_renditions(&film, &scratch);
        let length: f64 = probe(&scratch.path("whole.mp4").display().to_string(), "format=duration")
            .parse()
            .expect("seconds");
        assert!((length - 14.0).abs() < 0.1, "{name}: {length}");
    }
}

#[test]
fn a_seek_shows_the_frame_that_is_there_and_reads_a_fraction() {
    let scratch = Scratch::new("progressive-seek");
    let film = minute();
    let path = scratch.path("whole.mp4").display().to_string();
    std::fs::write(&path, &film.bytes).expect("writable");
    let all = frames(&format!("-i {path}"), "-map 0:v");
    for at in [0.04, 1.5, 4.04, 13.0, 31.96, 32.04, 45.3, 59.0] {
        let server = Server::new(&film.bytes);
        let seek = format!("-seek_timestamp 1 -ss {at} -i {}", server.url);
        let found = frames(&seek, "-map 0:v -frames:v 5");
        // The frame that is on the screen at that time, or the first after it.
        let shown = all.iter().position(|frame| {
            let ticks: f64 = frame.split(' ').next().and_then(|pts| pts.parse().ok()).expect("a time");
            ticks / 25.0 >= at - 0.021
        });
        let shown = shown.expect("there are frames after it");
        assert_eq!(found, all[shown..shown + 5], "at {at}");
        let touched = server.touched();
        let wanted: u64 = film
            .cuts
            .iter()
            .flat_map(|cut| {
                let seconds = move |ticks| cut.rendition.track.duration(ticks).as_secs_f64();
                // What is shown, one beside it and the first.
                cut.segments.iter().filter(move |s| s.sequence == 1 || (seconds(s.start) - at).abs() < 8.1)
            })
            .map(|segment| segment.bytes.len() as u64)
            .sum();
        println!("at {at}: {touched} of {} bytes", film.bytes.len());
        assert!(touched <= wanted, "at {at}: {touched} of at most {wanted} of {} bytes", film.bytes.len());
    }
}
