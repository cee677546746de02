//! `edge`: what it gives over HTTP and to viewers is the origin's, byte for byte, whatever became of its disk, its origin or itself.

mod common;

use common::{Place, Running, eventually, get, text};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SMALL: &str = "--listen 127.0.0.1:0 --ladder 90:150k,180:300k --preset ultrafast";

/// A film of `seconds` that is served, and the server's address.
fn served(place: &Place, seconds: u32) -> (Running, String) {
    place.clip("f.mp4", seconds);
    let mut serve = place.start(&format!("serve f.mp4 {SMALL}"));
    let base = serve.base();
    serve.wait_for("ready");
    (serve, base)
}

/// An edge, and the address of its film `slug`.
fn edge(place: &Place, args: &str, slug: &str) -> (Running, String) {
    let listen = "--listen 127.0.0.1:0 --bind 127.0.0.1:0 --admin 127.0.0.1:0";
    let mut edge = place.start(&format!("edge --cache kept {listen} {args}"));
    let film = edge.wait_for(&format!("/s/{slug}/master.m3u8"));
    let film = film.split_whitespace().last().unwrap().strip_suffix("/master.m3u8").unwrap().to_owned();
    (edge, film)
}

/// The files of the package on the origin's disk, by name.
fn package(place: &Place) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    let (root, mut files) = (place.path("braidcast-data/streams/f"), BTreeMap::new());
    walk(&root, &root, &mut files);
    files.remove("package.json");
    files
}

fn segments(files: &BTreeMap<String, Vec<u8>>) -> u64 {
    files.iter().filter(|(name, _)| name.ends_with(".m4s")).map(|(_, bytes)| bytes.len() as u64).sum()
}

/// Asks for every file; all are as they should be.
fn all_there(film: &str, files: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        let (status, got) = get(&format!("{film}/{name}"));
        assert_eq!(status, 200, "{name}: {}", text(&got));
        assert!(got == *bytes, "{name} is not the origin's: {} bytes for {}", got.len(), bytes.len());
    }
}

/// A figure of the edge.
fn figure(edge: &mut Running, name: &str) -> u64 {
    let metrics = edge.wait_for("admin").split_whitespace().last().unwrap().to_owned();
    let figures = text(&get(&metrics).1);
    let line = figures.lines().find(|line| line.starts_with(&format!("braidcast_{name}")));
    line.unwrap_or_else(|| panic!("{name}: {figures}")).rsplit(' ').next().unwrap().parse().unwrap()
}

/// Media that a server has sent.
fn sent(base: &str) -> u64 {
    let status = text(&get(&format!("{base}/api/v1/status")).1);
    let digits = status.split("\"media_bytes_served\":").nth(1).unwrap();
    digits.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// The segments on the edge's disk.
fn on_disk(place: &Place) -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(place.path("kept")) else { return Vec::new() };
    let folders = folders.flatten().filter(|folder| folder.file_name().len() == 2);
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    files.map(|file| file.path()).collect()
}

fn bytes_of(paths: &[PathBuf]) -> u64 {
    paths.iter().map(|path| path.metadata().unwrap().len()).sum()
}

#[test]
fn a_film_is_fetched_once_and_served_when_its_origin_is_gone() {
    let place = Place::new();
    let (serve, base) = served(&place, 21);
    let files = package(&place);
    let (one, film) = edge(&place, &format!("--upstream {base}/watch/f --site lab"), "f");
    let server = film.strip_suffix("/s/f").unwrap().to_owned();
    // Many who ask for the same make one fetch.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| all_there(&film, &files));
        }
    });
    all_there(&film, &files);
    let media = |name: &&String| name.ends_with(".m4s") || name.ends_with(".mp4");
    let once: u64 = files.keys().filter(media).map(|name| files[name].len() as u64).sum();
    assert_eq!(sent(&base), once);

    answers_like_the_origin(&film, &format!("{base}/s/f"));
    let list = text(&get(&format!("{server}/")).1);
    assert!(list.contains("lab") && list.contains("/s/f/master.m3u8"), "{list}");

    eventually("all is on disk", || bytes_of(&on_disk(&place)) == segments(&files));
    drop((one, serve));
    let (mut again, film) = edge(&place, &format!("--upstream {base}/watch/f --site lab"), "f");
    again.wait_for("what is here is served");
    all_there(&film, &files);
    assert_eq!(figure(&mut again, "edge_origin_bytes_total{site=\"lab\"}"), 0);
    assert_eq!(figure(&mut again, "edge_held_bytes{site=\"lab\"}"), segments(&files));
    assert!(figure(&mut again, "edge_to_players_bytes_total") >= segments(&files));
    again.signal("TERM");
    again.wait_for("1 films, 0.0 MB from the origin");
    assert_eq!(again.ended().code(), Some(143));
}

/// Ranges, tags, lifetimes, and what there is not.
fn answers_like_the_origin(edge: &str, origin: &str) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let playlist = text(&get(&format!("{edge}/v1/media.m3u8")).1);
    let version = playlist.split("?v=").nth(1).unwrap().split(['\n', '"']).next().unwrap();
    let compared = [
        "content-type",
        "content-length",
        "content-range",
        "cache-control",
        "etag",
        "accept-ranges",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "cross-origin-resource-policy",
        "x-content-type-options",
    ];
    let tag = agent.get(format!("{origin}/v1/2.m4s")).call().unwrap().headers()["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    for (file, header) in [
        ("master.m3u8", None),
        ("index.bci", None),
        ("v1/init.mp4", None),
        ("v1/2.m4s", None),
        ("v1/2.m4s", Some(("range", "bytes=10-19"))),
        ("v1/2.m4s", Some(("range", "bytes=99999999-"))),
        ("a0/2.m4s", Some(("range", "bytes=-5"))),
        ("v1/2.m4s", Some(("if-none-match", &tag[..]))),
        (&format!("v1/2.m4s?v={version}"), None),
        (&format!("v1/2.m4s?v={version}1"), None),
        ("v9/1.m4s", None),
        ("v1/0.m4s", None),
        ("v1/99.m4s", None),
        ("film.mp4", None),
        ("package.json", None),
        ("t0/subs.vtt", None),
        ("%76%31/2.m4s", None),
    ] {
        let ask = |server: &str, head: bool| {
            let url = format!("{server}/{file}");
            let request = if head { agent.head(url) } else { agent.get(url) };
            let request = request.header("accept-encoding", "identity");
            match header {
                Some((name, value)) => request.header(name, value).call().unwrap(),
                None => request.call().unwrap(),
            }
        };
        for head in [false, true] {
            let (mut here, mut there) = (ask(edge, head), ask(origin, head));
            let what = format!("{file} {header:?} head {head}");
            assert_eq!(here.status(), there.status(), "{what}");
            let is_error = !matches!(here.status().as_u16(), 200 | 206);
            let ranged_head = head && header.is_some_and(|(name, _)| name == "range");
            for name in compared.iter().filter(|name| !(is_error && **name == "content-length")) {
                // RFC 9110 section 14.2: a range means nothing to HEAD.
                if !ranged_head {
                    assert_eq!(here.headers().get(*name), there.headers().get(*name), "{what}: {name}");
                }
            }
            if !is_error {
                let bytes = |r: &mut ureq::http::Response<ureq::Body>| r.body_mut().read_to_vec().unwrap();
                assert!(bytes(&mut here) == bytes(&mut there), "{what}");
            }
        }
    }
    assert_eq!(agent.post(format!("{edge}/master.m3u8")).send_empty().unwrap().status().as_u16(), 405);
    assert_eq!(agent.options(format!("{edge}/v1/1.m4s")).call().unwrap().status().as_u16(), 204);
}

#[test]
fn what_is_damaged_on_disk_is_fetched_anew_and_given_to_nobody() {
    let place = Place::new();
    let (_serve, base) = served(&place, 41);
    let files = package(&place);
    let args = format!("--upstream {base}/watch/f");
    let (first, film) = edge(&place, &args, "f");
    all_there(&film, &files);
    eventually("all is on disk", || bytes_of(&on_disk(&place)) == segments(&files));
    drop(first);
    let damage = |path: &PathBuf, how: usize| {
        let mut bytes = fs::read(path).unwrap();
        match how % 4 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes.push(0),
            _ => {
                let at = how * 7919 % bytes.len();
                bytes[at] ^= 1 << (how % 8);
            }
        }
        fs::write(path, bytes).unwrap();
    };
    let all = on_disk(&place);
    all.iter().enumerate().for_each(|(how, path)| damage(path, how));
    // The small files and the leaves too.
    let folder = fs::read_dir(place.path("kept/films")).unwrap().next().unwrap().unwrap().path();
    for entry in fs::read_dir(&folder).unwrap().chain(fs::read_dir(folder.join("files")).unwrap()).flatten() {
        if entry.path().is_file() && entry.file_name() != "film.json" {
            damage(&entry.path(), 3);
        }
    }
    let before = sent(&base);
    let (mut again, film) = edge(&place, &args, "f");
    all_there(&film, &files);
    let refetched = sent(&base) - before;
    assert!(refetched >= segments(&files), "{refetched}");
    assert_eq!(figure(&mut again, "cache_rotten_total"), all.len() as u64);
    drop(again);

    // The same over WebRTC: the viewer is told that it is not there, and sees all of the film.
    on_disk(&place).iter().enumerate().for_each(|(how, path)| damage(path, how + 1));
    let (mut again, _) = edge(&place, &args, "f");
    let mut watch = place.start(&format!("watch {base}/watch/f --player none --bind 127.0.0.1:0"));
    let hls = watch.wait_for("HLS ").split_whitespace().last().unwrap().to_owned();
    eventually("they meet", || figure(&mut again, "edge_peers") == 1);
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".m4s")) {
        assert!(get(&hls.replace("master.m3u8", name)).1 == *bytes, "{name}");
    }
    watch.signal("INT");
    let line = watch.wait_for("MB from viewers");
    assert!(!line.contains("refused"), "{line}");
    assert!(figure(&mut again, "cache_rotten_total") > 0);
}

#[test]
fn films_of_two_servers_are_kept_side_by_side_and_one_that_is_away_holds_up_nobody() {
    let (place, other) = (Place::new(), Place::new());
    let (_one, base) = served(&place, 9);
    let (_two, other_base) = served(&other, 13);
    let upstreams =
        format!("--upstream http://127.0.0.1:9/watch/away --upstream {base} --upstream {other_base}/");
    let (mut edge, first) = edge(&place, &upstreams, "f");
    edge.wait_for("it is tried again");
    edge.wait_for("/s/f-2/master.m3u8");
    let of = |place: &Place| package(place);
    let index = get(&format!("{first}/index.bci")).1;
    let (one, two) = if index == of(&place)["index.bci"] { ("f", "f-2") } else { ("f-2", "f") };
    let server = first.strip_suffix("/s/f").unwrap();
    all_there(&format!("{server}/s/{one}"), &of(&place));
    all_there(&format!("{server}/s/{two}"), &of(&other));
    let list = text(&get(&format!("{server}/api/v1/streams")).1);
    assert!(list.contains("\"slug\":\"f\"") && list.contains("\"slug\":\"f-2\""), "{list}");
}

#[test]
fn killed_at_any_moment_it_serves_what_it_had_and_fetches_only_the_rest() {
    let place = Place::new();
    let (_serve, base) = served(&place, 41);
    let files = package(&place);
    let names: Vec<&String> = files.keys().filter(|name| name.ends_with(".m4s")).collect();
    let args = format!("--upstream {base}/");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    for round in 0..20u64 {
        let (one, film) = edge(&place, &args, "f");
        let player = {
            let (agent, names, files) = (agent.clone(), names.clone(), files.clone());
            let names: Vec<String> = names.into_iter().cloned().collect();
            std::thread::spawn(move || {
                for at in 0.. {
                    let name = &names[(at * 5 + round as usize) % names.len()];
                    let Ok(mut answer) = agent.get(format!("{film}/{name}")).call() else { return };
                    let Ok(bytes) = answer.body_mut().read_to_vec() else { return };
                    assert!(bytes == files[name], "{name} in round {round}");
                }
            })
        };
        std::thread::sleep(Duration::from_millis(round * round * 37 % 400));
        drop(one); // SIGKILL
        player.join().expect("only what is the origin's");
    }
    // The server notices that nobody takes what it was sending.
    std::thread::sleep(Duration::from_millis(500));
    let before = sent(&base);
    let had = bytes_of(&on_disk(&place));
    let (mut last, film) = edge(&place, &args, "f");
    all_there(&film, &files);
    assert_eq!(sent(&base) - before, segments(&files) - had, "of {}", segments(&files));
    assert_eq!(figure(&mut last, "cache_rotten_total"), 0);
    assert_eq!(figure(&mut last, "edge_refused_bytes_total"), 0);
}

#[test]
fn settings_are_read_from_the_file_and_wrong_ones_told_with_a_word_of_help() {
    let place = Place::new();
    fs::write(place.path("braidcast.toml"), "upstream = \"nonsense\"\n").unwrap();
    let output = place.run("edge");
    assert!(text(&output.stderr).contains("--upstream nonsense"), "{}", text(&output.stderr));
    let all = "upstream = [\"http://127.0.0.1:9/\"]\ncache = \"kept\"\ncache-size = \"1GB\"\nup = \"0\"\nsite = \"attic\"\n\
        listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ntracker = \"ws://127.0.0.1:9\"\nviewers = 5\nbind = \"127.0.0.1:0\"\n";
    fs::write(place.path("braidcast.toml"), all).unwrap();
    let mut edge = place.start("edge");
    edge.wait_for("keeping    attic");
    edge.wait_for("it is tried again");
    assert_eq!(figure(&mut edge, "edge_films{site=\"attic\"}"), 0);
    assert!(place.path("kept/lock").exists());
    fs::remove_file(place.path("braidcast.toml")).unwrap();
    for (args, help) in [
        ("edge", "name a film or a Braidcast server with --upstream"),
        ("edge --upstream ftp://a.b/", "no web address"),
        ("edge --upstream http://127.0.0.1:9/ --up fast", "fast is no rate"),
        ("edge --upstream http://127.0.0.1:9/ --key short", "--key"),
        ("edge --upstream http://127.0.0.1:9/ --cache other --cache-size 1MB", "too small"),
        ("edge --upstream http://127.0.0.1:9/ --listen here", "ADDRESS:PORT"),
        ("edge --upstream http://127.0.0.1:9/ --cache kept", "in use"),
    ] {
        let output = place.run(args);
        let error = text(&output.stderr);
        assert!(error.contains(help), "{args}: {error}");
        assert_eq!(output.status.code(), Some(2), "{args}: {error}");
    }
}
