//! Thousands of tokens that nobody should have, at one gate: none admits, and the gate is as it was.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use access::proof::Occasion;
use access::{Challenge, Claims, Pattern, PeerId, Proof, Stream, SwarmId, Timestamp, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner};

use crate::common::*;

/// Attempts of each sort.
const EACH: u32 = 1500;

/// The honest token, which thieves have seen, with the proof that was made for it.
fn seen() -> Shown {
    show(&mint(&claims()))
}

/// One character of the token is another one. Its viewer even proves it anew.
fn altered() -> impl Strategy<Value = Shown> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= ";
    (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(move |(place, with)| {
        let mut token = mint(&claims()).into_bytes();
        let place = place.index(token.len());
        let others: Vec<u8> = alphabet.bytes().filter(|byte| *byte != token[place]).collect();
        token[place] = *with.get(&others);
        show(&String::from_utf8(token).expect("all of it is ASCII"))
    })
}

/// Cut off, or longer than it was.
fn cut_or_lengthened() -> impl Strategy<Value = Shown> {
    let len = mint(&claims()).len();
    prop_oneof![
        (0..len).prop_map(|end| show(&mint(&claims())[..end])),
        (1..len).prop_map(|start| show(&mint(&claims())[start..])),
        "[A-Za-z0-9_.=-]{1,40}".prop_map(|more| show(&(mint(&claims()) + &more))),
    ]
}

/// Signed by somebody else, in the backend's name.
fn foreign_key() -> impl Strategy<Value = Shown> {
    any::<[u8; 32]>().prop_map(|seed| {
        let thief = manifest::SecretKey::from_seed(seed);
        let claims = Claims { viewer: thief.public(), ..claims() };
        show(Token::mint(&thief, Some(KID), &claims).as_str()).proven_by(&thief)
    })
}

/// The good claims under another header, with what those who believe it would take for a signature.
fn other_algorithm() -> impl Strategy<Value = Shown> {
    let name =
        prop_oneof!["none|None|nOnE|HS(256|384|512)|RS256|PS256|ES256|EdDSA ?|Ed448|Ed25519", ".{0,9}"];
    (name, prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(name, signature)| {
        let header = serde_json::json!({ "alg": name, "kid": KID }).to_string();
        let good = mint(&claims());
        let claims = good.split('.').nth(1).expect("a token has three parts");
        let token =
            format!("{}.{claims}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(signature));
        show(&token)
    })
}

/// Well signed, at another time than its own.
fn out_of_time() -> impl Strategy<Value = Shown> {
    prop_oneof![
        (30..NOW.0 - 600, 1..600u64).prop_map(|(ago, life)| {
            let expires = Timestamp(NOW.0 - ago);
            (Timestamp(expires.0 - life), expires)
        }),
        (31..1u64 << 40, 1..600u64).prop_map(|(left, life)| {
            let issued = Timestamp(NOW.0 + left);
            (issued, Timestamp(issued.0 + life))
        }),
        (0..300u64, 601..u64::MAX / 2)
            .prop_map(|(ago, life)| (Timestamp(NOW.0 - ago), Timestamp(NOW.0 - ago + life))),
    ]
    .prop_map(|(issued, expires)| show(&mint(&Claims { issued, expires, ..claims() })))
}

/// Well signed, for another stream, another site, or by a key that is not in force.
fn for_another() -> impl Strategy<Value = Shown> {
    prop_oneof![
        "[a-z0-9-]{1,40}"
            .prop_filter("another name", |name| name != "film")
            .prop_map(|name| Claims { stream: Pattern::parse(&name).unwrap(), ..claims() }),
        any::<[u8; 20]>().prop_filter("another swarm", |swarm| SwarmId(*swarm) != SWARM).prop_map(|swarm| {
            Claims { stream: Pattern::parse(&SwarmId(swarm).to_string()).unwrap(), ..claims() }
        }),
        "[a-z0-9.:-]{1,60}"
            .prop_filter("another site", |site| site != "www.example.org")
            .prop_map(|site| Claims { site: Some(site), ..claims() }),
    ]
    .prop_map(|claims| show(&mint(&claims)))
}

/// The token and the proof that were seen, in a place of the thief's own; or a new proof by the thief's key.
fn replayed() -> impl Strategy<Value = Shown> {
    let of_thief = any::<([u8; 32], [u8; 32])>().prop_map(|(seed, challenge)| {
        let challenge = Challenge(challenge);
        Shown { challenge, ..seen() }.proven_by(&manifest::SecretKey::from_seed(seed))
    });
    prop_oneof![
        any::<[u8; 32]>().prop_map(|drawn| Shown { challenge: Challenge(drawn), ..seen() }),
        any::<[u8; 20]>().prop_map(|id| Shown { peer: PeerId(id), ..seen() }),
        any::<[u8; 20]>()
            .prop_map(|id| Shown { stream: Stream { swarm: SwarmId(id), name: Some("film") }, ..seen() }),
        "[A-Za-z0-9_-]{0,90}".prop_map(|proof| Shown { proof: Some(proof), ..seen() }),
        of_thief,
    ]
}

/// Anything at all.
fn noise() -> impl Strategy<Value = Shown> {
    let json = r#"\{("(alg|kid|stream|cnf|jti|iat|exp)":("EdDSA"|"\*"|[0-9]{1,12}|null|\[\]|\{\}),){0,6}"alg":"EdDSA"\}"#;
    let part = move || prop_oneof![json, ".{0,60}"].prop_map(|text: String| URL_SAFE_NO_PAD.encode(text));
    prop_oneof![
        ".{0,200}".prop_map(|text| show(&text)),
        (part(), part(), prop::collection::vec(any::<u8>(), 64)).prop_map(
            |(header, claims, signature)| show(&format!(
                "{header}.{claims}.{}",
                URL_SAFE_NO_PAD.encode(signature)
            ))
        ),
        (part(), part()).prop_map(|(header, claims)| {
            let signed = format!("{header}.{claims}");
            let signature = URL_SAFE_NO_PAD.encode(backend().sign(signed.as_bytes()));
            show(&format!("{signed}.{signature}"))
        }),
    ]
}

#[test]
fn of_twelve_thousand_tokens_that_nobody_should_have_none_admits() {
    let mut gate = gate();
    let mut refused = 0;
    // With what each may be refused, so that none is refused before it comes to what it is about.
    let any: &[&str] = &[];
    let sorts = [
        (altered().boxed(), any),
        (cut_or_lengthened().boxed(), &["malformed"]),
        (foreign_key().boxed(), &["signature"]),
        (other_algorithm().boxed(), &["algorithm", "malformed", "signature"]),
        (out_of_time().boxed(), &["early", "expired", "life"]),
        (for_another().boxed(), &["stream", "site"]),
        (replayed().boxed(), &["proof"]),
        (noise().boxed(), any),
    ];
    for (sort, codes) in sorts {
        let cases = Cases { cases: EACH, failure_persistence: None, ..Cases::default() };
        let mut runner = TestRunner::new_with_rng(cases, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let gate = RefCell::new(&mut gate);
        let met = RefCell::new(BTreeSet::new());
        let count = Cell::new(0);
        let outcome = runner.run(&sort, |shown| {
            let verdict = shown.at(&mut gate.borrow_mut(), NOW);
            count.set(count.get() + 1);
            let Err(why) = verdict else { return Err(TestCaseError::fail("it is admitted")) };
            prop_assert!(codes.is_empty() || codes.contains(&why.code()), "{why}");
            met.borrow_mut().insert(why.code());
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
        assert!(codes.iter().all(|code| met.borrow().contains(code)), "{codes:?}: {met:?}");
        refused += count.get();
    }
    assert_eq!(refused, 8 * EACH);
    assert!(gate.spent().is_empty());
    assert!(seen().at(&mut gate, NOW).is_ok(), "and the honest viewer still is admitted");
}

#[test]
fn every_bit_of_a_token_and_of_its_proof_counts() {
    let mut gate = gate();
    let good = seen();
    let (token, proof) = (good.token.clone().unwrap(), good.proof.clone().unwrap());
    let flipped = |text: &str, bit: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    };
    for bad in (0..token.len() * 8).filter_map(|bit| flipped(&token, bit)) {
        let occasion = Occasion { challenge: &CHALLENGE, swarm: SWARM, peer: PEER, token: &bad };
        let proof = Proof::sign(&viewer(), &occasion).to_string();
        let shown = Shown { token: Some(bad.clone()), proof: Some(proof), ..good.clone() };
        assert!(shown.at(&mut gate, NOW).is_err(), "{bad}");
    }
    for bad in (0..proof.len() * 8).filter_map(|bit| flipped(&proof, bit)) {
        assert!(Shown { proof: Some(bad.clone()), ..good.clone() }.at(&mut gate, NOW).is_err(), "{bad}");
    }
    assert!(gate.spent().is_empty());
    assert!(good.at(&mut gate, NOW).is_ok());
}
