//! Who is in a swarm, from the first announce to the last trace.

mod support;

use rendezvous::{Config, ConnId, Full, Locality};
use serde_json::{Value, json};
use support::*;

#[test]
fn the_reply_counts_the_newcomer() {
    let mut rig = Rig::new(2);
    let reply = rig.join(0, FILM, &name(0));
    let expected =
        json!({"action": "announce", "info_hash": FILM, "interval": 120, "complete": 0, "incomplete": 1});
    assert_eq!(reply, expected);
    assert_eq!(rig.join(1, FILM, &name(1))["incomplete"], 2);
}

#[test]
fn nothing_left_makes_a_member_complete_and_the_event_counts_a_download_once() {
    let mut rig = Rig::new(3);
    rig.say(0, announce_with(FILM, &name(0), json!({"event": "started", "left": 0})));
    rig.say(1, announce_with(FILM, &name(1), json!({"event": "started", "left": 10})));
    rig.say(2, announce(FILM, &name(2)));
    assert_eq!(rig.counts(FILM), (1, 2, 0));
    for _ in 0..3 {
        rig.say(1, announce_with(FILM, &name(1), json!({"event": "completed", "left": 0})));
        assert_eq!(rig.counts(FILM), (2, 1, 1));
    }
    rig.say(1, announce(FILM, &name(1)));
    assert_eq!(rig.counts(FILM), (2, 1, 1), "who does not say keeps what was known");
    rig.say(1, announce_with(FILM, &name(1), json!({"left": 5.0})));
    assert_eq!(rig.counts(FILM), (1, 2, 1));
    rig.say(1, announce_with(FILM, &name(1), json!({"left": null})));
    assert_eq!(rig.counts(FILM), (1, 2, 1));
}

#[test]
fn events_of_other_clients_mean_nothing_and_unknown_ones_are_errors() {
    let mut rig = Rig::new(1);
    for event in [json!("update"), json!("paused"), json!("empty"), json!(""), json!(null)] {
        assert_eq!(rig.say(0, announce_with(FILM, &name(0), json!({"event": event})))[0].1["incomplete"], 1);
    }
    for event in [json!("gone"), json!(7)] {
        let out = rig.say(0, announce_with(FILM, &name(0), json!({"event": event})));
        assert!(failure(&out, 0, FILM).contains("event must be"));
    }
}

#[test]
fn stopped_takes_a_member_out_of_one_swarm_and_may_be_repeated() {
    let mut rig = Rig::new(1);
    rig.join(0, FILM, &name(0));
    rig.join(0, SHOW, &name(0));
    for _ in 0..2 {
        let out =
            rig.say(0, announce_with(FILM, &name(0), json!({"event": "stopped", "offers": offers(0..2)})));
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].1["incomplete"], 0);
    }
    assert_eq!((rig.counts(FILM), rig.counts(SHOW)), ((0, 0, 0), (0, 1, 0)));
    assert_eq!(rig.table.stats().swarms, 1);
}

#[test]
fn a_closed_connection_leaves_no_ghost_though_it_had_a_peer_id_per_swarm() {
    let mut rig = Rig::new(2);
    let swarms: Vec<String> = (0..8).map(|n| format!("swarm---------------{n}")[1..].to_owned()).collect();
    for (n, swarm) in swarms.iter().enumerate() {
        rig.join(0, swarm, &name(n as u64));
        rig.join(1, swarm, &name(100));
    }
    assert_eq!(rig.table.stats().members, 16);
    rig.table.disconnect(ConnId(0));
    for swarm in &swarms {
        assert_eq!(rig.counts(swarm), (0, 1, 0));
    }
    rig.table.disconnect(ConnId(1));
    rig.table.disconnect(ConnId(1));
    let stats = rig.table.stats();
    assert_eq!((stats.connections, stats.members, stats.swarms), (0, 0, 0));
}

#[test]
fn a_second_peer_id_on_one_connection_needs_another_swarm() {
    let mut rig = Rig::new(1);
    rig.join(0, FILM, &name(0));
    let out = rig.say(0, announce(FILM, &name(1)));
    assert!(failure(&out, 0, FILM).contains("another peer_id"));
    let out = rig.say(0, announce_with(FILM, &name(1), json!({"event": "stopped"})));
    assert!(failure(&out, 0, FILM).contains("another peer_id"));
    assert_eq!(rig.counts(FILM), (0, 1, 0));
    rig.say(0, announce_with(FILM, &name(0), json!({"event": "stopped"})));
    rig.join(0, FILM, &name(1));
}

#[test]
fn who_is_silent_for_two_intervals_and_the_slack_is_forgotten() {
    let mut rig = Rig::new(2);
    rig.join(0, FILM, &name(0));
    rig.join(1, FILM, &name(1));
    rig.pass(120);
    rig.join(1, FILM, &name(1));
    rig.pass(134);
    assert_eq!(rig.counts(FILM), (0, 2, 0));
    rig.pass(1);
    assert_eq!(rig.counts(FILM), (0, 1, 0));
    let out = rig.say(1, directed(FILM, &name(1), &name(0), &name(9)));
    assert!(failure(&out, 1, FILM).contains("no such peer"));
    assert_eq!(rig.join(0, FILM, &name(0))["incomplete"], 2, "its connection still lives: it may come back");
}

#[test]
fn any_word_keeps_a_member_alive() {
    let mut rig = Rig::new(2);
    rig.join(0, FILM, &name(0));
    rig.join(1, FILM, &name(1));
    for n in 0..5 {
        rig.pass(200);
        rig.say(0, directed(FILM, &name(0), &name(1), &name(n)));
        rig.say(1, answer(FILM, &name(1), &name(0), &name(n)));
    }
    assert_eq!(rig.counts(FILM), (0, 2, 0));
    assert_eq!(rig.table.stats().answers, 5);
}

#[test]
fn connections_are_counted_and_closed_ones_make_room() {
    let mut rig = Rig::with(Config { connections: 2, ..Config::default() }, 2);
    assert_eq!(rig.table.connect(ConnId(7), Locality::default()), Err(Full));
    rig.table.disconnect(ConnId(0));
    assert_eq!(rig.table.connect(ConnId(7), Locality::default()), Ok(()));
}

#[test]
fn a_scrape_tells_of_one_swarm_or_several() {
    let mut rig = Rig::new(2);
    rig.say(0, announce_with(FILM, &name(0), json!({"left": 0})));
    rig.say(1, announce(SHOW, &name(0)));
    let out = rig.say(1, json!({"action": "scrape", "info_hash": FILM}));
    let film = json!({"complete": 1, "incomplete": 0, "downloaded": 0});
    let expected = json!({"action": "scrape", "files": {FILM: film}, "flags": {"min_request_interval": 120}});
    assert_eq!(out, [(1, expected)]);
    let none = "nobody--------------";
    let out = rig.say(1, json!({"action": "scrape", "info_hash": [FILM, SHOW, none, FILM]}));
    let files = out[0].1["files"].as_object().unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(files[SHOW]["incomplete"], 1);
    assert_eq!(files[none]["incomplete"], 0);
}

#[test]
fn a_scrape_of_everything_is_refused_unless_it_is_open() {
    let mut rig = Rig::new(1);
    rig.join(0, FILM, &name(0));
    let out = rig.say(0, json!({"action": "scrape"}));
    assert_eq!(out[0].1["action"], "scrape");
    assert!(out[0].1["failure reason"].as_str().unwrap().contains("not open"));

    let mut rig = Rig::with(Config { scrape_all: Some(1), ..Config::default() }, 1);
    rig.join(0, FILM, &name(0));
    let out = rig.say(0, json!({"action": "scrape"}));
    assert_eq!(out[0].1["files"][FILM]["incomplete"], 1);
    rig.join(0, SHOW, &name(0));
    assert!(
        rig.say(0, json!({"action": "scrape"}))[0].1["failure reason"].as_str().unwrap().contains("too many")
    );
}

#[test]
fn half_of_the_candidates_have_been_there_for_a_while() {
    let mut rig = Rig::new(200);
    (0..20).for_each(|conn| drop(rig.join(conn, FILM, &name(conn))));
    rig.pass(5);
    (20..199).for_each(|conn| drop(rig.join(conn, FILM, &name(conn))));
    let old: Vec<Value> = (0..20).map(|conn| json!(name(conn))).collect();
    let reply = rig.say(199, announce_with(FILM, &name(199), json!({"want": 10}))).remove(0).1;
    let candidates = reply["candidates"].as_array().unwrap();
    let settled = candidates.iter().filter(|one| old.contains(one)).count();
    assert_eq!(candidates.len(), 10);
    assert!((4..=7).contains(&settled), "{settled} of ten, where one in ten has been there for long");
}
