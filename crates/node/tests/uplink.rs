//! The uplink over real links: the cap, how streams share it, order, and the room that is told.

#[allow(dead_code)] // the tests of links use the rest
#[path = "links/hub.rs"]
mod hub;

use bytes::Bytes;
use hub::{AGES, Hub, Side, id, local};
use node::links::{Event, Links};
use node::uplink::{Cap, Stream, Uplink};
use std::time::{Duration, Instant};
use swarm::Link;
use tokio::time::{sleep, timeout};

const MESSAGE: usize = 16 * 1024;

fn numbered(number: u32, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn number(message: &Bytes) -> u32 {
    u32::from_be_bytes(message[..4].try_into().unwrap())
}

/// A peer with links to so many others, dialled by it; and those others.
async fn star(hub: &Hub, first: u8, leaves: u8) -> (Side, Vec<(Link, Side)>) {
    let mut centre = hub.join(first, local()).await;
    let mut others = Vec::new();
    for n in 1..=leaves {
        let mut other = hub.join(first + n, local()).await;
        centre.links.dial(id(first + n));
        let (link, ..) = centre.up().await;
        other.up().await;
        others.push((link, other));
    }
    (centre, others)
}

/// Waits until a link takes as much as it ever does.
async fn idle(links: &Links, link: Link) {
    let idle = timeout(AGES, async {
        while (links.room(link) as usize) < local().send_buffer {
            sleep(Duration::from_millis(5)).await;
        }
    });
    idle.await.expect("what was sent arrives");
}

/// Counts what comes to a peer.
fn count(mut side: Side, into: tokio::sync::mpsc::UnboundedSender<(usize, usize)>, stream: usize) {
    tokio::spawn(async move {
        while let Some(event) = side.events.recv().await {
            if let Event::Message(_, message) = event {
                let _ = into.send((stream, message.len())); // the test may be over
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_streams_share_a_cap_alike_and_stay_under_it() {
    const CAP: u64 = 1_000_000;
    let hub = Hub::default();
    let uplink = Uplink::new(Cap::BytesPerSecond(CAP));
    let (into, mut came) = tokio::sync::mpsc::unbounded_channel();
    let mut senders = Vec::new();
    let mut flows = Vec::new();
    // One has a single neighbour, the other has three.
    for (at, (first, leaves)) in [(1, 1), (11, 3)].into_iter().enumerate() {
        let (centre, others) = star(&hub, first, leaves).await;
        let stream = uplink.stream(centre.links.clone());
        for (link, other) in others {
            flows.push((at, link));
            count(other, into.clone(), at);
        }
        senders.push((centre, stream));
    }
    let begun = Instant::now();
    for _ in 0..60 {
        for (at, link) in &flows {
            senders[*at].1.send(*link, numbered(0, MESSAGE));
        }
    }
    let mut sums = [0usize; 2];
    while sums.iter().sum::<usize>() < 1_800_000 {
        let (at, bytes) = timeout(AGES, came.recv()).await.expect("it goes on").expect("a message");
        sums[at] += bytes;
        let sum: usize = sums.iter().sum();
        let most = CAP as f64 * (begun.elapsed().as_secs_f64() + 0.05) + MESSAGE as f64;
        assert!(sum as f64 <= most, "{sum} bytes where {most} were allowed");
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{sums:?} in {seconds:.2} s: {:.1} % of the cap", (sums[0] + sums[1]) as f64 / seconds / 1e4);
    let apart = sums[0].abs_diff(sums[1]) as f64 / sums[0].max(sums[1]) as f64;
    assert!(apart <= 0.1, "{sums:?}");
    // What waits goes at once when there is no cap any more.
    uplink.set_cap(Cap::Unlimited);
    while sums.iter().sum::<usize>() < 4 * 60 * MESSAGE {
        sums[0] += timeout(AGES, came.recv()).await.expect("it goes on").expect("a message").1;
    }
    let stats = uplink.stats();
    assert_eq!((stats.waiting, stats.sent, stats.cap), (0, 4 * 60 * MESSAGE as u64, Cap::Unlimited));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_keeps_its_order_and_short_messages_need_not_wait() {
    let hub = Hub::default();
    let (centre, mut others) = star(&hub, 1, 1).await;
    let (link, other) = &mut others[0];
    let uplink = Uplink::new(Cap::BytesPerSecond(200_000));
    let stream: Stream = uplink.stream(centre.links.clone());
    for n in 0..10 {
        stream.send(*link, numbered(n, MESSAGE));
    }
    stream.send_behind(*link, numbered(10, 8));
    stream.send_first(*link, numbered(99, 8));
    let mut order = Vec::new();
    while order.len() < 12 {
        order.push(number(&other.message().await.1));
    }
    let place = order.iter().position(|n| *n == 99).unwrap();
    assert!(place < 10, "{order:?}");
    order.remove(place);
    assert_eq!(order, (0..=10).collect::<Vec<u32>>());
    // Nothing waits any more: it need not wait either.
    stream.send_behind(*link, numbered(11, 8));
    assert_eq!(number(&other.message().await.1), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_room_that_is_told_counts_what_waits() {
    let hub = Hub::default();
    let (centre, others) = star(&hub, 1, 2).await;
    let (one, two) = (others[0].0, others[1].0);
    idle(&centre.links, one).await;
    idle(&centre.links, two).await;
    let buffer = local().send_buffer as u32;
    // Nothing of any weight goes out at this rate.
    let uplink = Uplink::new(Cap::BytesPerSecond(1000));
    let (first, second) = (uplink.stream(centre.links.clone()), uplink.stream(centre.links.clone()));
    first.send_first(one, numbered(0, 60_000));
    idle(&centre.links, one).await;
    first.send(one, numbered(1, MESSAGE));
    assert_eq!(first.room(one), buffer - MESSAGE as u32);
    assert_eq!((first.room(two), second.room(one)), (buffer, buffer));
    second.send(two, numbered(2, MESSAGE));
    assert_eq!(first.room(one), buffer - 2 * MESSAGE as u32, "of two streams that wait it counts twice");
    drop(second);
    assert_eq!((first.room(one), first.waiting()), (buffer - MESSAGE as u32, MESSAGE));
    first.forget(one);
    assert_eq!((first.room(one), first.waiting(), uplink.stats().waiting), (buffer, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hands_over_without_end_loses_the_link() {
    let hub = Hub::default();
    let (mut centre, others) = star(&hub, 1, 1).await;
    let link = others[0].0;
    let uplink = Uplink::new(Cap::BytesPerSecond(1000));
    let stream = uplink.stream(centre.links.clone());
    for n in 0..200 {
        stream.send(link, numbered(n, MESSAGE));
    }
    assert_eq!(centre.next().await, Event::Down(link));
    assert!(stream.waiting() <= 1024 * 1024);
}
