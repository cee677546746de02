//! Lists, takedowns, hooks and published keys, over real WebSockets and real HTTP.

mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use access::{
    Authority, Policy, Revocations, Streams, SwarmId, Timestamp,
    revocations::{Entry, ListError, Reason, Taken, Target},
};
use axum::{
    Router,
    http::{StatusCode, header},
    routing::{get, post},
};
use serde_json::{Value, json};
use support::{tokens::*, *};
use tokio::net::TcpListener;
use tracker::{Admission, InfoHash, hook, jwks};

const SHOW: &str = "show----------------";

fn hash(name: &str) -> InfoHash {
    InfoHash::from_binary(name).unwrap()
}

fn in_swarm(swarm: &str, peer: u64) -> Value {
    let mut message = announce(&name(peer));
    message["info_hash"] = json!(swarm);
    message
}

async fn serve(router: Router) -> reqwest::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_list_lets_in_to_the_streams_on_it_and_is_changed_while_it_runs() {
    let listed = |text: &str| Policy::Listed(Streams::parse([text]).unwrap());
    let server = start(config(Admission::new(listed(NAME)))).await;
    let mut client = server.client().await;
    assert_eq!(client.ask(in_swarm(FILM, 1)).await["incomplete"], 1);
    let refused = client.ask(in_swarm(SHOW, 1)).await;
    assert_eq!((&refused["denied"], refused.get("challenge")), (&json!("not-listed"), None));
    server.tracker.set_policy(listed(&SwarmId(hash(SHOW).0).to_string()));
    assert_eq!(client.ask(in_swarm(SHOW, 1)).await["incomplete"], 1);
    assert_eq!(client.ask(in_swarm(FILM, 1)).await["incomplete"], 1, "who is in stays");
}

fn takedown(number: u64, targets: &[Target], by: u8) -> Vec<u8> {
    let entry = Entry { reason: Reason::COPYRIGHT, at: Timestamp(7) };
    let entries: BTreeMap<_, _> = targets.iter().map(|target| (target.clone(), entry)).collect();
    Revocations { number, at: Timestamp(7), entries }.seal(&key(by)).unwrap()
}

#[tokio::test]
async fn a_takedown_empties_the_swarm_at_once_and_nobody_joins_it_again() {
    let admission = Admission {
        authorities: vec![Authority::new(key(50).public(), None)],
        ..Admission::new(Policy::Open)
    };
    let server = start(config(admission)).await;
    let mut members = [server.client().await, server.client().await];
    for (peer, member) in members.iter_mut().enumerate() {
        member.ask(in_swarm(FILM, peer as u64)).await;
        member.ask(in_swarm(SHOW, peer as u64)).await;
    }
    let film = Target::Swarm(SwarmId(hash(FILM).0));
    assert_eq!(
        server.tracker.revoke(&takedown(1, std::slice::from_ref(&film), 51)),
        Err(ListError::OtherKey)
    );
    let mut forged = takedown(1, std::slice::from_ref(&film), 50);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(server.tracker.revoke(&forged), Err(ListError::BadSignature));
    assert_eq!(server.tracker.stats().members, 4, "neither took anything down");

    assert_eq!(server.tracker.revoke(&takedown(1, std::slice::from_ref(&film), 50)), Ok(Taken::New));
    assert_eq!(server.tracker.counts(hash(FILM)).incomplete, 0);
    for member in &mut members {
        let told = member.hear().await;
        assert_eq!((&told["denied"], &told["info_hash"]), (&json!("revoked"), &json!(FILM)), "{told}");
    }
    assert_eq!(members[0].ask(in_swarm(FILM, 1)).await["denied"], "revoked");
    assert_eq!(members[0].ask(in_swarm(SHOW, 0)).await["incomplete"], 2, "the other swarm is as it was");

    // By its name too, also where the name comes later.
    assert_eq!(server.tracker.revoke(&takedown(2, &[Target::Name("show".to_owned())], 50)), Ok(Taken::New));
    assert_eq!(server.tracker.revoked(hash(FILM)), None, "what a list leaves out is no longer revoked");
    assert_eq!(server.tracker.revoke(&takedown(1, &[film], 50)), Err(ListError::Rollback(1)));
    server.tracker.set_name(hash(SHOW), Some("show")).unwrap();
    for member in &mut members {
        assert_eq!(member.hear().await["denied"], "revoked");
    }
    assert_eq!(server.tracker.stats().members, 0);
}

#[tokio::test]
async fn a_hook_is_told_who_wants_where_and_its_answers_are_remembered() {
    let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let url = serve(Router::new().route(
        "/x",
        post(async move |body: String| {
            let asked: Value = serde_json::from_str(&body).unwrap();
            let allows = asked["token"] == "good";
            seen.lock().unwrap().push(asked);
            if allows { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN }
        }),
    ))
    .await;
    let admission = Admission { hook: Some(hook::Config::new(url)), ..Admission::new(Policy::Open) };
    let server = start(config(admission)).await;
    let mut client = server.client().await;
    let shown = |token| announce_with(&name(1), json!({"token": token}));
    assert_eq!(client.ask(shown("bad")).await["denied"], "refused");
    assert_eq!(client.ask(shown("bad")).await["denied"], "refused");
    assert_eq!(client.ask(shown("good")).await["incomplete"], 1);
    client.ask(announce_with(&name(1), json!({"event": "stopped"}))).await;
    assert_eq!(client.ask(shown("good")).await["incomplete"], 1);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        asked[0],
        json!({
            "info_hash": hex(FILM), "name": NAME, "peer_id": hex(&name(1)),
            "origin": null, "address": "127.0.0.0", "token": "bad",
        })
    );
}

#[tokio::test]
async fn without_an_answer_nobody_joins_unless_the_operator_says_so() {
    let slow = Router::new().route("/x", post(async || std::future::pending::<StatusCode>().await));
    let broken = Router::new().route("/x", post(async || StatusCode::INTERNAL_SERVER_ERROR));
    for (router, allows) in [(slow.clone(), false), (slow, true), (broken.clone(), false), (broken, true)] {
        let mut hook = hook::Config::new(serve(router).await);
        (hook.within, hook.allows_without_answer) = (Duration::from_millis(50), allows);
        let server = start(config(Admission { hook: Some(hook), ..Admission::new(Policy::Open) })).await;
        let mut client = server.client().await;
        let reply = client.ask(announce(&name(1))).await;
        if allows {
            assert_eq!(reply["incomplete"], 1, "{reply}");
        } else {
            assert_eq!((&reply["denied"], &reply["retry in"]), (&json!("unanswered"), &json!(10)), "{reply}");
        }
    }
}

#[tokio::test]
async fn a_hook_that_hangs_holds_back_nobody_else_and_who_leaves_meanwhile_does_not_come_in() {
    let hang = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&hang);
    let router = Router::new().route(
        "/x",
        post(async move |body: String| {
            if body.contains("slow") {
                waits.notified().await;
            }
            StatusCode::OK
        }),
    );
    let hook = hook::Config::new(serve(router).await);
    let server = start(config(Admission { hook: Some(hook), ..Admission::new(Policy::Open) })).await;
    let (mut slow, mut quick) = (server.client().await, server.client().await);
    slow.say(announce_with(&name(1), json!({"token": "slow"}))).await;
    assert_eq!(quick.ask(announce(&name(2))).await["incomplete"], 1);
    let left = slow.ask(announce_with(&name(1), json!({"event": "stopped"}))).await;
    assert_eq!(left["incomplete"], 1, "only the other is there");
    hang.notify_one();
    // The answer has no taker, and the next question is asked anew.
    assert_eq!(slow.ask(announce_with(&name(1), json!({"token": "quick"}))).await["incomplete"], 2);
}

#[tokio::test]
async fn what_is_taken_down_while_a_hook_thinks_is_not_joined() {
    let hang = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&hang);
    let came = Arc::new(tokio::sync::Notify::new());
    let says = Arc::clone(&came);
    let router = Router::new().route(
        "/x",
        post(async move || {
            says.notify_one();
            waits.notified().await;
            StatusCode::OK
        }),
    );
    let admission = Admission {
        authorities: vec![Authority::new(key(50).public(), None)],
        hook: Some(hook::Config::new(serve(router).await)),
        ..Admission::new(Policy::Open)
    };
    let server = start(config(admission)).await;
    let mut client = server.client().await;
    client.say(announce(&name(1))).await;
    came.notified().await;
    let list = takedown(1, &[Target::Name(NAME.to_owned())], 50);
    assert_eq!(server.tracker.revoke(&list), Ok(Taken::New));
    hang.notify_one();
    assert_eq!(client.hear().await["denied"], "revoked");
    assert_eq!(server.tracker.stats().members, 0);
}

#[tokio::test]
async fn keys_come_from_a_web_address_for_as_long_as_it_says() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    let router = Router::new().route(
        "/x",
        get(async move || {
            let set = if count.fetch_add(1, Ordering::Relaxed) == 0 {
                key_set(&[(KID, backend())])
            } else {
                "{}".to_owned()
            };
            ([(header::CACHE_CONTROL, "public, max-age=120")], set)
        }),
    );
    let source = jwks::Source::new(serve(router).await).unwrap();
    let (keys, fresh) = source.fetch().await.unwrap();
    assert_eq!((keys.kids().collect::<Vec<_>>(), fresh), (vec![KID], Duration::from_secs(120)));
    assert!(matches!(source.fetch().await, Err(jwks::FetchError::Keys(_))));

    let gone = jwks::Source::new(serve(Router::new()).await).unwrap();
    assert!(matches!(gone.fetch().await, Err(jwks::FetchError::Status(StatusCode::NOT_FOUND))));
    let endless = Router::new().route("/x", get(async || "x".repeat(1 << 20)));
    let endless = jwks::Source::new(serve(endless).await).unwrap();
    assert!(matches!(endless.fetch().await, Err(jwks::FetchError::Keys(access::KeySetError::TooLong))));
}

#[tokio::test]
async fn a_published_set_replaces_the_keys_of_a_running_tracker() {
    let router = Router::new().route("/x", get(async || key_set(&[("new", key(9))])));
    let source = jwks::Source::new(serve(router).await).unwrap();
    let server = start(config(Admission::new(by_tokens()))).await;
    let following = server.tracker.clone();
    tokio::spawn(async move { source.follow(&following, Duration::ZERO).await });
    let (mut client, challenge) = guest(&server).await;
    let old = async |client: &mut Client, viewer: u8| {
        let reply = client.ask(shown(&key(viewer), &challenge, &name(1), &token(&key(viewer)))).await;
        client.ask(announce_with(&name(1), json!({"event": "stopped"}))).await;
        reply
    };
    let changed = tokio::time::timeout(PATIENCE, async {
        for viewer in 10..30 {
            if old(&mut client, viewer).await["denied"] == "unknown-key" {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    });
    assert!(changed.await.unwrap(), "the old key is out of force");
}
