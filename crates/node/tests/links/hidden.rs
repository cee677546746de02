//! Where a peer can be reached: by TCP alone, and as a STUN server sees it.

use crate::hub::{Hub, local};
use bytes::Bytes;
use node::links::{Config, Event, Links};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

fn with_tcp() -> Config {
    Config { tcp: Some("127.0.0.1:0".parse().expect("an address")), ..local() }
}

/// The address of the first candidate of this transport.
fn candidate(sdp: &str, transport: &str) -> Option<SocketAddr> {
    let candidates = sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
    candidates
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields[2].eq_ignore_ascii_case(transport))
        .and_then(|fields| format!("{}:{}", fields[4], fields[5]).parse().ok())
}

/// The offer of somebody who listens for TCP.
async fn offer(links: &Links, events: &mut tokio::sync::mpsc::Receiver<Event>) -> String {
    links.dial(crate::hub::id(9));
    match events.recv().await {
        Some(Event::Offer { sdp, .. }) => sdp,
        other => panic!("{other:?}"),
    }
}

/// What the active end of ICE-TCP does: carries the datagrams of a UDP socket over one connection.
async fn carry(udp: UdpSocket, peer: SocketAddr, passive: SocketAddr) {
    let (mut read, mut write) = TcpStream::connect(passive).await.expect("a connection").into_split();
    let out = async {
        let mut buffer = vec![0; 2048];
        while let Ok((length, _)) = udp.recv_from(&mut buffer).await {
            write.write_u16(length as u16).await.expect("open");
            // In two steps: the length says where a datagram ends, not the segments of the connection.
            write.write_all(&buffer[..length / 2]).await.expect("open");
            write.write_all(&buffer[length / 2..length]).await.expect("open");
        }
    };
    let back = async {
        while let Ok(length) = read.read_u16().await {
            let mut datagram = vec![0; usize::from(length)];
            read.read_exact(&mut datagram).await.expect("a whole datagram");
            udp.send_to(&datagram, peer).await.expect("sent");
        }
    };
    tokio::select! { () = out => {}, () = back => {} }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_without_udp_connects_by_tcp() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let relay = udp.local_addr().expect("bound");
    let passive = Arc::new(std::sync::Mutex::new(None));
    let found = passive.clone();
    // Of the listener's description only the TCP candidates are let through, as if they were UDP at the carrier.
    let hub = Hub::mangling(Arc::new(move |from, sdp| {
        let mut lines = sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate:"));
        let mut bare: String = lines.by_ref().collect();
        if from == crate::hub::id(2) {
            *found.lock().expect("no panic") = candidate(&sdp, "tcp");
            bare += &format!("a=candidate:1 1 udp 2113937151 127.0.0.1 {} typ host\r\n", relay.port());
        }
        bare
    }));
    let (mut a, mut b) = (hub.join(1, local()).await, hub.join(2, with_tcp()).await);
    a.links.dial(b.id);
    let waiting = passive.clone();
    let at_a = a.links.local_addr();
    tokio::spawn(async move {
        let to = loop {
            if let Some(to) = *waiting.lock().expect("no panic") {
                break to;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        carry(udp, at_a, to).await;
    });
    let (link_a, ..) = a.up().await;
    let (link_b, ..) = b.up().await;
    for n in 0..10_u8 {
        a.links.send(link_a, Bytes::from(vec![n; 50_000]));
        assert!(b.message().await == (link_b, Bytes::from(vec![n; 50_000])));
        b.links.send(link_b, Bytes::from(vec![n; 50_000]));
        assert!(a.message().await == (link_a, Bytes::from(vec![n; 50_000])));
    }
    a.links.hang_up(link_a);
    assert_eq!(b.next().await, Event::Down(link_b));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_on_all_interfaces_find_each_other() {
    let (four, six) =
        (Config::default(), Config { bind: (Ipv6Addr::UNSPECIFIED, 0).into(), ..Config::default() });
    // Not every host has IPv6.
    let has_six = UdpSocket::bind(six.bind).await.is_ok();
    let other = if has_six { six } else { four.clone() };
    let ((a, at_a), (mut b, at_b)) = crate::hub::pair(&Hub::default(), [four, other]).await;
    a.links.send(at_a, Bytes::from(vec![1; 100_000]));
    assert!(b.message().await == (at_b, Bytes::from(vec![1; 100_000])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_do_not_say_for_whom_they_come_are_closed() {
    let (links, mut events) = Links::open(Config { max_connections: 2, ..with_tcp() }).await.expect("links");
    let passive = candidate(&offer(&links, &mut events).await, "tcp").expect("a TCP candidate");
    let mut idle = TcpStream::connect(passive).await.expect("a connection");
    let mut talker = TcpStream::connect(passive).await.expect("a connection");
    talker.write_all(&[0, 30]).await.expect("open");
    talker.write_all(&[1; 30]).await.expect("open");
    let mut bulky = TcpStream::connect(passive).await.expect("a connection");
    bulky.write_all(&[255, 255, 1]).await.expect("open");
    let mut fourth = TcpStream::connect(passive).await.expect("a connection");
    let mut buffer = [0; 8];
    let ends = |read: std::io::Result<usize>| matches!(read, Ok(0) | Err(_));
    assert!(ends(timeout(Duration::from_secs(3), bulky.read(&mut buffer)).await.expect("closed at once")));
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(TcpStream::connect(passive).await.expect("a connection"));
    }
    let mut refused = 0;
    for stream in &mut crowd {
        let read = timeout(Duration::from_millis(200), stream.read(&mut buffer)).await;
        refused += usize::from(read.is_ok_and(ends));
    }
    assert!(refused >= 7, "twice as many sockets as connections, and no more: {refused} refused");
    for stream in [&mut idle, &mut talker, &mut fourth] {
        let read = timeout(Duration::from_secs(20), stream.read(&mut buffer)).await;
        assert!(ends(read.expect("closed in time")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_that_a_stun_server_sees_is_offered() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let stun = vec![server.local_addr().expect("bound")];
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        let mut asked = 0;
        while let Ok((length, from)) = server.recv_from(&mut buffer).await {
            asked += 1;
            // The first request is lost.
            if asked > 1 && length == 20 {
                let mut answer = vec![1, 1, 0, 12];
                answer.extend(&buffer[4..20]);
                answer.extend([0, 0x20, 0, 8, 0, 1, 0x21 ^ 0x12, 0x12 ^ 0x34]);
                answer.extend([0x21 ^ 192, 0x12, 0xA4 ^ 2, 0x42 ^ 7]);
                let _ = server.send_to(&answer, from).await;
            }
        }
    });
    let (links, mut events) = Links::open(Config { stun, ..local() }).await.expect("links");
    let sdp = offer(&links, &mut events).await;
    assert!(sdp.contains(" 192.0.2.7 4660 typ srflx"), "{sdp}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stun_server_that_is_silent_only_costs_a_moment() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let stun = vec![silent.local_addr().expect("bound")];
    let (links, mut events) = Links::open(Config { stun, ..local() }).await.expect("links");
    let sdp = offer(&links, &mut events).await;
    assert!(sdp.contains("typ host") && !sdp.contains("typ srflx"));
}
