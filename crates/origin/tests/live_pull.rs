//! Streams that are pulled: ffmpeg's, our own, and what goes wrong with somebody else's.

mod common;

use cmaf::Kind;
use common::live::{Publisher, Recording, config, film, hashes, next, open, passthrough};
use common::stage::{Theatre, short, until};
use common::upstream::{Growing, Reel, Upstream};
use origin::live::{Config, PullConfig};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

/// A configuration that pulls `url`, and nothing else.
fn pulling(url: &str) -> Config {
    let pull = PullConfig::parse(&format!("pulled={url}"), true).unwrap();
    Config { streams: Vec::new(), rtmp: None, pulls: vec![pull], ..config(passthrough()) }
}

/// ffmpeg publishes `film` as a live HLS into the upstream's folder, at its own pace.
fn hls(upstream: &Upstream, film: &Path, args: &[&str]) -> Publisher {
    let child = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -re -i".split(' '))
        .arg(film)
        .args("-c copy -f hls -hls_time 1".split(' '))
        .args(args)
        .current_dir(upstream.path(""))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    Publisher(child.expect("ffmpeg is installed"))
}

/// ffmpeg publishes `film` as a live DASH.
fn dash(upstream: &Upstream, film: &Path, args: &[&str]) -> Publisher {
    let child = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -re -i".split(' '))
        .arg(film)
        .args(
            "-c copy -f dash -seg_duration 1 -window_size 5 -extra_window_size 5 -adaptation_sets".split(' '),
        )
        .arg("id=0,streams=v id=1,streams=a")
        .args(args)
        .arg("manifest.mpd")
        .current_dir(upstream.path(""))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    Publisher(child.expect("ffmpeg is installed"))
}

/// Waits until a playlist of the upstream lists something.
async fn listed(upstream: &Upstream, playlist: &str) {
    let path = upstream.path(playlist);
    until("a segment", || {
        let text = std::fs::read_to_string(&path).ok()?;
        text.lines().any(|line| line.starts_with("#EXTINF")).then_some(())
    })
    .await;
}

fn once(served: &std::collections::BTreeMap<String, usize>) {
    assert!(!served.is_empty() && served.values().all(|&count| count == 1), "{served:?}");
}

/// The film's pictures and sound came whole, as far as it was joined at its beginning.
fn whole(recording: &Recording, film: &Path, temp: &TempDir) {
    recording.check();
    assert_eq!((recording.stream.as_str(), recording.restarts), ("pulled", 0));
    assert_eq!(recording.runs.len(), 2);
    let seen = hashes(&recording.write("v0", 0, temp.path()), Kind::Video);
    assert!(seen == hashes(film, Kind::Video), "{} pictures, not those of the film", seen.len());
    for (id, kind) in [("v0", Kind::Video), ("a0", Kind::Audio)] {
        let source = Reel::of(film, kind).samples;
        let came = &recording.run(id, 0).1;
        let from = source.iter().position(|sample| sample.data == came[0].data).unwrap();
        let same = came.iter().zip(&source[from..]).all(|(one, other)| one.data == other.data);
        // Sound may begin before the pictures, and end after them.
        let room = if kind == Kind::Audio { 2 } else { 0 };
        let whole = from <= room && from + came.len() + room >= source.len();
        assert!(same && whole, "{id}: {} samples of {} from {from} on", came.len(), source.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renditions_with_sound_apart_come_out_bit_by_bit() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 7, "film.mp4");
    let upstream = Upstream::open();
    let groups = "v:0,agroup:sound,name:v a:0,agroup:sound,language:fi,name:a";
    let publisher = hls(
        &upstream,
        &film,
        &[
            "-hls_segment_type",
            "fmp4",
            "-hls_list_size",
            "5",
            "-master_pl_name",
            "master.m3u8",
            "-var_stream_map",
            groups,
            "-hls_flags",
            "temp_file",
            "%v.m3u8",
        ],
    );
    listed(&upstream, "v.m3u8").await;
    listed(&upstream, "a.m3u8").await;
    let mut live = open(pulling(&upstream.url("master.m3u8"))).await;
    let recording = Recording::of(next(&mut live).await).await;
    assert_eq!(publisher.end().await, (true, String::new()));
    whole(&recording, &film, &temp);
    assert_eq!(recording.run("a0", 0).0.language.as_deref(), Some("fi"));
    once(&upstream.served(".m4s"));
    once(&upstream.served(".mp4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_sound_in_one_file_and_by_ranges_come_out_bit_by_bit() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 7, "film.mp4");
    let upstream = Upstream::open();
    let publisher = hls(
        &upstream,
        &film,
        &["-hls_segment_type", "fmp4", "-hls_list_size", "0", "-hls_flags", "single_file", "one.m3u8"],
    );
    listed(&upstream, "one.m3u8").await;
    let mut live = open(pulling(&upstream.url("one.m3u8"))).await;
    let recording = Recording::of(next(&mut live).await).await;
    assert_eq!(publisher.end().await, (true, String::new()));
    whole(&recording, &film, &temp);
    let ranges = upstream.served(".m4s");
    once(&ranges);
    assert!(ranges.len() >= 7 && ranges.keys().all(|name| name.starts_with("bytes=")), "{ranges:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mpeg_ts_comes_out_picture_by_picture_and_frame_by_frame() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 7, "film.mp4");
    let upstream = Upstream::open();
    let publisher = hls(&upstream, &film, &["-hls_list_size", "5", "-hls_flags", "temp_file", "one.m3u8"]);
    listed(&upstream, "one.m3u8").await;
    let mut live = open(pulling(&upstream.url("one.m3u8"))).await;
    let recording = Recording::of(next(&mut live).await).await;
    assert_eq!(publisher.end().await, (true, String::new()));
    recording.check();
    assert_eq!((recording.restarts, recording.runs.len()), (0, 2));
    // Parameter sets and delimiters are carried in another place: what is decoded is the same.
    let seen = hashes(&recording.write("v0", 0, temp.path()), Kind::Video);
    assert!(seen == hashes(&film, Kind::Video), "{} pictures, not those of the film", seen.len());
    let track = &recording.run("v0", 0).0;
    assert_eq!((track.width, track.height, track.frame_rate), (640, 360, Some((30, 1))));
    let (source, came) = (Reel::of(&film, Kind::Audio).samples, &recording.run("a0", 0).1);
    let from = source.iter().position(|sample| sample.data == came[0].data).unwrap();
    assert!(came.iter().zip(&source[from..]).all(|(one, other)| one.data == other.data));
    assert!(from <= 2 && from + came.len() + 2 >= source.len(), "{} of {}", came.len(), source.len());
    assert!(came.windows(2).all(|two| two[1].dts == two[0].dts + 1024), "sound without gaps");
    once(&upstream.served(".ts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dash_comes_out_bit_by_bit_with_a_timeline_and_with_numbers() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 8, "film.mp4");
    for args in [["-use_timeline", "1", "-use_template", "1"], ["-use_timeline", "0", "-use_template", "1"]] {
        let upstream = Upstream::open();
        let publisher = dash(&upstream, &film, &args);
        let path = upstream.path("manifest.mpd");
        until("an MPD", || std::fs::metadata(&path).ok()).await;
        let mut live = open(pulling(&upstream.url("manifest.mpd"))).await;
        let recording = Recording::of(next(&mut live).await).await;
        assert_eq!(publisher.end().await, (true, String::new()));
        whole(&recording, &film, &temp);
        once(&upstream.served(".m4s"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_our_own_goes_on_through_a_second_origin() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 8, "film.mp4");
    let upstream = Theatre::open(short()).await;
    let publisher = Publisher::rtmp(&film, upstream.rtmp, common::live::KEYS[0].1);
    let channel = upstream.channel("one").await;
    until("parts", || (channel.parts() > 4).then_some(())).await;
    let second = Theatre::with(
        short(),
        Config {
            rtmp: Some("127.0.0.1:0".parse().unwrap()),
            ..pulling(&format!("http://{}/s/one/master.m3u8", upstream.address))
        },
    )
    .await;
    let shown = second.channel("pulled").await;
    assert!(publisher.end().await.0);
    until("its end", || shown.is_over().then_some(())).await;
    let bytes = |channel: &origin::live::Channel| channel.bytes();
    // Joined within the first seconds; the same samples in parts of the same length.
    let (ours, theirs) = (bytes(&shown), bytes(&channel));
    assert!(ours > theirs / 2 && ours <= theirs + theirs / 20, "{ours} of {theirs}");
    let list = second.viewer("pulled").get("v0/media.m3u8").await.text();
    assert!(list.contains("#EXT-X-ENDLIST") && !list.contains("#EXT-X-DISCONTINUITY\n"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_and_discontinuities_begin_anew_in_all_renditions() {
    let temp = tempfile::tempdir().unwrap();
    let first = film(&temp, 8, "first.mp4");
    let second = common::clip(
        temp.path(),
        "-f lavfi -i testsrc=size=320x180:rate=25:duration=4 -f lavfi -i sine=frequency=880:duration=4 \
         -c:v libx264 -preset ultrafast -bf 0 -g 25 -pix_fmt yuv420p -c:a aac -ar 48000 -ac 2 -shortest",
        "second.mp4",
    );
    let reels = |film: &Path| [Kind::Video, Kind::Audio].map(|kind| Reel::of(film, kind));
    let (first, second) = (reels(&first), reels(&second));
    let upstream = Upstream::open();
    upstream.write(
        "master.m3u8",
        b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=YES,URI=\"a.m3u8\"\n\
          #EXT-X-STREAM-INF:BANDWIDTH=1000000,AUDIO=\"a\"\nv.m3u8\n",
    );
    let mut lists = [Growing::new("v"), Growing::new("a")];
    let push = |lists: &mut [Growing; 2], reels: &[Reel; 2], name: &str, segment: usize, tags: [&str; 2]| {
        for ((list, reel), tags) in lists.iter_mut().zip(reels).zip(tags) {
            list.push(&upstream, (name, reel), segment, tags);
        }
    };
    for segment in 0..3 {
        push(&mut lists, &first, "x", segment, ["", ""]);
    }
    let mut live = open(pulling(&upstream.url("master.m3u8"))).await;
    let feeding = async {
        for segment in 3..7 {
            sleep(Duration::from_secs(1)).await;
            // What the list says is missing, though it is there.
            let tags = if segment == 4 { ["#EXT-X-GAP\n", ""] } else { ["", ""] };
            push(&mut lists, &first, "x", segment, tags);
        }
        for segment in 0..4 {
            sleep(Duration::from_secs(1)).await;
            let tag = if segment == 0 { "#EXT-X-DISCONTINUITY\n" } else { "" };
            push(&mut lists, &second, "y", segment, [tag, tag]);
        }
        lists.iter_mut().for_each(|list| list.end(&upstream));
    };
    let broadcast = next(&mut live).await;
    let (recording, ()) = tokio::join!(Recording::of(broadcast), feeding);
    recording.check();
    assert_eq!(recording.restarts, 2);
    let data = |id: &str, run: usize| -> Vec<_> {
        recording.run(id, run).1.iter().map(|sample| sample.data.clone()).collect()
    };
    let of = |reel: &Reel, range: std::ops::Range<usize>| -> Vec<_> {
        reel.samples[range].iter().map(|sample| sample.data.clone()).collect()
    };
    assert_eq!(data("v0", 0), of(&first[0], 0..120));
    assert_eq!(data("v0", 1), of(&first[0], 150..210));
    assert_eq!(data("v0", 2), of(&second[0], 0..100));
    assert_eq!((recording.run("v0", 1).0.width, recording.run("v0", 2).0.width), (640, 320));
    // Time has passed by as much as is missing, and the wall's clock is right again.
    let at = |run: usize| {
        let (track, samples) = recording.run("v0", run);
        track.duration(samples[0].dts)
    };
    assert!(
        at(1) >= Duration::from_millis(4900) && at(2) >= at(1) + Duration::from_secs(2),
        "{:?} {:?}",
        at(1),
        at(2)
    );
    for run in 0..3 {
        let (track, pictures) = recording.run("v0", run);
        let (heard, sounds) = recording.run("a0", run);
        let apart = track.duration(pictures[0].dts).abs_diff(heard.duration(sounds[0].dts));
        assert!(apart < Duration::from_millis(100), "run {run}: {apart:?} apart");
    }
    assert!(!upstream.served(".m4s").contains_key("v-x-4.m4s"), "what is a gap is not asked for");
    once(&upstream.served(".m4s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_dies_is_waited_for_and_one_that_stays_away_ends_the_stream() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 30, "film.mp4");
    let reel = Reel::of(&film, Kind::Video);
    let mut upstream = Upstream::open();
    let mut list = Growing::new("v");
    let pace = Duration::from_secs(1);
    for segment in 0..3 {
        list.push(&upstream, ("x", &reel), segment, "");
    }
    let mut live = open(Config { bridge: Duration::from_secs(12), ..pulling(&upstream.url("v.m3u8")) }).await;
    let broadcast = next(&mut live).await;
    let feeding = async {
        for segment in 3..24 {
            sleep(pace).await;
            match segment {
                5 => upstream.die(),
                // Longer than a list is waited for.
                16 => upstream.come_back(),
                _ => {}
            }
            list.push(&upstream, ("x", &reel), segment, "");
        }
        upstream.die();
    };
    let (recording, ()) = tokio::join!(Recording::of(broadcast), feeding);
    recording.check();
    assert!(recording.ended && recording.restarts >= 1, "{} restarts", recording.restarts);
    once(&upstream.served(".m4s"));
    // All that came is the film's, in order, none twice.
    let mut rest = reel.samples.iter();
    for (_, samples) in &recording.runs["v0"] {
        for sample in samples {
            assert!(rest.any(|source| source.data == sample.data), "a picture that is out of order");
        }
    }
    let last = recording.runs["v0"].last().unwrap();
    assert!(last.1.len() >= 60, "{} pictures after it was back", last.1.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_segments_are_shown_and_nothing_private_is_asked_unless_it_may_be() {
    let temp = tempfile::tempdir().unwrap();
    let film = common::clip(
        temp.path(),
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=12 -c:v libx264 -preset ultrafast -g 75 -pix_fmt yuv420p",
        "film.mp4",
    );
    let upstream = Upstream::open();
    let publisher = hls(
        &upstream,
        &film,
        &["-hls_segment_type", "fmp4", "-hls_time", "3", "-hls_flags", "temp_file", "one.m3u8"],
    );
    listed(&upstream, "one.m3u8").await;
    let rtmp = Some("127.0.0.1:0".parse().unwrap());
    let mut config = Config { rtmp, ..pulling(&upstream.url("one.m3u8")) };
    let refused = Theatre::with(short(), {
        let pull = PullConfig::parse(&format!("refused={}", upstream.url("none.m3u8")), false).unwrap();
        upstream.write("none.m3u8", b"#EXTM3U\n");
        Config { pulls: vec![pull], ..config.clone() }
    })
    .await;
    config.bridge = Duration::from_secs(5);
    let theatre = Theatre::with(short(), config).await;
    let channel = theatre.channel("pulled").await;
    assert!(publisher.end().await.0);
    until("its end", || channel.is_over().then_some(())).await;
    let list = theatre.viewer("pulled").get("v0/media.m3u8").await.text();
    assert!(list.contains("#EXT-X-TARGETDURATION:3\n") && !list.contains("#EXT-X-DISCONTINUITY\n"), "{list}");
    assert_eq!(list.lines().filter(|line| line.starts_with("#EXTINF:3")).count(), 4, "{list}");
    assert_eq!(upstream.served("none.m3u8").len(), 0);
    drop(refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_of_advertisements_stay_where_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let reel = Reel::of(&film(&temp, 8, "film.mp4"), Kind::Video);
    let upstream = Upstream::open();
    let mut list = Growing::new("v");
    for segment in 0..3 {
        list.push(&upstream, ("x", &reel), segment, "");
    }
    let rtmp = Some("127.0.0.1:0".parse().unwrap());
    let theatre = Theatre::with(short(), Config { rtmp, ..pulling(&upstream.url("v.m3u8")) }).await;
    let channel = theatre.channel("pulled").await;
    for segment in 3..8 {
        sleep(Duration::from_secs(1)).await;
        let tags = match segment {
            4 => "#EXT-X-CUE-OUT:2\n#EXT-X-DATERANGE:ID=\"x\",START-DATE=\"2026-01-01T00:00:00Z\"\n",
            6 => "#EXT-X-CUE-IN\n",
            _ => "",
        };
        list.push(&upstream, ("x", &reel), segment, tags);
    }
    list.end(&upstream);
    until("its end", || channel.is_over().then_some(())).await;
    let text = theatre.viewer("pulled").get("v0/media.m3u8").await.text();
    for (mark, segment) in [("#EXT-X-CUE-OUT:2\n", "5.m4s"), ("#EXT-X-CUE-IN\n", "7.m4s")] {
        let after = text.split_once(mark).unwrap_or_else(|| panic!("{text}")).1;
        let next = after.lines().find(|line| !line.starts_with('#')).unwrap();
        assert!(next.starts_with(segment), "{mark} before {next}");
    }
    assert!(!text.contains("DATERANGE"), "{text}");
}
