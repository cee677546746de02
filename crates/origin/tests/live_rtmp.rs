//! Publishers over RTMP, with ffmpeg as each of them.

mod common;

use cmaf::Kind;
use common::live::{KEYS, Publisher, Recording, config, film, hashes, next, open, passthrough, proxy};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_comes_out_bit_by_bit() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 4, "film.flv");
    let mut live = open(config(passthrough())).await;
    let publisher = Publisher::rtmp(&film, live.rtmp_address().unwrap(), KEYS[0].1);
    let recording = Recording::of(next(&mut live).await).await;
    assert_eq!(publisher.end().await, (true, String::new()));
    recording.check();
    assert_eq!((recording.stream.as_str(), recording.restarts), ("one", 0));
    for (id, kind) in [("v0", Kind::Video), ("a0", Kind::Audio)] {
        let source = hashes(&film, kind);
        assert_eq!(hashes(&recording.write(id, 0, temp.path()), kind), source);
    }
    let (track, samples) = recording.run("v0", 0);
    assert_eq!((track.width, track.height, track.frame_rate), (640, 360, Some((30, 1))));
    assert_eq!(samples.len(), 120);
    assert!(samples[0].sync && samples.iter().filter(|s| s.sync).count() == 4);
    let (track, samples) = recording.run("a0", 0);
    assert!(samples.windows(2).all(|two| two[1].dts - two[0].dts == 1024), "no gaps in the sound");
    assert_eq!((track.sample_rate, track.channels), (48_000, 2));
    live.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_go_on_beside_each_other_and_a_wrong_key_is_told_so() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 3, "film.flv");
    let mut live = open(config(passthrough())).await;
    let address = live.rtmp_address().unwrap();
    let publishers = KEYS.map(|(_, key)| Publisher::rtmp(&film, address, key));
    let wrong = Publisher::rtmp(&film, address, "not-a-key-at-all");
    let (first, second) = (next(&mut live).await, next(&mut live).await);
    let (first, second) = tokio::join!(Recording::of(first), Recording::of(second));
    let mut names = [first.stream.as_str(), second.stream.as_str()];
    names.sort();
    assert_eq!(names, ["one", "two"]);
    for recording in [&first, &second] {
        recording.check();
        assert_eq!(recording.run("v0", 0).1.len(), 90);
    }
    for publisher in publishers {
        assert!(publisher.end().await.0);
    }
    let (content, words) = wrong.end().await;
    assert!(!content && words.contains("Wrong stream key."), "{words}");
    let elsewhere =
        Publisher::start(&format!("-re -i {} -c copy -f flv rtmp://{address}/vod/x", film.display()));
    let (content, words) = elsewhere.end().await;
    assert!(!content && words.contains("/live"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_was_cut_off_comes_back_into_the_same_broadcast() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 4, "film.flv");
    let mut live = open(config(passthrough())).await;
    let address = live.rtmp_address().unwrap();
    let (way, line) = proxy(address).await;
    let cut = Publisher::rtmp(&film, way, KEYS[0].1);
    let broadcast = next(&mut live).await;
    let many = |recording: &Recording| recording.runs.get("v0").is_some_and(|runs| runs[0].1.len() > 45);
    let (mut recording, mut broadcast) = Recording::until(broadcast, many).await;
    line.abort();
    assert!(!cut.end().await.0);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let again = Publisher::rtmp(&film, address, KEYS[0].1);
    recording.go_on(&mut broadcast).await;
    assert!(again.end().await.0);
    recording.check();
    assert_eq!(recording.restarts, 1);
    let ((track, before), (_, after)) = (recording.run("v0", 0), recording.run("v0", 1));
    assert_eq!(after.len(), 120);
    let gap = after[0].dts - before[before.len() - 1].dts;
    assert!(track.duration(gap) > Duration::from_millis(700), "the time that passed is left out: {gap}");
    assert_eq!(hashes(&recording.write("v0", 1, temp.path()), Kind::Video), hashes(&film, Kind::Video));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_of_two_publishers_with_one_key_takes_over() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 5, "film.flv");
    let mut live = open(config(passthrough())).await;
    let address = live.rtmp_address().unwrap();
    let old = Publisher::rtmp(&film, address, KEYS[0].1);
    let broadcast = next(&mut live).await;
    let some = |recording: &Recording| recording.runs.get("v0").is_some_and(|runs| runs[0].1.len() > 20);
    let (mut recording, mut broadcast) = Recording::until(broadcast, some).await;
    let new = Publisher::rtmp(&film, address, KEYS[0].1);
    recording.go_on(&mut broadcast).await;
    assert!(new.end().await.0);
    assert!(!old.end().await.0);
    recording.check();
    assert_eq!(recording.restarts, 1);
    assert_eq!(recording.run("v0", 1).1.len(), 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_ends_when_its_publisher_stays_away() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 3, "film.flv");
    let mut live =
        open(origin::live::Config { bridge: Duration::from_millis(300), ..config(passthrough()) }).await;
    let (way, line) = proxy(live.rtmp_address().unwrap()).await;
    let cut = Publisher::rtmp(&film, way, KEYS[1].1);
    let broadcast = next(&mut live).await;
    let some = |recording: &Recording| recording.runs.get("v0").is_some_and(|runs| runs[0].1.len() > 20);
    let (mut recording, mut broadcast) = Recording::until(broadcast, some).await;
    line.abort();
    recording.go_on(&mut broadcast).await;
    recording.check();
    assert_eq!(recording.restarts, 0);
    assert!(!cut.end().await.0);
    // And another begins where the next one publishes.
    let again = Publisher::rtmp(&film, live.rtmp_address().unwrap(), KEYS[1].1);
    let second = Recording::of(next(&mut live).await).await;
    assert_eq!(second.run("v0", 0).1[0].dts, 0);
    assert!(again.end().await.0);
}
