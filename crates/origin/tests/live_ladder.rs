//! The live ladder: one ffmpeg a publication, and what it gives.

mod common;

use cmaf::{Kind, Sample, Track};
use common::live::{KEYS, Publisher, Recording, config, film, hashes, next, open, proxy};
use origin::live::Config;
use origin::package::Settings;
use std::time::Duration;

const SEGMENT: Duration = Duration::from_secs(1);

fn ladder() -> Config {
    ladder_from(150_000)
}

/// The smallest rung has this bitrate, by which a test finds its own encoder.
fn ladder_from(bitrate_bps: u32) -> Config {
    let settings = Settings {
        ladder: Some(format!("90:{bitrate_bps},180:400k,360:900k").parse().unwrap()),
        preset: "ultrafast".into(),
        ..Settings::default()
    };
    Config { segment: SEGMENT, ..config(settings) }
}

/// When the pictures are shown at which a segment may begin.
fn syncs((track, samples): &(Track, Vec<Sample>)) -> Vec<Duration> {
    let shown = |s: &Sample| track.duration(u64::try_from(s.pts()).unwrap());
    samples.iter().filter(|s| s.sync).map(shown).collect()
}

/// Every first picture at or after a multiple of the segment time is a whole one, and no other but the first of all.
fn on_the_grid(run: &(Track, Vec<Sample>)) {
    let (track, samples) = run;
    let number = |s: &Sample| track.duration(s.dts).as_millis() / SEGMENT.as_millis();
    assert!(samples[0].sync);
    for two in samples.windows(2) {
        assert_eq!(two[1].sync, number(&two[1]) > number(&two[0]), "at {:?}", track.duration(two[1].dts));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_renditions_line_up_and_nothing_is_lost() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 5, "film.flv");
    let mut live = open(ladder()).await;
    let publisher = Publisher::rtmp(&film, live.rtmp_address().unwrap(), KEYS[0].1);
    let broadcast = next(&mut live).await;
    let figures = broadcast.figures.clone();
    let recording = Recording::of(broadcast).await;
    assert!(publisher.end().await.0);
    recording.check();
    assert_eq!(recording.restarts, 0);
    let ids: Vec<&str> = recording.beginnings[0].renditions.iter().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["v0", "v1", "v2", "a0"]);
    let grid = syncs(recording.run("v0", 0));
    assert_eq!(grid.len(), 6, "{grid:?}");
    for (id, size) in [("v0", (160, 90)), ("v1", (320, 180)), ("v2", (640, 360))] {
        let run = recording.run(id, 0);
        assert_eq!((run.0.width, run.0.height, run.0.frame_rate), (size.0, size.1, Some((30, 1))));
        assert_eq!(syncs(run), grid, "{id}");
        on_the_grid(run);
        assert_eq!(run.1.len(), 150);
        assert_eq!(hashes(&recording.write(id, 0, temp.path()), Kind::Video).len(), 150);
    }
    let (track, sound) = recording.run("a0", 0);
    let (first, last) = (&sound[0], &sound[sound.len() - 1]);
    let covered = track.duration(last.dts + u64::from(last.duration) - first.dts);
    assert!(covered > Duration::from_millis(4900), "{covered:?} of sound");
    // The first picture is shown when the source shows it, against the sound: FLV puts it two frames late.
    let shown = grid[0].as_millis();
    assert!((60..=70).contains(&shown), "{shown}");
    assert!(track.duration(first.dts) < Duration::from_millis(50));
    assert!(figures.samples() > 450 && figures.encoder_failures() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grid_holds_when_publisher_and_encoder_begin_anew() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 4, "film.flv");
    let mut live = open(ladder()).await;
    let address = live.rtmp_address().unwrap();
    let (way, line) = proxy(address).await;
    let cut = Publisher::rtmp(&film, way, KEYS[0].1);
    let broadcast = next(&mut live).await;
    let many = |recording: &Recording| recording.runs.get("v2").is_some_and(|runs| runs[0].1.len() > 45);
    let (mut recording, mut broadcast) = Recording::until(broadcast, many).await;
    line.abort();
    cut.end().await;
    let again = Publisher::rtmp(&film, address, KEYS[0].1);
    recording.go_on(&mut broadcast).await;
    assert!(again.end().await.0);
    recording.check();
    assert_eq!(recording.restarts, 1);
    for id in ["v0", "v1", "v2"] {
        for number in [0, 1] {
            on_the_grid(recording.run(id, number));
            assert_eq!(syncs(recording.run(id, number)), syncs(recording.run("v0", number)));
        }
        assert_eq!(recording.run(id, 1).1.len(), 120);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_dies_is_started_again_and_the_publisher_notices_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 6, "film.flv");
    let mut live = open(ladder_from(151_000)).await;
    let publisher = Publisher::rtmp(&film, live.rtmp_address().unwrap(), KEYS[0].1);
    let broadcast = next(&mut live).await;
    let some = |recording: &Recording| recording.runs.get("v2").is_some_and(|runs| runs[0].1.len() > 30);
    let (mut recording, mut broadcast) = Recording::until(broadcast, some).await;
    let [encoder] = encoders(151_000)[..] else { panic!("one encoder") };
    std::process::Command::new("kill").args(["-9", &encoder.to_string()]).status().unwrap();
    recording.go_on(&mut broadcast).await;
    assert!(publisher.end().await.0);
    recording.check();
    assert_eq!((recording.restarts, broadcast.figures.encoder_failures()), (1, 1));
    for id in ["v0", "v1", "v2"] {
        on_the_grid(recording.run(id, 1));
        assert!(recording.run(id, 1).1.len() > 60);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_the_encoder() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 20, "film.flv");
    let mut live = open(ladder_from(152_000)).await;
    let publisher = Publisher::rtmp(&film, live.rtmp_address().unwrap(), KEYS[0].1);
    let some = |recording: &Recording| recording.runs.contains_key("v2");
    let (_, _broadcast) = Recording::until(next(&mut live).await, some).await;
    assert_eq!(encoders(152_000).len(), 1);
    live.close().await;
    assert!(!publisher.end().await.0);
    let until = std::time::Instant::now() + common::live::HANG;
    while !encoders(152_000).is_empty() {
        assert!(std::time::Instant::now() < until, "the encoder lives on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Children of this process that encode a rung of this bitrate.
#[cfg(target_os = "linux")]
fn encoders(bitrate_bps: u32) -> Vec<u32> {
    let parent = format!("PPid:\t{}\n", std::process::id());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let dir = entry.ok()?.path();
        let id: u32 = dir.file_name()?.to_str()?.parse().ok()?;
        let ours = std::fs::read_to_string(dir.join("status")).ok()?.contains(&parent);
        let line = std::fs::read(dir.join("cmdline")).ok()?;
        let words = String::from_utf8_lossy(&line).replace('\0', " ");
        (ours && words.contains(&format!(" -b:v {bitrate_bps} "))).then_some(id)
    });
    processes.collect()
}
