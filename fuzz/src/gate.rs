//! The gate of a tracker, and what its operator feeds it: tokens, key sets, lists of takedowns.

use access::proof::Occasion;
use access::revocations::{Entry, Reason, Revocations, Target};
use access::{
    Challenge, Claims, Config, Denied, Gate, KeySet, Pattern, PeerId, Policy, Proof, Request, Stream,
    SwarmId, Timestamp, Token,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use manifest::SecretKey;
use std::time::Duration;

/// When it is, for every token.
const NOW: Timestamp = Timestamp(1_800_000_000);

/// Whose tokens are taken.
fn backend() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

/// Who shows them.
fn viewer() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

/// One letter for the kind, then the bytes: `t` a token as it comes, `s` header and claims that the backend has signed, a line
/// each, `k` a key set, `r` the body of a list of takedowns, which its operator has signed.
///
/// Only what the backend has signed admits, once, and not for longer than tokens live. What is refused leaves no trace. A list that is
/// taken is written in the one way that there is.
pub fn access_gate(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = std::str::from_utf8(rest).ok();
    match (kind, text) {
        (b't', Some(token)) => assert!(show(token).is_err(), "nobody has signed it"),
        (b's', Some(text)) => {
            let (header, claims) = text.split_once('\n').unwrap_or((text, ""));
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = URL_SAFE_NO_PAD.encode(backend().sign(signed.as_bytes()));
            let _ = show(&format!("{signed}.{signature}"));
        }
        (b'k', Some(json)) => {
            if let Ok(keys) = KeySet::parse(json) {
                assert!((1..=access::MAX_KEYS).contains(&keys.kids().count()));
            }
        }
        (b'r', _) => {
            let operator = SecretKey::from_seed([9; 32]);
            let body = [operator.public().as_bytes(), rest].concat();
            let signature = operator.sign(&[b"braidcast revocations v1\n", &body[..]].concat());
            let list = [b"BCRV\x01", &signature[..], &body].concat();
            if let Ok(read) = Revocations::open(&list, &operator.public()) {
                assert_eq!(read.seal(&operator).as_ref(), Ok(&list));
            }
        }
        _ => {}
    }
}

fn show(token: &str) -> Result<(), Denied> {
    let config = Config::default();
    let mut gate = Gate::new(config, Policy::Tokens(KeySet::single(backend().public())));
    let stream = Stream { swarm: SwarmId([7; 20]), name: Some("film") };
    let (peer, challenge) = (PeerId([b'p'; 20]), Challenge([9; 32]));
    let proof = Proof::sign(&viewer(), &Occasion { challenge: &challenge, swarm: stream.swarm, peer, token })
        .to_string();
    let site = Some("https://www.example.org");
    let request = Request { stream, peer, challenge, site, token: Some(token), proof: Some(&proof) };
    let verdict = gate.admit(NOW, &request);
    match &verdict {
        Ok(grant) => {
            let until = grant.until.expect("a token ends");
            assert!(until > NOW && until <= NOW.plus(config.max_life + 2 * config.skew));
            assert_eq!(gate.admit(NOW, &request), Err(Denied::Spent));
        }
        Err(_) => assert!(gate.spent().is_empty()),
    }
    verdict.map(|_| ())
}

/// A token that nobody has signed, two that the backend has, a set of two keys, a list of two takedowns.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let x = viewer().public();
    let stream = Pattern::parse("film").expect("this is a name");
    let claims = Claims::new(stream, x, "token-1", NOW, Duration::from_secs(300));
    let forged = Token::mint(&viewer(), None, &claims);
    let said = format!(
        r#"s{{"alg":"EdDSA","typ":"JWT"}}
{{"stream":"fi*","cnf":{{"jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}},"site":"www.example.org","aud":["braidcast"],"jti":"a","iat":1800000000,"nbf":1800000000,"exp":1800000300}}"#
    );
    let keys = format!(
        r#"k{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{x}","use":"sig","braidcast_streams":["acme-*"],"braidcast_issuer":"acme"}},{{"kty":"RSA","n":"AQAB","e":"AQAB"}}]}}"#
    );
    let entry = Entry { reason: Reason::COPYRIGHT, at: NOW };
    let targets = [Target::Swarm(SwarmId([7; 20])), Target::Name("film".to_owned())];
    let entries = targets.into_iter().map(|target| (target, entry)).collect();
    let list = Revocations { number: 3, at: NOW, entries }.seal(&backend()).expect("these are names");
    vec![
        ("forged", format!("t{}", forged.as_str()).into_bytes()),
        ("other_algorithm", said.replace("EdDSA", "HS256").into_bytes()),
        ("signed", said.into_bytes()),
        ("keys", keys.into_bytes()),
        // What follows the magic, the version, the signature and the key.
        ("takedowns", [b"r", &list[4 + 1 + 64 + 32..]].concat()),
    ]
}
