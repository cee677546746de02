//! `seed`: killed, started again, and told to stop. What it gives to viewers is tested with their pages (`e2e/seed.test.mjs`).

mod common;

use common::{Place, get, text};
use std::time::Duration;

const SMALL: &str = "--listen 127.0.0.1:0 --ladder 90:150k,180:300k --preset ultrafast";

#[test]
fn killed_at_any_moment_it_goes_on_where_it_was() {
    let place = Place::new();
    place.clip("f.mp4", 41);
    let mut serve = place.start(&format!("serve f.mp4 {SMALL}"));
    let base = serve.base();
    serve.wait_for("ready");
    let tracker = base.replacen("http", "ws", 1);
    let seed = format!(
        "seed --hls {base}/s/f/master.m3u8 --tracker {tracker}/tracker --bind 127.0.0.1:0 --admin 127.0.0.1:0"
    );
    for round in 0..20u64 {
        let one = place.start(&seed);
        std::thread::sleep(Duration::from_millis(round * round * 37 % 400));
        drop(one); // SIGKILL
    }
    let mut last = place.start(&seed);
    let full = last.wait_for("full");
    let segments: u32 = full.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(segments, 3 * 11, "two qualities and the sound: {full}");
    let metrics = last.wait_for("admin").split_whitespace().last().unwrap().to_owned();
    let figures = text(&get(&metrics).1);
    let figure = |name: &str| -> u64 {
        let line = figures
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {figures}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(figure("braidcast_seed_segments_held "), u64::from(segments));
    assert_eq!(figure("braidcast_cache_rotten_total"), 0);
    assert_eq!(figure("braidcast_seed_swarms "), 9);
    assert!(figures.ends_with("# EOF\n"));
    assert_eq!(get(&metrics.replace("/metrics", "/healthz")).0, 200);
    last.signal("TERM");
    last.wait_for("33 of 33 segments held");
    assert_eq!(last.ended().code(), Some(143));

    // Nothing is fetched twice.
    let mut again = place.start(&seed);
    assert!(again.wait_for("full").contains("33 segments, 0.0 MB"), "{:#?}", again.heard);
}

#[test]
fn wrong_settings_are_told_with_a_word_of_help() {
    let place = Place::new();
    let hls = "--hls http://127.0.0.1:9/x.m3u8 --tracker ws://127.0.0.1:9";
    for (args, code, help) in [
        ("seed --hls http://127.0.0.1:9/x.m3u8".to_owned(), 2, "--tracker"),
        (format!("seed {hls} --cache-size lots"), 2, "say 50GB"),
        (format!("seed {hls} --up fast"), 2, "is no rate"),
        (format!("seed {hls} --cache-size 1MB"), 2, "64"),
        (format!("seed {hls}"), 1, "the playlist does not come"),
    ] {
        let output = place.run(&args);
        let error = text(&output.stderr);
        assert!(error.contains(help), "{args}: {error}");
        assert_eq!(output.status.code(), Some(code), "{args}: {error}");
    }
}

#[test]
fn man_pages_and_completions_come_from_the_flags() {
    let place = Place::new();
    assert!(place.run("man pages").status.success());
    let page = std::fs::read_to_string(place.path("pages/braidcast-watch.1")).unwrap();
    assert!(page.contains("gateway") || page.contains("player"), "{page}");
    let completions = text(&place.run("completions bash").stdout);
    assert!(completions.contains("--cache") && completions.contains("watch"));
}
