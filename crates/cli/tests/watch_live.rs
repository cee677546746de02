//! `watch` of a live stream: what comes out of its gateway, from whom it came, and an origin that is started again.

mod common;

use common::encoder::{Encoder, clip, printed};
use common::{Place, Running, eventually, get, text};
use std::collections::BTreeMap;
use std::process::Command;

const START: &str = "live --ingest rtmp://127.0.0.1:0 --passthrough --segment 1s --part 200ms --key stage=the-key-of-the-stage";

/// An origin on the air, and the address of its stream.
struct OnAir {
    live: Running,
    encoder: Encoder,
    stream: String,
    key: String,
}

fn on_air(place: &Place, film: &std::path::Path, listen: &str) -> OnAir {
    let mut live = place.start(&format!("{START} --listen {listen}"));
    let stream = format!("{}/s/stage", live.base());
    let key = live.wait_for("key  ").split_whitespace().last().unwrap().to_owned();
    let server = printed(&mut live, "server");
    let encoder = Encoder::start(film, &server, "the-key-of-the-stage");
    live.wait_for("on air");
    eventually("a playable list", || get(&format!("{stream}/v0/media.m3u8")).0 == 200);
    OnAir { live, encoder, stream, key }
}

/// A viewer, and where its gateway and its figures are.
fn watching(place: &Place, url: &str, more: &str) -> (Running, String, String) {
    let mut watch =
        place.start(&format!("watch {url} --player none --bind 127.0.0.1:0 --admin 127.0.0.1:0 {more}"));
    let address =
        |watch: &mut Running, what| watch.wait_for(what).split_whitespace().last().unwrap().to_owned();
    let admin = address(&mut watch, "admin");
    let hls = address(&mut watch, "HLS ");
    (watch, hls.strip_suffix("/master.m3u8").unwrap().to_owned(), admin)
}

fn figure(admin: &str, name: &str) -> u64 {
    let text = text(&get(admin).1);
    let line = text.lines().find(|line| line.starts_with(&format!("braidcast_watch_{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

/// What ffmpeg decodes of so many frames: their hashes, by when they play.
fn frames(url: &str, count: u32) -> BTreeMap<String, String> {
    let output = Command::new("ffmpeg")
        .args("-nostdin -loglevel error -copyts -i".split(' '))
        .arg(url)
        .args("-map 0:v -f framehash -hash md5 -frames:v".split(' '))
        .args([&count.to_string(), "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{url}: {}", text(&output.stderr));
    let lines = text(&output.stdout);
    let columns = lines.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(','));
    columns
        .map(|columns| {
            let columns: Vec<_> = columns.map(str::trim).collect();
            (columns[2].to_owned(), columns[5].to_owned())
        })
        .collect()
}

fn list(gateway: &str) -> String {
    let (status, body) = get(&format!("{gateway}/v0/media.m3u8"));
    assert_eq!(status, 200, "{}", text(&body));
    text(&body)
}

/// Numbers of the whole segments that are listed.
fn segments(list: &str) -> Vec<u32> {
    list.lines().filter_map(|line| line.strip_suffix(".m4s")?.parse().ok()).collect()
}

#[test]
fn what_players_get_is_the_origins_frame_by_frame_and_the_second_viewer_has_it_from_the_first() {
    let place = Place::new();
    let film = clip(&place, 50);
    let on_air = on_air(&place, &film, "127.0.0.1:0");
    let stream = &on_air.stream;
    let (_first, gateway, given) =
        watching(&place, &stream.replace("/s/", "/watch/"), &format!("--key {}", on_air.key));
    let (_second, other, taken) = watching(&place, &format!("{stream}/master.m3u8"), "");
    eventually("a neighbour", || figure(&given, "peers") == 1);
    let urls = [
        format!("{gateway}/master.m3u8"),
        format!("{other}/v0/media.m3u8"),
        format!("{stream}/v0/media.m3u8"),
    ];
    let players = urls.map(|url| std::thread::spawn(move || frames(&url, 250)));
    let [first, second, original] = players.map(|player| player.join().unwrap());
    for (who, frames) in [("with a key", first), ("without", second)] {
        let common: Vec<_> = original.iter().filter(|(at, _)| frames.contains_key(*at)).collect();
        assert!(common.len() >= 150, "{who}: {} in common", common.len());
        assert!(common.into_iter().all(|(at, hash)| frames[at] == *hash), "{who}");
    }
    // Both are at the edge: what is new comes to one of them from the origin, and goes on to the other.
    let from_peers = figure(&given, "from_peers_bytes_total") + figure(&taken, "from_peers_bytes_total");
    let from_origin = figure(&given, "origin_bytes_total") + figure(&taken, "origin_bytes_total");
    assert!(from_peers * 3 > from_origin, "{from_peers} from peers, {from_origin} from the origin");
    assert_eq!(figure(&given, "refused_bytes_total") + figure(&taken, "refused_bytes_total"), 0);
}

#[test]
fn the_gateway_speaks_low_latency_hls_and_vouches_for_what_it_gives_under_a_key() {
    let place = Place::new();
    let film = clip(&place, 60);
    let on_air = on_air(&place, &film, "127.0.0.1:0");
    let stream = &on_air.stream;
    let (_open, gateway, admin) = watching(&place, stream, "");
    let (_keyed, strict, _) = watching(&place, stream, &format!("--key {}", on_air.key));

    let begun = list(&gateway);
    let last = *segments(&begun).last().unwrap();
    assert!(begun.contains("CAN-BLOCK-RELOAD=YES") && begun.contains("#EXT-X-PRELOAD-HINT:TYPE=PART"));
    let same = |file: &str| {
        let (status, bytes) = get(&format!("{gateway}/{file}"));
        assert_eq!(status, 200, "{file}: {}", text(&bytes));
        assert_eq!(bytes, get(&format!("{stream}/{file}")).1, "{file}");
        bytes
    };
    same("v0/init/1.mp4");
    let whole = same(&format!("v0/{last}.m4s"));
    let sound = same(&format!("a0/{last}.m4s"));
    assert!(whole.len() > sound.len());
    // One that grows, and one that nobody has heard of.
    same(&format!("v0/{}.m4s", last + 1));
    assert_eq!(get(&format!("{gateway}/v0/{}.m4s", last + 100)).0, 404);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let ask = |name: &str, value: &str| {
        let mut response = agent.get(format!("{gateway}/v0/{last}.m4s")).header(name, value).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_vec().unwrap())
    };
    assert_eq!(ask("range", "bytes=1000-1999"), (206, whole[1000..2000].to_vec()));
    assert_eq!(ask("origin", "https://evil.example").0, 403);
    assert_eq!(ask("host", "evil.example").0, 403);

    // A reload waits for what it names, and a part for the moment when it is born.
    let now = *segments(&list(&gateway)).last().unwrap();
    let (status, next) = get(&format!("{gateway}/v0/media.m3u8?_HLS_msn={}&_HLS_part=1", now + 2));
    assert_eq!(status, 200);
    assert!(*segments(&text(&next)).last().unwrap() > now, "{}", text(&next));
    assert_eq!(get(&format!("{gateway}/v0/media.m3u8?_HLS_msn={}", now + 50)).0, 400);
    assert_eq!(get(&format!("{gateway}/v0/media.m3u8?_HLS_part=1")).0, 400);
    let hint = list(&gateway);
    let hint = hint.lines().find_map(|l| l.strip_prefix("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"")).unwrap();
    same(&format!("v0/{}", hint.trim_end_matches('"')));
    for name in
        ["live.bcs", "heads", "manifest.mpd", "v1/media.m3u8", "v0/init/9.mp4", "../x", "v0/part/0.m4s"]
    {
        assert_ne!(get(&format!("{gateway}/{name}")).0, 200, "{name}");
    }

    // What heads no longer tell of is at the origin's word: under a key it is neither listed nor given.
    eventually("the first segment is old", || segments(&list(&strict))[0] > 8);
    assert_eq!(segments(&list(&gateway))[0], 1);
    let before = figure(&admin, "origin_bytes_total");
    let old = same("v0/1.m4s");
    assert!(figure(&admin, "origin_bytes_total") >= before + old.len() as u64);
    assert_eq!(get(&format!("{strict}/v0/1.m4s")).0, 404);
    assert_eq!(get(&format!("{strict}/v0/{}.m4s", segments(&list(&strict))[0])).0, 200);
}

#[test]
fn an_origin_that_is_started_again_is_gone_on_with() {
    let place = Place::new();
    let film = clip(&place, 40);
    let mut first = on_air(&place, &film, "127.0.0.1:0");
    let (_watch, gateway, _) = watching(&place, &first.stream, "");
    let player = {
        let url = format!("{gateway}/v0/media.m3u8");
        std::thread::spawn(move || frames(&url, 300))
    };
    eventually("some segments", || *segments(&list(&gateway)).last().unwrap() >= 4);
    let listen = first.stream.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    first.live.child.kill().unwrap();
    first.live.child.wait().unwrap();
    drop(first.encoder);
    let before = list(&gateway);
    let last = *segments(&before).last().unwrap();
    assert!((last + 2) * 25 < 300, "the player needs both");
    let second = on_air(&place, &film, &listen);
    // A player goes on: numbers rise, and a joint is said.
    let mut after = String::new();
    eventually("the stream that goes on", || {
        after = list(&gateway);
        segments(&after)[0] > last
    });
    assert!(after.contains("#EXT-X-DISCONTINUITY\n"), "{after}");
    let bytes = get(&format!("{gateway}/v0/{}.m4s", segments(&after)[0])).1;
    assert_eq!(bytes, get(&format!("{}/v0/1.m4s", second.stream)).1);
    assert_eq!(player.join().unwrap().len(), 300, "a player that was there before plays on");
}
