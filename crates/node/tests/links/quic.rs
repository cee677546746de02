//! QUIC between peers that both speak it, and what happens where it does not come about.

use crate::hub::{AGES, Hub, Side, id, local, pair};
use crate::relay::{self, Fate};
use bytes::Bytes;
use node::links::{Config, Event, Links, Transports};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{ClientConfig, Endpoint, EndpointConfig};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use swarm::Link;

const QUIC: Transports = Transports { webrtc: 0, quic: 1 };
const WEBRTC: Transports = Transports { webrtc: 1, quic: 0 };
const LINE: &str = "a=braidcast-quic:1";

fn without() -> Config {
    Config { quic: false, ..local() }
}

/// Says something each way and hears it.
async fn converse(a: &mut (Side, Link), b: &mut (Side, Link)) {
    for n in 0..4_u8 {
        let long = Bytes::from(vec![n; 100_000]);
        a.0.links.send(a.1, long.clone());
        assert!(b.0.message().await == (b.1, long.clone()));
        b.0.links.send(b.1, long.clone());
        assert!(a.0.message().await == (a.1, long));
    }
}

fn transports(a: &Side, b: &Side) -> [Transports; 2] {
    [a.links.transports(), b.links.transports()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_speak_it_have_their_link_on_it() {
    let (mut a, mut b) = pair(&Hub::default(), [local(), local()]).await;
    converse(&mut a, &mut b).await;
    assert_eq!(transports(&a.0, &b.0), [QUIC; 2]);
    b.0.links.hang_up(b.1);
    assert_eq!(a.0.next().await, Event::Down(a.1));
    assert_eq!(a.0.links.transports(), Transports::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_one_does_not_speak_it_the_link_is_a_data_channel() {
    for configs in [[local(), without()], [without(), local()]] {
        let (mut a, mut b) = pair(&Hub::default(), configs).await;
        converse(&mut a, &mut b).await;
        assert_eq!(transports(&a.0, &b.0), [WEBRTC; 2]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_speaks_it_says_so_and_only_to_who_does() {
    for (offers, answers) in [(true, true), (true, false), (false, true), (false, false)] {
        let (a, mut from_a) = Links::open(Config { quic: offers, ..local() }).await.expect("links");
        let (b, mut from_b) = Links::open(Config { quic: answers, ..local() }).await.expect("links");
        a.dial(id(2));
        let Some(Event::Offer { offer_id, sdp, .. }) = from_a.recv().await else { panic!("no offer") };
        assert_eq!(sdp.lines().any(|line| line == LINE), offers);
        b.offer(id(1), offer_id, sdp);
        let Some(Event::Answer { sdp, .. }) = from_b.recv().await else { panic!("no answer") };
        assert_eq!(sdp.lines().any(|line| line == LINE), offers && answers);
    }
}

fn is_quic(datagram: &[u8]) -> bool {
    datagram[0] >= 64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_quic_does_not_pass_the_link_is_a_data_channel() {
    let blocks: [fn(bool) -> bool; 3] = [|_| true, |from_dialler| from_dialler, |from_dialler| !from_dialler];
    for is_blocked in blocks {
        let judge = move |from_dialler, datagram: &[u8]| match is_quic(datagram) && is_blocked(from_dialler) {
            true => Fate::Lose,
            false => Fate::Pass,
        };
        let begun = Instant::now();
        let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
        println!("open after {:?}", begun.elapsed());
        assert!(begun.elapsed() < local().open_within);
        converse(&mut a, &mut b).await;
        assert_eq!(transports(&a.0, &b.0), [WEBRTC; 2]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_on_quic_needs_nothing_of_webrtc_any_more() {
    let is_up = Arc::new(Mutex::new(false));
    let seen = is_up.clone();
    let judge = move |_, datagram: &[u8]| match is_quic(datagram) || !*seen.lock().expect("no panic") {
        true => Fate::Pass,
        false => Fate::Lose,
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    *is_up.lock().expect("no panic") = true;
    converse(&mut a, &mut b).await;
    // Longer than ICE would go on without an answer, and than QUIC would without a sign of life.
    assert!(a.0.is_silent(Duration::from_secs(20)).await);
    converse(&mut a, &mut b).await;
    assert_eq!(transports(&a.0, &b.0), [QUIC; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_another_certificate_gets_no_link() {
    let hub = Hub::mangling(Arc::new(|from, sdp: String| {
        let mut lines: Vec<String> = sdp.lines().map(str::to_owned).collect();
        for line in lines.iter_mut().filter(|line| from == id(2) && line.starts_with("a=fingerprint:")) {
            let last = line.pop().expect("a digit");
            line.push(if last == '0' { '1' } else { '0' });
        }
        lines.join("\r\n") + "\r\n"
    }));
    let hasty = || Config { open_within: Duration::from_secs(2), ..local() };
    let (mut a, mut b) = (hub.join(1, hasty()).await, hub.join(2, hasty()).await);
    a.links.dial(b.id);
    assert_eq!(a.next().await, Event::DialFailed(b.id));
    assert!(b.is_silent(Duration::from_secs(1)).await);
    assert_eq!(transports(&a, &b), [Transports::default(); 2]);
}

/// What a QUIC client sends first.
fn initial() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("QUIC")));
    let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
    let to = "127.0.0.1:1".parse().expect("an address");
    let (_, mut connection) =
        endpoint.connect(Instant::now(), config, to, "braidcast").expect("a connection");
    let mut datagram = Vec::new();
    let sent = connection.poll_transmit(Instant::now(), 1, &mut datagram).expect("a datagram");
    datagram.truncate(sent.size);
    datagram
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_speaks_quic_is_not_answered() {
    let (mut a, mut b) = pair(&Hub::default(), [local(), local()]).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    stranger.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
    for _ in 0..200 {
        stranger.send_to(&initial(), a.0.links.local_addr()).expect("sent");
        stranger.send_to(&initial(), b.0.links.local_addr()).expect("sent");
    }
    let mut unknown_version = initial();
    unknown_version[1..5].copy_from_slice(&[9; 4]);
    stranger.send_to(&unknown_version, b.0.links.local_addr()).expect("sent");
    assert!(stranger.recv_from(&mut [0; 2048]).is_err(), "an answer");
    converse(&mut a, &mut b).await;
    assert_eq!(transports(&a.0, &b.0), [QUIC; 2]);
}

/// Whoever can send from the peer's address takes QUIC from it at worst.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_beginning_from_the_address_of_the_peer_costs_no_link() {
    let mut n = 0;
    let judge = move |from_dialler: bool, datagram: &[u8]| {
        n += usize::from(is_quic(datagram));
        match from_dialler && is_quic(datagram) && n < 4 {
            true => Fate::After(vec![initial()]),
            false => Fate::Pass,
        }
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    converse(&mut a, &mut b).await;
    let [at_a, at_b] = transports(&a.0, &b.0);
    assert_eq!(at_a, at_b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_and_the_loss_of_a_long_way_are_no_hindrance() {
    let mut n = 0_u32;
    let judge = move |_: bool, _: &[u8]| {
        n = n.wrapping_mul(1664525).wrapping_add(1013904223);
        if n >> 16 & 31 == 0 { Fate::Lose } else { Fate::Pass }
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    tokio::time::timeout(AGES, converse(&mut a, &mut b)).await.expect("in time");
    let [at_a, at_b] = transports(&a.0, &b.0);
    assert_eq!(at_a, at_b);
}
