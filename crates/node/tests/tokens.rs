//! A native viewer at a tracker that asks for tokens, with a site's server that signs them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use access::{Claims, KeySet, Pattern, Policy, Timestamp, Token};
use axum::{Router, http::StatusCode, response::IntoResponse, routing::post};
use manifest::{PublicKey, SecretKey};
use node::{
    pass::Pass,
    tracker::{Config, Event, Trackers},
};
use serde_json::Value;
use swarm::PeerId;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tracker::{Admission, Tracker};

const SWARM: [u8; 20] = [7; 20];
const PATIENCE: Duration = Duration::from_secs(30);

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn asking(policy: Policy) -> (Tracker, String) {
    let config = tracker::Config { admission: Some(Admission::new(policy)), ..tracker::Config::default() };
    let tracker = Tracker::new(config);
    let address = serve(tracker.router()).await;
    (tracker, format!("ws://{address}/tracker"))
}

/// Signs for everybody, for so long, and counts how often.
async fn signer(life: Duration) -> (String, Arc<AtomicU64>) {
    let signed = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&signed);
    let sign = async move |body: String| {
        let asked: Value = serde_json::from_str(&body).unwrap();
        let number = count.fetch_add(1, Ordering::Relaxed);
        let Ok(viewer) = PublicKey::parse(asked["viewer"].as_str().unwrap()) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let stream = Pattern::parse(asked["swarm"].as_str().unwrap()).unwrap();
        let claims = Claims::new(stream, viewer, &number.to_string(), Timestamp(now), life);
        Token::mint(&key(1), None, &claims).as_str().to_owned().into_response()
    };
    (format!("http://{}/token", serve(Router::new().route("/token", post(sign))).await), signed)
}

fn join(url: &str, me: u8, pass: Option<Pass>) -> (Trackers, mpsc::Receiver<Event>) {
    let config = Config { pass, ..Config::new(vec![url.to_owned()], SWARM, PeerId([me; 20])) };
    let (trackers, events) = Trackers::join(config);
    trackers.announce(5);
    (trackers, events)
}

async fn until(events: &mut mpsc::Receiver<Event>, wanted: impl Fn(&Event) -> bool) {
    let met = async {
        while let Some(event) = events.recv().await {
            if wanted(&event) {
                return true;
            }
        }
        false
    };
    assert!(timeout(PATIENCE, met).await.expect("it comes in time"));
}

#[tokio::test]
async fn viewers_with_tokens_of_the_sites_server_meet() {
    let (tracker, url) = asking(Policy::Tokens(KeySet::single(key(1).public()))).await;
    let (server, signed) = signer(Duration::from_secs(300)).await;
    let pass = |number| Pass::asked(key(number), server.parse().unwrap()).unwrap();
    let (_ann, mut anns) = join(&url, 1, Some(pass(10)));
    until(&mut anns, |event| *event == Event::Audience(0)).await;
    let (_bob, mut bobs) = join(&url, 2, Some(pass(11)));
    until(&mut bobs, |event| *event == Event::Candidates(vec![PeerId([1; 20])])).await;
    assert_eq!((tracker.stats().members, signed.load(Ordering::Relaxed)), (2, 2), "one token each");
}

#[tokio::test]
async fn who_has_no_token_or_anothers_stays_out() {
    let (tracker, url) = asking(Policy::Tokens(KeySet::single(key(1).public()))).await;
    let (_none, mut nones) = join(&url, 1, None);
    let claims = Claims::new(
        Pattern::any(),
        key(20).public(),
        "stolen",
        Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()),
        Duration::from_secs(300),
    );
    let stolen = Token::mint(&key(1), None, &claims).as_str().to_owned();
    let (_thief, mut thieves) = join(&url, 2, Some(Pass::given(key(21), stolen)));
    for events in [&mut nones, &mut thieves] {
        until(events, |event| *event == Event::Connected(true)).await;
    }
    let refused = timeout(PATIENCE, async {
        while tracker.stats().denied < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    refused.await.expect("both are refused");
    assert_eq!(tracker.stats().members, 0);
}

#[tokio::test]
async fn a_tracker_that_asks_for_none_is_shown_none() {
    let tracker = Tracker::new(tracker::Config::default());
    let url = format!("ws://{}/tracker", serve(tracker.router()).await);
    let (server, signed) = signer(Duration::from_secs(300)).await;
    let pass = Pass::asked(key(10), server.parse().unwrap()).unwrap();
    let (_ann, mut anns) = join(&url, 1, Some(pass));
    until(&mut anns, |event| *event == Event::Audience(0)).await;
    assert_eq!(signed.load(Ordering::Relaxed), 0);
}
