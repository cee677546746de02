//! Messages arrive whole and in order, and no link takes more than it said.

use super::local;
use crate::hub::{Hub, Side, id, pair};
use bytes::Bytes;
use node::links::{Config, Event};
use std::time::Instant;
use swarm::Link;
use wire::MAX_MESSAGE_BYTES;

const BUFFER: u32 = 128 * 1024;

fn pattern(n: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(31) ^ n.wrapping_mul(131) ^ at >> 8) as u8).collect()
}

/// Sends `count` messages of `length` as there is room, and takes as many in. Gives the greatest room that was told.
async fn exchange(side: &mut Side, link: Link, count: usize, length: usize) -> u32 {
    let (mut sent, mut taken, mut most) = (0, 0, 0);
    while sent < count || taken < count {
        match side.event().await {
            Event::Room(of, room) => {
                assert_eq!(of, link);
                assert!(room <= BUFFER);
                most = most.max(room);
                let mut left = side.links.room(link) as usize;
                while sent < count && left >= length {
                    side.links.send(link, pattern(sent, length));
                    left -= length;
                    sent += 1;
                }
            }
            Event::Message(of, message) => {
                assert_eq!(of, link);
                assert!(message == pattern(taken, length), "message {taken} is another");
                taken += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_mebibytes_each_way_arrive_in_order_and_intact() {
    let ((mut a, at_a), (mut b, at_b)) = pair(&Hub::default(), [local(), local()]).await;
    let begun = Instant::now();
    let (most, _) =
        tokio::join!(exchange(&mut a, at_a, 160, 32 * 1024), exchange(&mut b, at_b, 160, 32 * 1024));
    let seconds = begun.elapsed().as_secs_f64();
    println!("both ways together: {:.1} MB/s", 2.0 * 160.0 * 32.768e-3 / seconds);
    assert_eq!(most, BUFFER, "an idle link takes its whole buffer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_room_shrinks_by_what_is_sent_and_comes_back() {
    let ((mut a, at_a), (b, _at_b)) = pair(&Hub::default(), [local(), local()]).await;
    while a.event().await != Event::Room(at_a, BUFFER) {}
    a.links.send(at_a, pattern(0, 100 * 1024));
    match a.event().await {
        Event::Room(_, room) => assert!(room < BUFFER),
        other => panic!("{other:?}"),
    }
    while a.event().await != Event::Room(at_a, BUFFER) {}
    drop(b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_message_passes_a_shorter_buffer() {
    let small = || Config { send_buffer: 64 * 1024, ..local() };
    let ((a, at_a), (mut b, at_b)) = pair(&Hub::default(), [small(), small()]).await;
    for n in 0..3 {
        a.links.send(at_a, pattern(n, MAX_MESSAGE_BYTES));
        a.links.send(at_a, Bytes::new());
        a.links.send(at_a, pattern(n, 64 * 1024));
    }
    for n in 0..3 {
        for length in [MAX_MESSAGE_BYTES, 64 * 1024] {
            assert!(b.message().await == (at_b, pattern(n, length)), "message {n} of {length} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_long_costs_its_link() {
    let ((mut a, at_a), (mut b, at_b)) = pair(&Hub::default(), [local(), local()]).await;
    a.links.send(at_a, pattern(0, MAX_MESSAGE_BYTES + 1));
    assert_eq!(a.next().await, Event::Down(at_a));
    assert_eq!(b.next().await, Event::Down(at_b));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_whose_queue_is_full_beyond_reason_is_closed() {
    let ((mut a, at_a), (_b, _)) = pair(&Hub::default(), [local(), local()]).await;
    for n in 0..400 {
        a.links.send(at_a, pattern(n, 64 * 1024));
    }
    assert_eq!(a.next().await, Event::Down(at_a));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_peers_share_a_socket() {
    let hub = Hub::default();
    let mut seed = hub.join(0, Config { max_connections: 80, ..local() }).await;
    let mut peers = Vec::new();
    for n in 1..=50 {
        let peer = hub.join(n, local()).await;
        peer.links.dial(seed.id);
        peers.push(peer);
    }
    let (mut opened, mut served) = (0, 0);
    let serve = async {
        while served < 50 {
            match seed.next().await {
                Event::Up { .. } => opened += 1,
                Event::Message(link, message) => {
                    seed.links.send(link, message);
                    served += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let ask = async {
        let mut ups = Vec::new();
        for peer in &mut peers {
            let (link, to, _) = peer.up().await;
            assert_eq!(to, id(0));
            peer.links.send(link, pattern(usize::from(peer.id.0[19]), 20_000));
            ups.push(link);
        }
        for (peer, link) in peers.iter_mut().zip(ups) {
            let expected = pattern(usize::from(peer.id.0[19]), 20_000);
            assert!(peer.message().await == (link, expected), "the echo of another");
        }
    };
    tokio::join!(serve, ask);
    assert_eq!(opened, 50);
}
