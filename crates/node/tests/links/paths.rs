//! Paths: who speaks first, what a burst does, and whose an address is.

use super::local;
use crate::hub::Side;
use crate::relay::{self, Fate};
use bytes::Bytes;
use node::links::Event;
use swarm::Link;

/// Sends numbered messages one way, as there is room, and takes them in at the other end.
pub async fn stream(from: &mut (Side, Link), to: &mut (Side, Link), count: u8, length: usize) {
    let send = async {
        let (side, link) = from;
        let mut sent = 0;
        side.links.send(*link, Bytes::from_static(b"wake up"));
        while sent < count {
            match side.event().await {
                Event::Room(link, _) if side.links.room(link) as usize >= length => {
                    side.links.send(link, Bytes::from(vec![sent; length]));
                    sent += 1;
                }
                Event::Room(..) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let take = async {
        let (side, link) = to;
        assert_eq!(side.message().await, (*link, Bytes::from_static(b"wake up")));
        for n in 0..count {
            assert!(side.message().await == (*link, Bytes::from(vec![n; length])), "message {n}");
        }
    };
    tokio::join!(send, take);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answering_side_speaks_without_being_spoken_to() {
    let mut has_spoken = false;
    let judge = move |is_dialler: bool, _: &[u8]| {
        has_spoken |= !is_dialler;
        if has_spoken { Fate::Pass } else { Fate::Lose }
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    stream(&mut a, &mut b, 1, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialling_side_speaks_without_being_spoken_to() {
    let mut has_spoken = false;
    let judge = move |is_dialler: bool, _: &[u8]| {
        has_spoken |= is_dialler;
        if has_spoken { Fate::Pass } else { Fate::Lose }
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    stream(&mut a, &mut b, 1, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_for_one_connection_do_not_break_it() {
    let judge = |_: bool, datagram: &[u8]| {
        let is_long = datagram.len() > 1000;
        if is_long { Fate::Gather } else { Fate::Pass }
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    stream(&mut a, &mut b, 20, 64 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_only_costs_time() {
    let mut n = 0_u32;
    let judge = move |_: bool, _: &[u8]| {
        n = n.wrapping_mul(1664525).wrapping_add(1013904223);
        if n >> 16 & 63 == 0 { Fate::Lose } else { Fate::Pass }
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    stream(&mut a, &mut b, 5, 32 * 1024).await;
}

/// Whoever can send from the peer's address, or repeat and damage what the peer sent, closes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_from_the_very_address_of_the_peer_does_no_harm() {
    let (mut n, mut is_open) = (0_usize, false);
    let judge = move |_: bool, datagram: &[u8]| {
        n += 1;
        // What is encrypted comes after the handshake.
        is_open |= matches!(datagram[0], 23 | 64..=127);
        if !is_open || datagram.len() < 20 {
            return Fate::Pass;
        }
        let mut damaged = datagram.to_vec();
        let at = n * 7 % damaged.len();
        damaged[at] ^= 0x55;
        let mut rubbish: Vec<u8> = (0..n % 300).map(|at| ((at * n) >> 3) as u8).collect();
        rubbish.insert(0, 20 + (n % 44) as u8);
        let alert = vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
        let hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 4, 0, 0, 0, 0];
        let mut packet = rubbish.clone();
        packet[0] = 64 + (n % 192) as u8;
        let cut = datagram[..datagram.len() / 2].to_vec();
        match n % 3 {
            0 => Fate::After(vec![damaged, rubbish, packet, alert]),
            1 => Fate::After(vec![datagram.to_vec(), cut]),
            _ => Fate::After(vec![hello, Vec::new()]),
        }
    };
    let (mut a, mut b) = relay::related(local, Box::new(judge)).await;
    stream(&mut a, &mut b, 10, 16 * 1024).await;
    stream(&mut b, &mut a, 10, 16 * 1024).await;
}

/// A peer that comes back, as another process, at an address where it still has an old connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_belongs_to_the_youngest_that_proves_it() {
    let (hub, ends) = relay::hub(Box::new(|_, _| Fate::Pass), 3).await;
    let (mut a, mut b) = (hub.join(1, local()).await, hub.join(2, local()).await);
    relay::place(&ends, &a, &b);
    a.links.dial(b.id);
    a.up().await;
    let (old, ..) = b.up().await;
    let mut again = hub.join(3, local()).await;
    relay::place(&ends, &again, &b);
    again.links.dial(b.id);
    let (at_again, ..) = again.up().await;
    assert_eq!(b.next().await, Event::Down(old));
    let (new, peer, _) = b.up().await;
    assert!(new != old && peer == again.id);
    stream(&mut (again, at_again), &mut (b, new), 3, 1000).await;
}
