//! What a real encoder sends, through reader, cutter and window, decoded by the encoder's own program.

use std::path::Path;
use std::time::Duration;

use cmaf::ingest::{Event, FragmentReader};
use cmaf::live::{Targets, hls};
use cmaf::{Kind, Sample, Segmenter, Track};

use super::common::{Scratch, ffmpeg, run};
use super::{Stage, assert_gapless, segments};

const FLAGS: &str = "-f mp4 -use_editlist 1 \
     -movflags +cmaf+empty_moov+default_base_moof+skip_sidx+skip_trailer+delay_moov";
/// Keyframes on every second second.
const KEYFRAMES: &str = "-c:v libx264 -preset ultrafast -threads 2 -pix_fmt yuv420p -g 1000 -sc_threshold 0 \
     -force_key_frames expr:gte(t,n_forced*2)";

fn targets(part_ms: u64) -> Targets {
    Targets::new(Duration::from_secs(2), Duration::from_millis(part_ms))
}

/// Encodes to a fragmented stream and reads it back in uneven pieces.
fn encode(scratch: &Scratch, name: &str, args: &str) -> (Track, Vec<Sample>) {
    let path = scratch.path(name);
    ffmpeg(&format!("{args} {FLAGS} {}", path.display()));
    let bytes = std::fs::read(&path).expect("written");
    let mut reader = FragmentReader::new();
    let (mut track, mut samples) = (None, Vec::new());
    for piece in bytes.chunks(1777) {
        for event in reader.push(piece).expect("a legal stream") {
            match event {
                Event::Track(found) => track = Some(found),
                Event::Sample(sample) => samples.push(sample),
            }
        }
    }
    (track.expect("a track"), samples)
}

fn segmented(track: &Track, samples: &[Sample]) -> Vec<(u64, u64)> {
    let mut segmenter = Segmenter::new(track, Duration::from_secs(2));
    let mut all = Vec::new();
    for sample in samples {
        all.extend(segmenter.push(sample.clone()).expect("in order"));
    }
    all.extend(segmenter.finish());
    all.iter().map(|s| (s.start, s.duration)).collect()
}

/// The hash of every decoded frame or block of sound.
fn decoded(input: &Path) -> Vec<String> {
    let out = ffmpeg(&format!("-i {} -fps_mode passthrough -f framemd5 -", input.display()));
    let text = String::from_utf8(out).expect("text");
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.filter_map(|l| l.rsplit(',').next()).map(|hash| hash.trim().to_owned()).collect()
}

fn frames_in(input: &Path) -> usize {
    let show = "-v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0";
    let text = run("ffprobe", &format!("{show} {}", input.display()));
    // Programs of a playlist are listed again.
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().and_then(|l| l.trim_end_matches(',').parse().ok()).expect("a number")
}

/// All segments of a rendition behind its init segment, as a file.
fn joined(stage: &Stage, at: usize, scratch: &Scratch) -> std::path::PathBuf {
    let line = &stage.lines[at];
    let mut whole = stage.files[&format!("{}/init/1.mp4", line.id)].clone();
    let last = line.parts.last().expect("parts").segment;
    for number in 1..=last {
        whole.extend_from_slice(&stage.files[&format!("{}/{number}.m4s", line.id)]);
    }
    let path = scratch.path(&format!("{}-joined.mp4", line.id));
    std::fs::write(&path, whole).expect("writable");
    path
}

#[test]
fn three_rungs_and_sound_line_up_and_hold_every_frame_of_their_source() {
    let scratch = Scratch::new("live-ladder");
    let mut sources = Vec::new();
    for (id, size, more) in [
        ("v0", "160x90", "-bf 0 -frag_duration 400000"),
        ("v1", "240x136", "-bf 2 -frag_duration 200000"),
        ("v2", "320x180", "-bf 0 -tune zerolatency -frag_duration 1"),
    ] {
        let args = format!("-f lavfi -i testsrc2=size={size}:rate=25:duration=9 {KEYFRAMES} {more}");
        sources.push((id, encode(&scratch, id, &args)));
    }
    let sound =
        "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=9 -c:a aac -b:a 64k -frag_duration 400000";
    sources.push(("a0", encode(&scratch, "a0", sound)));

    let tracks: Vec<_> = sources.iter().map(|(id, (track, _))| (*id, track.clone())).collect();
    let mut stage = Stage::new(&tracks, targets(400), Duration::from_secs(60));
    let references: Vec<&Track> = tracks.iter().map(|(_, track)| track).collect();
    stage.feed(&references, sources.iter().map(|(_, (_, samples))| samples.clone()).collect());
    stage.finish();

    for (at, (id, (track, samples))) in sources.iter().enumerate() {
        let parts = &stage.lines[at].parts;
        assert_gapless(parts);
        assert_eq!(segments(parts), segmented(track, samples), "{id}: as the film's segmenter cuts");
        let (source, ours) = (scratch.path(id), joined(&stage, at, &scratch));
        let (expected, found) = (decoded(&source), decoded(&ours));
        assert!(expected.len() > 200, "{id}: {}", expected.len());
        assert_eq!(found, expected, "{id}: every frame is the source's");
        if track.kind == Kind::Video {
            assert_eq!(frames_in(&ours), 225);
        }
    }
    // Pictures: the same parts at the same times; sound: the same segments, each at most a frame later.
    let times = |at: usize| -> Vec<(u32, u32, Duration)> {
        let track = &tracks[at].1;
        stage.lines[at].parts.iter().map(|p| (p.segment, p.index, track.duration(p.start))).collect()
    };
    assert_eq!(times(0), times(1));
    assert_eq!(times(0), times(2));
    let starts = |at: usize| -> Vec<Duration> {
        times(at).iter().filter(|(_, index, _)| *index == 0).map(|t| t.2).collect()
    };
    assert_eq!(starts(0).len(), starts(3).len());
    for (picture, sound) in starts(0).iter().zip(starts(3)) {
        assert!(sound >= *picture && sound - *picture < Duration::from_millis(22), "{picture:?} {sound:?}");
    }
    assert_eq!(stage.findings(), []);
}

#[test]
fn a_rate_that_does_not_fit_the_part_target_still_gives_parts_of_one_length() {
    let scratch = Scratch::new("live-ntsc");
    let input = "-f lavfi -i testsrc2=size=160x90:rate=30000/1001:duration=9";
    let (track, samples) =
        encode(&scratch, "v0", &format!("{input} {KEYFRAMES} -bf 2 -frag_duration 300000"));
    assert_eq!(track.frame_rate, Some((30000, 1001)));
    let mut stage = Stage::new(&[("v0", track.clone())], targets(200), Duration::from_secs(60));
    stage.feed(&[&track], vec![samples.clone()]);
    stage.finish();
    assert_gapless(&stage.lines[0].parts);
    assert_eq!(segments(&stage.lines[0].parts), segmented(&track, &samples));
    // Six frames are 200.2 ms: too long. Five are 166.8 ms, which is less than 85 % of 200.
    assert_eq!(stage.lines[0].window.part_target().as_millis(), 166);
    assert_eq!(decoded(&joined(&stage, 0, &scratch)), decoded(&scratch.path("v0")));
    assert_eq!(stage.findings(), []);
}

#[test]
fn frames_of_many_lengths_keep_the_rules_of_parts() {
    let scratch = Scratch::new("live-vfr");
    // Of 60 frames a second irregularly many are left out: what stays lasts 17 to 67 ms.
    let input =
        "-f lavfi -i testsrc2=size=160x90:rate=60:duration=9 -vf select='lt(mod(n*7,11),5)' -fps_mode vfr";
    let (mut track, samples) = encode(
        &scratch,
        "v0",
        &format!("{input} {KEYFRAMES} -bf 0 -frag_duration 1 -video_track_timescale 60000"),
    );
    let lengths: std::collections::BTreeSet<u32> = samples.iter().map(|s| s.duration).collect();
    assert!(lengths.len() >= 2, "{lengths:?}");
    track.frame_rate = None;
    let mut stage = Stage::new(&[("v0", track.clone())], targets(500), Duration::from_secs(60));
    stage.feed(&[&track], vec![samples.clone()]);
    stage.finish();
    assert_gapless(&stage.lines[0].parts);
    assert_eq!(segments(&stage.lines[0].parts), segmented(&track, &samples));
    assert_eq!(decoded(&joined(&stage, 0, &scratch)), decoded(&scratch.path("v0")));
    assert_eq!(stage.findings(), []);
}

#[test]
fn sound_alone_is_a_stream() {
    let scratch = Scratch::new("live-sound");
    let input =
        "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=9 -c:a aac -b:a 64k -frag_duration 100000";
    let (track, samples) = encode(&scratch, "a0", input);
    let mut stage = Stage::new(&[("a0", track.clone())], targets(250), Duration::from_secs(60));
    stage.feed(&[&track], vec![samples.clone()]);
    stage.finish();
    assert_gapless(&stage.lines[0].parts);
    assert_eq!(segments(&stage.lines[0].parts), segmented(&track, &samples));
    assert_eq!(decoded(&joined(&stage, 0, &scratch)), decoded(&scratch.path("a0")));
    assert!(stage.lines[0].parts.iter().all(|p| p.independent));
    assert_eq!(stage.findings(), []);
}

#[test]
fn an_encoder_that_starts_again_with_another_picture_size_goes_on_after_a_discontinuity() {
    let scratch = Scratch::new("live-restart");
    let video = |name: &str, size: &str| {
        let input = format!("-f lavfi -i testsrc2=size={size}:rate=25:duration=5");
        encode(&scratch, name, &format!("{input} {KEYFRAMES} -bf 0 -frag_duration 1"))
    };
    let sound = |name: &str| {
        let input = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=5";
        encode(&scratch, name, &format!("{input} -c:a aac -b:a 64k -frag_duration 1"))
    };
    let ((v, v_samples), (a, a_samples)) = (video("v-old", "320x180"), sound("a-old"));
    let mut stage =
        Stage::new(&[("v0", v.clone()), ("a0", a.clone())], targets(400), Duration::from_secs(60));
    stage.feed(&[&v, &a], vec![v_samples.clone(), a_samples.clone()]);

    let ((w, w_samples), (b, b_samples)) = (video("v-new", "160x90"), sound("a-new"));
    stage.restart(&[&w, &b]);
    let base = stage.lines.iter().filter_map(|l| l.cutter.end()).max().expect("it ran");
    let later = |track: &Track, samples: &[Sample]| -> Vec<Sample> {
        let shift = base.as_nanos() * u128::from(track.timescale) / 1_000_000_000;
        samples.iter().map(|s| Sample { dts: s.dts + shift as u64, ..s.clone() }).collect()
    };
    stage.feed(&[&w, &b], vec![later(&w, &w_samples), later(&b, &b_samples)]);
    let mid = stage.mpd();
    assert!(mid.contains("<Period id=\"0\" start=\"PT0S\">") && mid.contains("<Period id=\"1\""), "{mid}");
    stage.finish();
    for line in &stage.lines {
        assert_gapless(&line.parts);
        let text = hls::media(&line.window, &[], hls::Form::Plain);
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
        // The sound of both encoders has the same header.
        assert_eq!(text.matches("#EXT-X-MAP").count(), if line.id == "v0" { 2 } else { 1 }, "{text}");
    }
    for form in [hls::Form::Plain, hls::Form::LowLatency] {
        let text = hls::media(&stage.lines[0].window, &[], form);
        for (name, bytes) in &stage.files {
            let path = scratch.path(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            std::fs::write(path, bytes).expect("writable");
        }
        std::fs::write(scratch.path("v0/media.m3u8"), text).expect("writable");
        assert_eq!(frames_in(&scratch.path("v0/media.m3u8")), 250, "{form:?}: frames of both encoders");
    }
    assert_eq!(stage.findings(), []);
}
