//! The watcher finds nothing wrong with our answers, and each fault that is put into one.

use std::sync::OnceLock;
use std::time::Duration;

use cmaf::check::live::Watch;
use cmaf::live::{Targets, hls};
use proptest::prelude::*;

use super::common::{audio_track, video_track};
use super::{Stage, errors, frames};

const URL: &str = "v0/media.m3u8";

/// Two answers of the same stream, half a second apart, and the delta update of the second.
fn answers() -> (String, String, String) {
    static ANSWERS: OnceLock<(String, String, String)> = OnceLock::new();
    ANSWERS.get_or_init(make).clone()
}

fn make() -> (String, String, String) {
    let targets = Targets::new(Duration::from_secs(2), Duration::from_millis(400));
    let mut stage =
        Stage::new(&[("v0", video_track()), ("a0", audio_track())], targets, Duration::from_secs(20));
    let (video, audio) = (video_track(), audio_track());
    let at = |stage: &Stage, form| hls::media(&stage.lines[0].window, &stage.windows(), form);
    let (pictures, sound) = (frames(&video, 0, 575, 512, 25), frames(&audio, 0, 1078, 1024, 1));
    let early = |n: u64, samples: &[cmaf::Sample]| samples.iter().filter(|s| s.dts < n).cloned().collect();
    stage.feed(&[&video, &audio], vec![early(560 * 512, &pictures), early(1_075_200, &sound)]);
    let first = at(&stage, hls::Form::LowLatency);
    stage.feed(&[&video], vec![pictures[560..].to_vec()]);
    (first, at(&stage, hls::Form::LowLatency), at(&stage, hls::Form::Delta))
}

/// `from` becomes `to` in the second answer, and that is found.
fn fault(from: &str, to: &str, what: &str) {
    let (first, second, _) = answers();
    assert!(second.contains(from), "{from} is not in {second}");
    let mut watch = Watch::new();
    watch.playlist(URL, &first);
    watch.playlist(URL, &second.replacen(from, to, 1));
    let found = errors(&watch.finish());
    assert!(found.iter().any(|f| f.contains(what)), "{from} -> {to}: {found:?}");
}

#[test]
fn our_answers_are_without_fault() {
    let (first, second, delta) = answers();
    let mut watch = Watch::new();
    watch.playlist(URL, &first);
    watch.playlist(URL, &delta);
    watch.playlist(URL, &second);
    watch.delta(URL, &second, &delta);
    assert!(delta.contains("#EXT-X-SKIP"), "{delta}");
    assert_eq!(watch.finish(), []);
}

#[test]
fn each_fault_is_found() {
    fault("DURATION=0.400000,URI=\"part/53", "DURATION=0.410000,URI=\"part/53", "more than the part target");
    fault("DURATION=0.400000,URI=\"part/52", "DURATION=0.330000,URI=\"part/52", "less than 85 %");
    fault("DURATION=0.400000,URI=\"part/52", "DURATION=0.390000,URI=\"part/52", "but its parts");
    fault("DURATION=0.400000,URI=\"part/52", "DURATION=0.390000,URI=\"part/52", "is not what it was");
    fault("#EXTINF:2.000000", "#EXTINF:2.600000", "more than the target duration");
    fault("#EXT-X-TARGETDURATION:2", "#EXT-X-TARGETDURATION:3", "TARGETDURATION changed");
    fault("#EXT-X-MEDIA-SEQUENCE:2", "#EXT-X-MEDIA-SEQUENCE:1", "segment 2 was 2.m4s");
    fault("#EXT-X-MEDIA-SEQUENCE:2", "#EXT-X-MEDIA-SEQUENCE:0", "goes back from");
    fault("\n5.m4s", "\nfive.m4s", "segment 5 was 5.m4s");
    fault(
        "#EXTINF:2.000000,\n5.m4s",
        "#EXT-X-DISCONTINUITY\n#EXTINF:2.000000,\n5.m4s",
        "segment 5 changed its EXT-X-DISC",
    );
    fault(
        "#EXT-X-INDEPENDENT",
        "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-INDEPENDENT",
        "after 0 discontinuities, now 1",
    );
    fault("part/56.m4s", "part/65.m4s", "the hint said part/56.m4s");
    fault("12:00:14.000Z", "12:00:13.000Z", "changed its date");
    fault("12:00:14.000Z", "12:00:11.000Z", "goes back by");
    fault("PART-HOLD-BACK=1.200000,", "", "PART-HOLD-BACK is missing");
    fault("PART-HOLD-BACK=1.2", "PART-HOLD-BACK=0.7", "at least 0.8");
    fault("HOLD-BACK=6.0", "HOLD-BACK=5.0", "at least 6");
    fault("CAN-SKIP-UNTIL=12.0", "CAN-SKIP-UNTIL=8.0", "at least 12");
    fault("#EXT-X-PART-INF:PART-TARGET=0.400000\n", "", "without EXT-X-PART-INF");
    fault("init/1.mp4", "init/2.mp4", "changed its EXT-X-MAP");
    fault("TYPE=PART,", "", "lacks TYPE");
    fault("REPORT:URI=", "REPORT:URL=", "lacks URI");
    fault("#EXT-X-PROGRAM-DATE-TIME:2026", "#EXT-X-PROGRAM-DATE-TIME:26", "illegal date");
}

#[test]
fn a_report_that_runs_ahead_and_an_end_that_is_none_are_found() {
    let (first, second, _) = answers();
    let mut watch = Watch::new();
    let other = second.replace("../a0/", "../v0/");
    watch.playlist("a0/media.m3u8", &other.replace("LAST-MSN=11", "LAST-MSN=13"));
    watch.playlist(URL, &second);
    let found = errors(&watch.finish());
    assert!(found.iter().any(|f| f.contains("another playlist said")), "{found:?}");

    let mut watch = Watch::new();
    watch.playlist(URL, &format!("{first}#EXT-X-ENDLIST\n"));
    watch.playlist(URL, &second);
    assert!(errors(&watch.finish()).iter().any(|f| f.contains("after EXT-X-ENDLIST")));
}

#[test]
fn a_delta_update_that_leads_elsewhere_is_found() {
    let (_, second, delta) = answers();
    for (from, to, what) in [
        ("SKIPPED-SEGMENTS=3", "SKIPPED-SEGMENTS=4", "does not lead"),
        ("part/56.m4s", "part/65.m4s", "does not lead"),
        ("#EXT-X-MEDIA-SEQUENCE:2", "#EXT-X-MEDIA-SEQUENCE:3", "does not lead"),
    ] {
        assert!(delta.contains(from), "{from}: {delta}");
        let mut watch = Watch::new();
        watch.delta(URL, &second, &delta.replacen(from, to, 1));
        let found = errors(&watch.finish());
        assert!(found.iter().any(|f| f.contains(what)), "{from}: {found:?}");
    }
    let mut watch = Watch::new();
    watch.playlist(URL, &delta);
    assert!(errors(&watch.finish()).iter().any(|f| f.contains("not all listed before")));
}

#[test]
fn hostile_answers_end_with_findings() {
    cmaf::check::live::fuzz(b"");
    cmaf::check::live::fuzz(
        "#EXTM3U\n#EXT-X-SKIP:SKIPPED-SEGMENTS=18446744073709551615\n#EXTINF:1,\na\0".as_bytes(),
    );
    let mut watch = Watch::new();
    let big = format!("#EXTM3U\n{}", "#EXT-X-PART:DURATION=1e300,URI=\"a\"\n#EXTINF:1,\nb\n".repeat(50_000));
    watch.playlist(URL, &big);
    watch.playlist(URL, &big);
    assert!(watch.finish().len() <= 1001);
}

proptest! {
    /// Lines of real answers in any order, some of them damaged.
    #[test]
    fn answers_out_of_order_end_with_findings(picks in proptest::collection::vec((0usize..400, 0usize..60, any::<u8>()), 0..300)) {
        let (first, second, delta) = answers();
        let lines: Vec<&str> = first.lines().chain(second.lines()).chain(delta.lines()).collect();
        let mut bytes = b"#EXTM3U\n".to_vec();
        for (line, at, with) in picks {
            let mut line = lines[line % lines.len()].as_bytes().to_vec();
            if with < 40 && at < line.len() {
                line[at] = with.wrapping_mul(7);
            }
            bytes.extend(line);
            bytes.push(b'\n');
            if with > 250 {
                bytes.extend(b"\0#EXTM3U\n");
            }
        }
        cmaf::check::live::fuzz(&bytes);
    }
}
