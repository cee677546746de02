//! What it costs to read a session description and to write it for a receiver: `cargo run --release --example descriptions`.

use std::{hint::black_box, time::Instant};

use rendezvous::{
    Config,
    sdp::{Description, Relation},
};

const ROUNDS: u32 = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::default();
    let [sender, receiver] = ["203.0.113.5".parse()?, "198.51.100.7".parse()?];
    let relation = Relation { sender, receiver, same_site: false, config: &config };
    for (name, sdp) in [
        ("Chromium by simple-peer", include_str!("../tests/descriptions/simple-peer.sdp")),
        ("Firefox", include_str!("../tests/descriptions/firefox.sdp")),
        ("str0m", include_str!("../tests/descriptions/str0m.sdp")),
    ] {
        let json = serde_json::to_string(sdp)?;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let mut text = String::with_capacity(1024);
            Description::parse(black_box(&json))?.write_for(&mut text, &relation);
            black_box(text);
        }
        println!(
            "{name}, {} bytes: {:.2} us",
            json.len(),
            (start.elapsed() / ROUNDS).as_nanos() as f64 / 1e3
        );
    }
    Ok(())
}
