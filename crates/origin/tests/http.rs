//! What a package looks like over HTTP.

mod common;

use common::web::{Reply, raw, site};
use manifest::digest;
use origin::http::{Limits, Origin, serve};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_and_manifests_come_with_type_tag_and_lifetime() {
    let site = site(Limits::default()).await;
    let expected = [
        ("master.m3u8", "application/vnd.apple.mpegurl", "public, max-age=5"),
        ("manifest.mpd", "application/dash+xml", "public, max-age=5"),
        ("index.bci", "application/octet-stream", "public, max-age=5"),
        ("stream.json", "application/json", "public, max-age=5"),
        ("v0/media.m3u8", "application/vnd.apple.mpegurl", "public, max-age=5"),
        ("v0/iframes.m3u8", "application/vnd.apple.mpegurl", "public, max-age=5"),
        ("v0/init.mp4", "video/mp4", "public, max-age=31536000, immutable"),
        ("v0/1.m4s", "video/mp4", "public, max-age=31536000, immutable"),
        ("a0/3.m4s", "audio/mp4", "public, max-age=31536000, immutable"),
    ];
    let query = version(&site);
    for (name, media_type, cache) in expected {
        let reply = site.get(&format!("/s/film/{name}{query}"), &[]).await;
        assert_eq!((reply.status, &reply.body), (200, &site.file(name)), "{name}");
        assert_eq!(reply.header("content-type"), Some(media_type), "{name}");
        assert_eq!(reply.header("cache-control"), Some(cache), "{name}");
        assert_eq!(reply.header("etag"), Some(&*format!("\"{}\"", digest::root(&site.file(name)))), "{name}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{name}");
        assert_eq!(reply.header("timing-allow-origin"), Some("*"), "{name}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert!(reply.header("access-control-expose-headers").unwrap().contains("Content-Range"), "{name}");
        let head = site.ask("HEAD", &format!("/s/film/{name}"), &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{name}");
        assert_eq!(head.header("content-length"), Some(&*reply.body.len().to_string()), "{name}");
    }
}

/// The query that a playlist of the film gives its segments.
fn version(site: &common::web::Site) -> String {
    let text = String::from_utf8(site.file("v0/media.m3u8")).unwrap();
    let line = text.lines().find(|l| l.starts_with("1.m4s?v=")).expect("segments have a version");
    line.strip_prefix("1.m4s").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_can_never_change_is_immutable() {
    let site = site(Limits::default()).await;
    let query = version(&site);
    assert_eq!(query.len(), "?v=".len() + 8);
    let cache = async |path: String| {
        let reply = site.get(&path, &[]).await;
        (reply.status, reply.header("cache-control").unwrap().to_owned())
    };
    for name in ["v0/init.mp4", "v0/1.m4s"] {
        let immutable = (200, "public, max-age=31536000, immutable".to_owned());
        assert_eq!(cache(format!("/s/film/{name}{query}")).await, immutable);
        assert_eq!(cache(format!("/s/film/{name}{query}&token=x")).await, immutable);
        for plain in ["", "?", "?x=1"] {
            assert_eq!(cache(format!("/s/film/{name}{plain}")).await, (200, "public, max-age=5".to_owned()));
        }
        for other in ["?v=", "?v=00000000", "?x=1&v=1", "?v=../../x"] {
            assert_eq!(
                cache(format!("/s/film/{name}{other}")).await,
                (404, "no-store".to_owned()),
                "{other}"
            );
        }
    }
    for name in ["poster.jpg", "index.bci", "master.m3u8"] {
        let (_, cache) = cache(format!("/s/film/{name}{query}")).await;
        assert!(!cache.contains("immutable"), "{name} keeps its name when the film is replaced");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_give_the_bytes_they_name() {
    let site = site(Limits::default()).await;
    let whole = site.file("v0/1.m4s");
    let len = whole.len();
    let last = len - 1;
    for (range, from, to) in [
        ("0-0".to_owned(), 0, 1),
        ("10-99".to_owned(), 10, 100),
        (format!("{}-", len - 5), len - 5, len),
        ("-7".to_owned(), len - 7, len),
        (format!("-{}", len * 2), 0, len),
        (format!("5-{}", len * 2), 5, len),
        (format!("{last}-{last}"), last, len),
        (format!("3-{}", u128::MAX), 3, len),
    ] {
        let reply = site.get("/s/film/v0/1.m4s", &[&format!("Range: bytes={range}")]).await;
        assert_eq!((reply.status, &reply.body[..]), (206, &whole[from..to]), "{range}");
        let told = format!("bytes {from}-{}/{len}", to - 1);
        assert_eq!(reply.header("content-range"), Some(&*told), "{range}");
    }
    for range in [format!("{len}-"), "-0".to_owned(), format!("{}-", u128::MAX)] {
        let reply = site.get("/s/film/v0/1.m4s", &[&format!("Range: bytes={range}")]).await;
        assert_eq!((reply.status, reply.body.len()), (416, 0), "{range}");
        assert_eq!(reply.header("content-range"), Some(&*format!("bytes */{len}")), "{range}");
    }
    // What is no single range is not understood, and then the whole is the right answer.
    for range in
        ["bytes=0-1,4-5", "bytes=9-3", "bytes=", "bytes=-", "bytes=a-b", "bytes=+1-2", "lines=1-2", "0-5"]
    {
        let reply = site.get("/s/film/v0/1.m4s", &[&format!("Range: {range}")]).await;
        assert_eq!((reply.status, reply.body.len()), (200, len), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_compare_content_hashes() {
    let site = site(Limits::default()).await;
    let path = &format!("/s/film/v0/1.m4s{}", version(&site));
    let whole = site.file("v0/1.m4s");
    let tag = format!("\"{}\"", digest::root(&whole));
    for same in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let reply = site.get(path, &[&format!("If-None-Match: {same}")]).await;
        assert_eq!((reply.status, reply.body.len()), (304, 0), "{same}");
        assert_eq!(reply.header("etag"), Some(&*tag));
        assert!(reply.header("cache-control").unwrap().contains("immutable"));
    }
    assert_eq!(site.get(path, &["If-None-Match: \"x\""]).await.status, 200);
    let ranged = |condition: &str| [format!("If-Range: {condition}"), "Range: bytes=0-3".to_owned()];
    for (condition, status) in [
        (tag.as_str(), 206),
        ("\"x\"", 200),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 200),
        (&format!("W/{tag}"), 200),
    ] {
        let headers = ranged(condition);
        let reply = site.get(path, &[&headers[0], &headers[1]]).await;
        assert_eq!(reply.status, status, "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_text_is_compressed_for_those_who_ask_and_media_never() {
    let site = site(Limits::default()).await;
    let plain = site.get("/s/film/manifest.mpd", &[]).await;
    let small = site.get("/s/film/manifest.mpd", &["Accept-Encoding: br, gzip;q=0.5"]).await;
    assert_eq!(small.header("content-encoding"), Some("gzip"));
    assert_eq!(small.header("vary"), Some("Accept-Encoding"));
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
    assert_ne!(small.header("etag"), plain.header("etag"), "other bytes, another tag");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&small.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let tag = format!("If-None-Match: {}", small.header("etag").unwrap());
    assert_eq!(site.get("/s/film/manifest.mpd", &["Accept-Encoding: gzip", &tag]).await.status, 304);
    let ranged = site.get("/s/film/manifest.mpd", &["Accept-Encoding: gzip", "Range: bytes=0-9"]).await;
    assert_eq!((ranged.status, &ranged.body[..]), (206, &plain.body[..10]));
    for (path, accept) in [
        ("/s/film/v0/1.m4s", "gzip"),
        ("/s/film/index.bci", "gzip"),
        ("/s/film/manifest.mpd", "gzip;q=0"),
        ("/s/film/manifest.mpd", "br"),
    ] {
        let reply = site.get(path, &[&format!("Accept-Encoding: {accept}")]).await;
        assert_eq!(reply.header("content-encoding"), None, "{path} {accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_may_read_and_nobody_may_write() {
    let site = site(Limits::default()).await;
    for path in ["/s/film/v0/1.m4s", "/s/film/none", "/api/v1/streams", "/player/braidcast-player.js"] {
        let headers = ["Origin: https://example.org", "Access-Control-Request-Headers: range"];
        let reply = site.ask("OPTIONS", path, &headers).await;
        assert_eq!(reply.status, 204, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert!(reply.header("access-control-allow-headers").unwrap().contains("Range"));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let reply = site.ask(method, "/s/film/v0/1.m4s", &[]).await;
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_tells_what_is_there_and_what_was_served() {
    let site = site(Limits::default()).await;
    let streams = json(&site.get("/api/v1/streams", &[]).await);
    assert_eq!(streams[0]["slug"], "film");
    assert_eq!(streams[0]["hls"], "master.m3u8");
    assert_eq!(json(&site.get("/api/v1/key", &[]).await)["key"], common::secret().public().to_string());
    assert_eq!(site.get("/healthz", &[]).await.body, b"ok\n");

    let segment = site.get("/s/film/v0/1.m4s", &[]).await.body.len() as u64;
    site.get("/s/film/v0/1.m4s", &["Range: bytes=0-99"]).await;
    site.get("/s/film/master.m3u8", &[]).await;
    site.ask("HEAD", "/s/film/v0/2.m4s", &[]).await;
    let status = json(&site.get("/api/v1/status", &[]).await);
    assert_eq!(status["media_bytes_served"], segment + 100, "neither playlists nor HEAD count");
    assert_eq!(status["tracker"]["members"], 0);
    assert_eq!(status["requests"], 7);
    let metrics = String::from_utf8(site.get("/metrics", &[]).await.body).unwrap();
    let line =
        format!("braidcast_origin_served_bytes_total{{stream=\"film\",kind=\"media\"}} {}", segment + 100);
    assert!(metrics.contains(&line), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_run_no_scripts_but_ours() {
    let site = site(Limits::default()).await;
    for path in ["/", "/watch/film"] {
        let reply = site.get(path, &[]).await;
        assert!([200, 503].contains(&reply.status), "the player may not be built here");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(site.get("/watch/other", &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tracker_is_behind_the_same_port() {
    let site = site(Limits::default()).await;
    assert_eq!(site.get("/tracker", &[]).await.status, 426);
    let headers =
        ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
    let request = format!(
        "GET /tracker HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n{}\r\n\r\n",
        headers.join("\r\n")
    );
    let mut socket = std::net::TcpStream::connect(site.address).unwrap();
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");
    let begun = Instant::now();
    while site.origin.tracker().stats().connections != 1 && begun.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(site.origin.tracker().stats().connections, 1);
}

/// Asks for a WebSocket; gives the socket and the status.
fn knock(address: SocketAddr) -> (TcpStream, String) {
    let request = "GET /tracker/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).unwrap();
    (socket, String::from_utf8(start[9..].to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_cannot_take_all_places_at_the_tracker() {
    let limits = Limits { sockets_per_neighbourhood: 3, loopback_exempt: false, ..Limits::default() };
    let site = site(limits).await;
    let address = site.address;
    tokio::task::spawn_blocking(move || {
        let mut open: Vec<_> = (0..3).map(|_| knock(address)).collect();
        assert!(open.iter().all(|(_, status)| status == "101"), "{open:?}");
        assert_eq!(knock(address).1, "503", "all three places are held after the upgrade too");
        open.pop();
        let begun = Instant::now();
        while knock(address).1 != "101" {
            assert!(begun.elapsed() < Duration::from_secs(10), "the place of a closed socket is free again");
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await
    .unwrap();
    assert_eq!(site.get("/healthz", &[]).await.status, 200, "other connections are counted apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_can_be_told_to_stop() {
    let origin = Origin::new(common::secret().public(), 1 << 20, Default::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = tokio::spawn(serve(listener, origin.clone(), limits, async { drop(stopped.await) }));
    let _held = TcpStream::connect(address).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), server).await.expect("it stops").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_rotted_on_disk_is_an_error_and_never_a_picture() {
    let site = site(Limits::default()).await;
    let path = site.package.join("v0/2.m4s");
    let mut bytes = site.file("v0/2.m4s");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(site.get("/s/film/v0/2.m4s", &[]).await.status, 500);
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(site.get("/s/film/v0/2.m4s", &[]).await.status, 200, "an error is not remembered");
    fs::remove_file(site.package.join("v0/3.m4s")).unwrap();
    assert_eq!(site.get("/s/film/v0/3.m4s", &[]).await.status, 500);
    assert_eq!(site.get("/s/film/v0/4.m4s", &[]).await.status, 404, "the index ends there");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_request_or_takes_no_answer_is_hung_up_on() {
    let limits = Limits {
        header_time: Duration::from_millis(300),
        write_grace: Duration::from_millis(500),
        ..Limits::default()
    };
    let site = site(limits).await;
    let address = site.address;
    let begun = Instant::now();
    let silent = tokio::task::spawn_blocking(move || raw(address, b""));
    let half = tokio::task::spawn_blocking(move || raw(address, b"GET / HTTP/1.1\r\nHost: "));
    // 300 requests for the largest file, and not a byte of the answers is read.
    let deaf = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        let request = b"GET /s/film/v0/1.m4s HTTP/1.1\r\nHost: x\r\n\r\n";
        for _ in 0..300 {
            if std::io::Write::write_all(&mut socket, request).is_err() {
                break;
            }
        }
        std::thread::sleep(Duration::from_secs(3));
        let mut all = Vec::new();
        let ended = socket.read_to_end(&mut all).is_err();
        (ended, all.len())
    });
    silent.await.unwrap();
    half.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let (reset, read) = deaf.await.unwrap();
    let whole = 300 * site.file("v0/1.m4s").len();
    assert!(reset || read < whole, "the connection was kept: {read} of {whole} bytes");
}
