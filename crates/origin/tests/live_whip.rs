//! A publisher over WebRTC, with the stack of the door itself as publisher.

mod common;

use bytes::Bytes;
use cmaf::{Kind, Sample, Track};
use common::live::{HANG, KEYS, Recording, config, hashes, next, open, passthrough};
use common::web::{Reply, raw};
use origin::live::flv::{FileReader, Media, TagReader};
use origin::live::{Config, WhipConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::{TcpListener, UdpSocket};

/// 20 ms of silence in Opus.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// A browser, as far as the door can tell.
struct Browser {
    rtc: Rtc,
    socket: UdpSocket,
    video: Mid,
    audio: Mid,
}

impl Browser {
    async fn new() -> (Self, String, SdpPendingOffer) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut rtc =
            Rtc::builder().clear_codecs().enable_h264(true).enable_opus(true, false).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        let mut changes = rtc.sdp_api();
        let audio = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let video = changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        (Self { rtc, socket, video, audio }, offer.to_sdp_string(), pending)
    }

    /// Runs until `until`, or until `enough`.
    async fn run(&mut self, until: Instant, mut enough: impl FnMut(&Event) -> bool) -> bool {
        let mut buffer = vec![0; 2048];
        loop {
            let wake = match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => at,
                Output::Transmit(transmit) => {
                    self.socket.send_to(&transmit.contents, transmit.destination).await.unwrap();
                    continue;
                }
                Output::Event(event) if enough(&event) => return true,
                Output::Event(_) => continue,
            };
            if Instant::now() >= until {
                return false;
            }
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    let (len, source) = received.unwrap();
                    let destination = self.socket.local_addr().unwrap();
                    let contents = buffer[..len].try_into().unwrap();
                    let receive = Receive { proto: Protocol::Udp, source, destination, contents };
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                }
                () = tokio::time::sleep_until(wake.min(until).into()) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
                }
            }
        }
    }

    fn write(&mut self, mid: Mid, codec: Codec, time: MediaTime, data: Vec<u8>) {
        let writer = self.rtc.writer(mid).unwrap();
        let params = writer.payload_params().find(|params| params.spec().codec == codec);
        let pt = params.expect("negotiated").pt();
        writer.write(pt, Instant::now(), time, data).unwrap();
    }
}

/// The pictures of a film.
fn pictures(film: &Path) -> (Track, Vec<Sample>) {
    let (mut file, mut tags) = (FileReader::default(), TagReader::default());
    let (mut track, mut samples) = (None, Vec::new());
    let mut media = Vec::new();
    for tag in file.push(&std::fs::read(film).unwrap()).unwrap() {
        media.extend(tags.tag(tag).unwrap());
    }
    media.extend(tags.flush());
    for media in media {
        match media {
            Media::Track(_, found) => track = Some(found),
            Media::Sample(_, sample) => samples.push(sample),
        }
    }
    (track.unwrap(), samples)
}

/// A sample with start codes, the parameter sets before a whole picture.
fn with_start_codes(config: &[u8], sample: &Sample) -> Vec<u8> {
    let mut out = Vec::new();
    let mut unit = |unit: &[u8]| {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit);
    };
    if sample.sync {
        let len = usize::from(config[6]) << 8 | usize::from(config[7]);
        unit(&config[8..8 + len]);
        let rest = &config[8 + len + 1..];
        let len = usize::from(rest[0]) << 8 | usize::from(rest[1]);
        unit(&rest[2..2 + len]);
    }
    let mut rest: Bytes = sample.data.clone();
    while rest.len() > 4 {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        unit(&rest[4..4 + len]);
        rest = rest.slice(4 + len..);
    }
    out
}

async fn post(address: SocketAddr, path: &str, key: &str, offer: &str) -> Option<Reply> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/sdp\r\n\
         Authorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    tokio::task::spawn_blocking(move || raw(address, request.as_bytes())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_publishes_and_says_when_it_is_done() {
    let temp = tempfile::tempdir().unwrap();
    let args = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=9 -c:v libx264 -preset ultrafast -tune zerolatency \
                -profile:v baseline -bf 0 -g 30 -pix_fmt yuv420p -an";
    let film = common::clip(temp.path(), args, "film.flv");
    let (track, samples) = pictures(&film);
    let udp = "127.0.0.1:0".parse().unwrap();
    let whip = Some(WhipConfig { udp, external: Vec::new() });
    let mut live = open(Config { whip, rtmp: None, ..config(passthrough()) }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = live.whip_router().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let (mut browser, offer, pending) = Browser::new().await;
    assert_eq!(post(address, "/whip/one", KEYS[1].1, &offer).await.unwrap().status, 401);
    assert_eq!(post(address, "/whip/one", KEYS[0].1, "v=0\r\n").await.unwrap().status, 400);
    let reply = post(address, "/whip/one", KEYS[0].1, &offer).await.unwrap();
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("content-type"), Some("application/sdp"));
    let session = reply.header("location").unwrap().to_owned();
    let answer = SdpAnswer::from_sdp_string(std::str::from_utf8(&reply.body).unwrap()).unwrap();
    browser.rtc.sdp_api().accept_answer(pending, answer).unwrap();
    let connected = |event: &Event| matches!(event, Event::Connected);
    assert!(browser.run(Instant::now() + HANG, connected).await, "it connects");

    let recording = tokio::spawn(async move {
        let recording = Recording::of(next(&mut live).await).await;
        live.close().await;
        recording
    });
    let begun = Instant::now();
    let config = track.decoder_config().unwrap().to_vec();
    let (mut asked, mut sounds) = (0, 0u64);
    let first = samples[0].dts;
    for sample in &samples {
        let at = Duration::from_millis(sample.dts - first);
        while Duration::from_millis(sounds * 20) <= at {
            let time = MediaTime::new(sounds * 960 + 12_345, str0m::media::Frequency::FORTY_EIGHT_KHZ);
            browser.write(browser.audio, Codec::Opus, time, SILENCE.to_vec());
            sounds += 1;
            browser.run(Instant::now(), |_| false).await;
        }
        let time = MediaTime::from_90khz((sample.dts - first) * 90 + 777_777);
        browser.write(browser.video, Codec::H264, time, with_start_codes(&config, sample));
        browser
            .run(begun + at + Duration::from_millis(33), |event| {
                asked += u32::from(matches!(event, Event::KeyframeRequest(_)));
                false
            })
            .await;
    }
    let request = format!("DELETE {session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let reply = tokio::task::spawn_blocking(move || raw(address, request.as_bytes())).await.unwrap();
    assert_eq!(reply.unwrap().status, 200);
    let recording = recording.await.unwrap();
    recording.check();
    assert_eq!((recording.stream.as_str(), recording.restarts), ("one", 0));
    assert!(asked > 1, "keyframes are asked for");
    let (track, seen) = recording.run("v0", 0);
    assert_eq!((track.width, track.height), (320, 180));
    assert!(seen[0].sync && seen.len() > 60, "{} pictures", seen.len());
    assert!(seen.windows(2).all(|two| (32..=35).contains(&(two[1].dts - two[0].dts))), "at their own times");
    let source = hashes(&film, Kind::Video);
    let shown = hashes(&recording.write("v0", 0, temp.path()), Kind::Video);
    assert!(source.windows(shown.len()).any(|window| window == shown), "bit by bit");
    let (track, sound) = recording.run("a0", 0);
    assert_eq!((track.codec.as_str(), track.sample_rate), ("mp4a.40.2", 48_000));
    let covered = track.duration(sound[sound.len() - 1].dts - sound[0].dts);
    assert!(covered > Duration::from_secs(2), "{covered:?} of sound");
}
