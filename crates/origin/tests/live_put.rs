//! Publishers over HTTP PUT and SRT, with ffmpeg as each of them.

mod common;

use cmaf::Kind;
use common::live::{KEYS, Publisher, Recording, config, film, hashes, next, open, passthrough};
use common::web::raw;
use origin::live::{Config, Live};
use origin::package::Settings;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};

/// What an encoder of CMAF writes.
const CMAF: &str = "-f mp4 -use_editlist 1 -movflags \
    +cmaf+frag_keyframe+empty_moov+default_base_moof+skip_sidx+skip_trailer+delay_moov -frag_duration 200000 -method PUT";

async fn serve(live: &Live) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = live.put_router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// `film` at its own pace, each track to an address of its own; the name and password stand in the address.
fn put(film: &Path, address: SocketAddr, stream: &str, key: &str) -> Publisher {
    let url = format!("http://encoder:{key}@{address}/ingest/{stream}");
    Publisher::start(&format!(
        "-re -i {} -map 0:v -c copy {CMAF} {url}/video -map 0:a -c copy {CMAF} {url}/audio",
        film.display()
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_that_are_put_come_out_bit_by_bit() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 4, "film.mp4");
    let mut live = open(config(passthrough())).await;
    let address = serve(&live).await;
    let publisher = put(&film, address, "one", KEYS[0].1);
    let recording = Recording::of(next(&mut live).await).await;
    assert_eq!(publisher.end().await, (true, String::new()));
    recording.check();
    assert_eq!((recording.stream.as_str(), recording.restarts), ("one", 0));
    assert_eq!(recording.runs.len(), 2);
    assert_eq!(hashes(&recording.write("v0", 0, temp.path()), Kind::Video), hashes(&film, Kind::Video));
    assert_eq!(recording.run("v0", 0).1.len(), 120);
    // Sound begins with the decoder's delay, which is not shown in a file and is in a stream.
    let source = hashes(&film, Kind::Audio);
    let heard = hashes(&recording.write("a0", 0, temp.path()), Kind::Audio);
    assert!(heard.ends_with(&source[1..]), "{} of {}", heard.len(), source.len());
    let (pictures, sound) = (recording.run("v0", 0), recording.run("a0", 0));
    let apart = pictures.1.iter().map(|s| s.pts()).min().unwrap() as f64 / f64::from(pictures.0.timescale)
        - sound.1[0].dts as f64 / 48_000.0;
    assert!((apart - 1024.0 / 48_000.0).abs() < 0.001, "sound and pictures are {apart} s apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_that_are_put_are_encoded_and_a_second_publisher_takes_over() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 4, "film.mp4");
    let settings = Settings {
        ladder: Some("180:300k".parse().unwrap()),
        preset: "ultrafast".into(),
        ..Settings::default()
    };
    let mut live = open(config(settings)).await;
    let address = serve(&live).await;
    let old = put(&film, address, "two", KEYS[1].1);
    let some = |recording: &Recording| recording.runs.get("v0").is_some_and(|runs| !runs[0].1.is_empty());
    let (mut recording, mut broadcast) = Recording::until(next(&mut live).await, some).await;
    let new = put(&film, address, "two", KEYS[1].1);
    recording.go_on(&mut broadcast).await;
    assert!(new.end().await.0);
    assert!(!old.end().await.0);
    recording.check();
    assert_eq!(recording.restarts, 1);
    let (track, pictures) = recording.run("v0", 1);
    assert_eq!((track.width, track.height, pictures.len()), (320, 180, 120));
    let end = |id: &str| {
        let (track, samples) = recording.run(id, 1);
        samples.last().map(|s| track.duration(s.dts)).unwrap()
    };
    let apart = end("v0").abs_diff(end("a0"));
    assert!(apart < Duration::from_millis(150), "sound and pictures end {apart:?} apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_nothing_is_taken() {
    let mut live = open(config(passthrough())).await;
    let address = serve(&live).await;
    let ask = |head: String| {
        let request = format!("{head}Host: x\r\nContent-Length: 8\r\nConnection: close\r\n\r\nnot mp4!");
        tokio::task::spawn_blocking(move || raw(address, request.as_bytes()).map(|reply| reply.status))
    };
    let put = |path: &str, key: &str| {
        ask(format!("PUT /ingest/{path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n"))
    };
    assert_eq!(ask("PUT /ingest/one/v HTTP/1.1\r\n".into()).await.unwrap(), Some(401));
    assert_eq!(put("one/v", KEYS[1].1).await.unwrap(), Some(401), "another stream's key");
    assert_eq!(put("none/v", KEYS[0].1).await.unwrap(), Some(401), "no such stream");
    assert_eq!(put("one/v%20w", KEYS[0].1).await.unwrap(), Some(404));
    assert_eq!(put("one/v", KEYS[0].1).await.unwrap(), Some(415), "what is no MP4");
    let nothing = tokio::time::timeout(Duration::from_millis(200), live.next()).await;
    assert!(nothing.is_err(), "no broadcast of nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn srt_callers_publish_with_the_key_as_passphrase() {
    let protocols =
        std::process::Command::new("ffmpeg").args(["-v", "error", "-protocols"]).output().unwrap();
    if !String::from_utf8_lossy(&protocols.stdout).lines().any(|line| line.trim() == "srt") {
        eprintln!("this ffmpeg has no SRT");
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 4, "film.ts");
    let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = Config { bridge: Duration::from_secs(1), ..config(passthrough()) };
    config.streams[0].srt = Some(free);
    let mut live = open(config).await;
    let call = |key: &str| {
        let url = format!("srt://{free}?mode=caller&passphrase={key}&pbkeylen=16&latency=200000");
        Publisher::start(&format!("-re -i {} -c copy -f mpegts {url}", film.display()))
    };
    // The listener needs a moment to stand.
    let publisher = loop {
        let wrong = call("a-wrong-passphrase").end().await;
        assert!(!wrong.0);
        let mut publisher = call(KEYS[0].1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if publisher.0.try_wait().unwrap().is_none() {
            break publisher;
        }
    };
    let recording = Recording::of(next(&mut live).await).await;
    assert!(publisher.end().await.0);
    recording.check();
    assert_eq!(recording.runs.len(), 2);
    let source = hashes(&film, Kind::Video);
    let seen = hashes(&recording.write("v0", 0, temp.path()), Kind::Video);
    // What is under way when the caller hangs up may be lost, and the last pictures lack those between them.
    let whole = &seen[..seen.len() - 4];
    assert!(whole.len() > 60 && source.windows(whole.len()).any(|window| window == whole), "{}", seen.len());
}
