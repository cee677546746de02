//! What an announce with five offers, and then their answers, cost the table, by the size of the swarm and where its members are:
//! `cargo run --release --package braidcast-rendezvous --example announces`.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use rendezvous::{Config, ConnId, Locality, Outgoing, Rate, Table};
use serde_json::{Value, json};

const ROUNDS: u64 = 20_000;
const OFFERS: u64 = 5;
const FILM: &str = "film----------------";

fn name(number: u64) -> String {
    format!("-BC0001-{number:012}")
}

fn announce(peer: u64, more: Value) -> Vec<u8> {
    let mut message = json!({"action": "announce", "info_hash": FILM, "peer_id": name(peer)});
    for (field, value) in more.as_object().into_iter().flatten() {
        message[field] = value.clone();
    }
    message.to_string().into_bytes()
}

/// What the receiver of an offer says to it.
fn answer(offer: &Outgoing, asker: u64, sdp: &str) -> Vec<u8> {
    let offer_id = &serde_json::from_str::<Value>(&offer.text).expect("JSON")["offer_id"];
    let answer = json!({"type": "answer", "sdp": sdp});
    announce(offer.to.0, json!({"to_peer_id": name(asker), "offer_id": offer_id, "answer": answer}))
}

/// Where the nth member is.
type Place = fn(u64) -> Ipv4Addr;

fn main() {
    let sdp = include_str!("../tests/descriptions/simple-peer.sdp");
    let places: [(&str, Place); 3] = [
        ("on loopback", |_| Ipv4Addr::LOCALHOST),
        ("each in a network of its own", |n| Ipv4Addr::from_bits(0x6480_0000 + n as u32 * 256)),
        ("a hundred at each address", |n| Ipv4Addr::from_bits(0x6480_0000 + n as u32 / 100)),
    ];
    for (what, place) in places {
        for size in [100, 1000, 10_000] {
            let free = Rate { burst: u32::MAX, every: Duration::from_nanos(1) };
            let config = Config { messages: free, announces: free, directed: free, ..Config::default() };
            let mut table = Table::new(config, 1);
            let mut out = Vec::new();
            for n in 0..size {
                table.connect(ConnId(n), Locality::from(IpAddr::from(place(n)))).expect("there is room");
                let claims = json!({"position_ms": n * 100, "upload_kbps": n, "left": n % 20});
                let _ = table.handle(Duration::ZERO, ConnId(n), &announce(n, claims), &mut out);
            }
            let offers: Vec<Value> = (0..OFFERS)
                .map(|n| json!({"offer_id": name(n), "offer": {"type": "offer", "sdp": sdp}}))
                .collect();
            let offers = json!({"numwant": OFFERS, "offers": offers});
            let ([mut announces, mut answers], mut relayed) = ([Duration::ZERO; 2], 0);
            for round in 0..ROUNDS {
                let asker = round * 7919 % size;
                // As it would have just been read from a socket.
                let text = announce(asker, offers.clone());
                out.clear();
                let now = Duration::from_secs(10) + Duration::from_millis(round);
                let start = Instant::now();
                let _ = table.handle(now, ConnId(asker), &text, &mut out);
                announces += start.elapsed();
                let texts: Vec<_> =
                    out.drain(1..).map(|offer| (offer.to, answer(&offer, asker, sdp))).collect();
                relayed += texts.len();
                for (from, text) in &texts {
                    out.clear();
                    let start = Instant::now();
                    let _ = table.handle(now, *from, text, &mut out);
                    answers += start.elapsed();
                    assert_eq!(out.len(), 1);
                }
            }
            let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / ROUNDS as f64;
            let (announces, answers) = (micros(announces), micros(answers));
            let offers = relayed as f64 / ROUNDS as f64;
            println!(
                "{size:6} members, {what}: {announces:.1} us an announce, {answers:.1} us its answers, {offers:.2} offers relayed"
            );
        }
    }
}
