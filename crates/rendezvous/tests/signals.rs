//! Offers and answers: who gets which, and what passes through unchanged.

mod support;

use std::collections::BTreeSet;

use rendezvous::{Config, ConnId, Locality};
use serde_json::{Value, json};
use support::*;

/// A swarm of `size` members: member n has connection n.
fn swarm(size: u64) -> Rig {
    let mut rig = Rig::new(size);
    (0..size).for_each(|n| drop(rig.join(n, FILM, &name(n))));
    rig
}

#[test]
fn the_reply_comes_first_and_each_offer_goes_to_another_member() {
    let mut rig = swarm(10);
    let out = rig.say(0, announce_with(FILM, &name(0), json!({"numwant": 5, "offers": offers(100..105)})));
    assert_eq!(out.len(), 6);
    assert_eq!(out[0].0, 0);
    assert_eq!(out[0].1["interval"], 120);
    let receivers: BTreeSet<u64> = out[1..].iter().map(|one| one.0).collect();
    assert_eq!(receivers.len(), 5);
    assert!(!receivers.contains(&0));
    for (n, (_, offer)) in out[1..].iter().enumerate() {
        let expected = json!({
            "action": "announce", "info_hash": FILM, "peer_id": name(0), "offer_id": name(100 + n as u64),
            "offer": {"type": "offer", "sdp": sdp(100 + n as u64)},
        });
        assert_eq!(*offer, expected);
    }
}

#[test]
fn surplus_offers_are_left_out_and_so_is_what_numwant_does_not_ask_for() {
    let mut rig = swarm(4);
    let mut sent = |more: Value| rig.say(0, announce_with(FILM, &name(0), more)).len() - 1;
    assert_eq!(sent(json!({"offers": offers(0..9)})), 3);
    assert_eq!(sent(json!({"offers": offers(0..9), "numwant": 2})), 2);
    assert_eq!(sent(json!({"offers": offers(0..9), "numwant": 2.0})), 2);
    assert_eq!(sent(json!({"offers": offers(0..2), "numwant": 50})), 2);
    assert_eq!(sent(json!({"offers": offers(0..2), "numwant": "many"})), 2);
    assert_eq!(sent(json!({"offers": offers(0..2), "numwant": null})), 2);
    assert_eq!(sent(json!({"offers": [], "numwant": 0})), 0);
    assert_eq!(sent(json!({"offers": null, "numwant": 5})), 0);
}

#[test]
fn of_a_hundred_offers_twenty_are_relayed() {
    let mut rig = Rig::new(60);
    (0..60).for_each(|n| drop(rig.join(n, FILM, &name(n))));
    let out = rig.say(0, announce_with(FILM, &name(0), json!({"offers": offers(0..100), "numwant": 100})));
    assert_eq!(out.len(), 21);
}

#[test]
fn an_answer_reaches_the_offerer_once_and_has_no_reply() {
    let mut rig = swarm(2);
    rig.say(0, announce_with(FILM, &name(0), json!({"offers": offers(50..51)})));
    let out = rig.say(1, answer(FILM, &name(1), &name(0), &name(50)));
    let expected = json!({
        "action": "announce", "info_hash": FILM, "peer_id": name(1), "offer_id": name(50),
        "answer": {"type": "answer", "sdp": sdp(1)},
    });
    assert_eq!(out, [(0, expected)]);
    assert!(rig.say(1, answer(FILM, &name(1), &name(0), &name(50))).is_empty());
    assert_eq!(rig.table.stats().unexpected_answers, 1);
}

#[test]
fn an_answer_after_two_minutes_is_too_late() {
    for (wait, passed) in [(119, 1), (120, 0)] {
        let mut rig = swarm(2);
        rig.say(0, announce_with(FILM, &name(0), json!({"offers": offers(50..51)})));
        rig.pass(wait);
        assert_eq!(rig.say(1, answer(FILM, &name(1), &name(0), &name(50))).len(), passed);
    }
}

#[test]
fn an_answer_to_who_has_left_is_dropped_without_a_word() {
    let mut rig = swarm(2);
    rig.say(0, announce_with(FILM, &name(0), json!({"offers": offers(50..51)})));
    rig.table.disconnect(ConnId(0));
    assert!(rig.say(1, answer(FILM, &name(1), &name(0), &name(50))).is_empty());
    rig.table.connect(ConnId(9), Locality::default()).unwrap();
    rig.join(9, FILM, &name(0));
    assert!(rig.say(1, answer(FILM, &name(1), &name(0), &name(50))).is_empty(), "a new one never offered");
}

#[test]
fn only_the_newest_outstanding_offers_are_remembered() {
    let mut rig = Rig::with(Config { outstanding_offers: 3, ..Config::default() }, 2);
    rig.join(0, FILM, &name(0));
    rig.join(1, FILM, &name(1));
    (0..5).for_each(|n| drop(rig.say(0, directed(FILM, &name(0), &name(1), &name(10 + n)))));
    let passed: Vec<usize> =
        (0..5).map(|n| rig.say(1, answer(FILM, &name(1), &name(0), &name(10 + n))).len()).collect();
    assert_eq!(passed, [0, 0, 1, 1, 1]);
}

#[test]
fn candidates_are_other_members_that_got_no_offer_in_the_same_announce() {
    let mut rig = swarm(12);
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let out = rig.say(3, announce_with(FILM, &name(3), json!({"want": 4, "offers": offers(0..3)})));
        assert_eq!(out.len(), 4);
        let names: Vec<&str> =
            out[0].1["candidates"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        assert_eq!(names.len(), 4);
        assert!(out[1..].iter().all(|(to, _)| !names.contains(&name(*to).as_str())));
        assert!(!names.contains(&name(3).as_str()));
        seen.extend(names.into_iter().map(str::to_owned));
    }
    assert_eq!(seen.len(), 11, "everybody's turn comes");
}

#[test]
fn candidates_are_given_to_who_asks_and_are_never_more_than_there_are() {
    let mut rig = swarm(3);
    assert_eq!(rig.say(0, announce(FILM, &name(0)))[0].1.get("candidates"), None);
    assert_eq!(rig.say(0, announce_with(FILM, &name(0), json!({"want": 0})))[0].1.get("candidates"), None);
    let out = rig.say(0, announce_with(FILM, &name(0), json!({"want": 20})));
    assert_eq!(out[0].1["candidates"].as_array().unwrap().len(), 2);
    let mut alone = Rig::new(1);
    let out = alone.say(0, announce_with(FILM, &name(0), json!({"want": 20})));
    assert_eq!(out[0].1["candidates"], json!([]));
    for want in [json!(21), json!(-1), json!(1.5), json!("3")] {
        let out = rig.say(0, announce_with(FILM, &name(0), json!({"want": want})));
        assert!(failure(&out, 0, FILM).contains("want must be"));
    }
}

#[test]
fn a_directed_offer_reaches_its_one_receiver_and_can_be_answered() {
    let mut rig = swarm(9);
    let out = rig.say(2, directed(FILM, &name(2), &name(7), &name(70)));
    let expected = json!({
        "action": "announce", "info_hash": FILM, "peer_id": name(2), "offer_id": name(70),
        "offer": {"type": "offer", "sdp": sdp(2)},
    });
    assert_eq!(out, [(7, expected)]);
    let out = rig.say(7, answer(FILM, &name(7), &name(2), &name(70)));
    assert_eq!((out.len(), out[0].0), (1, 2));
}

#[test]
fn a_directed_offer_to_who_is_not_there_says_so() {
    let mut rig = swarm(2);
    rig.table.connect(ConnId(5), Locality::default()).unwrap();
    rig.join(5, SHOW, &name(5));
    for absent in [name(99), name(5), name(0)] {
        let out = rig.say(0, directed(FILM, &name(0), &absent, &name(70)));
        assert!(failure(&out, 0, FILM).contains("no such peer"));
        assert_eq!(out[0].1["to_peer_id"], absent);
        assert_eq!(out[0].1["offer_id"], name(70));
    }
    let out = rig.say(5, directed(FILM, &name(5), &name(0), &name(70)));
    assert!(failure(&out, 5, FILM).contains("announce yourself"));
}

#[test]
fn of_a_description_only_what_is_understood_comes_through() {
    let mut rig = swarm(2);
    let known = sdp(7);
    let (head, tail) = known.split_at(known.find("m=").unwrap());
    let sdp =
        format!("{head}a=x-secret:\u{e9}\u{1f600}\r\nb=AS:5\r\n{tail}a=candidate:rubbish\r\na=more\r\n");
    let mut sdp = serde_json::to_string(&sdp).unwrap();
    sdp.insert_str(sdp.find("more").unwrap(), "\\u0041\\/\\\\\\\"");
    let message = format!(
        r#" {{"offers" : [ {{ "offer_id":"{}", "extra":[[{{}}]], "offer": {{"sdp": {sdp}, "type":"offer","x":1}} }} ],
            "unknown": {{"deep":[1,2,[3]]}}, "peer_id":"{}","action":"announce" ,"info_hash":"{FILM}"}} "#,
        name(50),
        name(0)
    );
    let out = rig.raw(0, message.as_bytes());
    let expected = format!(
        r#"{{"action":"announce","info_hash":"{FILM}","peer_id":"{}","offer_id":"{}","offer":{{"type":"offer","sdp":{}}}}}"#,
        name(0),
        name(50),
        serde_json::to_string(&known).unwrap()
    );
    assert_eq!(out[1].text, expected);
}

#[test]
fn what_is_no_description_of_a_data_channel_is_refused_with_a_reason() {
    let mut rig = swarm(2);
    let mut reason = |sdp: &str| {
        let mut message = directed(FILM, &name(0), &name(1), &name(50));
        message["offer"]["sdp"] = sdp.into();
        failure(&rig.say(0, message), 0, FILM)
    };
    assert!(reason("v=1").contains("sdp: does not begin with v=0"));
    assert!(
        reason(&format!("{}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", sdp(1)))
            .contains("sdp: must have one m-line")
    );
    let bad = json!([{"offer_id": name(5), "offer": {"type": "offer", "sdp": "v=0\r\n"}}]);
    let out = rig.say(0, announce_with(FILM, &name(0), json!({"offers": bad})));
    assert!(failure(&out, 0, FILM).contains("offers[0]: sdp: must have one m-line"));
}

#[test]
fn a_receiver_is_told_no_address_but_the_one_the_sender_was_seen_at() {
    let mut rig = Rig::new(0);
    let places = ["203.0.113.5", "198.51.100.7", "::ffff:203.0.113.5"];
    for (conn, place) in places.iter().enumerate() {
        let place: std::net::IpAddr = place.parse().unwrap();
        rig.table.connect(ConnId(conn as u64), place.into()).unwrap();
        rig.join(conn as u64, FILM, &name(conn as u64));
    }
    let own = "1 1 udp 90 203.0.113.5 5000 typ srflx raddr 0.0.0.0 rport 0";
    let victim = "2 1 udp 80 198.18.0.9 5001 typ srflx raddr 0.0.0.0 rport 0";
    let home = "3 1 udp 70 192.168.1.5 5002 typ host";
    let mut said = |to: u64| {
        let mut message = directed(FILM, &name(0), &name(to), &name(50));
        message["offer"]["sdp"] = sdp_with(1, &[own, victim, home]).into();
        rig.say(0, message).remove(0).1["offer"]["sdp"].as_str().unwrap().to_owned()
    };
    assert_eq!(said(1), sdp_with(1, &[own]));
    assert_eq!(said(2), sdp_with(1, &[own, home]), "who is behind the same NAT may be in the same network");
    let mut message = answer(FILM, &name(1), &name(0), &name(50));
    message["answer"]["sdp"] = sdp_with(1, &[own, victim]).into();
    assert_eq!(rig.say(1, message)[0].1["answer"]["sdp"], sdp_with(1, &[]), "and so it is for answers");
}

#[test]
fn names_of_any_bytes_come_back_as_they_were() {
    // U+0000 to U+00FF, in 13 names that overlap at the end.
    let every: Vec<char> = (0..=255u8).map(char::from).chain((0..4).map(|_| 'z')).collect();
    for (n, chunk) in every.chunks(20).enumerate() {
        let binary: String = chunk.iter().collect();
        let mut rig = Rig::new(2);
        let other = name(n as u64);
        assert_eq!(rig.join(1, &binary, &other)["info_hash"], binary);
        let offer = json!([{"offer_id": binary, "offer": {"type": "offer", "sdp": sdp(3)}}]);
        let out = rig.say(0, announce_with(&binary, &binary, json!({"offers": offer, "want": 3})));
        assert_eq!(out[0].1["info_hash"], binary);
        assert_eq!(out[1].1["info_hash"], binary);
        assert_eq!(out[1].1["peer_id"], binary);
        assert_eq!(out[1].1["offer_id"], binary);
        assert_eq!(rig.join(1, &binary, &other)["info_hash"], binary);
        let out = rig.say(1, announce_with(&binary, &other, json!({"want": 3})));
        assert_eq!(out[0].1["candidates"], json!([binary]));
        let out = rig.say(0, json!({"action": "scrape", "info_hash": binary}));
        assert_eq!(out[0].1["files"][&binary]["incomplete"], 2);
        let out = rig.say(1, answer(&binary, &other, &binary, &binary));
        assert_eq!(out[0].1["offer_id"], binary);
    }
}

#[test]
fn the_bytes_of_a_name_on_the_wire_are_the_shortest_json_has() {
    let mut rig = Rig::new(1);
    let binary = "\0\u{1}\u{2}a\u{7f}\u{80}\u{a0}\u{ff}\"\\bbbbbbbbbb";
    let message = announce(binary, &name(0)).to_string();
    let text = rig.raw(0, message.as_bytes()).remove(0).text;
    let wire = "\"\\u0000\\u0001\\u0002a\u{7f}\u{80}\u{a0}\u{ff}\\\"\\\\bbbbbbbbbb\"";
    assert!(text.contains(wire), "{text}");
}

#[test]
fn directed_offers_are_taken_twenty_at_once_and_then_two_a_second() {
    let mut rig = swarm(3);
    let mut relayed = |count: u64, pass: u64| {
        rig.pass(pass);
        let all =
            (0..count).flat_map(|n| rig.say(0, directed(FILM, &name(0), &name(1 + n % 2), &name(50 + n))));
        all.filter(|(to, _)| *to != 0).count()
    };
    assert_eq!(relayed(30, 0), 20);
    assert_eq!(relayed(30, 5), 10);
    let error = failure(&rig.say(0, directed(FILM, &name(0), &name(1), &name(99))), 0, FILM);
    assert!(error.contains("one every 0.5 s"), "{error}");
    assert_eq!(rig.say(1, directed(FILM, &name(1), &name(2), &name(50))).len(), 1, "others have their own");
}

#[test]
fn session_descriptions_are_taken_up_to_16_kib() {
    let mut rig = swarm(2);
    let mut said = |bytes: usize| {
        let mut message = directed(FILM, &name(0), &name(1), &name(50));
        let with = |more: usize| format!("{}a=x:{}\r\n", sdp(1), "x".repeat(more));
        let least = serde_json::to_string(&with(0)).unwrap().len();
        message["offer"]["sdp"] = with(bytes - least).into();
        rig.say(0, message)
    };
    assert_eq!(said(16 * 1024)[0].0, 1);
    let error = failure(&said(16 * 1024 + 1), 0, FILM);
    assert!(error.contains("longer than 16384 bytes"), "{error}");
}
