//! The seeder against an origin that delivers damaged files, and a viewer of its pages that asks for everything.

mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use node::cache::{self, Cache};
use node::links::{self, Links};
use node::pml::identity::{Family, Variant, swarms};
use node::pml::session::{Action, Config, Holdings, Input, Session, Want};
use node::pml::wire::SegmentId;
use node::seed::{Options, SeedStats, Seeder};
use node::tracker::{self, Trackers};
use node::uplink::{Cap, Uplink};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use support::{PATIENCE, Server, peer};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n";

/// Segments that are whole, and four ways not to be.
const GOOD: [u32; 3] = [0, 3, 5];
const COUNT: u32 = 7;

/// MPEG-TS of some 300 KB, no two alike.
fn media(number: u32) -> Bytes {
    let packet = |i: u32| {
        let mut packet = [(i ^ number) as u8; 188];
        packet[0] = 0x47;
        packet[1] = number as u8;
        packet
    };
    (0..1600).flat_map(packet).collect::<Vec<u8>>().into()
}

async fn file(axum::extract::Path(name): axum::extract::Path<String>) -> Response {
    if name == "film.m3u8" {
        let lines: String = (0..COUNT).map(|n| format!("#EXTINF:4,\n{n}.ts\n")).collect();
        return format!("{PLAYLIST}{lines}#EXT-X-ENDLIST\n").into_response();
    }
    let Some(number) = name.strip_suffix(".ts").and_then(|n| n.parse().ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let whole = media(number);
    match number {
        // Breaks off.
        1 => {
            let half = whole.slice(..whole.len() / 2);
            let broken = futures_util::stream::iter([Ok(half), Err(std::io::Error::other("gone"))]);
            let length = [(header::CONTENT_LENGTH, whole.len())].map(|(name, n)| (name, n.to_string()));
            (length, Body::from_stream(broken)).into_response()
        }
        // A page instead of media, with 200.
        2 => "<html>try again later</html>".into_response(),
        4 => {
            let mut damaged = whole.to_vec();
            damaged[188 * 700] ^= 1;
            damaged.into_response()
        }
        6 => Bytes::new().into_response(),
        _ => ([(header::ETAG, format!("\"{number}\""))], whole).into_response(),
    }
}

/// Serves on a port of this machine.
async fn origin() -> reqwest::Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/film.m3u8", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/{name}", get(file))).await });
    url.parse().unwrap()
}

fn local() -> links::Config {
    links::Config { bind: (Ipv4Addr::LOCALHOST, 0).into(), ..links::Config::default() }
}

async fn seeder(hls: &reqwest::Url, tracker: &Server, dir: &std::path::Path) -> Seeder {
    capped(hls, tracker, dir, Uplink::new(Cap::Unlimited)).await
}

async fn capped(hls: &reqwest::Url, tracker: &Server, dir: &std::path::Path, uplink: Uplink) -> Seeder {
    let config = cache::Config { dir: dir.to_owned(), disk_bytes: 100 << 20, memory_bytes: 1 << 20 };
    let options = Options {
        hls: hls.clone(),
        swarm_id: None,
        families: vec![Family::A, Family::B],
        trackers: vec![tracker.url()],
        pass: None,
        uplink,
        metered: false,
        links: local(),
        cache: Cache::open(config).await.unwrap(),
        names: dir.join("names"),
    };
    Seeder::start(options).await.unwrap()
}

async fn stats(seeder: &Seeder, wanted: impl Fn(SeedStats) -> bool) -> SeedStats {
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = seeder.stats().await;
        if wanted(stats) {
            return stats;
        }
        assert!(Instant::now() < until, "still {stats:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Meets the seeder as a page's viewer does and asks for every segment; what came, by number.
async fn viewer(hls: &reqwest::Url, tracker: &str, family: Family) -> BTreeMap<i64, Vec<u8>> {
    let swarm = swarms(family, hls.as_str(), &[Variant::default()]).remove(0);
    let config = tracker::Config::new(vec![tracker.to_owned()], *swarm.info_hash.as_bytes(), peer(9));
    let (trackers, mut named) = Trackers::join(config);
    trackers.announce(5);
    let (links, mut events) = Links::open(local()).await.unwrap();
    let mut wanted: Vec<i64> = (0..i64::from(COUNT)).rev().collect();
    let mut got = BTreeMap::new();
    let mut session = None;
    let begun = Instant::now();
    let mut again = tokio::time::interval(Duration::from_millis(100));
    let mut actions = Vec::new();
    while !wanted.is_empty() {
        tokio::select! {
            Some(event) = named.recv() => match event {
                tracker::Event::Candidates(peers) => peers.into_iter().for_each(|one| links.dial(one)),
                tracker::Event::Answer { from, offer_id, sdp } => links.answer(from, offer_id, sdp),
                _ => {}
            },
            Some(event) = events.recv() => match event {
                links::Event::Offer { to, offer_id, sdp } => trackers.offer(to, &offer_id, &sdp),
                links::Event::Up { link, .. } => {
                    session = Some((link, Session::open(Config::default(), Holdings::new([], []), &mut actions)));
                }
                links::Event::Message(_, message) => {
                    let (_, session) = session.as_mut().expect("a link is up");
                    session.handle(begun.elapsed(), Input::Message(message), &mut actions);
                }
                links::Event::Room(link, _) => {
                    let (_, session) = session.as_mut().expect("a link is up");
                    let buffered = local().send_buffer.saturating_sub(links.room(link) as usize);
                    session.handle(begun.elapsed(), Input::Room { buffered }, &mut actions);
                }
                // The seeder may not take anybody just now.
                links::Event::DialFailed(peer) => links.dial(peer),
                _ => {}
            },
            _ = again.tick() => {}
        }
        let Some((link, session)) = session.as_mut() else { continue };
        for action in std::mem::take(&mut actions) {
            match action {
                Action::Send(message) => links.send(*link, message),
                Action::Received { segment, bytes, .. } => {
                    got.insert(segment.get(), bytes);
                    wanted.pop();
                }
                Action::Missed { .. } => drop(wanted.pop()),
                Action::Close(why) => panic!("the seeder breaks a rule: {why}"),
                Action::Read(_) => panic!("the seeder asks for something"),
                Action::Announced => {}
            }
        }
        if let (Some(next), None) = (wanted.last(), session.wanted()) {
            let segment = SegmentId::new(*next).unwrap();
            session.want(begun.elapsed(), Want { segment, from: 0, total: None }, &mut actions);
        }
    }
    trackers.leave().await;
    got
}

#[tokio::test]
async fn what_the_origin_damages_is_given_to_nobody() {
    let (hls, tracker, dir) = (origin().await, Server::start(0).await, tempfile::tempdir().unwrap());
    let seeder = seeder(&hls, &tracker, dir.path()).await;
    let held = stats(&seeder, |stats| stats.held == GOOD.len() as u64).await;
    assert_eq!((held.listed, held.swarms), (u64::from(COUNT), 2));
    for family in [Family::A, Family::B] {
        let got = timeout(PATIENCE, viewer(&hls, &tracker.url(), family)).await.expect("all is answered");
        let expected: BTreeMap<i64, Vec<u8>> =
            GOOD.iter().map(|n| (i64::from(*n), media(*n).to_vec())).collect();
        assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert!(got == expected, "other bytes than the origin's");
    }
    assert_eq!(seeder.stats().await.held, GOOD.len() as u64);
    seeder.leave().await;
    tracker.until(|stats| stats.members == 0).await;
}

#[tokio::test]
async fn what_rots_in_the_cache_is_given_to_nobody_and_fetched_again() {
    let (hls, tracker, dir) = (origin().await, Server::start(0).await, tempfile::tempdir().unwrap());
    let seeder = seeder(&hls, &tracker, dir.path()).await;
    stats(&seeder, |stats| stats.held == GOOD.len() as u64).await;
    let rotten = manifest::digest::root(&media(3)).to_string();
    let file = dir.path().join(&rotten[..2]).join(&rotten);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let got = timeout(PATIENCE, viewer(&hls, &tracker.url(), Family::B)).await.expect("all is answered");
    assert_eq!(got.keys().copied().collect::<Vec<_>>(), [0, 5]);
    stats(&seeder, |stats| stats.held == GOOD.len() as u64).await;
    let got = timeout(PATIENCE, viewer(&hls, &tracker.url(), Family::B)).await.expect("all is answered");
    assert_eq!(got.get(&3).map(Vec::as_slice), Some(&media(3)[..]));
    seeder.leave().await;
}

#[tokio::test]
async fn after_a_restart_only_what_is_missing_is_fetched() {
    let (hls, tracker, dir) = (origin().await, Server::start(0).await, tempfile::tempdir().unwrap());
    let first = seeder(&hls, &tracker, dir.path()).await;
    stats(&first, |stats| stats.held == GOOD.len() as u64).await;
    first.leave().await;
    let lost = manifest::digest::root(&media(3)).to_string();
    std::fs::remove_file(dir.path().join(&lost[..2]).join(&lost)).unwrap();
    let second = seeder(&hls, &tracker, dir.path()).await;
    let held = stats(&second, |stats| stats.held == GOOD.len() as u64).await;
    assert_eq!(held.from_origin, media(3).len() as u64);
    let got = timeout(PATIENCE, viewer(&hls, &tracker.url(), Family::A)).await.expect("all is answered");
    assert_eq!(got.keys().copied().collect::<Vec<_>>(), [0, 3, 5]);
    second.leave().await;
}

#[tokio::test]
async fn what_is_being_sent_is_finished_at_the_end_and_nothing_else_is_begun() {
    let (hls, tracker, dir) = (origin().await, Server::start(0).await, tempfile::tempdir().unwrap());
    let uplink = Uplink::new(Cap::BytesPerSecond(150_000));
    let seeder = capped(&hls, &tracker, dir.path(), uplink.clone()).await;
    stats(&seeder, |stats| stats.held == GOOD.len() as u64).await;
    let viewer = tokio::spawn({
        let (hls, tracker) = (hls.clone(), tracker.url());
        async move { viewer(&hls, &tracker, Family::B).await }
    });
    stats(&seeder, |stats| stats.to_peers > 20_000).await;
    tokio::join!(seeder.drain(PATIENCE), tracker.until(|stats| stats.members <= 1));
    assert!(uplink.stats().waiting == 0 && uplink.stats().sent > media(0).len() as u64);
    let got = timeout(PATIENCE, viewer).await.expect("all is answered").unwrap();
    assert_eq!(got.get(&0).map(Vec::as_slice), Some(&media(0)[..]));
    assert!(!got.contains_key(&5), "what was asked for afterwards is not there any more");
    seeder.leave().await;
}

#[tokio::test]
async fn a_cap_of_nothing_sends_viewers_away_until_there_is_another() {
    let (hls, tracker, dir) = (origin().await, Server::start(0).await, tempfile::tempdir().unwrap());
    let uplink = Uplink::new(Cap::Nothing);
    let seeder = capped(&hls, &tracker, dir.path(), uplink.clone()).await;
    stats(&seeder, |stats| stats.held == GOOD.len() as u64).await;
    let viewer = tokio::spawn({
        let (hls, tracker) = (hls.clone(), tracker.url());
        async move { viewer(&hls, &tracker, Family::B).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!((seeder.stats().await.peers, uplink.stats().sent), (0, 0));
    uplink.set_cap(Cap::Unlimited);
    let got = timeout(PATIENCE, viewer).await.expect("it is asked again").unwrap();
    assert_eq!(got.keys().copied().collect::<Vec<_>>(), [0, 3, 5]);
    seeder.leave().await;
}
