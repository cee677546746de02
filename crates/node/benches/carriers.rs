//! What a link costs and brings, by what carries it: figures for `docs/decisions`. It takes minutes, and says how fast instead of
//! whether: `cargo bench -p braidcast-node --bench carriers`.
#![allow(dead_code)]

#[path = "../tests/links/hub.rs"]
mod hub;
#[path = "../tests/links/relay.rs"]
mod relay;

use crate::hub::{Hub, Side, local, pair};
use crate::relay::{Fate, Judge};
use bytes::Bytes;
use node::links::{Config, Event};
use std::time::{Duration, Instant};
use swarm::Link;

const MESSAGE: usize = 32 * 1024;

fn config(quic: bool) -> Config {
    Config { quic, ..local() }
}

/// Seconds of processor that this process has used.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Sends so much one way, as there is room. Gives bytes a second, and processor seconds a GiB of both ends together.
async fn stream(from: &mut (Side, Link), to: &mut (Side, Link), bytes: usize) -> (f64, f64) {
    let count = bytes / MESSAGE;
    let message = Bytes::from(vec![7; MESSAGE]);
    let (begun, used) = (Instant::now(), cpu());
    let send = async {
        let (side, link) = from;
        let mut sent = 0;
        while sent < count {
            while sent < count && side.links.room(*link) as usize >= MESSAGE {
                side.links.send(*link, message.clone());
                sent += 1;
            }
            if sent < count {
                let event = side.event().await;
                assert!(matches!(event, Event::Room(..)), "{event:?}");
            }
        }
    };
    let take = async {
        for _ in 0..count {
            assert_eq!(to.0.message().await.1.len(), MESSAGE);
        }
    };
    tokio::join!(send, take);
    let seconds = begun.elapsed().as_secs_f64();
    (bytes as f64 / seconds, (cpu() - used) * (1_u64 << 30) as f64 / bytes as f64)
}

async fn related(quic: bool, judge: Judge, delay: Duration) -> ((Side, Link), (Side, Link)) {
    let (hub, ends) = relay::far_hub(judge, 1, delay).await;
    let (mut a, mut b) = (hub.join(1, config(quic)).await, hub.join(2, config(quic)).await);
    relay::place(&ends, &a, &b);
    let begun = Instant::now();
    a.links.dial(b.id);
    let (at_a, ..) = a.up().await;
    let (at_b, ..) = b.up().await;
    println!("  open after {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    ((a, at_a), (b, at_b))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    on_loopback().await;
    on_a_way_of_40_ms().await;
}

async fn on_loopback() {
    for quic in [false, true, false, true] {
        let (mut a, mut b) = pair(&Hub::default(), [config(quic), config(quic)]).await;
        let (rate, cost) = stream(&mut a, &mut b, 256 << 20).await;
        println!("quic {quic}: {:.1} MB/s, {cost:.2} CPU-s/GiB", rate / 1e6);
    }
}

async fn on_a_way_of_40_ms() {
    for (per_mille, bytes) in [(0, 24 << 20), (10, 6 << 20), (30, 3 << 20)] {
        for quic in [false, true] {
            let mut dice = 7_u64;
            let judge = move |_: bool, _: &[u8]| {
                dice = dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if dice >> 33 & 1023 < per_mille * 1024 / 1000 { Fate::Lose } else { Fate::Pass }
            };
            let (mut a, mut b) = related(quic, Box::new(judge), Duration::from_millis(20)).await;
            let (rate, _) = stream(&mut a, &mut b, bytes).await;
            println!("quic {quic}, {per_mille} per mille lost: {:.2} MB/s", rate / 1e6);
        }
    }
}
