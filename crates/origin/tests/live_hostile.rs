//! What strangers cost at the RTMP port: their connection, and nothing else.

mod common;

use common::live::{HANG, KEYS, Publisher, Recording, config, film, next, open, passthrough, poke};
use origin::live::{Config, RtmpLimits};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HELLO: usize = 1 + 1536 + 1536;

/// The handshake, and then `bytes`.
async fn after_handshake(address: SocketAddr, bytes: &[u8]) -> usize {
    let mut opening = vec![3; HELLO];
    opening.extend_from_slice(bytes);
    poke(address, &opening).await
}

fn quick() -> Config {
    let rtmp_limits = RtmpLimits {
        handshake_time: Duration::from_secs(2),
        strangers_per_address: 6,
        ..RtmpLimits::default()
    };
    Config { rtmp_limits, ..config(passthrough()) }
}

/// Kilobytes of memory that this process has in use.
#[cfg(target_os = "linux")]
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmData:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_costs_its_connection_and_publishers_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 6, "film.flv");
    let mut live = open(quick()).await;
    let address = live.rtmp_address().unwrap();
    let publisher = Publisher::rtmp(&film, address, KEYS[0].1);
    let broadcast = next(&mut live).await;
    let recording = tokio::spawn(Recording::of(broadcast));

    assert_eq!(poke(address, b"GET / HTTP/1.1\r\n\r\n").await, 0);
    assert_eq!(poke(address, &[6; 4096]).await, 0, "another version");
    assert_eq!(poke(address, &[3; 700]).await, 0, "half a handshake");
    let answer = 1 + 1536 * 2;
    // Random bytes, a stream of small numbers so that every run sends the same ones.
    let mut seed = 1u32;
    let mut random = Vec::new();
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random.push((seed >> 24) as u8);
    }
    after_handshake(address, &random).await;
    let huge = [4, 0, 0, 0, 255, 255, 255, 20, 0, 0, 0, 0];
    assert_eq!(after_handshake(address, &huge).await, answer, "a huge command");
    let media = [4, 0, 0, 0, 0, 0, 8, 9, 1, 0, 0, 0, 0x17, 0, 0, 0, 0, 1, 2, 3];
    assert_eq!(after_handshake(address, &media).await, answer, "a picture without a key");
    #[cfg(target_os = "linux")]
    {
        let before = memory_kib();
        // Each announces as much as it may, on as many chunk streams as it may, and sends a little of it.
        let mut announced = Vec::new();
        for id in 2..18 {
            announced.extend([id, 0, 0, 0, 0, 127, 0, 20, 0, 0, 0, 0]);
            announced.extend([0; 128]);
        }
        let one = || after_handshake(address, &announced);
        let lengths = tokio::join!(one(), one(), one(), one());
        assert_eq!(lengths, (answer, answer, answer, answer));
        let grown = memory_kib().saturating_sub(before);
        assert!(grown < 64 << 10, "{grown} KiB for announcements");
    }

    let recording = recording.await.unwrap();
    assert!(publisher.end().await.0);
    recording.check();
    assert_eq!((recording.restarts, recording.run("v0", 0).1.len()), (0, 180));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dawdles_is_sent_away_and_keeps_nobody_out_for_long() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 2, "film.flv");
    let mut live = open(quick()).await;
    let address = live.rtmp_address().unwrap();
    // A byte now and then, on more connections than one address may have.
    let mut slow = Vec::new();
    for _ in 0..10 {
        slow.push(tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let (mut reader, mut writer) = socket.split();
            let drip = async {
                loop {
                    if writer.write_all(&[3]).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            tokio::select! {
                _ = drip => {}
                read = tokio::time::timeout(HANG, reader.read_u8()) => assert!(read.unwrap().is_err()),
            }
        }));
    }
    for task in slow {
        task.await.unwrap();
    }
    let publisher = Publisher::rtmp(&film, address, KEYS[0].1);
    let recording = Recording::of(next(&mut live).await).await;
    assert!(publisher.end().await.0);
    assert_eq!(recording.run("v0", 0).1.len(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_consumer_slows_the_publisher_and_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 60, "film.flv");
    let mut live = open(config(passthrough())).await;
    let address = live.rtmp_address().unwrap();
    // As fast as it is taken.
    let publisher = Publisher::start(&format!(
        "-i {} -c copy -f flv rtmp://{address}/live/{}",
        film.display(),
        KEYS[0].1
    ));
    let broadcast = next(&mut live).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let samples = broadcast.figures.samples();
    assert!(samples < 200, "{samples} samples wait for nobody");
    let recording = Recording::of(broadcast).await;
    assert!(publisher.end().await.0);
    recording.check();
    assert_eq!(recording.run("v0", 0).1.len(), 1800);
}
