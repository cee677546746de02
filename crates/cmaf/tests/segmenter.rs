//! Segments hold exactly the samples that went in, on a grid that does not depend on the rendition.

mod common;

use std::time::Duration;

use cmaf::ingest::{Event, FragmentReader};
use cmaf::{Sample, Segment, SegmentError, Segmenter, Track, init_segment};
use common::{audio_track, video_track};
use proptest::prelude::*;

const TARGET: Duration = Duration::from_secs(4);

fn cut(track: &Track, samples: &[Sample]) -> Vec<Segment> {
    let mut segmenter = Segmenter::new(track, TARGET);
    let mut segments = Vec::new();
    for sample in samples {
        segments.extend(segmenter.push(sample.clone()).expect("in order"));
    }
    segments.extend(segmenter.finish());
    segments
}

/// Reads init and segments back with the reader for encoders' streams.
fn read_back(track: &Track, segments: &[Segment]) -> (Track, Vec<Sample>) {
    let mut reader = FragmentReader::new();
    let mut events = reader.push(&init_segment(track)).expect("a legal header");
    for segment in segments {
        events.extend(reader.push(&segment.bytes).expect("a legal segment"));
    }
    reader.finish().expect("whole boxes");
    let mut events = events.into_iter();
    let Some(Event::Track(found)) = events.next() else { panic!("the track comes first") };
    let samples = events.map(|event| match event {
        Event::Sample(sample) => sample,
        Event::Track(_) => panic!("the track comes once"),
    });
    (found, samples.collect())
}

fn frames(track: &Track, count: u64, duration: u32, keyframe_every: u64) -> Vec<Sample> {
    (0..count)
        .map(|n| Sample {
            dts: n * u64::from(duration),
            cts_offset: 0,
            duration,
            sync: track.channels > 0 || n % keyframe_every == 0,
            data: vec![n as u8; 3 + n as usize % 5].into(),
        })
        .collect()
}

fn starts(segments: &[Segment]) -> Vec<f64> {
    segments.iter().map(|s| s.start_time().as_secs_f64()).collect()
}

#[test]
fn video_is_cut_at_the_first_keyframe_at_or_after_each_multiple() {
    let track = video_track();
    // Keyframes every 1.2 s: the first ones at or after 4, 8 and 12 s.
    let segments = cut(&track, &frames(&track, 25 * 14, 512, 30));
    assert_eq!(starts(&segments), [0.0, 4.8, 8.4, 12.0]);
    let ends: Vec<u64> = segments.iter().map(|s| s.start + s.duration).collect();
    assert_eq!(ends, [61440, 107520, 153600, 179200]);
}

#[test]
fn audio_is_cut_at_the_first_frame_on_the_presentation_grid_after_priming() {
    let track = audio_track();
    let segments = cut(&track, &frames(&track, 500, 1024, 1));
    // Frame 188 is decoded at 4.0107 s and shown at 3.9893 s; the one after it is the first at or after 4 s.
    assert_eq!(segments[0].start, 0);
    assert_eq!(segments[1].start, 189 * 1024 - 1024);
    assert_eq!(segments[0].duration, segments[1].start, "decoder delay is not shown, so it does not last");
    let end = segments.last().map(|s| s.start + s.duration);
    assert_eq!(end, Some(499 * 1024));
}

#[test]
fn a_long_group_of_pictures_skips_a_multiple_and_the_grid_goes_on() {
    let track = video_track();
    let mut samples = frames(&track, 25 * 17, 512, 25 * 9);
    samples[25 * 13].sync = true;
    assert_eq!(starts(&cut(&track, &samples)), [0.0, 9.0, 13.0]);
}

#[test]
fn every_keyframe_half_a_second_apart_has_a_range_that_starts_with_moof() {
    let track = video_track();
    for (every, expected) in [(25, 4), (5, 7), (100, 1)] {
        let segments = cut(&track, &frames(&track, 100, 512, every));
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].iframes.len(), expected, "keyframes every {every} frames");
        for iframe in &segments[0].iframes {
            let range = &segments[0].bytes[iframe.offset as usize..(iframe.offset + iframe.len) as usize];
            assert_eq!(&range[4..8], b"moof");
            // The picture is the last thing in the range: all its bytes are the frame's number.
            let frame = (iframe.start / 512) as u8;
            assert_eq!(range[range.len() - 3..], [frame; 3]);
        }
    }
}

#[test]
fn video_before_the_first_keyframe_is_dropped() {
    let track = video_track();
    let mut samples = frames(&track, 50, 512, 10);
    samples[0].sync = false;
    let segments = cut(&track, &samples);
    assert_eq!(segments[0].start, 10 * 512);
    assert_eq!(read_back(&track, &segments).1, samples[10..]);
}

#[test]
fn decode_times_that_do_not_rise_are_refused_and_what_came_before_is_kept() {
    let track = audio_track();
    let mut segmenter = Segmenter::new(&track, TARGET);
    let sample = frames(&track, 1, 1024, 1).remove(0);
    assert_eq!(segmenter.push(sample.clone()), Ok(None));
    assert_eq!(segmenter.push(sample), Err(SegmentError::NotRising { previous: 0, next: 0 }));
    assert!(segmenter.finish().is_some_and(|segment| segment.duration == 0));
    assert_eq!(segmenter.finish(), None);
}

#[test]
fn a_gap_in_decode_times_lengthens_the_sample_before_it() {
    let track = audio_track();
    let mut samples = frames(&track, 4, 1024, 1);
    samples[2].dts += 5000;
    samples[3].dts += 5000;
    let (_, back) = read_back(&track, &cut(&track, &samples));
    assert_eq!(back.iter().map(|s| s.dts).collect::<Vec<_>>(), [0, 1024, 7048, 8072]);
    assert_eq!(back[1].duration, 6024);
}

#[test]
fn an_empty_sample_lengthens_the_one_before_it() {
    let track = video_track();
    let mut samples = frames(&track, 3, 512, 3);
    samples[1].data = Vec::new().into();
    let (_, back) = read_back(&track, &cut(&track, &samples));
    assert_eq!(back.iter().map(|s| (s.dts, s.duration)).collect::<Vec<_>>(), [(0, 1024), (1024, 512)]);
}

#[test]
fn the_header_says_all_of_the_track() {
    let mut phone = video_track();
    phone.rotation = 90;
    phone.language = Some("pt-BR".to_owned());
    for track in [video_track(), audio_track(), phone] {
        let (back, _) = read_back(&track, &cut(&track, &frames(&track, 10, 512, 5)));
        assert_eq!(back, track);
    }
}

prop_compose! {
    fn any_sample()(
        duration in 1u32..100_000,
        cts_offset in -50_000i32..50_000,
        sync in any::<bool>(),
        data in proptest::collection::vec(any::<u8>(), 1..40),
    ) -> Sample {
        Sample { dts: 0, cts_offset, duration, sync, data: data.into() }
    }
}

proptest! {
    #[test]
    fn what_went_in_comes_back_out(mut samples in proptest::collection::vec(any_sample(), 1..200), video: bool) {
        let track = if video { video_track() } else { audio_track() };
        let mut dts = 0;
        for sample in &mut samples {
            sample.dts = dts;
            dts += u64::from(sample.duration);
            sample.sync |= !video;
            if !video { sample.cts_offset = 0 }
        }
        let first = samples.iter().position(|s| s.sync).unwrap_or(samples.len());
        let segments = cut(&track, &samples);
        if first == samples.len() {
            prop_assert!(segments.is_empty());
            return Ok(());
        }
        let (_, back) = read_back(&track, &segments);
        prop_assert_eq!(&back[..], &samples[first..]);
        for pair in segments.windows(2) {
            prop_assert_eq!(pair[0].start + pair[0].duration, pair[1].start);
            prop_assert_eq!(pair[0].sequence + 1, pair[1].sequence);
        }
    }
}
