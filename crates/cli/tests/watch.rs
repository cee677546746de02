//! `watch`: a viewer without a browser, its gateway, and what comes out of it.

mod common;

use common::{Place, Running, eventually, get, text};
use std::process::Command;
use std::time::Duration;

const SMALL: &str = "--listen 127.0.0.1:0 --ladder 90:150k,180:300k --preset ultrafast";

/// A film of `seconds` that is served, and the address of its package.
fn served(place: &Place, seconds: u32) -> (Running, String) {
    place.clip("f.mp4", seconds);
    let mut serve = place.start(&format!("serve f.mp4 {SMALL}"));
    let base = serve.base();
    serve.wait_for("ready");
    (serve, format!("{base}/s/f"))
}

/// A viewer of it, and the addresses of its gateway: HLS and MP4.
fn watching(place: &Place, film: &str, more: &str) -> (Running, String, String) {
    let mut watch = place.start(&format!("watch {film}/master.m3u8 --player none --bind 127.0.0.1:0 {more}"));
    let hls = watch.wait_for("HLS ").split_whitespace().last().unwrap().to_owned();
    let movie = watch.wait_for("MP4 ").split_whitespace().last().unwrap().to_owned();
    (watch, hls, movie)
}

/// What ffmpeg decodes: a hash of every frame of pictures and sound.
fn frames(url: &str, what: &str) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-loglevel",
            "error",
            "-i",
            url,
            "-map",
            what,
            "-f",
            "framehash",
            "-hash",
            "md5",
            "-",
        ])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{url}: {}", text(&output.stderr));
    let lines = text(&output.stdout);
    // The last column is the hash; the others say when, in a time base that containers do not share.
    let hashes = lines.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.rsplit(',').next());
    hashes.map(|hash| hash.trim().to_owned()).collect()
}

#[test]
fn the_film_out_of_the_gateway_is_the_origins_frame_by_frame() {
    let place = Place::new();
    let (_serve, film) = served(&place, 21);
    let (_watch, hls, movie) = watching(&place, &film, "");
    let gateway = hls.strip_suffix("/master.m3u8").unwrap();
    for (rendition, track) in [("v1", "0:v"), ("a0", "0:a")] {
        let original = frames(&format!("{film}/{rendition}/media.m3u8"), track);
        assert!(original.len() > 20 * 25);
        assert_eq!(frames(&format!("{gateway}/{rendition}/media.m3u8"), track), original, "{rendition}");
        assert_eq!(frames(&movie, track), original, "{rendition} in the single file");
    }
}

#[test]
fn one_viewer_gets_the_film_from_another() {
    let place = Place::new();
    let (_serve, film) = served(&place, 60);
    let (mut first, _, movie) = watching(&place, &film, "");
    let original = frames(&movie, "0:v");
    let (mut second, _, movie) = watching(&place, &film, "");
    assert_eq!(frames(&movie, "0:v"), original);
    second.signal("INT");
    let line = second.wait_for("MB from viewers");
    let share: u32 = line.split_once('(').unwrap().1.split_once(' ').unwrap().0.parse().unwrap();
    assert!(share >= 50, "{line}");
    assert_eq!(second.ended().code(), Some(130));
    first.signal("TERM");
    assert_eq!(first.ended().code(), Some(143));
}

#[test]
fn the_gateway_lets_in_who_knows_the_address_and_nobody_else() {
    let place = Place::new();
    let (_serve, film) = served(&place, 5);
    let (_watch, hls, movie) = watching(&place, &film, "");
    for file in
        ["master.m3u8", "manifest.mpd", "v1/media.m3u8", "v0/iframes.m3u8", "stream.json", "poster.jpg"]
    {
        assert_eq!(get(&hls.replace("master.m3u8", file)).0, 200, "{file}");
    }
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        assert_eq!(agent.get(&hls).header(name, value).call().unwrap().status().as_u16(), 403, "{name}");
    }
    let (server, path) = hls["http://".len()..].split_once('/').unwrap();
    let token = path.split_once('/').unwrap().0;
    for other in ["0/master.m3u8", "master.m3u8", ""] {
        assert_eq!(get(&format!("http://{server}/{other}")).0, 404, "{other}");
    }
    for odd in
        ["v9/1.m4s", "v0/0.m4s", "v0/99.m4s", "../v0/1.m4s", "publisher.key", "v0/../../x", "index.bci"]
    {
        assert_eq!(get(&format!("http://{server}/{token}/{odd}")).0, 404, "{odd}");
    }
    let ranged = agent.get(&movie).header("range", "bytes=4-7").call().unwrap();
    assert_eq!(ranged.status().as_u16(), 206);
    assert_eq!(ranged.into_body().read_to_vec().unwrap(), b"ftyp");
    assert_eq!(agent.post(&hls).send_empty().unwrap().status().as_u16(), 405);
}

#[test]
fn what_is_no_film_is_refused_with_a_word_of_help() {
    let place = Place::new();
    let (_serve, film) = served(&place, 5);
    let server = film.strip_suffix("/s/f").unwrap();
    let stranger = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (args, code, help) in [
        (format!("watch {server}/s/other/"), 1, "Is this the address of a Braidcast film?"),
        (format!("watch {film}/ --key {stranger}"), 2, "--key"),
        ("watch f.mp4".to_owned(), 2, "no web address"),
        (format!("watch {film}/ --player winamp"), 2, "none of mpv, vlc, ffplay"),
        (format!("watch {film}/ --upload fast"), 2, "say 5M"),
    ] {
        let output = place.run(&args);
        let error = text(&output.stderr);
        assert!(error.contains(help), "{args}: {error}");
        assert_eq!(output.status.code(), Some(code), "{args}: {error}");
    }
}

/// A figure of a running program.
fn figure(admin: &str, name: &str) -> u64 {
    let text = text(&get(&format!("{admin}/metrics")).1);
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).map(str::to_owned);
    line.unwrap_or_else(|| panic!("{name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

/// The address of `/healthz` and `/metrics`.
fn admin(watch: &mut Running) -> String {
    watch.wait_for("admin").split_whitespace().last().unwrap().strip_suffix("/metrics").unwrap().to_owned()
}

/// Two viewers, one of which is giving to the other, which has been stopped meanwhile: what is under way does not arrive.
fn in_the_middle(place: &Place, film: &str) -> (Running, String, Running, String) {
    let (mut giver, hls, _) = watching(place, film, "--admin 127.0.0.1:0 --upload 300k --drain 50s");
    let gives = admin(&mut giver);
    let given = || figure(&gives, "braidcast_watch_to_peers_bytes_total");
    for number in 1..=10 {
        assert_eq!(get(&hls.replace("master.m3u8", &format!("v1/{number}.m4s"))).0, 200);
    }
    let (mut taker, hls, _) = watching(place, film, "--admin 127.0.0.1:0");
    let takes = admin(&mut taker);
    eventually("a neighbour", || figure(&takes, "braidcast_watch_peers") == 1);
    // After the second of them the others are asked for ahead.
    for number in 1..=2 {
        assert_eq!(get(&hls.replace("master.m3u8", &format!("v1/{number}.m4s"))).0, 200);
    }
    for _ in 0..20 {
        let before = given();
        eventually("a gift", || given() > before);
        taker.signal("STOP");
        // At this rate requests wait: another one is answered, whoever asked hears it or not.
        let before = given();
        for _ in 0..80 {
            std::thread::sleep(Duration::from_millis(50));
            if given() > before {
                return (giver, gives, taker, takes);
            }
        }
        taker.signal("CONT");
    }
    panic!("nothing is ever on its way");
}

#[test]
fn told_to_end_it_finishes_what_it_is_sending() {
    let place = Place::new();
    let (_serve, film) = served(&place, 60);
    let (mut giver, gives, taker, takes) = in_the_middle(&place, &film);
    assert_eq!(get(&format!("{gives}/healthz")).0, 200);
    giver.signal("TERM");
    eventually("the end begins", || get(&format!("{gives}/healthz")).0 == 503);
    assert_eq!(text(&get(&format!("{gives}/healthz")).1), "draining\n");
    assert!(giver.child.try_wait().unwrap().is_none(), "it waits for what is on its way");
    taker.signal("CONT");
    assert_eq!(giver.ended().code(), Some(143));
    giver.wait_for("MB to viewers");
    eventually("the neighbour is gone", || figure(&takes, "braidcast_watch_peers") == 0);
    assert_eq!(figure(&takes, "braidcast_watch_refused_bytes_total"), 0);
}

#[test]
fn told_again_it_ends_at_once() {
    let place = Place::new();
    let (_serve, film) = served(&place, 60);
    let (mut giver, gives, taker, _) = in_the_middle(&place, &film);
    giver.signal("TERM");
    eventually("the end begins", || get(&format!("{gives}/healthz")).0 == 503);
    giver.signal("INT");
    assert_eq!(giver.ended().code(), Some(130));
    taker.signal("CONT");
}

#[test]
fn on_a_metered_line_nothing_comes_that_the_player_has_not_asked_for() {
    let place = Place::new();
    let (_serve, film) = served(&place, 60);
    let fetched = |more: &str| {
        let (mut watch, hls, _) = watching(&place, &film, &format!("--admin 127.0.0.1:0 {more}"));
        let admin = admin(&mut watch);
        let mut asked = 0;
        for number in 1..=2 {
            asked += get(&hls.replace("master.m3u8", &format!("v1/{number}.m4s"))).1.len() as u64;
        }
        // As long as it takes another to get much more.
        std::thread::sleep(Duration::from_secs(3));
        (figure(&admin, "braidcast_watch_origin_bytes_total"), asked, watch)
    };
    let (bytes, asked, alone) = fetched("");
    assert!(bytes > 2 * asked, "{bytes} where {asked} were asked for");
    drop(alone);
    let (bytes, asked, mut metered) = fetched("--metered");
    assert_eq!(bytes, asked);
    // Nor is anything given.
    let (mut other, hls, _) = watching(&place, &film, "--admin 127.0.0.1:0");
    let other_admin = admin(&mut other);
    eventually("a neighbour", || figure(&other_admin, "braidcast_watch_peers") == 1);
    assert_eq!(get(&hls.replace("master.m3u8", "v1/1.m4s")).0, 200);
    assert_eq!(figure(&other_admin, "braidcast_watch_from_peers_bytes_total"), 0);
    metered.signal("INT");
    metered.wait_for("0.0 MB to viewers");
}

#[test]
fn logs_for_machines_say_what_happens_and_name_nobody() {
    let place = Place::new();
    let (_serve, film) = served(&place, 20);
    let (mut watch, _, _) = watching(&place, &film, "--log info --log-format json --admin 127.0.0.1:0");
    let (other, _, _) = watching(&place, &film, "");
    let up = watch.wait_for("\"link_up\"");
    let up: serde_json::Value = serde_json::from_str(&up).unwrap();
    let peer = up["fields"]["peer"].as_str().unwrap();
    assert!(peer.len() == 8 && peer.bytes().all(|byte| byte.is_ascii_hexdigit()), "{up}");
    other.signal("INT");
    watch.wait_for("\"link_down\"");
    let tracker = watch.wait_for("\"tracker_up\"");
    assert!(tracker.contains("\"tracker\":\"127.0.0.1\"") && !tracker.contains("ws://"), "{tracker}");
    watch.signal("TERM");
    watch.wait_for("\"draining\"");
    assert_eq!(watch.ended().code(), Some(143));
}
