//! Key sets: what is taken for one, what its keys may do, and their rotation.

use crate::common::*;
use access::{Claims, Config, Denied, Gate, KeySet, KeySetError, Policy, Token};

fn tokens(json: &str) -> Policy {
    Policy::Tokens(KeySet::parse(json).expect("this is a key set"))
}

#[test]
fn after_a_rotation_the_old_key_admits_nobody_and_used_tokens_stay_used() {
    let old = jwk(&backend(), KID, "");
    let new = jwk(&key(3), "2026-12", "");
    let mut gate = gate();
    assert!(show(&mint(&claims())).at(&mut gate, NOW).is_ok());
    gate.set_policy(tokens(&jwks(&[old, new.clone()])));
    assert_eq!(show(&mint(&claims())).at(&mut gate, NOW), Err(Denied::Spent));
    gate.set_policy(tokens(&jwks(&[new])));
    let fresh = Claims { id: "token-2".into(), ..claims() };
    assert_eq!(show(&mint(&fresh)).at(&mut gate, NOW), Err(Denied::UnknownKey));
    let token = Token::mint(&key(3), Some("2026-12"), &fresh);
    assert!(show(token.as_str()).at(&mut gate, NOW).is_ok());
}

#[test]
fn a_token_without_a_kid_is_taken_where_there_is_one_key_only() {
    let token = Token::mint(&backend(), None, &claims());
    let one = Policy::Tokens(KeySet::single(backend().public()));
    assert!(show(token.as_str()).at(&mut Gate::new(Config::default(), one.clone()), NOW).is_ok());
    let two = tokens(&jwks(&[jwk(&backend(), "a", ""), jwk(&key(3), "b", "")]));
    assert_eq!(show(token.as_str()).at(&mut Gate::new(Config::default(), two), NOW), Err(Denied::UnknownKey));
    let by_its_text = Token::mint(&backend(), Some(&backend().public().to_string()), &claims());
    assert!(show(by_its_text.as_str()).at(&mut Gate::new(Config::default(), one), NOW).is_ok());
}

#[test]
fn a_kid_that_names_another_key_is_a_wrong_signature() {
    let mut gate =
        Gate::new(Config::default(), tokens(&jwks(&[jwk(&backend(), KID, ""), jwk(&key(3), "other", "")])));
    let token = Token::mint(&backend(), Some("other"), &claims());
    assert_eq!(show(token.as_str()).at(&mut gate, NOW), Err(Denied::BadSignature));
}

#[test]
fn a_key_may_be_limited_to_streams() {
    let with = |streams: &str| {
        let limited = jwk(&backend(), KID, &format!(r#","braidcast_streams":{streams}"#));
        let any = Claims { stream: access::Pattern::any(), ..claims() };
        show(&mint(&any)).at(&mut Gate::new(Config::default(), tokens(&jwks(&[limited]))), NOW)
    };
    assert!(with(r#"["other","film"]"#).is_ok());
    assert!(with(r#"["fi*"]"#).is_ok());
    assert!(with(&format!("[\"{SWARM}\"]")).is_ok());
    assert_eq!(with(r#"["acme-*"]"#), Err(Denied::KeyLimit));
    assert_eq!(with("[]"), Err(Denied::KeyLimit));
}

#[test]
fn a_key_may_be_limited_to_a_customer() {
    let limited = jwks(&[jwk(&backend(), KID, r#","braidcast_issuer":"acme""#)]);
    let as_customer = |issuer: Option<&str>| {
        let claims = Claims { issuer: issuer.map(str::to_owned), ..claims() };
        show(&mint(&claims)).at(&mut Gate::new(Config::default(), tokens(&limited)), NOW)
    };
    let holder = as_customer(Some("acme")).unwrap().holder.unwrap();
    assert_eq!(holder.issuer.as_deref(), Some("acme"));
    assert_eq!(as_customer(Some("other")), Err(Denied::OtherIssuer));
    assert_eq!(as_customer(None), Err(Denied::OtherIssuer));
}

#[test]
fn keys_of_other_sorts_are_skipped() {
    let x25519 = r#"{"kty":"OKP","crv":"X25519","kid":"x","x":"AA"}"#.to_owned();
    let rsa = r#"{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB","d":"AQAB","braidcast_streams":7}"#.to_owned();
    let shared = r#"{"kty":"oct","kid":"o","k":"AQAB","alg":"HS256"}"#.to_owned();
    let for_encryption = jwk(&key(4), "e", r#","use":"enc""#);
    let for_another = jwk(&key(5), "h", r#","alg":"ES256""#);
    let ours = jwk(&backend(), KID, r#","use":"sig","alg":"EdDSA","x5t":[1,{}]"#);
    let set =
        KeySet::parse(&jwks(&[x25519.clone(), rsa, shared, for_encryption, ours, for_another])).unwrap();
    assert_eq!(set.kids().collect::<Vec<_>>(), [KID]);
    assert_eq!(KeySet::parse(&jwks(&[x25519])), Err(KeySetError::Empty));
}

#[test]
fn what_is_no_key_set_is_refused_whole() {
    let ours = jwk(&backend(), KID, "");
    let keys = |more: String| KeySet::parse(&jwks(&[ours.clone(), more]));
    assert_eq!(keys(ours.clone()), Err(KeySetError::SameKid(KID.into())));
    assert_eq!(keys(jwk(&key(3), "", "")), Err(KeySetError::NoKid(1)));
    assert_eq!(keys(jwk(&key(3), &"k".repeat(129), "")), Err(KeySetError::NoKid(1)));
    assert_eq!(keys(jwk(&key(3), "d", r#","d":"AAAA""#)), Err(KeySetError::Secret("d".into())));
    for x in ["", "AAAA", &"A".repeat(43), &"=".repeat(43)] {
        let weak = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"w","x":"{x}"}}"#);
        assert_eq!(keys(weak), Err(KeySetError::Point("w".into())), "{x}");
    }
    let bad = jwk(&key(3), "s", r#","braidcast_streams":["a b"]"#);
    assert!(matches!(keys(bad), Err(KeySetError::Streams(..))));
    assert!(matches!(
        keys(jwk(&key(3), "s", r#","braidcast_streams":"film""#)),
        Err(KeySetError::NotJwks(_))
    ));
    for text in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]} x", "null"] {
        assert!(matches!(KeySet::parse(text), Err(KeySetError::NotJwks(_))), "{text}");
    }
    assert_eq!(KeySet::parse(&jwks(&[])), Err(KeySetError::Empty));
}

#[test]
fn a_key_set_has_64_keys_and_64_kib_at_most() {
    let many = |count: u8| jwks(&(0..count).map(|n| jwk(&key(n), &format!("{n}"), "")).collect::<Vec<_>>());
    assert_eq!(KeySet::parse(&many(64)).unwrap().kids().count(), 64);
    assert_eq!(KeySet::parse(&many(65)), Err(KeySetError::TooMany));
    let long = |spaces: usize| jwks(&[jwk(&backend(), KID, "")]) + &" ".repeat(spaces);
    let room = 64 * 1024 - long(0).len();
    assert!(KeySet::parse(&long(room)).is_ok());
    assert_eq!(KeySet::parse(&long(room + 1)), Err(KeySetError::TooLong));
}
