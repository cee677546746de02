//! Trackers that are one: over the bus of the process, and over real NATS servers that are killed and come back.

#[path = "support/mod.rs"]
mod support;

#[path = "support/nats.rs"]
mod nats;

use std::time::Duration;

use nats::{Nats, is_missing};
use serde_json::{Value, json};
use support::*;
use tokio::time::{Instant, sleep, timeout};
use tracker::{
    Config, Tracker,
    bus::{Exchange, Link, join_nats},
    cluster, node_id,
};

/// A node whose clients are sent to itself.
async fn node(link: Link) -> Server {
    let tracker = Tracker::join(Config::default(), cluster::Config::default(), link);
    Server::serve(tracker).await
}

async fn linked(servers: &[Server]) {
    let met = timeout(PATIENCE, async {
        while servers.iter().any(|one| one.tracker.cluster().unwrap().node.nodes != servers.len() - 1) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(met.await.is_ok(), "{:?}", servers.iter().map(|one| one.tracker.cluster()).collect::<Vec<_>>());
}

fn in_film(film: u64, peer: u64, more: Value) -> Value {
    let mut message = announce_with(&name(peer), more);
    message["info_hash"] = format!("film{film:016}").into();
    message
}

/// Two new viewers of a film meet at two nodes: an offer goes one way and an answer the other.
async fn meet(ann_at: &Server, bob_at: &Server, film: u64, number: u64) {
    let (mut ann, mut bob) = (ann_at.client().await, bob_at.client().await);
    bob.ask(in_film(film, number + 1, json!({}))).await;
    let reply = ann.ask(in_film(film, number, json!({"want": 20}))).await;
    let named = reply["candidates"].as_array().unwrap_or_else(|| panic!("{reply}"));
    assert!(named.contains(&name(number + 1).into()), "{reply}");
    let to = json!({"to_peer_id": name(number + 1), "offer_id": name(7), "offer": {"type": "offer", "sdp": sdp(1)}});
    ann.say(in_film(film, number, to)).await;
    let offer = bob.hear().await;
    assert_eq!(offer["peer_id"], name(number), "{offer}");
    let to =
        json!({"to_peer_id": name(number), "offer_id": name(7), "answer": {"type": "answer", "sdp": sdp(2)}});
    bob.say(in_film(film, number + 1, to)).await;
    assert_eq!(ann.hear().await["answer"]["sdp"], sdp(2));
}

#[tokio::test]
async fn viewers_of_trackers_in_one_process_meet() {
    let exchange = Exchange::default();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(node(exchange.join(node_id())).await);
    }
    linked(&servers).await;
    for film in 0..9 {
        let at = |more: u64| &servers[((film + more) % 3) as usize];
        meet(at(0), at(1), film, film * 10).await;
    }
    // All of them have left.
    for server in &servers {
        server.until(|stats| stats.members == 0 && stats.connections == 0).await;
    }
    let figures: Vec<_> = servers.iter().map(|one| one.tracker.cluster().unwrap()).collect();
    assert!(figures.iter().all(|one| one.node.relayed == 0 && one.node.bad == 0 && one.unsent == 0));
    assert!(figures.iter().all(|one| one.node.sent > 0 && one.node.received > 0));
}

#[tokio::test]
async fn a_node_tells_of_the_cluster_in_its_metrics() {
    let exchange = Exchange::default();
    let servers = [node(exchange.join(node_id())).await, node(exchange.join(node_id())).await];
    linked(&servers).await;
    let app = tracker::server::Server::new(servers[0].tracker.clone()).router();
    let request = axum::extract::Request::get("/metrics").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(app, request).await.unwrap();
    let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    for line in ["cluster_nodes 1", "cluster_cells 0", "cluster_relayed 0", "cluster_bad_total 0"] {
        assert!(text.contains(&format!("braidcast_tracker_{line}")), "{line} in {text}");
    }
}

#[tokio::test]
async fn a_tracker_that_is_drained_lets_its_clients_go_with_a_place_and_a_time() {
    let exchange = Exchange::default();
    let url = |n: usize| Some(format!("ws://node{n}.example/"));
    let mut servers = Vec::new();
    for n in 0..2 {
        let config = cluster::Config { url: url(n), ..Default::default() };
        let tracker = Tracker::join(
            Config { handover: Duration::from_millis(600), ..Default::default() },
            config,
            exchange.join(node_id()),
        );
        servers.push(Server::serve(tracker).await);
    }
    linked(&servers).await;
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = servers[0].client().await;
        client.ask(in_film(number, number, json!({}))).await;
        clients.push(client);
    }
    let draining = servers[0].tracker.clone();
    tokio::spawn(async move { draining.drain().await });
    for client in &mut clients {
        let frame = client.closed().await;
        let said: Value = serde_json::from_str(&frame.reason).unwrap();
        assert_eq!((u16::from(frame.code), &said["go to"]), (1012, &json!("ws://node1.example/")));
        assert!(said["retry ms"].as_u64().unwrap() <= 1000);
    }
    assert!(tokio_tungstenite::connect_async(servers[0].url()).await.is_err(), "it takes nobody any more");
    // The films went before the clients did.
    servers[1].until(|stats| stats.announces >= 20 && stats.members == 0).await;
}

#[tokio::test]
async fn a_tracker_alone_that_is_drained_tells_when_to_come_back() {
    let server = Server::start(Config::default()).await;
    let (mut ann, _bob) = (server.client().await, server.client().await);
    ann.ask(announce(&name(1))).await;
    server.tracker.drain().await;
    let frame = ann.closed().await;
    let said: Value = serde_json::from_str(&frame.reason).unwrap();
    assert!(said["retry ms"].as_u64().unwrap() >= 5000 && said["go to"].is_null(), "{said}");
    server.tracker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_nats_viewers_meet_while_servers_die_and_come_back() {
    if is_missing() {
        return;
    }
    let mut nats = Nats::cluster(3).await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(node(join_nats(&nats.urls(), node_id()).await.unwrap()).await);
    }
    linked(&servers).await;
    for film in 0..6 {
        meet(&servers[0], &servers[1], film, film * 10).await;
        meet(&servers[2], &servers[1], film, film * 10).await;
    }
    // Somebody who stays, and notices nothing.
    let mut old = servers[0].client().await;
    old.ask(in_film(1, 500, json!({}))).await;
    for victim in 0..3 {
        nats.kill(victim).await;
        let begun = Instant::now();
        for film in 10..13 {
            meet_soon(&servers[0], &servers[1], film, 1000 + victim as u64 * 100).await;
            meet_soon(&servers[1], &servers[2], film, 2000 + victim as u64 * 100).await;
        }
        eprintln!("after a NATS server was killed, all meet within {:?}", begun.elapsed());
        nats.start(victim).await;
        linked(&servers).await;
    }
    // Without any each node has its own, and still answers.
    for victim in 0..3 {
        nats.kill(victim).await;
    }
    let met = timeout(PATIENCE, async {
        while servers.iter().any(|one| one.tracker.cluster().unwrap().node.nodes > 0) {
            sleep(Duration::from_millis(50)).await;
        }
    });
    met.await.expect("they notice");
    for server in &servers {
        meet(server, server, 20, 3000).await;
    }
    for victim in 0..3 {
        nats.start(victim).await;
    }
    linked(&servers).await;
    meet_soon(&servers[0], &servers[2], 21, 4000).await;
    let reply = old.ask(in_film(1, 500, json!({"want": 5}))).await;
    assert_eq!(reply["incomplete"], 1, "it is still a member, and there are no ghosts: {reply}");
}

/// Two who try until they meet. New names each time: those of who gave up may be taken for a while.
async fn meet_soon(ann_at: &Server, bob_at: &Server, film: u64, number: u64) {
    let (mut ann, mut bob) = (ann_at.client().await, bob_at.client().await);
    let met = timeout(PATIENCE, async {
        loop {
            bob.say(in_film(film, number + 1, json!({}))).await;
            let reply = ann.ask(in_film(film, number, json!({"want": 20}))).await;
            let named = reply["candidates"].as_array().cloned().unwrap_or_default();
            if named.contains(&name(number + 1).into()) {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    });
    met.await.expect("they meet");
}

#[tokio::test]
async fn a_bad_address_is_said_to_be_one() {
    let error = join_nats(&["nats://:::".into()], node_id()).await.unwrap_err();
    assert!(error.to_string().contains("is not the address of a NATS server"), "{error}");
}
