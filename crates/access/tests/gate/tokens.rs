//! What a token must say to admit, and what it is refused for.

use std::time::Duration;

use crate::common::*;
use access::{Claims, Denied, Grant, Holder, Pattern, Stream, SwarmId, Timestamp};

/// The code of the refusal of who shows `claims` now.
fn refused(claims: &Claims) -> &'static str {
    judged(&show(&mint(claims))).expect_err("it must be refused").code()
}

#[test]
fn a_viewer_with_a_token_and_its_key_is_admitted_until_the_token_expires() {
    let holder = Holder { kid: KID.into(), issuer: None, viewer: viewer().public() };
    let grant = judged(&show(&mint(&claims()))).unwrap();
    assert!(grant.used.is_some());
    let until = Some(NOW.plus(Duration::from_secs(330)));
    assert_eq!(grant, Grant { until, holder: Some(holder), used: grant.used });
}

#[test]
fn a_token_names_its_stream_by_name_by_beginning_by_swarm_or_names_all() {
    let named = |pattern: &str| Claims { stream: Pattern::parse(pattern).unwrap(), ..claims() };
    for good in ["film", "fi*", "*", &SWARM.to_string()] {
        assert!(judged(&show(&mint(&named(good)))).is_ok(), "{good}");
    }
    for bad in ["films", "fil", "Film", "films*", &SwarmId([8; 20]).to_string()] {
        assert_eq!(refused(&named(bad)), "stream", "{bad}");
    }
}

#[test]
fn a_stream_without_a_name_is_met_by_its_swarm_or_by_all_only() {
    let stream = Stream { swarm: SWARM, name: None };
    for (pattern, admits) in [("film", false), ("f*", false), ("*", true), (&*SWARM.to_string(), true)] {
        let token = mint(&Claims { stream: Pattern::parse(pattern).unwrap(), ..claims() });
        let shown = Shown { stream, ..show(&token) };
        assert_eq!(judged(&shown).is_ok(), admits, "{pattern}");
    }
}

#[test]
fn a_name_like_a_swarm_id_is_never_taken_for_one() {
    let text = SwarmId([8; 20]).to_string();
    let token = mint(&Claims { stream: Pattern::parse(&text).unwrap(), ..claims() });
    let named = Stream { swarm: SWARM, name: Some(Box::leak(text.into_boxed_str())) };
    assert_eq!(judged(&Shown { stream: named, ..show(&token) }), Err(Denied::OtherStream));
}

#[test]
fn texts_that_name_no_stream_are_refused() {
    for bad in ["", "a b", "a*b", "**", "ä", "a/b", &"a".repeat(65), "a\n"] {
        assert!(Pattern::parse(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "*", "a*", "A-b_9", &"a".repeat(64)] {
        assert_eq!(Pattern::parse(good).unwrap().to_string(), good);
    }
}

#[test]
fn a_token_is_good_from_half_a_minute_before_its_time_to_half_a_minute_after() {
    let at = |now: u64, claims: &Claims| show(&mint(claims)).at(&mut gate(), Timestamp(now));
    let (issued, expires) = (NOW.0, NOW.0 + 300);
    assert!(at(issued - 30, &claims()).is_ok());
    assert_eq!(at(issued - 31, &claims()), Err(Denied::Early { left: Duration::from_secs(31) }));
    assert!(at(expires + 29, &claims()).is_ok());
    assert_eq!(at(expires + 30, &claims()), Err(Denied::Expired { ago: Duration::from_secs(30) }));
    let later = Claims { not_before: Some(Timestamp(issued + 100)), ..claims() };
    assert!(at(issued + 70, &later).is_ok());
    assert_eq!(at(issued + 69, &later), Err(Denied::Early { left: Duration::from_secs(31) }));
    // What is said of the beginning does not move it before the making.
    let before = Claims { not_before: Some(Timestamp(0)), ..claims() };
    assert_eq!(at(issued - 31, &before).unwrap_err().code(), "early");
}

#[test]
fn a_token_that_lives_too_long_or_not_at_all_is_refused() {
    let lives = |seconds: u64| Claims { expires: Timestamp(NOW.0 + seconds), ..claims() };
    assert!(judged(&show(&mint(&lives(600)))).is_ok());
    assert_eq!(refused(&lives(601)), "life");
    assert_eq!(refused(&lives(0)), "life");
    assert_eq!(refused(&Claims { expires: Timestamp(NOW.0 - 1), ..claims() }), "life");
    assert_eq!(refused(&Claims { expires: Timestamp(u64::MAX), ..claims() }), "life");
    assert_eq!(
        refused(&Claims { issued: Timestamp(u64::MAX - 9), expires: Timestamp(u64::MAX), ..claims() }),
        "early"
    );
}

#[test]
fn a_token_for_a_site_admits_pages_of_that_site_only() {
    let token = mint(&Claims { site: Some("www.example.org".into()), ..claims() });
    let from = |site| judged(&Shown { site, ..show(&token) });
    assert!(from(Some("https://www.example.org")).is_ok());
    assert!(from(Some("http://WWW.example.org")).is_ok());
    for other in [
        None,
        Some("https://example.org"),
        Some("https://www.example.org:8443"),
        Some("https://www.example.org.evil.example"),
        Some("www.example.org"),
        Some("null"),
        Some(""),
    ] {
        assert_eq!(from(other), Err(Denied::OtherSite), "{other:?}");
    }
    assert!(judged(&Shown { site: None, ..show(&mint(&claims())) }).is_ok(), "no site, no check");
}

#[test]
fn a_port_belongs_to_the_site() {
    let token = mint(&Claims { site: Some("localhost:8080".into()), ..claims() });
    assert!(judged(&Shown { site: Some("http://localhost:8080"), ..show(&token) }).is_ok());
    assert_eq!(judged(&Shown { site: Some("http://localhost"), ..show(&token) }), Err(Denied::OtherSite));
}

#[test]
fn what_is_minted_is_as_short_as_a_tracker_takes() {
    let longest = Claims {
        stream: Pattern::parse(&"s".repeat(64)).unwrap(),
        id: "i".repeat(128),
        issuer: Some("c".repeat(128)),
        site: Some("h".repeat(259)),
        not_before: Some(NOW),
        ..claims()
    };
    let token = mint(&longest);
    assert!(token.len() < 2048, "{}", token.len());
    assert_eq!(judged(&show(&token)), Err(Denied::OtherStream), "it was read");
    assert_eq!(refused(&Claims { id: "i".repeat(129), ..claims() }), "malformed");
    assert_eq!(refused(&Claims { id: String::new(), ..claims() }), "malformed");
    assert_eq!(judged(&show(&"x".repeat(2049))), Err(Denied::TooLong { limit: 2048 }));
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    let secret = "s3cr3t";
    for text in [
        secret.to_owned(),
        format!("{secret}.{secret}.{secret}"),
        mint(&Claims { id: secret.repeat(40), ..claims() }),
        mint(&Claims { site: Some(secret.into()), ..claims() }),
        mint(&Claims { stream: Pattern::parse(secret).unwrap(), ..claims() }),
    ] {
        let why = judged(&show(&text)).unwrap_err();
        assert!(!why.to_string().contains(secret), "{why}");
        assert!(!format!("{why:?}").contains(secret), "{why:?}");
    }
}
