//! The rules hold at every moment, whatever frames and restarts come.

use std::time::Duration;

use cmaf::live::{CutError, Cutter, Targets};
use cmaf::{Kind, Sample, Track};
use proptest::prelude::*;

use super::common::{audio_track, video_track};
use super::{Stage, assert_gapless, errors};

#[derive(Debug, Clone)]
struct Shape {
    /// Milliseconds.
    part: u64,
    base_ms: u64,
    window_s: u64,
    /// Share of the longest allowed frame, in percent, and whether a keyframe is wanted, of each frame.
    frames: Vec<(u64, bool)>,
    /// Frames after which the encoder starts again.
    restarts: Vec<usize>,
}

prop_compose! {
    fn shape()(
        part in 200u64..500,
        base_ms in prop_oneof![Just(0), 0u64..10_000_000],
        window_s in 6u64..40,
        frames in proptest::collection::vec((10u64..=100, proptest::bool::weighted(0.1)), 50..900),
        restarts in proptest::collection::vec(1usize..900, 0..3),
    ) -> Shape {
        Shape { part, base_ms, window_s, frames, restarts }
    }
}

fn sample(dts: u64, duration: u64, sync: bool, n: usize) -> Sample {
    let data = vec![n as u8; 1 + n * 7 % 50].into();
    Sample { dts, cts_offset: 0, duration: duration as u32, sync, data }
}

/// Pictures of lengths that parts can be made of, keyframes at most a second apart, and sound beside them.
fn run(shape: &Shape) -> Stage {
    let (mut video, mut audio) = (video_track(), audio_track());
    video.frame_rate = None;
    let mut targets = Targets::new(Duration::from_secs(2), Duration::from_millis(shape.part));
    targets.target_duration_s = 3;
    let mut stage = Stage::new(
        &[("v0", video.clone()), ("a0", audio.clone())],
        targets,
        Duration::from_secs(shape.window_s),
    );
    let longest = targets.part_ticks(&video) * 15 / 100;
    let v_scale = u64::from(video.timescale);
    let (mut v, mut a) = (shape.base_ms * v_scale / 1000, shape.base_ms * 48);
    let mut keyframe = 0;
    for (n, &(share, wanted)) in shape.frames.iter().enumerate() {
        if n > 0 && shape.restarts.contains(&n) {
            video.width = if video.width == 1280 { 640 } else { 1280 };
            audio.priming = if n % 2 == 0 { 1024 } else { 0 };
            stage.restart(&[&video, &audio]);
            let base = stage.lines.iter().filter_map(|l| l.cutter.end()).max().unwrap_or_default();
            let base = base + Duration::from_millis(n as u64 % 700);
            // The cutter keeps to this even where it is a tick too early.
            v = (base.as_nanos() * u128::from(v_scale) / 1_000_000_000) as u64;
            a = (base.as_nanos() * 48_000 / 1_000_000_000) as u64 + audio.priming;
            keyframe = 0;
        }
        let sync = keyframe == 0 || wanted || v - keyframe >= v_scale;
        keyframe = if sync { v } else { keyframe };
        let lasts = (longest * share / 100).max(1);
        stage.push(0, sample(v, lasts, sync, n)).expect("within the rules");
        v += lasts;
        while a * v_scale < v * 48_000 {
            stage.push(1, sample(a, 1024, true, n)).expect("within the rules");
            a += 1024;
        }
    }
    stage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_answer_keeps_the_rules(shape in shape()) {
        let mut stage = run(&shape);
        for at in 0..2 {
            let line = &stage.lines[at];
            assert_gapless(&line.parts);
            let listed: Duration = line.window.segments().map(cmaf::live::Listed::play_time).sum();
            let most = shape.window_s.max(9) + 3 + 3;
            prop_assert!(listed <= Duration::from_secs(most), "{listed:?} of {most} s");
            let parts: Duration = line.window.segments().filter(|s| !s.parts.is_empty()).map(cmaf::live::Listed::play_time).sum();
            prop_assert!(parts <= Duration::from_secs(9 + 3 + 3 + 3), "{parts:?}");
        }
        stage.finish();
        let findings = stage.findings();
        prop_assert_eq!(errors(&findings), Vec::<String>::new());
        prop_assert_eq!(findings.len(), 0, "{:?}", findings);
    }

    /// Frames that nobody should send: they are taken or refused, and what is given out is gapless all the same.
    #[test]
    fn frames_of_any_length_are_cut_without_gaps(
        frames in proptest::collection::vec((1u32..40_000, -20_000i32..20_000, any::<bool>(), 0usize..30), 1..200),
        video: bool,
    ) {
        let track = if video { video_track() } else { audio_track() };
        let targets = Targets::new(Duration::from_secs(2), Duration::from_millis(300));
        let mut cutter = Cutter::new(&track, targets);
        let (mut parts, mut dts, mut taken) = (Vec::new(), 0, 0);
        for (n, &(duration, offset, sync, size)) in frames.iter().enumerate() {
            let cts_offset = if track.kind == Kind::Video { offset } else { 0 };
            let sample = Sample { dts, cts_offset, duration, sync, data: vec![n as u8; size].into() };
            dts += u64::from(duration);
            match cutter.push(sample) {
                Ok(more) => { parts.extend(more); taken += 1; }
                Err(CutError::Gap(_) | CutError::NoKeyframe(_) | CutError::Overlap(_)) => {
                    parts.extend(cutter.restart(&track));
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
        parts.extend(cutter.finish());
        prop_assert!(taken > 0);
        assert_gapless(&parts);
    }
}

#[test]
fn memory_does_not_grow_with_the_stream() {
    let track = Track { frame_rate: Some((25, 1)), ..video_track() };
    let targets = Targets::new(Duration::from_secs(1), Duration::from_millis(200));
    let mut stage = Stage::new(&[("v0", track.clone())], targets, Duration::from_secs(10));
    let mut most = (0, 0);
    for n in 0..25 * 300u64 {
        stage.push(0, sample(n * 512, 512, n % 25 == 0, n as usize)).expect("in order");
        let window = &stage.lines[0].window;
        most.0 = most.0.max(window.segments().len());
        most.1 = most.1.max(window.segments().map(|s| s.parts.len()).sum());
    }
    assert!(most.0 <= 12 && most.1 <= 30, "{most:?}");
    assert_eq!(errors(&stage.findings()), [""; 0]);
}
