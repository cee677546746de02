//! Who may join where that is not for everybody: the table asks, and does as it is told.

mod support;

use std::time::Duration;

use rendezvous::{Config, ConnId, Denial, InfoHash, Lease, Question, TokenId, Verdict};
use serde_json::{Value, json};
use support::*;

fn asking() -> Config {
    Config { asks: true, ..Config::default() }
}

/// What the table asks about a message, and what it sends beside that.
fn asked(rig: &mut Rig, conn: u64, message: Value) -> Question {
    let mut out = Vec::new();
    let verdict = rig.table.handle(rig.now, ConnId(conn), message.to_string().as_bytes(), &mut out);
    assert_eq!(out, [], "nothing is said before the answer");
    let Verdict::Ask(question) = verdict else { panic!("{verdict:?}") };
    *question
}

fn answered(rig: &mut Rig, question: Question, answer: Result<Option<Lease>, Denial>) -> Vec<(u64, Value)> {
    let mut out = Vec::new();
    rig.table.answer(rig.now, question, answer, &mut out);
    out.into_iter().map(|one| (one.to.0, serde_json::from_str(&one.text).unwrap())).collect()
}

fn denial() -> Denial {
    Denial {
        code: "no-token",
        reason: "a token is needed here".to_owned(),
        challenge: Some("once".to_owned()),
        retry: None,
    }
}

fn lease(rig: &Rig, secs: u64) -> Lease {
    Lease {
        end: rig.now + Duration::from_secs(secs),
        until_unix_secs: 1_800_000_000 + secs,
        token: TokenId::default(),
    }
}

/// Lets somebody in for so long.
fn let_in(rig: &mut Rig, conn: u64, secs: u64) {
    let question = asked(rig, conn, announce(FILM, &name(conn)));
    let lease = lease(rig, secs);
    let out = answered(rig, question, Ok(Some(lease)));
    assert_eq!(out[0].1["token_until"], lease.until_unix_secs);
}

fn film() -> InfoHash {
    InfoHash::from_binary(FILM).unwrap()
}

#[test]
fn nobody_joins_before_the_answer_and_who_is_let_in_is_answered_as_ever() {
    let mut rig = Rig::with(asking(), 2);
    let more = json!({"token": "a.b.c", "proof": "p", "want": 3, "left": 0});
    let question = asked(&mut rig, 0, announce_with(FILM, &name(0), more));
    assert_eq!(
        (question.info_hash, question.token.as_deref(), question.proof.as_deref()),
        (film(), Some("a.b.c"), Some("p"))
    );
    assert_eq!(rig.counts(FILM), (0, 0, 0));
    let out = answered(&mut rig, question, Ok(None));
    assert_eq!((out.len(), out[0].0), (1, 0));
    assert_eq!((&out[0].1["complete"], &out[0].1["candidates"]), (&json!(1), &json!([])));
    assert_eq!(out[0].1.get("token_until"), None, "there is no end to it");
    // Later announces are nothing to ask about.
    assert_eq!(rig.say(0, announce(FILM, &name(0)))[0].1["complete"], 1);
}

#[test]
fn who_is_not_let_in_is_told_a_code_and_the_challenge_and_may_try_again() {
    let mut rig = Rig::with(asking(), 1);
    let question = asked(&mut rig, 0, announce(FILM, &name(0)));
    let out = answered(&mut rig, question, Err(denial()));
    assert_eq!(failure(&out, 0, FILM), "a token is needed here");
    assert_eq!((&out[0].1["denied"], &out[0].1["challenge"]), (&json!("no-token"), &json!("once")));
    assert_eq!((rig.counts(FILM), rig.table.stats().denied), ((0, 0, 0), 1));
    let_in(&mut rig, 0, 60);
}

#[test]
fn a_table_that_asks_nobody_does_not_look_at_tokens() {
    let mut rig = Rig::new(1);
    let out = rig.say(0, announce_with(FILM, &name(0), json!({"token": 7, "proof": []})));
    assert_eq!(out[0].1["incomplete"], 1);
    assert_eq!(out[0].1.get("token_until"), None);
}

#[test]
fn tokens_that_are_no_text_are_refused_without_asking() {
    let mut rig = Rig::with(asking(), 1);
    let out = rig.say(0, announce_with(FILM, &name(0), json!({"token": 7})));
    assert_eq!(failure(&out, 0, FILM), "token must be a string");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_asked() {
    let mut rig = Rig::with(Config { members_per_swarm: 1, swarms_per_connection: 1, ..asking() }, 3);
    let_in(&mut rig, 0, 60);
    let taken = rig.say(1, announce(FILM, &name(0)));
    assert!(failure(&taken, 1, FILM).contains("another connection"));
    let full = rig.say(1, announce(FILM, &name(1)));
    assert!(failure(&full, 1, FILM).contains("full"));
    let _waits = asked(&mut rig, 2, announce(SHOW, &name(2)));
    let more = rig.say(2, announce("more----------------", &name(2)));
    assert!(
        failure(&more, 2, "more----------------").contains("in 1 swarms already"),
        "a question holds a place"
    );
    let twice = rig.say(2, announce(SHOW, &name(2)));
    assert!(twice[0].1["failure reason"].is_string());
}

#[test]
fn an_answer_is_carried_out_only_as_far_as_it_still_can_be() {
    let mut rig = Rig::with(asking(), 4);
    let gone = asked(&mut rig, 0, announce(FILM, &name(0)));
    rig.table.disconnect(ConnId(0));
    assert_eq!(answered(&mut rig, gone, Ok(None)), []);
    let left = asked(&mut rig, 1, announce(FILM, &name(1)));
    rig.say(1, announce_with(FILM, &name(1), json!({"event": "stopped"})));
    assert_eq!(answered(&mut rig, left, Ok(None)), []);
    let [first, second] = [2, 3].map(|conn| asked(&mut rig, conn, announce(FILM, &name(2))));
    assert_eq!(answered(&mut rig, second, Ok(None))[0].1["incomplete"], 1);
    let late = answered(&mut rig, first, Ok(None));
    assert!(failure(&late, 2, FILM).contains("another connection"));
    assert_eq!(rig.counts(FILM), (0, 1, 0));
}

#[test]
fn a_membership_ends_with_its_lease_and_its_owner_is_told() {
    let mut rig = Rig::with(asking(), 2);
    let_in(&mut rig, 0, 60);
    let_in(&mut rig, 1, 61);
    rig.now += Duration::from_secs(59);
    assert_eq!(
        rig.say(1, announce_with(FILM, &name(1), json!({"want": 5})))[0].1["candidates"],
        json!([name(0)])
    );
    rig.now += Duration::from_secs(1);
    let out = rig.say(1, announce_with(FILM, &name(1), json!({"want": 5})));
    assert_eq!((out[0].0, &out[0].1["denied"], &out[0].1["info_hash"]), (0, &json!("expired"), &json!(FILM)));
    assert_eq!((out[1].0, &out[1].1["candidates"]), (1, &json!([])), "and nobody is sent to it");
    // Without any message as well.
    rig.now += Duration::from_secs(1);
    let mut out = Vec::new();
    rig.table.end_leases(rig.now, &mut out);
    assert_eq!((out.len(), out[0].to, rig.counts(FILM)), (1, ConnId(1), (0, 0, 0)));
    let_in(&mut rig, 0, 60);
}

#[test]
fn a_new_token_renews_a_membership_and_a_bad_one_ends_none() {
    let mut rig = Rig::with(asking(), 1);
    let_in(&mut rig, 0, 60);
    rig.now += Duration::from_secs(30);
    let bad = asked(&mut rig, 0, announce_with(FILM, &name(0), json!({"token": "bad"})));
    let out = answered(&mut rig, bad, Err(denial()));
    assert!(failure(&out, 0, FILM).contains("needed"));
    assert_eq!(rig.counts(FILM), (0, 1, 0));
    let new = asked(&mut rig, 0, announce_with(FILM, &name(0), json!({"token": "new"})));
    let lease = lease(&rig, 60);
    assert_eq!(answered(&mut rig, new, Ok(Some(lease)))[0].1["token_until"], lease.until_unix_secs);
    rig.now += Duration::from_secs(59);
    assert_eq!(rig.say(0, announce(FILM, &name(0)))[0].1["token_until"], lease.until_unix_secs);
    rig.now += Duration::from_secs(1);
    let mut out = Vec::new();
    rig.table.end_leases(rig.now, &mut out);
    assert_eq!(rig.counts(FILM), (0, 0, 0));
}

#[test]
fn an_emptied_swarm_tells_each_member_and_leaves_others_alone() {
    let mut rig = Rig::with(asking(), 4);
    (0..3).for_each(|conn| let_in(&mut rig, conn, 60));
    let other = asked(&mut rig, 3, announce(SHOW, &name(3)));
    answered(&mut rig, other, Ok(None));
    let mut out = Vec::new();
    let why = Denial { code: "revoked", challenge: None, ..denial() };
    assert_eq!(rig.table.empty(film(), &why, &mut out), 3);
    let mut told: Vec<u64> = out.iter().map(|one| one.to.0).collect();
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2]);
    assert!(out.iter().all(|one| one.text.contains(r#""denied":"revoked""#)));
    assert_eq!((rig.counts(FILM), rig.counts(SHOW)), ((0, 0, 0), (0, 1, 0)));
    // Their leases went with them: nobody is told of an end again.
    rig.now += Duration::from_secs(3600);
    out.clear();
    rig.table.end_leases(rig.now, &mut out);
    assert_eq!(out, []);
}
