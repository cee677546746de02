//! Gates without tokens, and takedowns at any gate.

use std::collections::BTreeMap;
use std::time::Duration;

use access::revocations::{Entry, ListError, Reason, Taken, Target};
use access::{
    Authority, Challenge, Config, Denied, Gate, Grant, Pattern, PatternError, Policy, Revocations, Stream,
    Streams, SwarmId, TooMany,
};

use crate::common::*;

const FREE: Grant = Grant { until: None, holder: None, used: None };

/// Somebody without anything to show.
fn stranger(stream: Stream<'static>) -> Shown {
    Shown { stream, peer: PEER, challenge: Challenge([0; 32]), site: None, token: None, proof: None }
}

fn list(number: u64, targets: &[Target]) -> Vec<u8> {
    let entry = Entry { reason: Reason::COPYRIGHT, at: NOW };
    let entries: BTreeMap<_, _> = targets.iter().map(|target| (target.clone(), entry)).collect();
    Revocations { number, at: NOW, entries }.seal(&key(9)).expect("these are names")
}

#[test]
fn an_open_gate_admits_everybody_and_looks_at_no_token() {
    let mut gate = Gate::new(Config::default(), Policy::Open);
    assert_eq!(stranger(FILM).at(&mut gate, NOW), Ok(FREE));
    assert_eq!(Shown { token: Some("x".into()), ..stranger(FILM) }.at(&mut gate, NOW), Ok(FREE));
}

#[test]
fn a_gate_with_a_list_admits_to_the_streams_on_it() {
    let streams = Streams::parse(["film", "acme-*", &SwarmId([5; 20]).to_string()]).unwrap();
    let mut gate = Gate::new(Config::default(), Policy::Listed(streams));
    let mut to = |swarm, name| stranger(Stream { swarm: SwarmId([swarm; 20]), name }).at(&mut gate, NOW);
    assert_eq!(to(1, Some("film")), Ok(FREE));
    assert_eq!(to(1, Some("acme-news")), Ok(FREE));
    assert_eq!(to(5, None), Ok(FREE));
    assert_eq!(to(1, Some("films")), Err(Denied::NotListed));
    assert_eq!(to(1, None), Err(Denied::NotListed));
    assert_eq!(to(6, Some("acme")), Err(Denied::NotListed));
}

#[test]
fn a_list_of_streams_is_bounded() {
    let names = |count: usize| Streams::parse(vec!["a"; count]);
    assert!(names(100).unwrap().matches(&Stream { swarm: SWARM, name: Some("a") }));
    let many = (0..=access::MAX_STREAMS).map(|n| Pattern::parse(&format!("n{n}")).unwrap());
    assert_eq!(Streams::new(many), Err(PatternError::TooMany));
    let prefixes = (0..=access::MAX_PREFIXES).map(|n| Pattern::parse(&format!("n{n}*")).unwrap());
    assert_eq!(Streams::new(prefixes), Err(PatternError::TooManyPrefixes));
    assert!(!Streams::default().matches(&FILM), "nothing is nothing");
}

#[test]
fn without_a_token_nobody_passes_a_gate_that_asks_for_one() {
    assert_eq!(judged(&stranger(FILM)), Err(Denied::NoToken));
    assert_eq!(
        judged(&Shown { token: Some(String::new()), ..stranger(FILM) }).unwrap_err().code(),
        "malformed"
    );
}

#[test]
fn what_was_taken_down_is_closed_at_every_gate() {
    let listed = Policy::Listed(Streams::new([Pattern::any()]).unwrap());
    for mut gate in [gate(), Gate::new(Config::default(), Policy::Open), Gate::new(Config::default(), listed)]
    {
        gate.trust(Authority::new(key(9).public(), None)).unwrap();
        assert_eq!(gate.revoked(&FILM), None);
        assert_eq!(gate.take_revocations(&list(1, &[Target::Name("film".into())])), Ok(Taken::New));
        assert_eq!(gate.revoked(&FILM), Some(Reason::COPYRIGHT));
        let shown = show(&mint(&claims()));
        assert_eq!(shown.at(&mut gate, NOW), Err(Denied::Revoked(Reason::COPYRIGHT)));
        assert_eq!(gate.take_revocations(&list(2, &[Target::Swarm(SwarmId([8; 20]))])), Ok(Taken::New));
        assert!(shown.at(&mut gate, NOW).is_ok(), "the newer list leaves it out");
    }
}

#[test]
fn a_list_by_nobody_who_has_a_say_is_refused() {
    let mut gate = gate();
    assert_eq!(gate.take_revocations(&list(1, &[])), Err(ListError::OtherKey));
    gate.trust(Authority::new(key(8).public(), None)).unwrap();
    assert_eq!(gate.take_revocations(&list(1, &[])), Err(ListError::OtherKey));
    gate.trust(Authority::new(key(9).public(), None)).unwrap();
    assert_eq!(gate.take_revocations(&list(4, &[])), Ok(Taken::New));
    assert_eq!(gate.take_revocations(&list(3, &[])), Err(ListError::Rollback(3)));
}

#[test]
fn there_is_a_bound_to_those_who_may_take_down() {
    let mut gate = Gate::new(Config { authorities: 1, ..Config::default() }, Policy::Open);
    assert_eq!(gate.trust(Authority::new(key(8).public(), None)), Ok(()));
    assert_eq!(gate.trust(Authority::new(key(9).public(), None)), Err(TooMany { limit: 1 }));
}

#[test]
fn other_settings_hold_where_they_are_made() {
    let config = Config {
        max_life: Duration::from_secs(20),
        skew: Duration::ZERO,
        token_bytes: 100,
        ..Config::default()
    };
    let keys = access::KeySet::single(backend().public());
    let mut gate = Gate::new(config, Policy::Tokens(keys));
    assert_eq!(show(&mint(&claims())).at(&mut gate, NOW), Err(Denied::TooLong { limit: 100 }));
}
