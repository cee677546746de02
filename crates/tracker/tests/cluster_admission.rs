//! Who may join trackers that are one, over real NATS servers: tokens, lists, hooks, and takedowns that one of them is given.

#[path = "support/mod.rs"]
mod support;

#[path = "support/nats.rs"]
mod nats;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use access::{
    Authority, Policy, Revocations, Streams, SwarmId, Timestamp,
    revocations::{Entry, ListError, Reason, Taken, Target},
};
use axum::{Router, http::StatusCode, routing::post};
use nats::{Nats, is_missing};
use serde_json::{Value, json};
use support::{tokens::*, *};
use tokio::time::{sleep, timeout};
use tracker::{Admission, InfoHash, Tracker, bus::join_nats, cluster, hook, node_id};

/// A node with these rules, for which key 50 may take streams down.
async fn node(nats: &Nats, admission: Admission) -> Server {
    let link = join_nats(&nats.urls(), node_id()).await.unwrap();
    let authorities = vec![Authority::new(key(50).public(), None)];
    let config = config(Admission { authorities, ..admission });
    let server = Server::serve(Tracker::join(config, cluster::Config::default(), link)).await;
    server.tracker.set_name(InfoHash::from_binary(FILM).unwrap(), Some(NAME)).unwrap();
    server
}

async fn nodes(nats: &Nats, admission: &Admission, count: usize) -> Vec<Server> {
    let mut servers = Vec::new();
    for _ in 0..count {
        servers.push(node(nats, admission.clone()).await);
    }
    linked(&servers).await;
    servers
}

async fn linked(servers: &[Server]) {
    until("they hear of each other", async || {
        servers.iter().all(|one| one.tracker.cluster().unwrap().node.nodes == servers.len() - 1)
    })
    .await;
}

async fn until(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let all = timeout(PATIENCE, async {
        while !met().await {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(all.await.is_ok(), "in vain: {what}");
}

fn members(servers: &[Server]) -> usize {
    servers.iter().map(|one| one.tracker.stats().members).sum()
}

fn takedown(number: u64, targets: &[Target]) -> Vec<u8> {
    let entry = Entry { reason: Reason::COPYRIGHT, at: Timestamp(7) };
    let entries: BTreeMap<_, _> = targets.iter().map(|target| (target.clone(), entry)).collect();
    Revocations { number, at: Timestamp(7), entries }.seal(&key(50)).unwrap()
}

fn film() -> Target {
    Target::Swarm(SwarmId(InfoHash::from_binary(FILM).unwrap().0))
}

/// A viewer who comes with a token; what it is told.
async fn enter(server: &Server, viewer: u8, peer: &str, token: &str) -> (Client, Value) {
    let (mut client, challenge) = guest(server).await;
    let reply = client.ask(shown(&key(viewer), &challenge, peer, token)).await;
    (client, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_let_in_at_any_node_and_each_at_one() {
    if is_missing() {
        return;
    }
    let nats = Nats::cluster(3).await;
    let servers = nodes(&nats, &Admission::new(by_tokens()), 3).await;
    let good: Vec<String> = (0..3).map(|viewer| token(&key(10 + viewer))).collect();
    let mut inside = Vec::new();
    for (place, token) in good.iter().enumerate() {
        let (client, reply) = enter(&servers[place], 10 + place as u8, &name(place as u64), token).await;
        assert_eq!(
            (&reply["incomplete"], reply["token_until"].is_u64()),
            (&json!(place + 1), true),
            "{reply}"
        );
        inside.push(client);
    }
    // By its own viewer, at another node; and what a thief has, anywhere.
    until("all nodes know of it", async || {
        let (_, again) = enter(&servers[1], 10, &name(20), &good[0]).await;
        again["denied"] == "spent"
    })
    .await;
    assert_eq!(enter(&servers[2], 10, &name(21), &good[0]).await.1["denied"], "spent");
    let unused = token(&key(15));
    for server in &servers {
        assert_eq!(enter(server, 66, &name(30), &unused).await.1["denied"], "proof", "stolen");
        let mut stranger = server.client().await;
        stranger.hear().await;
        assert_eq!(stranger.ask(announce(&name(31))).await["denied"], "no-token");
    }
    until("those are gone", async || members(&servers) == 3).await;
    // A taken name is told of, wherever it is.
    let (_, taken) = enter(&servers[0], 15, &name(1), &unused).await;
    assert!(taken["failure reason"].as_str().unwrap().contains("another connection"), "{taken}");
    // A viewer that leaves, and one whose node dies, come back with new tokens.
    drop(inside.remove(0));
    let (_back, reply) = enter(&servers[1], 10, &name(40), &token(&key(10))).await;
    assert!(reply["incomplete"].is_u64(), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_at_another_node_ends_with_its_token() {
    if is_missing() {
        return;
    }
    let nats = Nats::cluster(1).await;
    let mut admission = Admission::new(by_tokens());
    admission.gate.skew = Duration::ZERO;
    let servers = nodes(&nats, &admission, 2).await;
    let brief = |viewer: u8| mint(&claims(&key(viewer), Duration::from_secs(3)));
    let (mut first, _) = enter(&servers[0], 10, &name(1), &brief(10)).await;
    let (mut second, _) = enter(&servers[1], 11, &name(2), &brief(11)).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.hear().await["denied"], "expired");
    }
    until("both are out", async || members(&servers) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takedown_that_one_node_is_given_empties_the_swarm_at_all_and_outlives_it() {
    if is_missing() {
        return;
    }
    let nats = Nats::cluster(3).await;
    let open = Admission::new(Policy::Open);
    let mut servers = nodes(&nats, &open, 3).await;
    let mut inside = Vec::new();
    for (peer, server) in servers.iter().enumerate() {
        let mut client = server.client().await;
        client.ask(announce(&name(peer as u64))).await;
        inside.push(client);
    }
    assert_eq!(members(&servers), 3);
    assert_eq!(servers[1].tracker.revoke(&takedown(2, &[film()])), Ok(Taken::New));
    for client in &mut inside {
        assert_eq!(client.hear().await["denied"], "revoked");
    }
    until("the swarm is empty", async || members(&servers) == 0).await;
    for client in &mut inside {
        assert_eq!(client.ask(announce(&name(7))).await["denied"], "revoked");
    }
    for server in &servers {
        assert_eq!(server.tracker.revoked(InfoHash::from_binary(FILM).unwrap()), Some(Reason::COPYRIGHT));
        assert_eq!(server.tracker.revoke(&takedown(1, &[])), Err(ListError::Rollback(1)));
    }
    // The node goes, and another one comes that was told nothing, or something old.
    inside.clear();
    servers.remove(1).end();
    linked(&servers).await;
    servers.push(node(&nats, open).await);
    let new = &servers[2].tracker;
    new.revoke(&takedown(1, &[])).ok();
    until("it hears of it", async || new.revoked(InfoHash::from_binary(FILM).unwrap()).is_some()).await;
    assert_eq!(servers[2].client().await.ask(announce(&name(9))).await["denied"], "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takedown_gets_past_a_time_without_the_bus() {
    if is_missing() {
        return;
    }
    let mut nats = Nats::cluster(1).await;
    let servers = nodes(&nats, &Admission::new(Policy::Open), 2).await;
    let mut far = servers[1].client().await;
    far.ask(announce(&name(1))).await;
    nats.kill(0).await;
    until("they are apart", async || {
        servers.iter().all(|one| one.tracker.cluster().unwrap().node.nodes == 0)
    })
    .await;
    servers[0].tracker.revoke(&takedown(1, &[film()])).unwrap();
    assert_eq!(far.ask(announce(&name(1))).await["incomplete"], 1, "nobody has told that node yet");
    nats.start(0).await;
    linked(&servers).await;
    assert_eq!(far.hear().await["denied"], "revoked");
    until("the swarm is empty", async || members(&servers) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_a_client_comes_to_asks_its_list_and_its_hook() {
    if is_missing() {
        return;
    }
    let nats = Nats::cluster(1).await;
    let listed = Admission::new(Policy::Listed(Streams::parse(["another"]).unwrap()));
    let servers = nodes(&nats, &listed, 2).await;
    for server in &servers {
        assert_eq!(server.client().await.ask(announce(&name(1))).await["denied"], "not-listed");
    }

    let nats = Nats::cluster(1).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let router = Router::new().route(
        "/x",
        post(async move |body: String| {
            count.fetch_add(1, Ordering::Relaxed);
            if body.contains("good") { StatusCode::OK } else { StatusCode::FORBIDDEN }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let hooked = Admission { hook: Some(hook::Config::new(url)), ..Admission::new(Policy::Open) };
    let servers = nodes(&nats, &hooked, 2).await;
    let mut inside = Vec::new();
    for (peer, server) in servers.iter().enumerate() {
        let mut client = server.client().await;
        let shown = |token| announce_with(&name(peer as u64), json!({"token": token}));
        assert_eq!(client.ask(shown("bad")).await["denied"], "refused");
        assert_eq!(client.ask(shown("good")).await["incomplete"], peer + 1);
        assert_eq!(client.ask(announce(&name(peer as u64))).await["incomplete"], peer + 1, "once is enough");
        inside.push(client);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 4, "each question by one node");
}
