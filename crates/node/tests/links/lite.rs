//! Answers of a host that every datagram reaches: it waits for checks and makes none.

use crate::hub::{Hub, local, pair};
use crate::over_webrtc::paths::stream;
use node::links::{Config, Event};
use std::sync::{Arc, Mutex};

fn lite() -> Config {
    Config { lite: true, external: vec!["192.0.2.7".parse().expect("an address")], ..local() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_lite_and_offers_are_not() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    let hub = Hub::mangling(Arc::new(move |_, sdp: String| {
        all.lock().expect("no panic").push(sdp.clone());
        sdp
    }));
    let (mut a, mut b) = pair(&hub, [lite(), lite()]).await;
    stream(&mut a, &mut b, 20, 60_000).await;
    stream(&mut b, &mut a, 20, 60_000).await;
    let seen = seen.lock().expect("no panic").clone();
    assert_eq!(seen.len(), 2);
    assert!(!seen[0].contains("a=ice-lite") && seen[1].contains("a=ice-lite"), "{seen:?}");
    let outside = format!("192.0.2.7 {} typ srflx", b.0.links.local_addr().port());
    assert!(seen[1].contains(&outside), "{}", seen[1]);
    a.0.links.hang_up(a.1);
    assert_eq!(b.0.next().await, Event::Down(b.1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_of_one_that_makes_no_checks_is_answered_by_one_that_does() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    let hub = Hub::mangling(Arc::new(move |_, sdp: String| {
        all.lock().expect("no panic").push(sdp.clone());
        let at = sdp.find("a=group").or_else(|| sdp.find("m=")).expect("a section");
        format!("{}a=ice-lite\r\n{}", &sdp[..at], &sdp[at..])
    }));
    let a = hub.join(1, local()).await;
    let _b = hub.join(2, lite()).await;
    a.links.dial(crate::hub::id(2));
    let since = std::time::Instant::now();
    while seen.lock().expect("no panic").len() < 2 && since.elapsed() < crate::hub::AGES {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!seen.lock().expect("no panic")[1].contains("a=ice-lite"));
}
