//! Cutter, window and playlists by hand.

use std::time::Duration;

use cmaf::live::{Answer, CutError, Cutter, MarkError, Position, Rendition, Targets, Window, dash, hls};
use cmaf::{Sample, Track};

use super::common::{audio_track, video_track};
use super::{Stage, ZERO, assert_gapless, frames, segments};

fn targets() -> Targets {
    Targets::new(Duration::from_secs(2), Duration::from_millis(400))
}

/// Samples of 25 pictures a second, a keyframe every second.
fn pictures(from: u64, count: u64) -> Vec<Sample> {
    frames(&video_track(), from, count, 512, 25)
}

fn stage() -> Stage {
    Stage::new(&[("v0", video_track()), ("a0", audio_track())], targets(), Duration::from_secs(12))
}

#[test]
fn addresses_of_media_say_of_which_stream_they_are() {
    let track = video_track();
    let (id, query) = ("v0".to_owned(), "?v=7&x".to_owned());
    let rendition = Rendition { id: id.clone(), name: id, bandwidth: 1, query };
    let mut window = Window::new(rendition, &track, targets(), Duration::from_secs(12));
    window.set_clock(ZERO);
    let mut cutter = Cutter::new(&track, targets());
    for part in pictures(0, 62).into_iter().flat_map(|picture| cutter.push(picture).expect("they rise")) {
        window.push(&part);
    }
    let playlist = hls::media(&window, &[&window], hls::Form::LowLatency);
    let uris = |text: &str| text.matches(".m4s").count() + text.matches(".mp4").count();
    assert_eq!((uris(&playlist), playlist.matches("?v=7&x").count()), (9, 9), "{playlist}");
    let service = dash::Service { published: ZERO, utc_timing: None, latency: Duration::from_secs(3) };
    let mpd = dash::mpd(&[&window], &[], &service);
    assert_eq!((uris(&mpd), mpd.matches("?v=7&amp;x\"").count()), (2, 2), "{mpd}");
}

#[test]
fn the_playlist_says_all_of_the_edge() {
    let mut stage = stage();
    stage.feed(&[&video_track()], vec![pictures(0, 62)]);
    stage.lines[1].window.set_clock(ZERO);
    stage.feed(&[&audio_track(), &audio_track()], vec![vec![], frames(&audio_track(), 0, 20, 1024, 1)]);
    let windows = stage.windows();
    let expected = "\
#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.200000,HOLD-BACK=6.0,CAN-SKIP-UNTIL=12.0
#EXT-X-PART-INF:PART-TARGET=0.400000
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init/1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T12:00:00.000Z
#EXT-X-PART:DURATION=0.400000,URI=\"part/1.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.400000,URI=\"part/2.m4s\"
#EXT-X-PART:DURATION=0.400000,URI=\"part/3.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.400000,URI=\"part/4.m4s\"
#EXT-X-PART:DURATION=0.400000,URI=\"part/5.m4s\"
#EXTINF:2.000000,
1.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T12:00:02.000Z
#EXT-X-PART:DURATION=0.400000,URI=\"part/6.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/7.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../a0/media.m3u8\",LAST-MSN=1,LAST-PART=0
";
    assert_eq!(hls::media(windows[0], &windows, hls::Form::LowLatency), expected);
    let plain = "\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init/1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T12:00:00.000Z
#EXTINF:2.000000,
1.m4s
";
    assert_eq!(hls::media(windows[0], &windows, hls::Form::Plain), plain);
    let master = "\
#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"a0\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a0/media.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"audio\"
v0/media.m3u8
";
    assert_eq!(hls::multivariant(&windows, &[]), master);
}

#[test]
fn the_mpd_promises_the_segment_that_grows_what_it_will_last() {
    let mut stage = stage();
    let (video, audio) = (video_track(), audio_track());
    let (pictures, sound) = (pictures(0, 101), frames(&audio, 0, 190, 1024, 1));
    stage.feed(&[&video, &audio], vec![pictures[..62].to_vec(), sound[..118].to_vec()]);
    let growing = stage.mpd();
    let expected = "\
<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" type=\"dynamic\" availabilityStartTime=\"2026-01-31T12:00:00.000Z\" publishTime=\"2026-01-31T12:00:00.000Z\" minBufferTime=\"PT0.4S\" maxSegmentDuration=\"PT2S\" timeShiftBufferDepth=\"PT12S\" suggestedPresentationDelay=\"PT3S\" minimumUpdatePeriod=\"PT0.4S\">
  <ServiceDescription id=\"0\">
    <Latency target=\"3000\" min=\"1500\" max=\"6000\"/>
    <PlaybackRate min=\"0.96\" max=\"1.04\"/>
  </ServiceDescription>
  <Period id=\"0\" start=\"PT0S\">
    <AdaptationSet id=\"0\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">
      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>
      <Representation id=\"v0\" bandwidth=\"100000\" codecs=\"avc1.64001f\" width=\"1280\" height=\"720\" frameRate=\"25\">
        <SegmentTemplate timescale=\"12800\" presentationTimeOffset=\"0\" availabilityTimeOffset=\"1.600\" availabilityTimeComplete=\"false\" initialization=\"v0/init/1.mp4\" media=\"v0/$Number$.m4s\" startNumber=\"1\">
          <SegmentTimeline>
            <S t=\"0\" d=\"25600\" r=\"1\"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
";
    assert!(growing.contains(expected), "{growing}");
    assert!(growing.ends_with(
        "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"https://example.org/time?a=1&amp;b=2\"/>\n</MPD>\n"
    ));
    stage.feed(&[&video, &audio], vec![pictures[62..].to_vec(), sound[118..].to_vec()]);
    // Both have their second segment whole, as it was promised.
    let timeline = |text: &str| -> Vec<String> {
        text.lines().filter(|l| l.trim_start().starts_with("<S ")).map(|l| l.trim().to_owned()).collect()
    };
    assert_eq!(timeline(&growing), ["<S t=\"0\" d=\"25600\" r=\"1\"/>", "<S t=\"0\" d=\"96256\" r=\"1\"/>"]);
    let whole = stage.mpd();
    assert_eq!(&timeline(&whole)[..2], &timeline(&growing)[..2], "{whole}");
    stage.finish();
    let ended = stage.mpd();
    assert!(
        ended.contains(" mediaPresentationDuration=\"PT4.04S\"") && !ended.contains("minimumUpdate"),
        "{ended}"
    );
}

#[test]
fn the_mpd_lists_the_captions_of_whole_segments_and_of_each_period() {
    let mut stage = stage();
    let captions = |name: &str, language: &str, forced, characteristics: Option<&str>| hls::Subtitles {
        name: name.to_owned(),
        language: Some(language.to_owned()),
        uri: String::new(),
        default: false,
        forced,
        characteristics: characteristics.map(str::to_owned),
    };
    stage.captions = vec![
        captions("Suomi <&>", "fi", false, None),
        captions("English", "en", false, Some("public.accessibility.describes-music-and-sound")),
        captions("Svenska", "sv", true, None),
    ];
    let (video, audio) = (video_track(), audio_track());
    let (pictures, sound) = (pictures(0, 112), frames(&audio, 0, 212, 1024, 1));
    stage.feed(&[&video, &audio], vec![pictures, sound]);
    let mpd = stage.mpd();
    let expected = "\
    <AdaptationSet id=\"2\" contentType=\"text\" mimeType=\"text/vtt\" lang=\"fi\">
      <Label>Suomi &lt;&amp;&gt;</Label>
      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"subtitle\"/>
      <Representation id=\"t0\" bandwidth=\"1000\">
        <SegmentTemplate timescale=\"12800\" presentationTimeOffset=\"0\" media=\"t0/$Number$.vtt\" startNumber=\"1\">
          <SegmentTimeline>
            <S t=\"0\" d=\"25600\" r=\"1\"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
";
    assert!(mpd.contains(expected), "{mpd}");
    for role in ["caption", "forced-subtitle"] {
        assert!(mpd.contains(&format!("value=\"{role}\"")), "{mpd}");
    }
    assert_eq!(stage.dash(), []);
    stage.restart(&[&video, &audio]);
    // Nothing of the new period is whole: its first text is waited for.
    stage.feed(
        &[&video, &audio],
        vec![frames(&video, 64_000, 12, 512, 25), frames(&audio, 240_000, 12, 1024, 1)],
    );
    let mpd = stage.mpd();
    let (_, last) = mpd.rsplit_once("<Period ").expect("two periods");
    let text = "\
        <SegmentTemplate timescale=\"12800\" presentationTimeOffset=\"64000\" media=\"t2/$Number$.vtt\" startNumber=\"4\">
          <SegmentTimeline>
            <S t=\"64000\" d=\"12800\"/>
";
    assert!(last.contains(text), "{mpd}");
    assert_eq!(stage.dash(), []);
}

#[test]
fn requests_wait_for_what_comes_and_are_refused_what_nobody_knows_of() {
    let mut stage = stage();
    let asked = |stage: &Stage, segment, part| stage.lines[0].window.answer(segment, part);
    assert_eq!(asked(&stage, 1, Some(0)), Answer::Wait);
    assert_eq!(asked(&stage, 3, None), Answer::TooFar);
    stage.feed(&[&video_track()], vec![pictures(0, 62)]);
    assert_eq!(stage.lines[0].window.position(), Some(Position { segment: 2, part: 0 }));
    for (segment, part, expected) in [
        (0, None, Answer::Ready),
        (1, None, Answer::Ready),
        (1, Some(4), Answer::Ready),
        (1, Some(5), Answer::Ready), // the next segment's first, which is there
        (2, Some(0), Answer::Ready),
        (2, Some(1), Answer::Wait),
        (2, None, Answer::Wait),
        (2, Some(8), Answer::Wait), // 3 s of parts ahead, and no more
        (2, Some(9), Answer::TooFar),
        (3, Some(0), Answer::Wait),
        (4, None, Answer::Wait),
        (5, None, Answer::TooFar),
    ] {
        assert_eq!(asked(&stage, segment, part), expected, "{segment} {part:?}");
    }
    stage.finish();
    assert_eq!(asked(&stage, 900, None), Answer::Ready, "an ended stream answers all");
    let text = hls::media(&stage.lines[0].window, &[], hls::Form::LowLatency);
    assert!(text.ends_with("#EXT-X-ENDLIST\n") && !text.contains("HINT"), "{text}");
}

#[test]
fn what_leaves_the_window_is_said_once_and_delta_updates_skip_what_is_old() {
    let mut stage = Stage::new(&[("v0", video_track())], targets(), Duration::from_secs(20));
    stage.lines[0]
        .window
        .mark("#EXT-X-DATERANGE:ID=\"ad\",START-DATE=\"2026-01-31T12:00:00Z\"")
        .expect("a mark");
    let mut cutter = Cutter::new(&video_track(), targets());
    let mut window = stage.lines[0].window.clone();
    let (mut segments, mut parts) = (1, 1);
    for sample in pictures(0, 25 * 41) {
        for part in cutter.push(sample).expect("in order") {
            let left = window.push(&part);
            assert_eq!(
                (left.segments.start, left.parts.start),
                (segments, parts),
                "without gap or repetition"
            );
            (segments, parts) = (left.segments.end, left.parts.end);
            if part.sequence == 45 {
                let delta = hls::media(&window, &[], hls::Form::Delta);
                assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXT-X-DATERANGE:ID"), "{delta}");
                assert!(!delta.contains("\n2.m4s") && delta.contains("\n3.m4s"), "{delta}");
            }
        }
    }
    let first = window.segments().next().expect("segments").sequence;
    assert_eq!((segments, first), (11, 11), "20 s of 40 are listed");
    let listed = window.segments().find(|s| !s.parts.is_empty()).expect("parts at the edge");
    assert_eq!(listed.first_part, parts);
    assert_eq!(listed.sequence, 18, "parts are listed of what ends in the last three target durations");
    assert!(window.segment(10).is_none() && window.segment(11).is_some());
}

#[test]
fn marks_go_with_their_segment_and_nothing_else_does() {
    let mut stage = stage();
    for line in ["#EXT-X-ENDLIST", "#EXT-X-CUE-IN\n#EXT-X-ENDLIST", "v0.m4s", ""] {
        assert_eq!(stage.lines[0].window.mark(line), Err(MarkError::NotAMark), "{line:?}");
    }
    stage.feed(&[&video_track()], vec![pictures(0, 30)]);
    stage.lines[0].window.mark("#EXT-X-CUE-OUT:30").expect("a mark");
    for _ in 1..64 {
        stage.lines[0].window.mark("#EXT-X-CUE-IN").expect("a mark");
    }
    assert_eq!(stage.lines[0].window.mark("#EXT-X-CUE-IN"), Err(MarkError::TooMuch));
    stage.feed(
        &[&video_track()],
        vec![
            pictures(30 * 512, 40)
                .into_iter()
                .map(|mut s| {
                    s.sync = s.dts % 12800 == 0;
                    s
                })
                .collect(),
        ],
    );
    let text = hls::media(&stage.lines[0].window, &[], hls::Form::LowLatency);
    let cue = text.find("#EXT-X-CUE-OUT:30\n").expect("listed");
    assert!(
        cue > text.find("1.m4s").expect("listed") && cue < text.find("part/6.m4s").expect("listed"),
        "{text}"
    );
}

#[test]
fn a_source_without_keyframes_is_told_so_and_a_restart_helps() {
    let track = video_track();
    let mut cutter = Cutter::new(&track, targets());
    let mut samples = pictures(0, 100);
    samples.iter_mut().skip(1).for_each(|s| s.sync = false);
    let mut parts = Vec::new();
    let failed = samples.iter().find_map(|s| match cutter.push(s.clone()) {
        Ok(more) => {
            parts.extend(more);
            None
        }
        Err(error) => Some((s.dts, error)),
    });
    // 63 frames last 2.52 s, which is not 2 when it is rounded.
    assert_eq!(failed, Some((63 * 512, CutError::NoKeyframe(Duration::from_millis(2520)))));
    parts.extend(cutter.restart(&track));
    for sample in pictures(63 * 512, 60) {
        parts.extend(cutter.push(sample).expect("keyframes again"));
    }
    parts.extend(cutter.finish());
    assert_gapless(&parts);
    assert!(parts.iter().find(|p| p.segment == 2).is_some_and(|p| p.discontinuity && p.init == 1));
    assert!(parts.iter().filter(|p| p.segment == 3).all(|p| !p.discontinuity));
    let ends: Vec<_> = segments(&parts).iter().map(|(start, lasts)| start + lasts).collect();
    assert_eq!(ends.last(), Some(&(123 * 512)));
}

#[test]
fn gaps_and_overlaps_are_named_and_small_ones_are_smoothed() {
    let track = video_track();
    let mut cutter = Cutter::new(&track, targets());
    assert_eq!(cutter.end(), None);
    cutter.push(pictures(0, 1).remove(0)).expect("the first");
    let late = pictures(12800 * 4, 1).remove(0);
    assert_eq!(cutter.push(late.clone()), Err(CutError::Gap(Duration::from_secs(4))));
    let again = pictures(0, 1).remove(0);
    assert_eq!(cutter.push(again.clone()), Err(CutError::NotRising { previous: 0, next: 0 }));
    for sample in pictures(0, 50).into_iter().skip(1) {
        cutter.push(sample).expect("in order");
    }
    cutter.restart(&track);
    assert_eq!(cutter.end(), Some(Duration::from_secs(2)));
    assert_eq!(cutter.push(again), Err(CutError::Overlap(Duration::from_secs(2))));
    // A keyframe one tick early is the start all the same.
    let mut parts = Vec::new();
    for mut sample in pictures(50 * 512, 20) {
        sample.dts -= 1;
        parts.extend(cutter.push(sample).expect("close enough"));
    }
    assert_eq!(parts[0].start, 50 * 512);
    assert_eq!(parts[0].duration, 10 * 512 - 1);

    let sound = audio_track();
    let mut cutter = Cutter::new(&sound, targets());
    for sample in frames(&sound, 0, 48, 1024, 1) {
        cutter.push(sample).expect("in order");
    }
    cutter.restart(&sound);
    let mut parts = Vec::new();
    for sample in frames(&sound, 47 * 1024, 40, 1024, 1) {
        parts.extend(cutter.push(sample).expect("close enough"));
    }
    assert_eq!(parts[0].start, 47 * 1024, "what would be heard twice is left out");
}

#[test]
fn part_targets_fit_whole_frames() {
    let fit = |rate: (u32, u32), timescale, millis| {
        let track = Track { frame_rate: Some(rate), timescale, ..video_track() };
        Targets::new(Duration::from_secs(2), Duration::from_millis(millis)).part_ticks(&track)
    };
    assert_eq!(fit((25, 1), 12800, 400), 5120);
    assert_eq!(fit((24, 1), 24000, 200), 4000, "four frames are less than 85 % of 200 ms");
    assert_eq!(fit((30000, 1001), 1000, 200), 167, "clocks of a millisecond round up");
    assert_eq!(fit((2, 1), 1000, 200), 500, "a frame is the least");
    assert_eq!(fit((30000, 1001), 30000, 333), 9990, "nine frames are 90 %");
}
