//! A site's backend and its viewers.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use access::{
    Challenge, Claims, KeySet, Pattern, PeerId, Policy, Proof, SwarmId, Timestamp, Token, proof::Occasion,
};
use manifest::SecretKey;
use serde_json::{Value, json};
use tracker::{Admission, Config, InfoHash};

use super::{Client, FILM, Server, announce_with};

pub const KID: &str = "2026-11";
pub const NAME: &str = "film";

pub fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

/// The site's secret.
pub fn backend() -> SecretKey {
    key(1)
}

pub fn key_set(keys: &[(&str, SecretKey)]) -> String {
    let jwk = |(kid, key): &(&str, SecretKey)| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": key.public().to_string()});
    json!({"keys": keys.iter().map(jwk).collect::<Vec<_>>()}).to_string()
}

/// Tokens of this key are taken.
pub fn by_tokens() -> Policy {
    Policy::Tokens(KeySet::parse(&key_set(&[(KID, backend())])).unwrap())
}

pub fn config(admission: Admission) -> Config {
    Config { admission: Some(admission), ..Config::default() }
}

/// A tracker that knows the film by its name.
pub async fn start(config: Config) -> Server {
    let server = Server::start(config).await;
    server.tracker.set_name(InfoHash::from_binary(FILM).unwrap(), Some(NAME)).unwrap();
    server
}

pub fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
}

/// What the backend says of a viewer, for so long; its id is another one each time.
pub fn claims(viewer: &SecretKey, life: Duration) -> Claims {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = format!("token-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Claims::new(Pattern::parse(NAME).unwrap(), viewer.public(), &id, now(), life)
}

pub fn mint(claims: &Claims) -> String {
    Token::mint(&backend(), Some(KID), claims).as_str().to_owned()
}

/// A good one for five minutes.
pub fn token(viewer: &SecretKey) -> String {
    mint(&claims(viewer, Duration::from_secs(300)))
}

pub fn proof(key: &SecretKey, challenge: &Challenge, swarm: &str, peer: &str, token: &str) -> String {
    let bytes = |text: &str| <[u8; 20]>::try_from(text.as_bytes()).unwrap();
    let occasion = Occasion { challenge, swarm: SwarmId(bytes(swarm)), peer: PeerId(bytes(peer)), token };
    Proof::sign(key, &occasion).to_string()
}

/// A connection, and what it was told to sign.
pub async fn guest(server: &Server) -> (Client, Challenge) {
    let mut client = server.client().await;
    let first = client.hear().await;
    assert_eq!(first["action"], "challenge", "{first}");
    let challenge = Challenge::parse(first["challenge"].as_str().unwrap()).unwrap();
    (client, challenge)
}

/// An announce with a token and its proof.
pub fn shown(viewer: &SecretKey, challenge: &Challenge, peer: &str, token: &str) -> Value {
    let proof = proof(viewer, challenge, FILM, peer, token);
    announce_with(peer, json!({"token": token, "proof": proof}))
}
