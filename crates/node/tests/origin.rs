//! What becomes of a fetch, whatever a web server does with it.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use node::origin::{Error, Origin, Outcome, Pieces, Url};
use tokio::{
    net::TcpListener,
    sync::Notify,
    time::{Instant, sleep},
};

const SIZE: usize = 10_500;
const PIECE: usize = 1000;

/// How the server serves `v0/<number>.m4s`, by the number.
const WELL: u32 = 1;
const WITHOUT_RANGES: u32 = 2;
const TRUNCATED: u32 = 3;
const BROKEN_OFF: u32 = 4;
const TOO_LONG: u32 = 5;
const STALLED: u32 = 6;
const SILENT: u32 = 7;
const ANOTHER_RANGE: u32 = 8;
const REDIRECTED: u32 = 9;
const ROUND_AND_ROUND: u32 = 10;
const EMPTY: u32 = 11;
const COMPRESSED: u32 = 12;
const ENDLESS: u32 = 13;
const OFF_THE_WEB: u32 = 14;

fn segment() -> Vec<u8> {
    (0..SIZE).map(|n| (n % 251) as u8).collect()
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<(String, HeaderMap)>>,
    /// A body was dropped before its end.
    dropped: Notify,
}

struct Hold(Arc<Seen>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

struct Server {
    origin: Origin,
    seen: Arc<Seen>,
}

impl Server {
    async fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let app = Router::new().route("/s/film/{*name}", get(serve)).with_state(seen.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Url = format!("http://{}/s/film", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let origin = Origin::new(base, Some("t=a%20b".into())).unwrap();
        Self { origin: origin.with_silence(Duration::from_millis(500)), seen }
    }

    /// Pieces first..end of a segment, checked as they come.
    async fn fetch(&self, sequence: u32, first: u32, end: u32) -> (Outcome, Vec<u32>) {
        let mut taken = Vec::new();
        let outcome = self.origin.pieces(pieces(sequence, first, end), |piece, bytes| {
            let from = piece as usize * PIECE;
            assert_eq!(bytes, segment()[from..SIZE.min(from + PIECE)], "piece {piece}");
            taken.push(piece);
            true
        });
        let outcome = outcome.await;
        (outcome, taken)
    }

    fn header(&self, name: &str) -> Option<String> {
        let requests = self.seen.requests.lock().unwrap();
        Some(requests.last().unwrap().1.get(name)?.to_str().unwrap().to_owned())
    }
}

fn pieces(sequence: u32, first: u32, end: u32) -> Pieces {
    let (size, piece_len) = (SIZE as u32, PIECE as u32);
    Pieces { folder: "v0".into(), sequence, size, piece_len, first, end, fresh: false }
}

async fn serve(
    State(seen): State<Arc<Seen>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let address = format!("{name}?{}", query.unwrap_or_default());
    seen.requests.lock().unwrap().push((address, headers.clone()));
    let range = headers.get(header::RANGE).map(|range| {
        let (from, to) = range.to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap() + 1)
    });
    let number = name.strip_prefix("v0/").and_then(|name| name.strip_suffix(".m4s"));
    let Some(number) = number.and_then(|number| number.parse().ok()) else {
        return match name.as_str() {
            "index.bci" => segment().into_response(),
            "long.bci" => in_chunks(segment(), None).into_response(),
            "stalled.bci" => in_chunks(segment(), Some(Hold(seen))).into_response(),
            "private.bci" => StatusCode::FORBIDDEN.into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
    };
    let (from, to) = range.unwrap_or((0, SIZE));
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let part = segment()[from..to].to_vec();
    let content_range = [(header::CONTENT_RANGE, format!("bytes {from}-{}/{SIZE}", to - 1))];
    match number {
        WELL => (status, content_range, part).into_response(),
        WITHOUT_RANGES => in_chunks(segment(), None).into_response(),
        TRUNCATED => (status, in_chunks(part[..part.len() - 600].to_vec(), None)).into_response(),
        BROKEN_OFF => {
            let length = [(header::CONTENT_LENGTH, part.len().to_string())];
            let part = Bytes::copy_from_slice(&part[..part.len() - 600]);
            let end = stream::once(async {
                // Time for what came before to be written.
                sleep(Duration::from_millis(100)).await;
                Err(io::Error::other("broken off"))
            });
            (status, length, Body::from_stream(stream::iter([Ok(part)]).chain(end))).into_response()
        }
        TOO_LONG => (status, in_chunks([part, vec![0; 5000]].concat(), None)).into_response(),
        STALLED => (status, in_chunks(part[..part.len() - 600].to_vec(), Some(Hold(seen)))).into_response(),
        SILENT => std::future::pending().await,
        ANOTHER_RANGE => (status, [(header::CONTENT_RANGE, "bytes 1-2/3")], part).into_response(),
        REDIRECTED => (StatusCode::FOUND, [(header::LOCATION, "1.m4s?moved")]).into_response(),
        ROUND_AND_ROUND => (StatusCode::FOUND, [(header::LOCATION, "10.m4s")]).into_response(),
        EMPTY => StatusCode::NO_CONTENT.into_response(),
        COMPRESSED => (status, [(header::CONTENT_ENCODING, "gzip")], part).into_response(),
        ENDLESS => {
            let zeros = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[0; 4096])));
            let hold = Hold(seen);
            let held = zeros.inspect(move |_| {
                let _ = &hold;
            });
            (status, Body::from_stream(stream::iter([Ok(part.into())]).chain(held))).into_response()
        }
        OFF_THE_WEB => (StatusCode::FOUND, [(header::LOCATION, "file:///etc/hostname")]).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A body in odd chunks without a length, which ends, or never does if there is something to hold.
fn in_chunks(bytes: Vec<u8>, hold: Option<Hold>) -> Body {
    let chunks: Vec<_> =
        bytes.chunks(777).map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk))).collect();
    let chunks = stream::iter(chunks);
    match hold {
        None => Body::from_stream(chunks),
        Some(hold) => Body::from_stream(chunks.chain(stream::once(async move {
            let _hold = hold;
            std::future::pending().await
        }))),
    }
}

fn is_complete(outcome: Outcome) -> Option<u64> {
    let Outcome::Complete { bytes, first_byte, total } = outcome else { return None };
    assert!(first_byte <= total && total < Duration::from_secs(10));
    Some(bytes)
}

#[tokio::test]
async fn a_whole_segment_comes_without_a_range() {
    let server = Server::start().await;
    let (outcome, taken) = server.fetch(WELL, 0, 11).await;
    assert_eq!((is_complete(outcome), taken), (Some(SIZE as u64), (0..11).collect()));
    assert_eq!(server.header("range"), None);
    assert_eq!(server.header("cache-control"), None);
    assert_eq!(server.seen.requests.lock().unwrap()[0].0, "v0/1.m4s?t=a%20b");
    let (outcome, taken) = server.fetch(WELL, 0, u32::MAX).await;
    assert_eq!((is_complete(outcome), taken.len()), (Some(SIZE as u64), 11));
}

#[tokio::test]
async fn some_pieces_come_by_a_range() {
    let server = Server::start().await;
    let (outcome, taken) = server.fetch(WELL, 3, 5).await;
    assert_eq!((is_complete(outcome), taken), (Some(2000), vec![3, 4]));
    assert_eq!(server.header("range").unwrap(), "bytes=3000-4999");
    let (outcome, taken) = server.fetch(WELL, 10, 11).await;
    assert_eq!((is_complete(outcome), taken), (Some(500), vec![10]));
    assert_eq!(server.header("range").unwrap(), "bytes=10000-10499");
}

#[tokio::test]
async fn a_fresh_fetch_goes_past_caches() {
    let server = Server::start().await;
    let outcome = server.origin.pieces(Pieces { fresh: true, ..pieces(WELL, 0, 1) }, |_, _| true).await;
    assert_eq!(is_complete(outcome), Some(1000));
    assert_eq!(server.header("cache-control").unwrap(), "no-cache");
    assert_eq!(server.header("pragma").unwrap(), "no-cache");
}

#[tokio::test]
async fn of_a_server_that_ignores_ranges_the_right_part_is_taken() {
    let server = Server::start().await;
    let (outcome, taken) = server.fetch(WITHOUT_RANGES, 3, 5).await;
    assert_eq!(taken, [3, 4]);
    let bytes = is_complete(outcome).unwrap();
    assert!((5000..=SIZE as u64).contains(&bytes), "all that came counts: {bytes}");
    let (outcome, taken) = server.fetch(WITHOUT_RANGES, 9, 11).await;
    assert_eq!((is_complete(outcome), taken), (Some(SIZE as u64), vec![9, 10]));
}

#[tokio::test]
async fn a_wrong_length_is_a_forged_segment_or_a_failed_range() {
    let server = Server::start().await;
    let (outcome, taken) = server.fetch(TRUNCATED, 0, 11).await;
    assert_eq!((outcome, taken.len()), (Outcome::Refused { bytes: 9900 }, 9));
    let (outcome, taken) = server.fetch(TRUNCATED, 3, 5).await;
    assert_eq!((outcome, taken), (Outcome::Failed { status: Some(206), bytes: 1400 }, vec![3]));
    let (outcome, taken) = server.fetch(TOO_LONG, 0, 11).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert_eq!(taken.len(), 11);
    // What lies behind a range is not read.
    let (outcome, taken) = server.fetch(TOO_LONG, 3, 5).await;
    assert_eq!(taken, [3, 4]);
    assert!(is_complete(outcome).is_some());
}

#[tokio::test]
async fn an_answer_that_breaks_off_has_failed() {
    let server = Server::start().await;
    for (first, end, taken) in [(0, 11, 9), (3, 5, 1)] {
        let (outcome, came) = server.fetch(BROKEN_OFF, first, end).await;
        assert!(matches!(outcome, Outcome::Failed { status: None, bytes: 1.. }), "{outcome:?}");
        assert_eq!(came.len(), taken);
    }
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let server = Server::start().await;
    let begun = Instant::now();
    let (outcome, taken) = server.fetch(STALLED, 0, 11).await;
    assert_eq!((outcome, taken.len()), (Outcome::Failed { status: None, bytes: 9900 }, 9));
    server.seen.dropped.notified().await;
    let (outcome, _) = server.fetch(SILENT, 0, 11).await;
    assert_eq!(outcome, Outcome::Failed { status: None, bytes: 0 });
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn an_endless_answer_is_left_as_soon_as_enough_has_come() {
    let server = Server::start().await;
    let (outcome, taken) = server.fetch(ENDLESS, 0, 11).await;
    assert!(matches!(outcome, Outcome::Refused { bytes } if bytes < 1_000_000), "{outcome:?}");
    assert_eq!(taken.len(), 11);
    server.seen.dropped.notified().await;
}

#[tokio::test]
async fn a_refused_piece_ends_the_fetch() {
    let server = Server::start().await;
    let mut taken = 0;
    let outcome = server.origin.pieces(pieces(WITHOUT_RANGES, 0, 11), |piece, _| {
        taken += 1;
        piece < 2
    });
    let outcome = outcome.await;
    assert!(matches!(outcome, Outcome::Refused { bytes: 3000.. }), "{outcome:?}");
    assert_eq!(taken, 3);
}

#[tokio::test]
async fn a_dropped_fetch_ends_its_request() {
    let server = Server::start().await;
    let fetch = server.fetch(STALLED, 0, 11);
    assert!(tokio::time::timeout(Duration::from_millis(200), fetch).await.is_err());
    server.seen.dropped.notified().await;
}

#[tokio::test]
async fn what_is_no_answer_to_the_request_has_failed_with_its_status() {
    let server = Server::start().await;
    for (sequence, first, status) in
        [(99, 0, 404), (ANOTHER_RANGE, 1, 206), (EMPTY, 0, 204), (EMPTY, 1, 204), (COMPRESSED, 0, 200)]
    {
        let (outcome, taken) = server.fetch(sequence, first, 11).await;
        assert_eq!(outcome, Outcome::Failed { status: Some(status), bytes: 0 }, "segment {sequence}");
        assert!(taken.is_empty());
    }
}

#[tokio::test]
async fn nothing_asked_for_is_not_asked() {
    let server = Server::start().await;
    for request in [
        pieces(WELL, 3, 3),
        pieces(WELL, 5, 3),
        pieces(WELL, 11, 20),
        Pieces { piece_len: 0, ..pieces(WELL, 0, 11) },
        Pieces { size: 0, ..pieces(WELL, 0, 11) },
        Pieces { folder: "../other".into(), ..pieces(WELL, 0, 11) },
    ] {
        let outcome = server.origin.pieces(request, |_, _| panic!("nothing to take")).await;
        assert_eq!(outcome, Outcome::Failed { status: None, bytes: 0 });
    }
    assert!(server.seen.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_on_the_web_and_not_for_ever() {
    let server = Server::start().await;
    let (outcome, taken) = server.fetch(REDIRECTED, 3, 5).await;
    assert_eq!((is_complete(outcome), taken), (Some(2000), vec![3, 4]));
    assert_eq!(server.header("referer"), None, "it would tell the token");
    for sequence in [ROUND_AND_ROUND, OFF_THE_WEB] {
        let (outcome, _) = server.fetch(sequence, 0, 11).await;
        assert!(matches!(outcome, Outcome::Failed { bytes: 0, .. }), "{outcome:?}");
    }
    assert!(server.seen.requests.lock().unwrap().len() < 12);
}

#[tokio::test]
async fn an_origin_that_is_not_there_has_failed_without_a_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let origin = Origin::new(base, Some("secret".into())).unwrap();
    let outcome = origin.pieces(pieces(WELL, 0, 11), |_, _| true).await;
    assert_eq!(outcome, Outcome::Failed { status: None, bytes: 0 });
    let error = origin.file("index.bci", 100).await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    let told = format!("{error} {error:?}");
    assert!(!told.contains("secret"), "{told}");
}

#[tokio::test]
async fn a_file_comes_whole_or_not_at_all() {
    let server = Server::start().await;
    let file = async |name, max| server.origin.file(name, max).await;
    assert_eq!(file("index.bci", SIZE).await.unwrap(), segment());
    assert_eq!(server.seen.requests.lock().unwrap()[0].0, "index.bci?t=a%20b");
    assert_eq!(file("long.bci", SIZE).await.unwrap(), segment());
    for name in ["index.bci", "long.bci"] {
        let error = file(name, SIZE - 1).await.unwrap_err();
        assert!(matches!(error, Error::TooLong { max: 10_499, .. }), "{error}");
    }
    let error = file("stalled.bci", SIZE).await.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    for (name, status) in [("private.bci", 403), ("missing.bci", 404)] {
        let error = file(name, SIZE).await.unwrap_err();
        assert!(matches!(error, Error::Status { status: told, .. } if told == status), "{error}");
    }
    assert!(matches!(file("../film/index.bci", SIZE).await, Err(Error::Name(_))));
}
