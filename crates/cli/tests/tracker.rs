//! `braidcast tracker`, started as people start it.

mod common;

use common::{Place, get, text};

#[test]
fn it_says_where_it_is_and_how_it_is_and_ends_when_it_is_told() {
    let place = Place::new();
    let mut tracker = place.start("tracker --listen 127.0.0.1:0");
    let line = tracker.wait_for("tracker ");
    let address = line.split_whitespace().last().unwrap();
    assert!(address.starts_with("ws://127.0.0.1:"), "{line}");
    let base = address.replacen("ws", "http", 1);
    assert_eq!(get(&format!("{base}/healthz")), (200, b"ok\n".to_vec()));
    assert!(text(&get(&format!("{base}/stats.json")).1).contains("\"peers\":0"));
    assert!(text(&get(&format!("{base}/metrics")).1).contains("braidcast_tracker_swarms 0"));
    // What is no WebSocket is told so.
    assert_eq!(get(&format!("{base}/announce")).0, 426);
    tracker.signal("TERM");
    assert_eq!(tracker.ended().code(), Some(143));
}

#[test]
fn what_is_wrong_with_the_settings_is_named() {
    let place = Place::new();
    std::fs::write(place.path("empty.pem"), "").unwrap();
    let wrong = place.run("tracker --tls-cert empty.pem");
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains("--tls-key"));
    let toml = "[[sites]]\nname = 'berlin'\nnetworks = ['203.0.113.0/40']\nmode = 'on'\n";
    std::fs::write(place.path("tracker.toml"), toml).unwrap();
    let wrong = place.run("tracker --config tracker.toml");
    let words = text(&wrong.stderr);
    assert!(wrong.status.code() == Some(2) && words.contains("berlin") && words.contains("/40"), "{words}");
    let wrong = place.run("tracker --tls-cert empty.pem --tls-key empty.pem");
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains("empty.pem"));
}
