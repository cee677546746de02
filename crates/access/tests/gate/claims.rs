//! Headers and claims as other programs may write them: what is refused says which part is wrong.

use access::Denied;
use serde_json::{Value, json};

use crate::common::*;

fn header() -> Value {
    json!({ "alg": "EdDSA", "kid": KID })
}

fn good() -> Value {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": viewer().public().to_string() });
    json!({ "stream": "film", "cnf": { "jwk": jwk }, "jti": "a", "iat": NOW.0, "exp": NOW.0 + 60 })
}

fn verdict(header: &Value, claims: &Value) -> Result<(), Denied> {
    judged(&show(&raw(&header.to_string(), &claims.to_string()))).map(|_| ())
}

/// The verdict when `claim` is `value`.
fn with(claim: &str, value: Value) -> Result<(), Denied> {
    let mut claims = good();
    claims[claim] = value;
    verdict(&header(), &claims)
}

fn with_header(member: &str, value: Value) -> Result<(), Denied> {
    let mut header = header();
    header[member] = value;
    verdict(&header, &good())
}

#[test]
fn a_token_by_another_program_is_taken() {
    assert_eq!(verdict(&header(), &good()), Ok(()));
    assert_eq!(with("sub", json!("somebody")), Ok(()), "claims that nobody knows are skipped");
    assert_eq!(with("roles", json!([{ "deep": [1, 2, { "er": null }] }])), Ok(()));
    assert_eq!(with_header("typ", json!("JWT")), Ok(()));
    assert_eq!(with_header("typ", json!("jwt")), Ok(()));
}

#[test]
fn a_public_key_as_browsers_export_it_is_taken() {
    let x = viewer().public().to_string();
    let jwk = json!({ "key_ops": ["verify"], "ext": true, "alg": "Ed25519", "crv": "Ed25519", "kty": "OKP", "x": x });
    assert_eq!(with("cnf", json!({ "jwk": jwk })), Ok(()));
}

#[test]
fn there_is_one_algorithm() {
    for alg in
        ["none", "None", "NONE", "", "HS256", "HS512", "RS256", "ES256", "ES256K", "Ed448", "eddsa", "EDDSA"]
    {
        assert_eq!(with_header("alg", json!(alg)), Err(Denied::Algorithm), "{alg}");
    }
    assert_eq!(verdict(&json!({ "kid": KID }), &good()), Err(Denied::Algorithm));
    for alg in [json!(null), json!(["EdDSA"]), json!({ "EdDSA": null }), json!(0)] {
        assert_eq!(with_header("alg", alg.clone()).unwrap_err().code(), "malformed", "{alg}");
    }
}

#[test]
fn headers_that_would_change_the_rules_are_refused() {
    assert_eq!(with_header("crit", json!(["b64"])).unwrap_err().code(), "malformed");
    assert_eq!(with_header("typ", json!("at+jwt")).unwrap_err().code(), "malformed");
    assert_eq!(with_header("kid", json!(7)).unwrap_err().code(), "malformed");
    assert_eq!(with_header("kid", json!("k".repeat(129))), Err(Denied::UnknownKey));
    assert_eq!(with_header("kid", json!("")), Err(Denied::UnknownKey));
    let twice = format!(r#"{{"alg":"EdDSA","kid":"x","kid":"{KID}"}}"#);
    assert_eq!(judged(&show(&raw(&twice, &good().to_string()))).unwrap_err().code(), "malformed");
}

#[test]
fn members_in_a_list_are_no_object() {
    let list = json!(["EdDSA", KID]).to_string();
    assert_eq!(judged(&show(&raw(&list, &good().to_string()))).unwrap_err().code(), "malformed");
    let claims = good();
    let list =
        json!([claims["stream"], claims["cnf"], "a", NOW.0, NOW.0 + 60, null, null, null, null]).to_string();
    assert_eq!(judged(&show(&raw(&header().to_string(), &list))).unwrap_err().code(), "malformed");
}

#[test]
fn a_key_that_the_token_brings_along_is_not_looked_at() {
    let evil = json!({ "kty": "OKP", "crv": "Ed25519", "x": key(66).public().to_string() });
    assert_eq!(with_header("jwk", evil), Ok(()), "signed by the backend, so it is taken");
    assert_eq!(with_header("jku", json!("https://evil.example/keys")), Ok(()));
}

#[test]
fn claims_that_must_be_there_are() {
    for claim in ["stream", "cnf", "jti", "iat", "exp"] {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(verdict(&header(), &claims), Err(Denied::Missing(claim)));
        assert_eq!(with(claim, Value::Null), Err(Denied::Missing(claim)));
    }
}

#[test]
fn claims_of_the_wrong_kind_are_named() {
    for (claim, value) in [
        ("stream", json!(["film"])),
        ("stream", json!("a b")),
        ("cnf", json!("text")),
        ("cnf", json!({ "jkt": "text" })),
        ("cnf", json!({ "jwk": { "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" } })),
        ("cnf", json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "AA" } })),
        ("jti", json!(7)),
        ("iat", json!("1800000000")),
        ("exp", json!(1_800_000_060.5)),
        ("exp", json!(-1)),
        ("nbf", json!({})),
        ("site", json!([])),
        ("site", json!("h".repeat(260))),
        ("iss", json!("")),
        ("aud", json!(1)),
        ("aud", json!("another-service")),
        ("aud", json!(["a", "b"])),
    ] {
        let named =
            matches!(with(claim, value.clone()), Err(Denied::Claim { claim: named, .. }) if named == claim);
        assert!(named, "{claim}: {value}: {:?}", with(claim, value.clone()));
    }
}

#[test]
fn an_audience_is_braidcast_where_there_is_one() {
    assert_eq!(with("aud", json!("braidcast")), Ok(()));
    assert_eq!(with("aud", json!(["other", "braidcast"])), Ok(()));
}

#[test]
fn a_secret_key_in_a_token_is_refused() {
    let x = viewer().public().to_string();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "d": viewer().to_text() });
    assert!(matches!(with("cnf", json!({ "jwk": jwk })), Err(Denied::Claim { claim: "cnf", .. })));
}

#[test]
fn a_claim_that_is_there_twice_is_refused() {
    let claims = good().to_string();
    let twice = claims.replacen('{', r#"{"stream":"*","#, 1);
    let shown = show(&raw(&header().to_string(), &twice));
    assert_eq!(judged(&shown).unwrap_err().code(), "malformed");
}

#[test]
fn depth_costs_nothing_where_it_is_not_looked_at_and_is_refused_where_it_is() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let with = |claim: &str, depth: usize| {
        let claims = good().to_string().replacen('{', &format!(r#"{{"{claim}":{},"#, deep(depth)), 1);
        judged(&show(&raw(&header().to_string(), &claims))).map(|_| ())
    };
    assert_eq!(with("roles", 500), Ok(()));
    assert_eq!(with("aud", 500).unwrap_err().code(), "malformed");
    assert_eq!(with("aud", 100).unwrap_err().code(), "malformed");
}

#[test]
fn what_is_no_json_object_is_refused() {
    for claims in
        ["", "null", "[]", "7", "{", "{}{}", "\u{feff}{}", &"[".repeat(900), &r#"{"a":"#.repeat(250)]
    {
        let shown = show(&raw(&header().to_string(), claims));
        assert!(judged(&shown).is_err(), "{claims}");
    }
    for text in ["", ".", "..", "...", "a.b", "a.b.c.d", "a..b", "e30=.e30.e30"] {
        assert_eq!(judged(&show(text)).unwrap_err().code(), "malformed", "{text}");
    }
}
