//! On real sockets: 127.0.0.2 stands for the internet, 127.0.0.1 and ::1 are not to be asked.

use super::super::source::{Source, What};
use super::*;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Response as Answer;
use axum::routing::get;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What must not be asked, and how often it was.
struct Canary {
    port: u16,
    hits: Arc<AtomicUsize>,
}

/// On 127.0.0.1 and ::1, on one port.
async fn canary() -> Canary {
    let hits = Arc::new(AtomicUsize::new(0));
    let (mut listeners, mut port) = (Vec::new(), 0);
    while listeners.len() < 2 {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        port = first.local_addr().unwrap().port();
        listeners = vec![first];
        match TcpListener::bind(("::1", port)).await {
            Ok(second) => listeners.push(second),
            // Somebody else has it, or there is no IPv6 here.
            Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(_) => break,
        }
    }
    for listener in listeners {
        let hits = Arc::clone(&hits);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                hits.fetch_add(1, Ordering::SeqCst);
                let mut buffer = [0; 4096];
                if socket.read(&mut buffer).await.unwrap_or(0) == 0 {
                    continue;
                }
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n#EXTM3U").await.ok();
            }
        });
    }
    Canary { port, hits }
}

/// A server on the internet; answers with status and location or body.
async fn public(answer: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let route = get(move |Path(path): Path<String>| async move {
        let (status, text) = answer(&path);
        let answer = Answer::builder().status(status);
        match status {
            300..400 => answer.header("location", text).body(Body::empty()),
            _ => answer.body(Body::from(text)),
        }
        .unwrap()
    });
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/{*path}", route)).await });
    address
}

fn rule() -> Rule {
    Rule { private: false, public: Some("127.0.0.2".parse().unwrap()) }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

async fn ask(web: &Web, text: &str) -> Result<Got, WebError> {
    web.get(&url(text), None, 1000).await
}

/// Names as they were told, one answer after the other; the last one stays.
struct Told(Mutex<Vec<Vec<&'static str>>>);

impl Resolve for Told {
    fn resolve(&self, _: Name) -> Resolving {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let found: Vec<SocketAddr> =
            answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

#[tokio::test]
async fn what_is_not_public_is_not_asked_however_it_is_written() {
    let canary = canary().await;
    let web = Web::with(rule(), Arc::new(System)).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "user:secret@localhost",
        "0.0.0.0",
        "[::]",
    ] {
        let text = format!("http://{host}:{}/x?token=secret", canary.port);
        let why = ask(&web, &text).await.expect_err(host);
        // Not every system knows the latter.
        let refused = matches!(why, WebError::Private(_)) || host == "localhost.";
        assert!(refused, "{host}: {why:?}");
        assert!(!why.to_string().contains("secret"), "{why}");
    }
    for text in ["ftp://127.0.0.2/x", "file:///etc/passwd", "data:text/plain,x"] {
        assert_eq!(ask(&web, text).await.unwrap_err(), WebError::Scheme, "{text}");
    }
    assert_eq!(canary.hits.load(Ordering::SeqCst), 0);
    let open = Web::new(Rule::new(true)).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let got = ask(&open, &format!("http://{host}:{}/x", canary.port)).await.expect(host);
        assert_eq!(got.body, "#EXTM3U");
    }
    assert_eq!(canary.hits.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_they_may_be() {
    let canary = canary().await;
    let port = canary.port;
    let address = public(move |path| match path.split_once('/') {
        Some(("to", "v4")) => (302, format!("http://127.0.0.1:{port}/x")),
        Some(("to", "v6")) => (307, format!("http://[::1]:{port}/x")),
        Some(("to", "short")) => (301, format!("//0x7f.1:{port}/x")),
        Some(("to", "name")) => (308, format!("http://localhost:{port}/x")),
        Some(("to", "file")) => (302, "file:///etc/passwd".into()),
        Some(("down", "0")) => (200, "there".into()),
        Some(("down", n)) => (302, format!("{}", n.parse::<u32>().unwrap() - 1)),
        _ => (404, String::new()),
    })
    .await;
    let web = Web::with(rule(), Arc::new(System)).unwrap();
    for to in ["v4", "v6", "short", "name"] {
        let why = ask(&web, &format!("http://{address}/to/{to}")).await.expect_err(to);
        assert!(matches!(why, WebError::Private(_)), "{to}: {why:?}");
    }
    assert_eq!(ask(&web, &format!("http://{address}/to/file")).await.unwrap_err(), WebError::Scheme);
    let got = ask(&web, &format!("http://{address}/down/5")).await.unwrap();
    assert_eq!((&got.body[..], got.url.path()), (&b"there"[..], "/down/0"));
    assert_eq!(ask(&web, &format!("http://{address}/down/6")).await.unwrap_err(), WebError::Redirects);
    assert_eq!(ask(&web, &format!("http://{address}/none")).await.unwrap_err(), WebError::Status(404));
    assert_eq!(canary.hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn names_are_judged_for_the_connection_that_is_made() {
    let canary = canary().await;
    let address = public(|_| (200, "public".into())).await;
    let told = |answers: &[&[&'static str]]| {
        let names = Told(Mutex::new(answers.iter().map(|one| one.to_vec()).collect()));
        Web::with(rule(), Arc::new(names)).unwrap()
    };
    let at = |port: u16| format!("http://stream.example:{port}/x");
    let why = ask(&told(&[&["127.0.0.1"]]), &at(canary.port)).await.unwrap_err();
    assert_eq!(why, WebError::Private("stream.example".into()));
    let why = ask(&told(&[&["10.0.0.1", "::1", "::ffff:127.0.0.1"]]), &at(canary.port)).await.unwrap_err();
    assert_eq!(why, WebError::Private("stream.example".into()));
    // Of two addresses only the public one is connected to, whichever stands first.
    let both = told(&[&["127.0.0.1", "127.0.0.2"]]);
    assert_eq!(ask(&both, &at(address.port())).await.unwrap().body, "public");
    // A name that is another machine's the next time.
    let rebound = told(&[&["127.0.0.2"], &["127.0.0.1"]]);
    assert_eq!(ask(&rebound, &at(address.port())).await.unwrap().body, "public");
    let why = ask(&rebound, &at(canary.port)).await.unwrap_err();
    assert_eq!(why, WebError::Private("stream.example".into()));
    assert_eq!(canary.hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_playlists_name_is_judged_alike() {
    let canary = canary().await;
    let port = canary.port;
    let address = public(move |path| {
        let inner = format!("http://127.0.0.1:{port}/inner");
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n";
        let media = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:1\n";
        let text = match path {
            "master" => format!("{master}{inner}.m3u8\n"),
            "map" => format!("{media}#EXT-X-MAP:URI=\"{inner}.mp4\"\n#EXTINF:1,\n1.m4s\n"),
            "segment" => format!("{media}#EXTINF:1,\n//localhost:{port}/1.m4s\n"),
            _ => return (404, String::new()),
        };
        (200, text)
    })
    .await;
    let web = Web::with(rule(), Arc::new(System)).unwrap();
    for path in ["master", "map", "segment"] {
        let (source, renditions) =
            Source::open(web.clone(), &url(&format!("http://{address}/{path}"))).await.unwrap();
        let why = match source.list(&renditions[0]).await {
            Err(why) => why,
            Ok(listing) => {
                let segment = &listing.segments[0];
                match &segment.init {
                    Some(init) => source.init(init).await.unwrap_err(),
                    None => source.segment(&segment.media).await.unwrap_err(),
                }
            }
        };
        assert!(matches!(why.what, What::Web(WebError::Private(_))), "{path}: {why}");
    }
    assert_eq!(canary.hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn answers_have_bounds_and_ranges_are_exact() {
    let address =
        public(|path| (200, if path == "long" { "x".repeat(1001) } else { "0123456789".into() })).await;
    let web = Web::with(rule(), Arc::new(System)).unwrap();
    let at = |path: &str| format!("http://{address}/{path}");
    assert_eq!(ask(&web, &at("long")).await.unwrap_err(), WebError::TooLong(1000));
    // This server knows no ranges.
    let short = url(&at("short"));
    assert_eq!(web.get(&short, Some(2..5), 1000).await.unwrap().body, "234");
    assert_eq!(web.get(&short, Some(8..11), 1000).await.unwrap_err(), WebError::Range);
    assert_eq!(web.get(&short, Some(3..3), 1000).await.unwrap_err(), WebError::Range);
    assert_eq!(shown(&url("https://name:word@h/p/m.m3u8?token=1#x")), "https://h/p/m.m3u8");
}
