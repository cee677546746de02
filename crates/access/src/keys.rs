//! The keys that backends sign with: a JWK Set (RFC 7517), or one key.
//!
//! Its invariant: every key has a name of its own, and none is secret. A set is taken whole or not at all, so that a damaged
//! document never leaves half of the old keys in force.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use manifest::PublicKey;
use serde::Deserialize;

use crate::jwk::{Jwk, NoKey};
use crate::token::MAX_KID;
use crate::{Denied, PatternError, Stream, Streams};

/// Most keys of a set, those counted that are skipped.
pub const MAX_KEYS: usize = 64;
/// Longest document of a set.
pub const MAX_KEY_SET_BYTES: usize = 64 * 1024;

/// Whose tokens are taken. To change keys, make another set: what is not in it is out of force at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(BTreeMap<String, Key>);

/// One key of a set, and what it may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub public: PublicKey,
    /// `braidcast_streams`: `None` for all.
    streams: Option<Streams>,
    /// `braidcast_issuer`: `None` for any.
    issuer: Option<String>,
}

/// Why a document is no set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More than [`MAX_KEY_SET_BYTES`].
    #[error("a key set has at most {MAX_KEY_SET_BYTES} bytes")]
    TooLong,
    /// Not `{"keys": [...]}`, or a member of a key is of the wrong kind.
    #[error("not a JWK Set (RFC 7517): {0}")]
    NotJwks(String),
    /// More than [`MAX_KEYS`].
    #[error("a key set has at most {MAX_KEYS} keys")]
    TooMany,
    /// There are keys, perhaps, but none of Ed25519 for signatures.
    #[error("there is no key for signatures with kty OKP and crv Ed25519 in it")]
    Empty,
    /// A key without a name, or with one of more than 128 bytes.
    #[error("key {0} has no kid, or a long one")]
    NoKid(usize),
    /// Two keys of one name.
    #[error("two keys have the kid {0:?}")]
    SameKid(String),
    /// A key with `d`: whoever read the document can sign.
    #[error("key {0:?} is published with its secret part d: make another one at once")]
    Secret(String),
    /// `x` is no public key.
    #[error("key {0:?} has an x that is no Ed25519 public key")]
    Point(String),
    /// `braidcast_streams` is no list of patterns.
    #[error("key {0:?}, braidcast_streams: {1}")]
    Streams(String, PatternError),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// A set of one key, which is known by its own text: tokens leave their `kid` out, or say that.
    pub fn single(public: PublicKey) -> Self {
        Self(BTreeMap::from([(public.to_string(), Key { public, streams: None, issuer: None })]))
    }

    /// Reads a JWK Set. Keys that are no Ed25519 keys for signatures are skipped, as RFC 7517 section 5 says.
    pub fn parse(json: &str) -> Result<Self, KeySetError> {
        if json.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLong);
        }
        let not_jwks = |error: serde_json::Error| KeySetError::NotJwks(error.to_string());
        let jwks: Jwks = serde_json::from_str(json).map_err(not_jwks)?;
        if jwks.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut keys = BTreeMap::new();
        for (place, jwk) in jwks.keys.into_iter().enumerate() {
            // What is said of other sorts of keys is not ours to read.
            if jwk["kty"] != "OKP" || jwk["crv"] != "Ed25519" {
                continue;
            }
            let jwk: Jwk = serde_json::from_value(jwk).map_err(not_jwks)?;
            if !jwk.is_for_tokens() {
                continue;
            }
            let named = jwk.kid.clone().filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID);
            let kid = named.ok_or(KeySetError::NoKid(place))?;
            let key = Key::new(&kid, jwk)?;
            if keys.insert(kid.clone(), key).is_some() {
                return Err(KeySetError::SameKid(kid));
            }
        }
        if keys.is_empty() { Err(KeySetError::Empty) } else { Ok(Self(keys)) }
    }

    /// The names of the keys in force.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The key of this name; without one the only key that there is.
    pub(crate) fn find(&self, kid: Option<&str>) -> Result<(&str, &Key), Denied> {
        let found = match kid {
            Some(kid) => self.0.get_key_value(kid),
            None if self.0.len() == 1 => self.0.first_key_value(),
            None => None,
        };
        found.map(|(kid, key)| (kid.as_str(), key)).ok_or(Denied::UnknownKey)
    }
}

impl Key {
    fn new(kid: &str, jwk: Jwk) -> Result<Self, KeySetError> {
        let public = jwk.public().map_err(|why| match why {
            NoKey::Secret => KeySetError::Secret(kid.to_owned()),
            NoKey::Point => KeySetError::Point(kid.to_owned()),
        })?;
        let streams = jwk.streams.map(|texts| Streams::parse(texts.iter().map(String::as_str)));
        let streams = streams.transpose().map_err(|why| KeySetError::Streams(kid.to_owned(), why))?;
        Ok(Self { public, streams, issuer: jwk.issuer })
    }

    /// Whether the key may sign for `stream`.
    pub fn covers(&self, stream: &Stream<'_>) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.matches(stream))
    }

    /// Whether the key may sign for the customer `issuer`.
    pub fn speaks_for(&self, issuer: Option<&str>) -> bool {
        self.issuer.is_none() || self.issuer.as_deref() == issuer
    }
}

impl Jwk {
    /// Whether it says that it is for signatures, by this algorithm, or does not say what it is for.
    fn is_for_tokens(&self) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            // The second is RFC 9864's name for the same.
            && self.alg.as_deref().is_none_or(|alg| matches!(alg, "EdDSA" | "Ed25519"))
    }
}
