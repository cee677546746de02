//! Descriptions from strangers: what is no good is answered with nothing.

use crate::hub::{id, local};
use node::links::{Event, Links};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_that_are_no_good_are_answered_with_nothing() {
    let (dialler, mut offers) = Links::open(local()).await.expect("links");
    dialler.dial(id(2));
    let Some(Event::Offer { sdp: good, .. }) = offers.recv().await else { panic!("no offer") };
    let (links, mut events) = Links::open(local()).await.expect("links");
    let many = "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n".repeat(100);
    let without =
        |start: &str| good.split_inclusive('\n').filter(|line| !line.starts_with(start)).collect::<String>();
    let bad = [
        String::new(),
        "rubbish".into(),
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n".into(),
        "\u{0}".repeat(2000),
        format!("{good}{many}"),
        format!("{good}{}", "a=x\r\n".repeat(5000)),
        format!("{good}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"),
        without("a=fingerprint"),
        without("a=ice-ufrag"),
        without("m="),
        good.replace("m=application", "m=audio"),
        good[..good.len() / 2].into(),
    ];
    for (n, sdp) in bad.into_iter().enumerate() {
        links.offer(id(1), format!("{n:020}"), sdp);
    }
    links.offer(id(1), "x".repeat(10_000), good.clone());
    // Addresses that only a browser's neighbours could resolve do no harm, and neither do none at all.
    let hidden = without("a=candidate")
        + "a=candidate:1 1 udp 2122260223 11d4f1a0-5b4c-4d7e-8f8f-0123456789ab.local 5 typ host\r\n";
    for (name, sdp) in [("hidden", hidden), ("bare", without("a=candidate")), ("good", good)] {
        links.offer(id(1), name.into(), sdp);
        match tokio::time::timeout(Duration::from_secs(20), events.recv()).await {
            Ok(Some(Event::Answer { to, offer_id, .. })) => assert_eq!((to, &*offer_id), (id(1), name)),
            other => panic!("{other:?} instead of an answer to the offer called {name}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_only_from_whom_it_was_asked() {
    let (links, mut events) = Links::open(local()).await.expect("links");
    let (other, mut answers) = Links::open(local()).await.expect("links");
    links.dial(id(2));
    let Some(Event::Offer { offer_id, sdp, .. }) = events.recv().await else { panic!("no offer") };
    other.offer(id(1), offer_id.clone(), sdp);
    let Some(Event::Answer { sdp, .. }) = answers.recv().await else { panic!("no answer") };
    links.answer(id(3), offer_id.clone(), sdp.clone());
    links.answer(id(2), "another".into(), sdp.clone());
    links.answer(id(2), offer_id.clone(), "rubbish".into());
    let quiet = tokio::time::timeout(Duration::from_millis(300), events.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    links.answer(id(2), offer_id.clone(), sdp.clone());
    links.answer(id(2), offer_id, sdp);
    match events.recv().await {
        Some(Event::Up { peer, dialled, .. }) => assert!(dialled && peer == id(2)),
        what => panic!("{what:?} instead of a link"),
    }
}
