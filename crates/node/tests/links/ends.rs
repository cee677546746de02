//! How links end, and how they never begin.

use super::local;
use crate::hub::{Hub, Side, id, pair};
use bytes::Bytes;
use node::links::{Config, Event, Links};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(400);

fn hasty() -> Config {
    Config { open_within: Duration::from_millis(500), ..local() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_up_sends_what_is_queued_and_tells_the_other_side_only() {
    let ((mut a, at_a), (mut b, at_b)) = pair(&Hub::default(), [local(), local()]).await;
    let last = Bytes::from_static(b"farewell");
    a.links.send(at_a, last.clone());
    a.links.hang_up(at_a);
    assert_eq!(b.next().await, Event::Message(at_b, last));
    assert_eq!(b.next().await, Event::Down(at_b));
    a.links.send(at_a, Bytes::from_static(b"too late"));
    assert!(a.is_silent(MOMENT).await);
    assert!(b.is_silent(MOMENT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_nobody_answers_fails_in_time() {
    let hub = Hub::default();
    let mut a = hub.join(1, hasty()).await;
    a.links.dial(id(9));
    assert_eq!(a.next().await, Event::DialFailed(id(9)));
    assert!(a.is_silent(MOMENT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_cannot_be_delivered_fails_at_once() {
    let (links, mut events) = node::links::Links::open(local()).await.expect("links");
    links.dial(id(9));
    let Some(Event::Offer { to, offer_id, sdp }) = events.recv().await else { panic!("no offer") };
    assert_eq!(to, id(9));
    assert!(offer_id.len() == 20 && offer_id.bytes().all(|sign| sign.is_ascii_alphanumeric()));
    assert!(sdp.contains("a=candidate:") && !sdp.contains("trickle"));
    links.undeliverable("another".into());
    links.undeliverable(offer_id);
    assert_eq!(events.recv().await, Some(Event::DialFailed(id(9))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_more_connections_than_allowed() {
    let hub = Hub::default();
    let mut a = hub.join(1, Config { max_connections: 2, ..hasty() }).await;
    for n in 7..10 {
        a.links.dial(id(n));
    }
    assert_eq!(a.next().await, Event::DialFailed(id(9)));
    let mut failed = [a.next().await, a.next().await];
    failed.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(failed, [7, 8].map(|n| Event::DialFailed(id(n))));
    let mut b = hub.join(7, local()).await;
    a.links.dial(b.id);
    a.up().await;
    b.up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_that_dial_each_other_get_one_link() {
    let hub = Hub::default();
    let (mut a, mut b) = (hub.join(1, local()).await, hub.join(2, local()).await);
    for _ in 0..3 {
        a.links.dial(b.id);
        b.links.dial(a.id);
        let (at_a, _, a_dialled) = a.up().await;
        let (at_b, _, b_dialled) = b.up().await;
        assert_ne!(a_dialled, b_dialled);
        a.links.send(at_a, Bytes::from_static(b"hello"));
        assert_eq!(b.message().await, (at_b, Bytes::from_static(b"hello")));
        a.links.hang_up(at_a);
        assert_eq!(b.next().await, Event::Down(at_b));
    }
    assert!(a.is_silent(MOMENT).await && b.is_silent(MOMENT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_that_is_dropped_closes_its_links() {
    let hub = Hub::default();
    let ((a, _), (mut b, at_b)) = pair(&hub, [local(), local()]).await;
    hub.leave(&a);
    drop(a);
    assert_eq!(b.next().await, Event::Down(at_b));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_does_not_look_loses_nothing() {
    let (links, mut events) = Links::open(local()).await.expect("links");
    let (other, mut answers) = Links::open(local()).await.expect("links");
    links.dial(id(2));
    let Some(Event::Offer { offer_id, sdp, .. }) = events.recv().await else { panic!("no offer") };
    other.offer(id(1), offer_id.clone(), sdp);
    let Some(Event::Answer { sdp, .. }) = answers.recv().await else { panic!("no answer") };
    links.answer(id(2), offer_id, sdp);
    let Some(Event::Up { link: there, .. }) = answers.recv().await else { panic!("no link") };
    let Some(Event::Up { link: here, .. }) = events.recv().await else { panic!("no link") };
    let sender = async {
        let (mut sent, mut room) = (0_u32, 0);
        while sent < 2000 {
            if room < 2000 {
                match answers.recv().await {
                    Some(Event::Room(link, _)) => room = other.room(link) as usize,
                    what => panic!("{what:?}"),
                }
                continue;
            }
            other.send(there, Bytes::from(vec![sent as u8; 2000]));
            (sent, room) = (sent + 1, room - 2000);
        }
    };
    let owner = async {
        // More events than the channel holds come meanwhile.
        tokio::time::sleep(MOMENT).await;
        let mut taken = 0_u32;
        while taken < 2000 {
            match events.recv().await {
                Some(Event::Message(link, message)) => {
                    assert!(link == here && message == vec![taken as u8; 2000]);
                    taken += 1;
                }
                Some(Event::Room(..)) => {}
                what => panic!("{what:?}"),
            }
        }
    };
    tokio::join!(sender, owner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_vanishes_without_a_word_is_noticed() {
    let hub = Hub::default();
    let mut b = hub.join(2, local()).await;
    let doomed = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let doomed = doomed.expect("a runtime");
    let (there, to) = (hub.clone(), b.id);
    let a: Side = doomed
        .spawn(async move {
            let mut a = there.join(1, local()).await;
            a.links.dial(to);
            a.up().await;
            a
        })
        .await
        .expect("a link");
    let (at_b, _, _) = b.up().await;
    doomed.shutdown_background();
    drop(a);
    let since = std::time::Instant::now();
    assert_eq!(b.next().await, Event::Down(at_b));
    println!("noticed after {:.1} s", since.elapsed().as_secs_f64());
}
