//! Stolen tokens, recorded proofs, and the memory of what was used.

use std::time::Duration;

use crate::common::*;
use access::{
    Challenge, Claims, Config, Denied, Gate, KeySet, Noted, PeerId, Policy, Stream, SwarmId, Timestamp, Use,
};

#[test]
fn a_stolen_token_is_of_no_use_without_its_key() {
    let token = mint(&claims());
    let thief = Shown { challenge: Challenge([1; 32]), ..show(&token) }.proven_by(&key(66));
    assert_eq!(judged(&thief), Err(Denied::BadProof));
    assert_eq!(judged(&Shown { proof: None, ..thief.clone() }), Err(Denied::NoProof));
    assert_eq!(judged(&Shown { proof: Some("A".repeat(86)), ..thief }), Err(Denied::BadProof));
}

#[test]
fn a_recorded_proof_fits_no_other_connection_swarm_peer_or_token() {
    let token = mint(&Claims { stream: access::Pattern::any(), ..claims() });
    let said = show(&token);
    assert!(judged(&said).is_ok());
    let other_token = mint(&Claims { stream: access::Pattern::any(), id: "token-2".into(), ..claims() });
    for replayed in [
        Shown { challenge: Challenge([8; 32]), ..said.clone() },
        Shown { stream: Stream { swarm: SwarmId([8; 20]), ..FILM }, ..said.clone() },
        Shown { peer: PeerId(*b"-BC0001-mnopqrstuvwx"), ..said.clone() },
        Shown { token: Some(other_token), ..said.clone() },
    ] {
        assert_eq!(judged(&replayed), Err(Denied::BadProof));
    }
}

#[test]
fn a_token_admits_once_in_a_swarm_even_its_own_viewer() {
    let mut gate = gate();
    let token = mint(&Claims { stream: access::Pattern::any(), ..claims() });
    assert!(show(&token).at(&mut gate, NOW).is_ok());
    let again = Shown { challenge: Challenge([8; 32]), ..show(&token) }.proven_by(&viewer());
    assert_eq!(again.at(&mut gate, NOW), Err(Denied::Spent));
    assert_eq!(again.at(&mut gate, NOW.plus(Duration::from_secs(329))), Err(Denied::Spent));
    let elsewhere =
        Shown { stream: Stream { swarm: SwarmId([8; 20]), name: None }, ..show(&token) }.proven_by(&viewer());
    assert!(elsewhere.at(&mut gate, NOW).is_ok(), "a page may show several streams");
    let renewed = mint(&Claims { id: "token-2".into(), ..claims() });
    assert!(show(&renewed).at(&mut gate, NOW).is_ok());
}

#[test]
fn two_backends_may_use_the_same_ids() {
    let both = jwks(&[jwk(&backend(), KID, ""), jwk(&key(3), "other", "")]);
    let mut gate = Gate::new(Config::default(), Policy::Tokens(KeySet::parse(&both).unwrap()));
    assert!(show(&mint(&claims())).at(&mut gate, NOW).is_ok());
    let theirs = access::Token::mint(&key(3), Some("other"), &claims());
    assert!(show(theirs.as_str()).at(&mut gate, NOW).is_ok());
}

#[test]
fn what_is_refused_uses_nothing_up() {
    let mut gate = gate();
    let token = mint(&claims());
    let thief = show(&token).proven_by(&key(66));
    assert_eq!(thief.at(&mut gate, NOW), Err(Denied::BadProof));
    assert!(gate.spent().is_empty());
    assert!(show(&token).at(&mut gate, NOW).is_ok());
}

#[test]
fn used_tokens_are_forgotten_when_they_would_admit_nobody_and_not_before() {
    let mut gate = gate();
    for n in 0..100 {
        assert!(show(&mint(&Claims { id: format!("{n}"), ..claims() })).at(&mut gate, NOW).is_ok());
    }
    assert_eq!(gate.spent().len(), 100);
    let late = NOW.plus(Duration::from_secs(330));
    let new = Claims { issued: late, expires: late.plus(Duration::from_secs(60)), ..claims() };
    let just_before = NOW.plus(Duration::from_secs(329));
    let early = Claims { id: "early".into(), issued: just_before, ..new.clone() };
    assert!(show(&mint(&early)).at(&mut gate, just_before).is_ok());
    assert_eq!(gate.spent().len(), 101);
    assert!(show(&mint(&new)).at(&mut gate, late).is_ok());
    assert_eq!(gate.spent().len(), 2);
}

#[test]
fn when_the_memory_is_full_newcomers_are_refused_and_nothing_is_forgotten() {
    let keys = KeySet::single(backend().public());
    let mut gate = Gate::new(Config { spent: 3, ..Config::default() }, Policy::Tokens(keys));
    let token = |id: u32| {
        let claims = Claims { id: format!("{id}"), ..claims() };
        access::Token::mint(&backend(), None, &claims).as_str().to_owned()
    };
    for id in 0..3 {
        assert!(show(&token(id)).at(&mut gate, NOW).is_ok());
    }
    assert_eq!(show(&token(3)).at(&mut gate, NOW), Err(Denied::Full));
    for id in 0..3 {
        assert_eq!(show(&token(id)).at(&mut gate, NOW), Err(Denied::Spent));
    }
    let later = NOW.plus(Duration::from_secs(330));
    let new =
        Claims { id: "3".into(), issued: later, expires: later.plus(Duration::from_secs(9)), ..claims() };
    let new = access::Token::mint(&backend(), None, &new);
    assert!(show(new.as_str()).at(&mut gate, later).is_ok(), "room again");
}

#[test]
fn what_another_gate_has_admitted_by_admits_nobody_here() {
    let [mut here, mut there] = [gate(), gate()];
    let token = mint(&claims());
    let grant = show(&token).at(&mut there, NOW).unwrap();
    let (used, until) = (grant.used.unwrap(), grant.until.unwrap());
    assert_eq!(here.note_use(NOW, used, until), Noted::Known);
    assert_eq!(here.note_use(NOW, used, until), Noted::Known, "as often as it is said");
    assert_eq!(show(&token).at(&mut here, NOW), Err(Denied::Spent));
    assert_eq!(there.note_use(NOW, used, until), Noted::UsedHere);
    let other = mint(&Claims { id: "token-2".into(), ..claims() });
    assert!(show(&other).at(&mut here, NOW).is_ok());
}

#[test]
fn what_others_say_takes_no_room_from_this_gates_own_and_is_forgotten_in_time() {
    let keys = KeySet::parse(&jwks(&[jwk(&backend(), KID, "")])).unwrap();
    let mut gate = Gate::new(Config { spent: 1, ..Config::default() }, Policy::Tokens(keys));
    let [eternal, late] = [Use([1; 16]), Use([2; 16])];
    assert_eq!(gate.note_use(NOW, eternal, Timestamp(u64::MAX)), Noted::Known);
    assert_eq!(gate.note_use(NOW, late, NOW.plus(Duration::from_secs(60))), Noted::Full);
    assert!(show(&mint(&claims())).at(&mut gate, NOW).is_ok());
    let later = NOW.plus(Duration::from_secs(11 * 60));
    assert_eq!(gate.note_use(later, late, later.plus(Duration::from_secs(60))), Noted::Known);
}
