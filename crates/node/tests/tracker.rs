//! Peers meet by trackers over real sockets, whatever becomes of the trackers and whatever they say.

mod support;

use std::time::Duration;

use futures_util::SinkExt;
use node::tracker::Event;
use serde_json::{Value, json};
use support::*;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

const ID: &str = "\u{0}\"\\\u{ff}0123456789abcdef";

fn binary(bytes: &[u8; 20]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// A message about our film.
fn about(fields: Value) -> Message {
    let mut message = json!({"action": "announce", "info_hash": binary(&FILM)});
    for (field, value) in fields.as_object().unwrap() {
        message[field] = value.clone();
    }
    Message::text(message.to_string())
}

/// A session description in the form in which the tracker passes it on. The number tells it from others.
fn sdp(number: u8) -> String {
    let print = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- {number} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
         c=IN IP4 0.0.0.0\r\na=ice-ufrag:ufrg\r\na=ice-pwd:a/password+of/22/chars\r\na=fingerprint:sha-256 {print}\r\n\
         a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n"
    )
}

/// Ann finds Bob, offers, and is answered.
async fn meet(ann: &mut Client, bob: &mut Client, from: u8, to: u8, id: &str) {
    ann.trackers.offer(peer(to), id, &sdp(1));
    assert_eq!(bob.offer().await, (peer(from), id.to_owned(), sdp(1)));
    bob.trackers.answer(peer(from), id, &sdp(2));
    assert_eq!(ann.answer().await, (peer(to), id.to_owned(), sdp(2)));
}

#[tokio::test]
async fn two_peers_meet_and_say_goodbye() {
    let server = Server::start(0).await;
    let mut bob = Client::join(0xfe, &[server.url()]);
    bob.trackers.announce(5);
    bob.connected(true).await;
    assert_eq!(bob.trackers.connected(), 1);
    bob.hear(|event| (event == Event::Audience(0)).then_some(())).await;
    let mut ann = Client::join(1, &[server.url(), server.url()]);
    ann.trackers.announce(5);
    assert_eq!(ann.candidates().await, [peer(0xfe)]);
    meet(&mut ann, &mut bob, 1, 0xfe, ID).await;
    assert_eq!(server.stats().connections, 2, "a repeated address counts once");
    let begun = Instant::now();
    let other = ann.trackers.clone();
    ann.trackers.leave().await;
    assert!(begun.elapsed() < Duration::from_millis(1500));
    server.until(|stats| stats.members == 1).await;
    assert_eq!(other.connected(), 0);
    bob.trackers.offer(peer(1), "once more of 20 long", &sdp(1));
    assert_eq!(bob.undeliverable().await, "once more of 20 long");
    // Whoever drops everything is gone too.
    drop(bob);
    server.until(|stats| (stats.connections, stats.members) == (0, 0)).await;
}

#[tokio::test]
async fn announces_in_a_hurry_become_one() {
    let server = Server::start(0).await;
    let mut ann = Client::join(1, &[server.url()]);
    ann.connected(true).await;
    let begun = Instant::now();
    ann.trackers.announce(1);
    server.until(|stats| stats.announces == 1).await;
    for want in 0..50 {
        ann.trackers.announce(want);
    }
    server.until(|stats| stats.announces > 1).await;
    assert!(begun.elapsed() >= Duration::from_millis(1900));
    assert_eq!(server.stats().announces, 2);
    assert_eq!(server.stats().refused, 0);
}

#[tokio::test]
async fn a_tracker_that_comes_back_is_announced_to_again() {
    let server = Server::start(0).await;
    let port = server.port;
    let (mut ann, mut bob) = (Client::join(1, &[server.url()]), Client::join(2, &[server.url()]));
    for client in [&mut ann, &mut bob] {
        client.trackers.announce(3);
        client.connected(true).await;
    }
    server.until(|stats| stats.members == 2).await;
    server.stop().await;
    for client in [&mut ann, &mut bob] {
        client.connected(false).await;
        assert_eq!(client.trackers.connected(), 0);
    }
    // Nobody to take it.
    ann.trackers.offer(peer(2), ID, "v=0");
    assert_eq!(ann.undeliverable().await, ID);
    let server = Server::start(port).await;
    server.until(|stats| stats.members == 2).await;
    for client in [&mut ann, &mut bob] {
        client.connected(true).await;
    }
    meet(&mut ann, &mut bob, 1, 2, ID).await;
}

#[tokio::test]
async fn whoever_is_told_by_one_tracker_to_upload_nothing_hears_of_it_and_of_its_end() {
    let (first, second) = (Puppet::start().await, Puppet::start().await);
    let mut ann = Client::join(1, &[first.url(), second.url()]);
    ann.trackers.announce(1);
    let mut sockets = [first.connection().await, second.connection().await];
    for (at, reply, told) in [
        (0, json!({"interval": 60, "upload": true}), None),
        (0, json!({"interval": 60, "upload": false}), Some(false)),
        (1, json!({"interval": 60, "upload": false}), None),
        (0, json!({"interval": 60}), None),
        (1, json!({"interval": 60}), Some(true)),
    ] {
        // Its number comes after whatever else the reply brings about.
        let mut reply = reply;
        (reply["complete"], reply["incomplete"]) = (100.into(), at.into());
        sockets[at].send(about(reply)).await.unwrap();
        let heard = ann.hear(|event| match event {
            Event::MayUpload(may) => Some(Some(may)),
            Event::Audience(_) => Some(None),
            _ => None,
        });
        assert_eq!(heard.await, told);
        if told.is_some() {
            ann.hear(|event| matches!(event, Event::Audience(_)).then_some(())).await;
        }
    }
}

#[tokio::test]
async fn of_two_trackers_one_may_die() {
    let (first, second) = (Server::start(0).await, Server::start(0).await);
    let urls = [first.url(), second.url()];
    let (mut ann, mut bob) = (Client::join(1, &urls), Client::join(2, &urls));
    bob.trackers.announce(3);
    first.until(|stats| stats.members == 1).await;
    second.until(|stats| stats.members == 1).await;
    ann.trackers.announce(3);
    assert_eq!([ann.candidates().await, ann.candidates().await], [[peer(2)], [peer(2)]]);
    assert_eq!(ann.trackers.connected(), 2);
    meet(&mut ann, &mut bob, 1, 2, ID).await;
    first.stop().await;
    while ann.trackers.connected() + bob.trackers.connected() > 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    meet(&mut ann, &mut bob, 1, 2, "another, of 20 chars").await;
    assert_eq!(second.stats().answers, 1);
    let silent = [Event::Connected(false)];
    assert!(!ann.all_within(Duration::ZERO).await.iter().any(|event| silent.contains(event)));
}

#[tokio::test]
async fn an_offer_to_somebody_unnamed_goes_by_all_and_arrives_once() {
    let (first, second) = (Server::start(0).await, Server::start(0).await);
    let urls = [first.url(), second.url()];
    let (mut ann, mut bob) = (Client::join(1, &urls), Client::join(2, &urls));
    for client in [&ann, &bob] {
        client.trackers.announce(0);
    }
    for server in [&first, &second] {
        server.until(|stats| stats.members == 2).await;
    }
    meet(&mut ann, &mut bob, 1, 2, ID).await;
    for server in [&first, &second] {
        server.until(|stats| stats.offers == 1).await;
    }
    let more = bob.all_within(Duration::from_millis(200)).await;
    assert!(!more.iter().any(|event| matches!(event, Event::Offer { .. })), "{more:?}");
    // Both say that there is nobody of that name; it is told once.
    ann.trackers.offer(peer(3), "nobody of that name.", &sdp(1));
    ann.undeliverable().await;
    let more = ann.all_within(Duration::from_millis(200)).await;
    assert!(!more.iter().any(|event| matches!(event, Event::Undeliverable { .. })), "{more:?}");
}

#[tokio::test]
async fn garbage_does_no_harm() {
    let puppet = Puppet::start().await;
    let mut ann = Client::join(1, &[puppet.url(), "http://x/".into(), "no address".into()]);
    ann.trackers.announce(5);
    let mut socket = puppet.connection().await;
    let announce = hear(&mut socket).await;
    assert_eq!((&announce["event"], &announce["want"]), (&json!("started"), &json!(5)));
    assert_eq!(announce["info_hash"], binary(&FILM));
    let id = binary(&[9; 20]);
    let offer = json!({"type": "offer", "sdp": "v=0"});
    for garbage in [
        Message::text(""),
        Message::text("not JSON"),
        Message::text("[".repeat(50_000)),
        Message::binary(vec![0xff; 1000]),
        Message::text(json!({"action": "announce", "info_hash": id, "candidates": [id]}).to_string()),
        about(json!({"candidates": {"a": 1}})),
        about(json!({"candidates": [1, null, "x", binary(&[1; 20])], "interval": "soon"})),
        about(json!({"peer_id": binary(&[1; 20]), "offer_id": id, "offer": offer})),
        about(json!({"peer_id": id, "offer_id": "x", "offer": offer})),
        about(json!({"peer_id": id, "offer_id": id, "answer": {"type": "answer", "sdp": "v=0"}})),
        about(json!({"offer_id": id, "failure reason": "never sent"})),
        about(json!({"failure reason": "x".repeat(60_000)})),
    ] {
        socket.send(garbage).await.unwrap();
    }
    socket.send(about(json!({"interval": 120, "complete": 1, "incomplete": 3}))).await.unwrap();
    ann.hear(|event| match event {
        Event::Audience(3) => Some(()),
        Event::Connected(true) => None,
        other => panic!("{other:?}"),
    })
    .await;
    // As many as fit into a message.
    let names: Vec<String> = (0..2000u16)
        .map(|n| {
            let mut name = [b'x'; 20];
            name[..2].copy_from_slice(&n.to_be_bytes());
            name.iter().map(|&byte| char::from(byte & 0x7f | 0x20)).collect()
        })
        .collect();
    socket.send(about(json!({"candidates": names}))).await.unwrap();
    assert!(ann.candidates().await.len() <= 50);
    // One that does not fit ends the connection; another one is made, and we are announced on it.
    let names: Vec<String> = (0..10_000).map(|n| format!("{n:020}")).collect();
    let _ = socket.send(about(json!({"candidates": names}))).await;
    ann.connected(false).await;
    let mut socket = puppet.connection().await;
    assert_eq!(hear(&mut socket).await["event"], "started");
    // The offer of a classic tracker, which names nobody, is handed on and answered.
    socket.send(about(json!({"interval": 120, "complete": 0, "incomplete": 2}))).await.unwrap();
    for _ in 0..3 {
        let relayed = about(json!({"peer_id": id, "offer_id": ID, "offer": offer}));
        socket.send(relayed).await.unwrap();
    }
    assert_eq!(ann.offer().await.0, peer(9));
    ann.trackers.answer(peer(9), ID, "v=0\r\nann");
    let answer = hear(&mut socket).await;
    assert_eq!((&answer["to_peer_id"], &answer["offer_id"]), (&json!(id), &json!(ID)));
    assert_eq!(answer["answer"], json!({"type": "answer", "sdp": "v=0\r\nann"}));
    let more = ann.all_within(Duration::from_millis(200)).await;
    assert!(!more.iter().any(|event| matches!(event, Event::Offer { .. })), "{more:?}");
}

#[tokio::test]
async fn a_tracker_that_never_answers_holds_nobody_up() {
    let puppet = Puppet::start().await;
    let server = Server::start(0).await;
    // Reached, but the handshake is never made.
    let (mut ann, mut bob) =
        (Client::join(1, &[puppet.url(), server.url()]), Client::join(2, &[server.url()]));
    bob.trackers.announce(1);
    server.until(|stats| stats.members == 1).await;
    ann.trackers.announce(1);
    assert_eq!(ann.candidates().await, [peer(2)]);
    meet(&mut ann, &mut bob, 1, 2, ID).await;
    let begun = Instant::now();
    ann.trackers.leave().await;
    assert!(begun.elapsed() < Duration::from_millis(1500));
}

#[tokio::test]
async fn only_the_peer_that_was_offered_a_connection_can_answer_and_only_once() {
    let puppet = Puppet::start().await;
    let mut ann = Client::join(1, &[puppet.url()]);
    ann.trackers.announce(1);
    let mut socket = puppet.connection().await;
    hear(&mut socket).await;
    ann.trackers.offer(peer(2), ID, "v=0");
    assert_eq!(hear(&mut socket).await["offer_id"], ID);
    for (from, sdp) in [(3, "forged"), (2, "first"), (2, "second")] {
        let answer = json!({"type": "answer", "sdp": sdp});
        let fields = json!({"peer_id": binary(&[from; 20]), "offer_id": ID, "answer": answer});
        socket.send(about(fields)).await.unwrap();
    }
    assert_eq!(ann.answer().await.2, "first");
    let more = ann.all_within(Duration::from_millis(200)).await;
    assert!(!more.iter().any(|event| matches!(event, Event::Answer { .. })), "{more:?}");
    let leaving = tokio::spawn(ann.trackers.leave());
    let stopped = hear(&mut socket).await;
    assert_eq!((&stopped["event"], &stopped["info_hash"]), (&json!("stopped"), &json!(binary(&FILM))));
    // The goodbye is not answered: that is not waited for either.
    leaving.await.unwrap();
}

/// A tracker of a cluster, and its address.
async fn node(exchange: &tracker::bus::Exchange) -> (tracker::Tracker, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let cluster = tracker::cluster::Config { url: Some(url.clone()), ..Default::default() };
    let tracker = tracker::Tracker::join(Default::default(), cluster, exchange.join(tracker::node_id()));
    let app = tracker.router();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (tracker, url)
}

async fn until(what: &str, wanted: impl Fn() -> bool) {
    let met = tokio::time::timeout(PATIENCE, async {
        while !wanted() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(met.await.is_ok(), "{what}");
}

#[tokio::test]
async fn viewers_go_to_the_tracker_that_keeps_their_swarm_and_on_when_it_stops() {
    let exchange = tracker::bus::Exchange::default();
    let [one, other] = [node(&exchange).await, node(&exchange).await];
    until("they hear each other", || {
        [&one, &other].iter().all(|node| node.0.cluster().unwrap().node.nodes == 1)
    })
    .await;
    let mut ann = Client::join(1, std::slice::from_ref(&one.1));
    let mut bob = Client::join(2, std::slice::from_ref(&other.1));
    ann.trackers.announce(5);
    bob.trackers.announce(5);
    let members = |node: &tracker::Tracker| (node.stats().connections, node.stats().members);
    until("both are where the swarm is", || {
        [(2, 2), (0, 0)] == [members(&one.0), members(&other.0)]
            || [(0, 0), (2, 2)] == [members(&one.0), members(&other.0)]
    })
    .await;
    meet(&mut ann, &mut bob, 1, 2, ID).await;

    let (keeper, left) = if members(&one.0) == (2, 2) { (&one.0, &other.0) } else { (&other.0, &one.0) };
    keeper.drain().await;
    until("both have gone on", || members(left) == (2, 2)).await;
    meet(&mut bob, &mut ann, 2, 1, "another id of 20 lon").await;
}
