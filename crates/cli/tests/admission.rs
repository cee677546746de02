//! Tokens, lists and takedowns with the program as people run it.

mod common;

use common::{Place, Running, eventually, get, text};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

const SMALL: &str = "--listen 127.0.0.1:0 --ladder 90:150k --preset ultrafast";

/// Makes a key in a file, and gives its public half.
fn key(place: &Place, name: &str) -> String {
    let made = place.run(&format!("keys new --key {name}"));
    assert!(made.status.success(), "{}", text(&made.stderr));
    text(&made.stdout).trim().to_owned()
}

#[test]
fn what_admission_needs_is_named() {
    let place = Place::new();
    fs::write(place.path("bad.json"), "{}").unwrap();
    for (args, expected) in [
        ("tracker --admission tokens", "--token-keys"),
        ("tracker --admission list", "--allow"),
        ("tracker --admission hook", "--hook"),
        ("tracker --token-keys bad.json", "--admission"),
        ("tracker --admission tokens --token-keys bad.json", "bad.json"),
        ("tracker --admission tokens --token-keys none.json", "none.json"),
        ("tracker --revocations list.bcrv", "--revocation-key"),
        ("tracker --revocation-key short", "short"),
    ] {
        let wrong = place.run(args);
        let words = text(&wrong.stderr);
        assert!(wrong.status.code() == Some(2) && words.contains(expected), "{args}: {words}");
    }
}

#[test]
fn a_takedown_is_answered_with_451_and_taken_back() {
    let place = Place::new();
    place.clip("f.mp4", 3);
    let authority = key(&place, "authority.key");
    let none = place.run("revoke other --key authority.key --list list.bcrv");
    assert!(none.status.success(), "{}", text(&none.stderr));
    let mut serve =
        place.start(&format!("serve f.mp4 {SMALL} --revocations list.bcrv --revocation-key={authority}"));
    let base = serve.base();
    serve.wait_for("ready");
    let files = ["master.m3u8", "v0/media.m3u8", "v0/1.m4s", "index.bci"];
    let all = |status: u16| files.iter().all(|file| get(&format!("{base}/s/f/{file}")).0 == status);
    assert!(all(200));
    let taken = place.run("revoke f --key authority.key --list list.bcrv --reason copyright");
    assert_eq!(text(&taken.stdout), "f  copyright\nother  no reason is given\n", "{}", text(&taken.stderr));
    eventually("all is refused", || all(451));
    assert!(text(&get(&format!("{base}/s/f/master.m3u8")).1).contains("copyright"));
    assert!(place.run("revoke f --restore --key authority.key --list list.bcrv").status.success());
    eventually("all is there again", || all(200));
    // A list by somebody else changes nothing.
    key(&place, "other.key");
    assert!(!place.run("revoke f --key other.key --list list.bcrv").status.success());
    assert!(place.run("revoke f --key other.key --list forged.bcrv").status.success());
    fs::rename(place.path("forged.bcrv"), place.path("list.bcrv")).unwrap();
    serve.signal("HUP");
    serve.wait_for("what was in force stays so");
    assert!(all(200));
}

/// A site's server: signs for whoever asks, by the program itself. It leaves the swarm that was asked for in a file.
fn signer(place: &Place, stream: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (folder, program) = (place.temp.path().to_owned(), env!("CARGO_BIN_EXE_braidcast"));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut request = [0; 4096];
            let mut len = 0;
            let (viewer, swarm) = loop {
                len += socket.read(&mut request[len..]).unwrap();
                let read = String::from_utf8_lossy(&request[..len]).into_owned();
                let field = |name: &str| {
                    let (_, rest) = read.split_once(&format!("\"{name}\":\""))?;
                    rest.split_once('"').map(|(value, _)| value.to_owned())
                };
                if let (Some(viewer), Some(swarm)) = (field("viewer"), field("swarm")) {
                    break (viewer, swarm);
                }
            };
            fs::write(folder.join("swarm"), swarm).unwrap();
            let args = ["token", "--key", "token.key", "--stream", stream];
            let made = Command::new(program)
                .current_dir(&folder)
                .args(args)
                .arg(format!("--viewer={viewer}"))
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", text(&made.stderr));
            let (head, len) = ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:", made.stdout.len());
            socket.write_all(format!("{head} {len}\r\n\r\n").as_bytes()).unwrap();
            socket.write_all(&made.stdout).unwrap();
        }
    });
    url
}

#[test]
fn viewers_with_tokens_are_let_in_and_others_watch_from_the_origin() {
    let place = Place::new();
    place.clip("f.mp4", 3);
    fs::write(place.path("token-keys"), key(&place, "token.key")).unwrap();
    let mut serve = place.start(&format!("serve f.mp4 {SMALL} --admission tokens --token-keys token-keys"));
    let base = serve.base();
    serve.wait_for("ready");
    let watch = |more: &str| -> Running {
        place.start(&format!("watch {base}/s/f/master.m3u8 --player none --bind 127.0.0.1:0 {more}"))
    };
    let members = || {
        let status = text(&get(&format!("{base}/api/v1/status")).1);
        let (_, rest) = status.split_once("\"members\":").unwrap();
        rest.split([',', '}']).next().unwrap().parse::<u32>().unwrap()
    };
    let mut plain = watch("");
    let hls = plain.wait_for("HLS ").split_whitespace().last().unwrap().to_owned();
    plain.wait_for("the tracker refuses us");
    assert_eq!(get(&hls).0, 200, "it plays all the same");
    assert_eq!(members(), 0);
    // For another stream it is of no use; for this one, by its name, it is.
    let mut wrong = watch(&format!("--token-url {}", signer(&place, "another")));
    wrong.wait_for("the tracker refuses us");
    let _right = watch(&format!("--token-url {}", signer(&place, "f")));
    eventually("the one with a token is in", || members() == 1);
}

/// A NATS server; killed when this is dropped.
struct Nats(Child, String);

impl Nats {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("nats-server");
        command
            .args(["-a", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("apt install nats-server"), format!("nats://127.0.0.1:{port}"))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.0.kill().ok(); // it may have ended
        self.0.wait().ok();
    }
}

#[test]
fn strangers_are_kept_out_of_a_cluster_and_a_takedown_that_one_tracker_is_given_holds_at_all() {
    let place = Place::new();
    place.clip("f.mp4", 3);
    fs::write(place.path("token-keys"), key(&place, "token.key")).unwrap();
    let authority = key(&place, "authority.key");
    let mut serve = place.start(&format!("serve f.mp4 {SMALL}"));
    let base = serve.base();
    serve.wait_for("ready");
    let nats = Nats::start();
    let tracker = |more: &str| -> (Running, String) {
        let rules = format!("--admission tokens --token-keys token-keys --revocation-key={authority}");
        let mut tracker =
            place.start(&format!("tracker --listen 127.0.0.1:0 --cluster {} {rules} {more}", nats.1));
        let line = tracker.wait_for("tracker ");
        (tracker, line.split_whitespace().last().unwrap().to_owned())
    };
    let none = place.run("revoke other --key authority.key --list list.bcrv");
    assert!(none.status.success(), "{}", text(&none.stderr));
    let (_one, one_at) = tracker("--revocations list.bcrv");
    let (_other, other_at) = tracker("");
    let figure = |name: &str| -> u32 {
        let of = |at: &str| {
            let stats = text(&get(&format!("{}/stats.json", at.replacen("ws", "http", 1))).1);
            let (_, rest) = stats.split_once(&format!("\"{name}\":")).unwrap();
            rest.split([',', '}']).next().unwrap().parse::<u32>().unwrap()
        };
        of(&one_at) + of(&other_at)
    };
    eventually("they are one", || figure("nodes") == 4);
    let tokens = format!("--token-url {}", signer(&place, "*"));
    let watch = |at: &str, more: &str| -> Running {
        let film = format!("watch {base}/s/f/master.m3u8 --player none --bind 127.0.0.1:0");
        place.start(&format!("{film} --tracker {at} {more}"))
    };
    watch(&other_at, "").wait_for("the tracker refuses us");
    let _viewer = watch(&one_at, &tokens);
    let edge = "--cache kept --listen 127.0.0.1:0 --bind 127.0.0.1:0";
    let _edge = place.start(&format!("edge {edge} --upstream {base}/s/f --tracker {other_at} {tokens}"));
    eventually("both are in", || figure("peers") == 2);
    let swarm = fs::read_to_string(place.path("swarm")).unwrap();
    assert!(place.run(&format!("revoke {swarm} --key authority.key --list list.bcrv")).status.success());
    eventually("both are out", || figure("peers") == 0);
    watch(&other_at, &tokens).wait_for("the tracker refuses us");
}
