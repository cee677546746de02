//! A swarm over real sockets that outlives its trackers, and its origin: neighbours name each other, and carry what two of them
//! need to say to connect.

mod support;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use manifest::digest::root;
use manifest::{Index, Kind, Rendition, SecretKey, Segment, SegmentId};
use node::film::Film;
use node::links;
use node::origin::Origin;
use node::uplink::{Cap, Uplink};
use node::viewer::{Options, Stats, Viewer};
use rendezvous::{Locality, Site, SiteMode};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{PATIENCE, Server};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

const SEGMENTS: u32 = 5;
const SIZE: u32 = 150_000;

/// Longer than everything here takes on a busy machine: neighbours are asked 19 s after a tracker was last heard at the latest.
const MEETS_WITHIN: Duration = Duration::from_secs(120);

fn media(sequence: u32) -> Bytes {
    (0..SIZE).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ sequence as u8).collect()
}

/// An origin that serves until it is told not to.
struct Publisher {
    files: BTreeMap<String, Bytes>,
    is_up: AtomicBool,
}

async fn file(
    State(publisher): State<Arc<Publisher>>,
    Path(name): Path<String>,
) -> Result<Bytes, StatusCode> {
    let is_up = publisher.is_up.load(Ordering::Relaxed);
    publisher.files.get(&name).filter(|_| is_up).cloned().ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

impl Publisher {
    async fn open() -> (Arc<Self>, Origin) {
        let segment = |n| Segment { duration_ms: 4000, size: SIZE, root: root(&media(n)) };
        let rendition = Rendition {
            id: "v0".into(),
            kind: Kind::Video,
            bandwidth_bps: 300_000,
            init: root(b"init"),
            segments: (1..=SEGMENTS).map(segment).collect(),
        };
        let index = Index { piece_len: 32 * 1024, renditions: vec![rendition] };
        let mut files: BTreeMap<String, Bytes> =
            (1..=SEGMENTS).map(|n| (format!("v0/{n}.m4s"), media(n))).collect();
        files.insert("v0/init.mp4".into(), Bytes::from_static(b"init"));
        files.insert("index.bci".into(), index.seal(&SecretKey::from_seed([7; 32])).into());
        let publisher = Arc::new(Self { files, is_up: AtomicBool::new(true) });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let app = Router::new().route("/{*name}", get(file)).with_state(publisher.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (publisher, Origin::new(base, None).unwrap())
    }
}

async fn join(origin: &Origin, trackers: &[&Server]) -> Viewer {
    join_as(origin, trackers, false).await
}

/// `metered`: it gets what is asked for and nothing ahead.
async fn join_as(origin: &Origin, trackers: &[&Server], metered: bool) -> Viewer {
    let film = Film::open(origin, None).await.unwrap();
    let links = links::Config { bind: (Ipv4Addr::LOCALHOST, 0).into(), ..links::Config::default() };
    let trackers = trackers.iter().map(|tracker| tracker.url()).collect();
    let uplink = Uplink::new(Cap::BytesPerSecond(2_000_000));
    let options = Options { trackers, pass: None, uplink, metered, links, keeps: None };
    Viewer::join(film, origin.clone(), options).await.unwrap()
}

async fn until(viewer: &Viewer, wanted: impl Fn(Stats) -> bool) {
    let met = timeout(MEETS_WITHIN, async {
        while !wanted(viewer.stats().await) {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(met.await.is_ok(), "still {:?}", viewer.stats().await);
}

async fn watch(viewer: &Viewer) {
    watch_some(viewer, 1..=SEGMENTS).await;
}

async fn watch_some(viewer: &Viewer, numbers: RangeInclusive<u32>) {
    for number in numbers {
        let segment = timeout(PATIENCE, viewer.segment(SegmentId::new(0, number))).await;
        assert_eq!(segment.expect("it comes").unwrap(), media(number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_knew_a_single_viewer_meets_the_others_and_gets_the_film_from_them() {
    let (publisher, origin) = Publisher::open().await;
    let (tracker, another) = (Server::start(0).await, Server::start(0).await);
    let between = join(&origin, &[&tracker, &another]).await;
    let (one, two) = (join(&origin, &[&tracker]).await, join(&origin, &[&tracker]).await);
    for viewer in [&between, &one, &two] {
        watch(viewer).await;
        until(viewer, |stats| stats.peers == 2).await;
    }
    // It hears of the first alone.
    let late = join(&origin, &[&another]).await;
    until(&late, |stats| stats.peers == 1).await;

    tracker.stop().await;
    another.stop().await;
    publisher.is_up.store(false, Ordering::Relaxed);
    until(&late, |stats| stats.peers == 3 && stats.trackers == 0).await;
    between.leave().await;
    watch(&late).await;
    let stats = late.stats().await;
    assert_eq!(stats.from_origin, 0);
    assert!(stats.from_peers >= u64::from(SEGMENTS * SIZE), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_site_that_only_takes_takes_and_gives_nothing() {
    let (publisher, origin) = Publisher::open().await;
    let thin = Site {
        name: "thin".into(),
        networks: vec!["127.0.0.2/32".parse().unwrap()],
        mode: SiteMode::LeechOnly,
    };
    let config = rendezvous::Config { sites: vec![thin], ..Default::default() };
    // The second one to come is there.
    let seen = |number| {
        let address = if number == 2 { [127, 0, 0, 2] } else { [127, 0, 0, 1] };
        Locality { address: address.into(), ..Locality::default() }
    };
    let tracker = Server::with(0, config, seen).await;
    let outside = join_as(&origin, &[&tracker], true).await;
    watch_some(&outside, 1..=3).await;
    tracker.until(|stats| stats.members == 1).await;
    let within = join(&origin, &[&tracker]).await;
    until(&within, |stats| stats.peers == 1).await;

    publisher.is_up.store(false, Ordering::Relaxed);
    watch_some(&within, 1..=3).await;
    let taken = within.stats().await;
    assert!(taken.from_peers > 0, "{taken:?}");
    publisher.is_up.store(true, Ordering::Relaxed);
    watch_some(&within, 4..=5).await;
    watch_some(&outside, 4..=5).await;
    let (outside, within) = (outside.stats().await, within.stats().await);
    assert_eq!((outside.peers, within.peers), (1, 1));
    assert_eq!((outside.from_peers, within.to_peers), (0, 0), "{outside:?} {within:?}");
}
