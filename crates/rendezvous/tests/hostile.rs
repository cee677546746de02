//! What strangers try, and that it gets them nothing but an error.

mod support;

use std::time::Duration;

use rendezvous::{Config, ConnId, Locality, Rate, Verdict};
use serde_json::{Value, json};
use support::*;

/// A victim on connection 0 that offered to a friend on 1; the attacker on 2 saw an offer and so knows the names.
fn scene() -> Rig {
    let mut rig = Rig::new(3);
    rig.join(1, FILM, &name(1));
    rig.say(0, announce_with(FILM, &name(0), json!({"offers": offers(50..51)})));
    rig
}

#[test]
fn an_unsolicited_answer_is_not_delivered() {
    let mut rig = scene();
    rig.join(2, FILM, &name(2));
    assert!(rig.say(2, answer(FILM, &name(2), &name(0), &name(50))).is_empty(), "the offer went to another");
    assert!(rig.say(2, answer(FILM, &name(2), &name(0), &name(51))).is_empty(), "there was no such offer");
    assert!(rig.say(2, answer(FILM, &name(1), &name(0), &name(50))).is_empty(), "in the friend's name");
    assert_eq!(rig.say(1, answer(FILM, &name(1), &name(0), &name(50))).len(), 1, "the friend's still passes");
}

#[test]
fn an_answer_from_outside_the_swarm_is_not_delivered() {
    let mut rig = scene();
    assert!(rig.say(2, answer(FILM, &name(2), &name(0), &name(50))).is_empty());
    rig.join(2, SHOW, &name(1));
    assert!(rig.say(2, answer(FILM, &name(1), &name(0), &name(50))).is_empty());
}

#[test]
fn stopped_in_the_victims_name_removes_nobody() {
    let mut rig = scene();
    let out = rig.say(2, announce_with(FILM, &name(0), json!({"event": "stopped"})));
    assert!(failure(&out, 2, FILM).contains("belongs to another connection"));
    assert_eq!(rig.counts(FILM), (0, 2, 0));
}

#[test]
fn announcing_under_the_victims_name_changes_nothing() {
    let mut rig = scene();
    for event in ["started", "completed", ""] {
        let more = json!({"event": event, "left": 0, "want": 5, "offers": offers(60..65)});
        let out = rig.say(2, announce_with(FILM, &name(0), more));
        assert!(failure(&out, 2, FILM).contains("belongs to another connection"));
    }
    assert_eq!(rig.counts(FILM), (0, 2, 0));
    let out = rig.say(2, directed(FILM, &name(0), &name(1), &name(66)));
    assert!(failure(&out, 2, FILM).contains("belongs to another connection"));
    assert_eq!(
        rig.say(1, answer(FILM, &name(1), &name(0), &name(50)))[0].0,
        0,
        "answers still reach the victim"
    );
    rig.table.disconnect(ConnId(2));
    assert_eq!(rig.counts(FILM), (0, 2, 0));
    rig.table.disconnect(ConnId(0));
    rig.table.connect(ConnId(4), Locality::default()).unwrap();
    rig.join(4, FILM, &name(0));
}

#[test]
fn what_is_not_a_message_is_answered_with_a_reason() {
    let mut rig = Rig::new(1);
    let cases: &[(&[u8], &str)] = &[
        (b"", "not a JSON object"),
        (b"{", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b"{}{}", "not a JSON object"),
        (b"{\"action\":\"announce\"", "not a JSON object"),
        (b"{\"action\":\"announce\",\"x\":01}", "not a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{}", "action must be"),
        (br#"{"action":"connect"}"#, "action must be"),
        (br#"{"action":["announce"]}"#, "action must be"),
        (br#"{"action":"announce"}"#, "info_hash is missing"),
        (br#"{"action":"announce","info_hash":null}"#, "info_hash is missing"),
        (br#"{"action":"announce","info_hash":"short"}"#, "info_hash must be a string of 20"),
        (br#"{"action":"announce","info_hash":{"a":1}}"#, "info_hash must be a string of 20"),
        (r#"{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaĀ"}"#.as_bytes(), "info_hash must be"),
        (
            r#"{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaa\ud83d\ude00"}"#.as_bytes(),
            "info_hash must be",
        ),
        (br#"{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa\u0000"}"#, "info_hash must be"),
        (br#"{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaa\ud800"}"#, "info_hash must be"),
        (br#"{"action":"scrape","info_hash":7}"#, "info_hash must be a string of 20"),
        (br#"{"action":"scrape","info_hash":["aaaaaaaaaaaaaaaaaaaa",7]}"#, "info_hash: each must be"),
    ];
    for (text, reason) in cases {
        let out = rig.raw(0, text);
        let error: Value = serde_json::from_str(&out[0].text).unwrap();
        let shown = String::from_utf8_lossy(text);
        assert!(error["failure reason"].as_str().unwrap().contains(reason), "{shown} gave {error}");
        assert!(error["action"] == "announce" || error["action"] == "scrape");
        assert!(error["info_hash"].is_string());
        rig.now += Duration::from_secs(10);
    }
    assert_eq!(rig.table.stats().members, 0);
}

#[test]
fn an_error_repeats_the_swarm_even_if_its_name_is_what_is_wrong() {
    let mut rig = Rig::new(1);
    let hex = "00112233445566778899aabbccddeeff00112233";
    let out = rig.say(0, announce(hex, &name(0)));
    assert!(failure(&out, 0, hex).contains("info_hash must be"));
    let out = rig.say(0, announce(FILM, "short"));
    assert!(failure(&out, 0, FILM).contains("peer_id must be"));
    let long = "x".repeat(5000);
    assert_eq!(rig.say(0, announce(&long, &name(0)))[0].1["info_hash"], "");
}

#[test]
fn bad_offers_are_named_by_their_place() {
    let mut rig = Rig::new(1);
    let mut reason = |offers: Value| {
        failure(&rig.say(0, announce_with(FILM, &name(0), json!({"offers": offers}))), 0, FILM)
    };
    let good = json!({"offer_id": name(1), "offer": {"type": "offer", "sdp": sdp(1)}});
    let with = |field: &str, value: Value| {
        let mut offer = good.clone();
        offer[field] = value;
        json!([good, offer])
    };
    assert!(reason(with("offer_id", json!("x"))).contains("offers[1]: offer_id must be"));
    assert!(reason(with("offer_id", json!(null))).contains("offers[1]: offer_id is missing"));
    assert!(reason(with("offer", json!(null))).contains("offers[1]: offer is missing"));
    assert!(reason(with("offer", json!({"type": "answer", "sdp": ""}))).contains("offers[1]: type must be"));
    assert!(reason(with("offer", json!({"type": "offer", "sdp": {}}))).contains("offers[1]: sdp must be"));
    assert!(reason(with("offer", json!({"type": "offer"}))).contains("offers[1]: sdp must be"));
    assert!(reason(with("offer", json!("v=0"))).contains("offers must be an array"));
    assert!(reason(json!({})).contains("offers must be an array"));
    assert!(reason(json!([7])).contains("offers must be an array"));
    assert_eq!(rig.table.stats().members, 0, "a bad announce does nothing");
}

#[test]
fn what_is_no_description_is_named() {
    let mut rig = Rig::new(1);
    for field in ["offer", "answer"] {
        for wrong in [json!(5), json!("v=0"), json!(true)] {
            let mut text = announce(FILM, &name(0));
            text[field] = wrong;
            let out = rig.say(0, text);
            assert_eq!(failure(&out, 0, FILM), format!("{field} must be an object {{type, sdp}}"));
        }
    }
}

#[test]
fn deep_nesting_costs_neither_the_stack_nor_a_receiver() {
    let mut rig = Rig::new(2);
    rig.join(1, FILM, &name(1));
    let (open, close) = ("[".repeat(30_000), "]".repeat(30_000));
    let head = format!(r#""action":"announce","info_hash":"{FILM}","peer_id":"{}""#, name(0));
    let out = rig.raw(0, format!(r#"{{"x":{open}{close},{head}}}"#).as_bytes());
    assert!(out[0].text.contains("incomplete\":2"));
    let offer = format!(r#"{{"offer_id":"{}","offer":{{"type":"offer","sdp":{open}{close}}}}}"#, name(5));
    let out = rig.raw(0, format!(r#"{{{head},"offers":[{offer}]}}"#).as_bytes());
    assert_eq!(out.len(), 1);
    assert!(out[0].text.contains("sdp must be a string"));
    let offer = format!(
        r#"{{"offer_id":"{}","offer":{{"type":"offer","sdp":{},"x":{open}{close}}},"y":{open}{close}}}"#,
        name(5),
        serde_json::to_string(&sdp(1)).unwrap()
    );
    let long = format!(r#"{{{head},"offers":[{offer}]}}"#);
    assert!(rig.raw(0, long.as_bytes())[0].text.contains("at most 65536 are taken"));
    let shorter = long.replace(&open, "[[[").replace(&close, "]]]");
    assert_eq!(rig.raw(0, shorter.as_bytes())[1].text.matches('[').count(), 0, "extras are not passed on");
}

#[test]
fn the_last_of_a_repeated_field_counts() {
    let mut rig = Rig::new(1);
    let text = format!(
        r#"{{"action":"scrape","action":"announce","info_hash":7,"info_hash":"{FILM}","peer_id":"{}"}}"#,
        name(0)
    );
    assert!(rig.raw(0, text.as_bytes())[0].text.contains("incomplete\":1"));
}

#[test]
fn a_connection_joins_no_more_swarms_than_it_may() {
    let mut rig = Rig::with(Config { swarms_per_connection: 2, ..Config::default() }, 1);
    rig.join(0, FILM, &name(0));
    rig.join(0, SHOW, &name(0));
    let third = "third---------------";
    let out = rig.say(0, announce(third, &name(0)));
    assert!(failure(&out, 0, third).contains("in 2 swarms already"));
    rig.say(0, announce_with(SHOW, &name(0), json!({"event": "stopped"})));
    rig.join(0, third, &name(0));
}

#[test]
fn a_full_swarm_takes_nobody_and_keeps_its_members() {
    let mut rig = Rig::with(Config { members_per_swarm: 2, ..Config::default() }, 3);
    rig.join(0, FILM, &name(0));
    rig.join(1, FILM, &name(1));
    let out = rig.say(2, announce(FILM, &name(2)));
    assert!(failure(&out, 2, FILM).contains("full"));
    rig.join(1, FILM, &name(1));
    rig.table.disconnect(ConnId(0));
    rig.join(2, FILM, &name(2));
}

#[test]
fn announcing_too_often_is_refused_for_a_while_but_leaving_is_not() {
    let announces = Rate { burst: 3, every: Duration::from_secs(5) };
    let mut rig = Rig::with(Config { announces, ..Config::default() }, 1);
    (0..3).for_each(|_| drop(rig.join(0, FILM, &name(0))));
    let out = rig.say(0, announce(FILM, &name(0)));
    assert!(failure(&out, 0, FILM).contains("on average one every 5 s"));
    let out = rig.say(0, json!({"action": "scrape", "info_hash": FILM}));
    assert!(failure(&out, 0, FILM).contains("too many announces"));
    rig.pass(5);
    rig.join(0, FILM, &name(0));
    rig.say(0, announce_with(FILM, &name(0), json!({"event": "stopped"})));
    assert_eq!(rig.counts(FILM), (0, 0, 0));
}

#[test]
fn a_flood_of_messages_ends_the_connection() {
    let messages = Rate { burst: 10, every: Duration::from_millis(100) };
    let mut rig = Rig::with(Config { messages, ..Config::default() }, 1);
    (0..10).for_each(|_| drop(rig.raw(0, b"nonsense")));
    let mut out = Vec::new();
    assert_eq!(rig.table.handle(rig.now, ConnId(0), b"nonsense", &mut out), Verdict::Close);
    assert!(out[0].text.contains("too many messages"));
    rig.table.disconnect(ConnId(0));
    out.clear();
    assert_eq!(rig.table.handle(rig.now, ConnId(0), b"{}", &mut out), Verdict::Close);
    assert!(out.is_empty(), "nothing is said to a connection that is not there");
}

#[test]
fn a_scrape_asks_for_no_more_than_it_may() {
    let mut rig = Rig::new(1);
    let hashes: Vec<String> = (0..65).map(name).collect();
    assert!(rig.say(0, json!({"action": "scrape", "info_hash": hashes[..64]}))[0].1["files"].is_object());
    let out = rig.say(0, json!({"action": "scrape", "info_hash": hashes}));
    assert!(out[0].1["failure reason"].as_str().unwrap().contains("more than 64"));
}
