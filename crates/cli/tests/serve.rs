//! `serve` from the first start to the last.

mod common;

use common::{Place, encoders_of, eventually, get, text};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::time::Duration;

const SMALL: &str = "--listen 127.0.0.1:0 --ladder 90:150k,180:300k --preset ultrafast";

#[test]
fn a_film_is_packaged_once_and_served_from_then_on() {
    let place = Place::new();
    place.clip("My film.mp4", 6);
    let mut command = place.command(&format!("serve {SMALL}"));
    command.arg("My film.mp4");
    let mut first = common::Running::new(command);
    let base = first.base();
    assert_eq!(get(&format!("{base}/healthz")).0, 200, "it serves from the start");
    first.wait_for("ready");
    assert_eq!(get(&format!("{base}/s/my-film/v1/2.m4s")).0, 200);
    let key = first.wait_for("key").split_whitespace().last().unwrap().to_owned();
    assert_eq!(key.len(), 43);
    assert!(text(&get(&format!("{base}/api/v1/key")).1).contains(&key));
    let snippet = first.wait_for("<braidcast-player");
    assert!(snippet.contains(&format!("src=\"{base}/s/my-film/master.m3u8\" key=\"{key}\"")), "{snippet}");
    let made =
        fs::metadata(place.path("braidcast-data/streams/my-film/v0/1.m4s")).unwrap().modified().unwrap();
    first.signal("INT");
    assert_eq!(first.ended().code(), Some(130));

    // The same film again, then all that there is.
    for named in [true, false] {
        let mut command = place.command(&format!("serve {SMALL}"));
        command.args(named.then_some("My film.mp4"));
        let mut again = common::Running::new(command);
        again.wait_for("ready      My film");
        assert!(!again.heard.iter().any(|l| l.contains("packaging")), "{:#?}", again.heard);
        let base = again.base();
        assert_eq!(get(&format!("{base}/s/my-film/master.m3u8")).0, 200);
        let now =
            fs::metadata(place.path("braidcast-data/streams/my-film/v0/1.m4s")).unwrap().modified().unwrap();
        assert_eq!(now, made, "not encoded again");
        again.signal("TERM");
        assert_eq!(again.ended().code(), Some(143));
    }
}

#[test]
fn with_other_settings_the_old_package_is_served_until_the_new_one_is_ready() {
    let place = Place::new();
    place.clip("f.mp4", 5);
    let mut first = place.start(&format!("serve f.mp4 {SMALL}"));
    first.wait_for("ready");
    drop(first);
    let old = fs::read(place.path("braidcast-data/streams/f/index.bci")).unwrap();
    let mut second = place.start("serve f.mp4 --listen 127.0.0.1:0 --ladder 180:200k --preset fast");
    let base = second.base();
    assert_eq!(get(&format!("{base}/s/f/index.bci")), (200, old.clone()));
    second.wait_for("updating");
    eventually("the new package", || get(&format!("{base}/s/f/index.bci")).1 != old);
    assert_eq!(get(&format!("{base}/s/f/v1/1.m4s")).0, 404, "there is one rung now");
    assert_eq!(get(&format!("{base}/s/f/v0/1.m4s")).0, 200);
    eventually("the old package's end", || place.streams() == ["f"]);
}

#[test]
fn ctrl_c_in_the_middle_leaves_neither_encoder_nor_package() {
    let place = Place::new();
    let film = place.clip("long.mp4", 120);
    let mut serve = place.start("serve long.mp4 --listen 127.0.0.1:0 --preset veryslow");
    eventually("a partial package", || place.streams().iter().any(|n| n.starts_with("long.partial-")));
    eventually("an encoder", || encoders_of(&film) > 0);
    serve.signal("INT");
    assert_eq!(serve.ended().code(), Some(130));
    assert_eq!(place.streams(), [""; 0]);
    eventually("no encoder", || encoders_of(&film) == 0);
}

#[test]
fn kill_9_in_the_middle_leaves_nothing_half_done() {
    let place = Place::new();
    let film = place.clip("film.mp4", 8);
    let slow = "serve film.mp4 --listen 127.0.0.1:0 --ladder 90:150k,180:300k --preset veryslow";
    // Points spread over the whole of the work, which takes a second or more.
    for after_ms in [0, 30, 100, 200, 350, 500, 700, 1000] {
        let mut serve = place.start(slow);
        let base = serve.base();
        std::thread::sleep(Duration::from_millis(after_ms));
        serve.signal("KILL");
        serve.ended();
        if place.streams().contains(&"film".to_owned()) {
            break; // it was ready by then
        }
        assert!(place.streams().iter().all(|n| n.starts_with("film.partial-")), "{:?}", place.streams());
        drop(base);
    }
    eventually("no encoder", || encoders_of(&film) == 0);
    let mut serve = place.start(slow);
    serve.wait_for("ready");
    assert_eq!(place.streams(), ["film"]);
    let base = serve.base();
    let check = place.run(&format!("check {base}/watch/film"));
    assert!(check.status.success(), "{}", text(&check.stdout));
}

#[test]
fn without_ffmpeg_a_film_is_served_as_it_is_and_the_publisher_is_told() {
    let place = Place::new();
    place.clip("f.mp4", 5);
    let mut command = place.command("serve f.mp4 --listen 127.0.0.1:0");
    command.env("PATH", place.temp.path());
    let mut serve = common::Running::new(command);
    serve.wait_for("ffmpeg was not found");
    serve.wait_for("ready");
    let base = serve.base();
    assert_eq!(get(&format!("{base}/s/f/v0/1.m4s")).0, 200);
    let check = place.run(&format!("check {base}/s/f/"));
    assert!(check.status.success(), "{}", text(&check.stdout));
}

#[test]
fn one_film_that_fails_does_not_stop_the_others() {
    let place = Place::new();
    place.clip("good.mp4", 4);
    fs::write(place.path("bad.mp4"), vec![7; 5000]).unwrap();
    let mut serve = place.start(&format!("serve bad.mp4 good.mp4 {SMALL}"));
    serve.wait_for("no film that ffmpeg can read");
    serve.wait_for("ready      good");
    drop(serve);
    let alone = place.run(&format!("serve bad.mp4 {SMALL}"));
    assert_eq!(alone.status.code(), Some(2), "the film is at fault");
    assert!(text(&alone.stderr).contains("nothing to serve"), "{}", text(&alone.stderr));
}

#[test]
fn what_cannot_work_is_said_at_once_with_advice() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    fs::write(place.path("empty.mp4"), "").unwrap();
    for (args, code, advice) in [
        (
            "serve none.mp4".to_owned(),
            2,
            "cannot read none.mp4: No such file or directory (os error 2); check the name",
        ),
        ("serve .".to_owned(), 2, "is not a file; give the path of a film"),
        ("serve empty.mp4".to_owned(), 2, "empty.mp4 is empty: copy the film again"),
        ("serve".to_owned(), 2, "braidcast serve film.mp4"),
        (format!("serve f.mp4 --no-transcode --listen 127.0.0.1:{port}"), 2, "choose another with --listen"),
        ("serve f.mp4 --listen nonsense".to_owned(), 2, "--listen ADDRESS:PORT"),
        ("serve f.mp4 --ladder 360".to_owned(), 2, "HEIGHT:BITRATE"),
        ("serve f.mp4 --preset warp".to_owned(), 2, "ultrafast"),
        ("serve f.mp4 --audio-bitrate 5G".to_owned(), 2, "between 16k and 512k"),
        ("serve f.mp4 --log a=b=c".to_owned(), 2, "--log"),
        ("serve f.mp4 --key f.mp4".to_owned(), 1, "f.mp4"),
        ("serve f.mp4 --config none.toml".to_owned(), 2, "none.toml"),
        ("serve f.mp4 --frobnicate".to_owned(), 2, "--frobnicate"),
    ] {
        let output = place.run(&args);
        let told = text(&output.stderr);
        assert!(told.contains(advice), "{args}: {told}");
        assert_eq!(output.status.code(), Some(code), "{args}: {told}");
    }
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let place = Place::new();
    place.clip("f.mp4", 4);
    let mut first = place.start(&format!("serve f.mp4 {SMALL}"));
    first.wait_for("ready");
    let second = place.run(&format!("serve f.mp4 {SMALL}"));
    assert!(text(&second.stderr).contains("in use by another braidcast"), "{}", text(&second.stderr));
    assert_eq!(second.status.code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_open_files_is_raised_and_connections_stay_below_it() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    for (ulimit, warned, soft) in [("-S -n 300", None, None), ("-n 800", Some("800 open files"), Some("800"))]
    {
        let mut command = std::process::Command::new("sh");
        let serve = format!("ulimit {ulimit}; exec {} serve f.mp4 {SMALL}", env!("CARGO_BIN_EXE_braidcast"));
        command.args(["-c", &serve]).current_dir(place.temp.path()).env("HOME", place.temp.path());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut running = common::Running::new(command);
        running.wait_for("catalogue");
        let limits = fs::read_to_string(format!("/proc/{}/limits", running.child.id())).unwrap();
        let line = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3], words[4], "{line}");
        assert!(soft.is_none_or(|soft| words[3] == soft), "{line}");
        if let Some(warned) = warned {
            let told = running.wait_for(warned);
            assert!(told.contains("at most 83 connections and 205 viewers"), "{told}");
        }
    }
}

#[test]
fn nobody_listening_to_it_ends_nothing() {
    let place = Place::new();
    place.clip("f.mp4", 4);
    let mut child = place.command(&format!("serve f.mp4 {SMALL} --log info")).spawn().unwrap();
    drop(child.stderr.take());
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !line.contains("catalogue") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it says where it is");
    }
    drop(out);
    let base = line.split_whitespace().last().unwrap().trim_end_matches('/').to_owned();
    eventually("the film", || get(&format!("{base}/s/f/master.m3u8")).0 == 200);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get(&format!("{base}/healthz")).0, 200, "it said `ready` to nobody, and serves on");
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}
