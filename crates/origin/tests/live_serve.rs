//! Live streams from ffmpeg to viewers, over real sockets.

mod common;

use common::live::{HANG, KEYS, Publisher, film, proxy};
use common::stage::{Believer, List, Theatre, short, until};
use manifest::live::Cut;
use manifest::{SegmentId, digest};
use origin::live::ChannelConfig;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_a_stream_finds_nothing_wrong_with_it_and_every_part_is_what_was_signed() {
    let theatre = Theatre::open(short()).await;
    let film = film(&theatre.temp, 24, "film.flv");
    let publisher = Publisher::rtmp(&film, theatre.rtmp, KEYS[0].1);
    let channel = theatre.channel("one").await;
    let viewer = theatre.viewer("one");
    let follower = {
        let viewer = viewer.clone();
        tokio::spawn(async move { viewer.follow(["v0", "a0"]).await })
    };
    let believer = {
        let viewer = viewer.clone();
        tokio::spawn(async move {
            let mut believer = Believer::come(&viewer).await;
            let mut parts = 0;
            while !believer.over {
                for part in believer.ask(&viewer).await {
                    let path = believer.path(part);
                    let answer = viewer.ok(&path).await;
                    assert!(believer.believes(part, &answer.body), "{path}");
                    let mut forged = answer.body.clone();
                    let at = forged.len() / 2;
                    forged[at] ^= 1;
                    assert!(!believer.believes(part, &forged));
                    let tag = format!("\"{}\"", digest::root(&answer.body));
                    assert_eq!(answer.headers["etag"], tag);
                    assert_eq!(answer.headers["cache-control"], "public, max-age=60, immutable");
                    parts += 1;
                }
            }
            (believer, parts)
        })
    };
    // The part that is hinted at comes, and everybody who was early gets the same.
    let list = List::of(&viewer.ok("v0/media.m3u8").await.text());
    let hinted = format!("v0/part/{}.m4s", list.next.unwrap());
    // What is named after its number will be of another stream one day.
    let version = format!("?v={}", Believer::come(&viewer).await.description.born_ms);
    assert!(list.segments.iter().all(|segment| segment.ends_with(&version)), "{list:?}");
    let early = [viewer.get(&hinted), viewer.get(&hinted), viewer.get(&hinted)];
    let [a, b, c] = early;
    let (a, b, c) = tokio::join!(a, b, c);
    assert!(a.status == 200 && a.body == b.body && b.body == c.body);
    assert_eq!(viewer.get(&format!("v0/part/{}.m4s", list.next.unwrap() + 1000)).await.status, 404);
    for wrong in ["?_HLS_part=1", "?_HLS_msn=x", "?_HLS_msn=99999"] {
        assert_eq!(viewer.get(&format!("v0/media.m3u8{wrong}")).await.status, 400, "{wrong}");
    }
    // A segment that grows is what it is when it is whole.
    let growing = viewer.ok(&format!("v0/{}.m4s", list.msn)).await;
    let whole = viewer.ok(&format!("v0/{}.m4s", list.msn)).await;
    assert!(growing.body == whole.body && whole.headers.contains_key("etag"));
    let delta = viewer.ok("v0/media.m3u8?_HLS_skip=YES").await;
    assert_eq!(delta.headers["cache-control"], "no-cache");
    let catalogue = theatre.get("api/v1/streams").await.text();
    assert!(catalogue.contains("\"slug\":\"one\"") && catalogue.contains("\"live\":true"), "{catalogue}");

    let lists = follower.await.unwrap();
    assert_eq!(publisher.end().await, (true, String::new()));
    assert!(lists.values().all(|lists| lists.len() > 60), "they are answered part by part");
    let (believer, parts) = believer.await.unwrap();
    assert_eq!(parts, channel.parts());
    assert!(believer.chain.evidence().is_none());
    // Heads tell how playlists have the parts; where the stream broke off, no head could.
    for (rendition, id) in [(0, "v0"), (1, "a0")] {
        let text = viewer.ok(&format!("{id}/media.m3u8")).await.text();
        let listed = cuts(&text);
        let (_, but_the_last) = listed.split_last().unwrap();
        assert!(but_the_last.len() > 10, "{text}");
        for &(sequence, independent, ends_segment) in but_the_last {
            let cut = Cut { independent, ends_segment, is_marked: false };
            assert_eq!(believer.entries[&SegmentId::new(rendition, sequence)].cut, cut, "{id} {sequence}");
        }
    }
    // Parts joined are their segment, and the init segment is what was described.
    let init = viewer.ok("v0/init/1.mp4").await.body;
    assert_eq!(believer.description.renditions[0].inits, [digest::root(&init)]);
    let mut joined = Vec::new();
    for part in 1..=5 {
        joined.extend(viewer.ok(&format!("v0/part/{part}.m4s")).await.body);
    }
    assert_eq!(joined, viewer.ok("v0/1.m4s").await.body);
    let metrics = theatre.get("metrics").await.text();
    let born = format!("braidcast_live_parts_total{{stream=\"one\"}} {parts}");
    assert!(metrics.contains(&born), "{metrics}");
    assert!(metrics.contains("braidcast_live_waiting{stream=\"one\"} 0"), "{metrics}");
}

/// The parts that a playlist lists: number, whether decoding can start in it, whether its segment ends with it.
fn cuts(playlist: &str) -> Vec<(u32, bool, bool)> {
    let mut cuts: Vec<(u32, bool, bool)> = Vec::new();
    for line in playlist.lines() {
        if let Some((_, rest)) = line.split_once("URI=\"part/").filter(|_| line.starts_with("#EXT-X-PART:")) {
            let number = rest.split('.').next().unwrap().parse().unwrap();
            cuts.push((number, rest.ends_with("INDEPENDENT=YES"), false));
        } else if let (true, Some(last)) = (line.starts_with("#EXTINF"), cuts.last_mut()) {
            last.2 = true;
        }
    }
    cuts
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_who_wait_for_a_part_are_answered_by_it_and_not_more_may_wait_than_there_is_room_for() {
    let theatre = Theatre::open(ChannelConfig { waiting: 200, ..short() }).await;
    let film = film(&theatre.temp, 14, "film.flv");
    let _publisher = Publisher::rtmp(&film, theatre.rtmp, KEYS[0].1);
    let channel = theatre.channel("one").await;
    let viewer = theatre.viewer("one");
    let list = List::of(&viewer.ok("v0/media.m3u8").await.text());
    let path = format!("v0/media.m3u8?_HLS_msn={}", list.msn + 1);
    let ask = || {
        let (viewer, path) = (viewer.clone(), path.clone());
        tokio::spawn(async move { viewer.get(&path).await })
    };
    let waiting: Vec<_> = (0..200).map(|_| ask()).collect();
    let mut most = 0;
    let answers = async {
        let mut answers = Vec::new();
        for answer in waiting {
            answers.push(answer.await.unwrap());
        }
        answers
    };
    let mut answers = std::pin::pin!(answers);
    let answers = loop {
        tokio::select! {
            answers = &mut answers => break answers,
            () = tokio::time::sleep(Duration::from_millis(5)) => most = most.max(channel.waiting()),
        }
    };
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| answer.headers["cache-control"] == "public, max-age=6"));
    let bodies: BTreeSet<&[u8]> = answers.iter().map(|answer| &answer.body[..]).collect();
    for body in &bodies {
        let now = List::of(std::str::from_utf8(body).unwrap());
        assert!(now.msn > list.msn + 1, "the segment that was waited for is there");
    }
    assert!(most > 100, "{most} waited at a time");
    assert_eq!(channel.waiting(), 0);

    // No room: those who are too many are told at once.
    let list = List::of(&viewer.ok("v0/media.m3u8").await.text());
    let path = format!("v0/media.m3u8?_HLS_msn={}", list.msn + 1);
    let many: Vec<_> = (0..260)
        .map(|_| {
            let (viewer, path) = (viewer.clone(), path.clone());
            tokio::spawn(async move { viewer.get(&path).await.status })
        })
        .collect();
    for status in many {
        assert!(matches!(status.await.unwrap(), 200 | 503));
    }
    assert_eq!(channel.waiting(), 0);
}

const TO_ITS_END: u32 = 1_000_000;

/// How many of so many frames ffmpeg decodes of a live stream, and what it complains of.
fn play(url: &str, frames: u32) -> (usize, String) {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-i", url])
        .args([
            "-frames:v",
            &frames.to_string(),
            "-map",
            "0:v:0",
            "-fps_mode",
            "passthrough",
            "-f",
            "framemd5",
            "-",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let frames = text.lines().filter(|line| !line.starts_with('#')).count();
    (frames, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_both_lists_while_two_streams_are_live() {
    let theatre = Theatre::open(short()).await;
    let film = film(&theatre.temp, 25, "film.flv");
    let _publishers = KEYS.map(|(_, key)| Publisher::rtmp(&film, theatre.rtmp, key));
    let players = KEYS.map(|(stream, _)| {
        let base = theatre.viewer(stream).base;
        async move {
            theatre_playable(&base).await;
            let hls = format!("{base}master.m3u8");
            let dash = format!("{base}manifest.mpd");
            let hls = tokio::task::spawn_blocking(move || play(&hls, 150));
            let dash = tokio::task::spawn_blocking(move || play(&dash, 150));
            (hls.await.unwrap(), dash.await.unwrap())
        }
    });
    for (stream, _) in KEYS {
        theatre.channel(stream).await;
    }
    let [one, two] = players;
    let (one, two) = tokio::join!(one, two);
    for (hls, dash) in [one, two] {
        for (frames, complaints) in [hls, dash] {
            assert_eq!((frames, complaints), (150, String::new()));
        }
    }
}

/// Waits until three segments are listed, as players want.
async fn theatre_playable(base: &str) {
    let viewer = common::stage::Viewer { base: base.to_owned() };
    loop {
        let answer = viewer.get("v0/media.m3u8?parts=no").await;
        let list = List::of(&answer.text());
        if answer.status == 200 && list.segments.len() >= 3 {
            assert!(!answer.text().contains("#EXT-X-PART"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_was_cut_off_comes_back_behind_a_discontinuity() {
    let theatre = Theatre::open(short()).await;
    let film = film(&theatre.temp, 5, "film.flv");
    let (way, line) = proxy(theatre.rtmp).await;
    let cut = Publisher::rtmp(&film, way, KEYS[0].1);
    let channel = theatre.channel("one").await;
    let viewer = theatre.viewer("one");
    let follower = {
        let viewer = viewer.clone();
        tokio::spawn(async move { viewer.follow(["v0", "a0"]).await })
    };
    until("some parts", || (channel.parts() > 20).then_some(())).await;
    line.abort();
    assert!(!cut.end().await.0);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let again = Publisher::rtmp(&film, theatre.rtmp, KEYS[0].1);
    let lists = follower.await.unwrap();
    assert!(again.end().await.0);
    assert!(lists.values().all(|lists| lists.last().unwrap().discontinuities == 1));
    // Heads say of the first part behind it that playlists tell more.
    let mut believer = Believer::come(&viewer).await;
    believer.ask(&viewer).await;
    let marked: Vec<u8> =
        believer.entries.values().filter(|e| e.cut.is_marked).map(|e| e.segment.rendition).collect();
    assert_eq!(marked, [0, 1]);
    let (frames, complaints) = {
        let url = format!("{}master.m3u8", viewer.base);
        tokio::task::spawn_blocking(move || play(&url, TO_ITS_END)).await.unwrap()
    };
    assert!(frames >= 150 + 60, "{frames} of both parts");
    assert_eq!(complaints, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_window_holds_little_and_what_memory_drops_is_on_disk() {
    let config = ChannelConfig {
        window: Duration::from_secs(7),
        in_memory: Duration::from_secs(3),
        linger: Duration::from_secs(1),
        ..short()
    };
    let theatre = Theatre::open(config).await;
    let film = film(&theatre.temp, 40, "film.flv");
    let rate = std::fs::metadata(&film).unwrap().len() / 40;
    let publisher = Publisher::rtmp(&film, theatre.rtmp, KEYS[0].1);
    let channel = theatre.channel("one").await;
    let viewer = theatre.viewer("one");
    let (mut most_memory, mut most_files) = (0, 0);
    let mut from_disk = 0;
    while !channel.is_over() {
        most_memory = most_memory.max(channel.memory());
        most_files = most_files.max(theatre.on_disk().0);
        let list = List::of(&viewer.ok("v0/media.m3u8").await.text());
        if list.segments.len() >= 6 {
            // The oldest that is listed, and one that has just left: both are still to be had.
            let oldest = &list.segments[0];
            assert!(!viewer.ok(&format!("v0/{oldest}")).await.body.is_empty());
            from_disk += 1;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(publisher.end().await.0);
    assert!(from_disk > 10);
    assert!(most_memory < rate * 10, "{most_memory} bytes in memory at {rate} bytes a second");
    assert!(most_files > 8 && most_files <= 2 * 20, "{most_files} files");
    assert_eq!(viewer.get("v0/1.m4s").await.status, 404);
    until("the end of what was left", || (theatre.on_disk().0 == 0).then_some(())).await;
    assert_eq!(viewer.get("v0/media.m3u8").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_recorded_becomes_a_film() {
    let mut theatre = Theatre::open(ChannelConfig { record: true, ..short() }).await;
    let film = film(&theatre.temp, 9, "film.flv");
    let publisher = Publisher::rtmp(&film, theatre.rtmp, KEYS[1].1);
    let show = tokio::time::timeout(HANG, theatre.shows.recv()).await.unwrap().unwrap();
    assert!(publisher.end().await.0);
    let [slug] = &show.films[..] else { panic!("{show:?}") };
    assert!(slug.as_str().starts_with("two-20"), "{slug}");
    let dir = theatre.data.join("streams").join(slug.as_str());
    let target = origin::check::Target::Folder(dir.clone());
    let report = tokio::task::spawn_blocking(move || {
        origin::check::run(&target, Some(&common::secret().public()), &mut |_| {})
    });
    let report = report.await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let url = format!("http://{}/s/{slug}/master.m3u8", theatre.address);
    let (frames, complaints) = tokio::task::spawn_blocking(move || play(&url, TO_ITS_END)).await.unwrap();
    assert_eq!((frames, complaints.as_str()), (270, ""));
    let catalogue = theatre.get("api/v1/streams").await.text();
    assert!(catalogue.contains(slug.as_str()) && catalogue.contains("\"slug\":\"two\""), "{catalogue}");
}
