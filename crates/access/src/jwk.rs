//! A JSON Web Key (RFC 7517) of Ed25519 (RFC 8037 section 2), alone in a token's `cnf` or one of a set.

use alloc::string::String;
use alloc::vec::Vec;
use manifest::PublicKey;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The members that are looked at; all others are skipped.
#[derive(Deserialize)]
pub(crate) struct Jwk {
    pub kty: String,
    crv: Option<String>,
    x: Option<String>,
    d: Option<IgnoredAny>,
    pub kid: Option<String>,
    #[serde(rename = "use")]
    pub purpose: Option<String>,
    pub alg: Option<String>,
    /// Ours: streams for which the key may sign.
    #[serde(rename = "braidcast_streams")]
    pub streams: Option<Vec<String>>,
    /// Ours: the `iss` that its tokens must have.
    #[serde(rename = "braidcast_issuer")]
    pub issuer: Option<String>,
}

/// Why there is no key in it.
pub(crate) enum NoKey {
    /// It has a private part.
    Secret,
    /// `x` is missing, or no public key.
    Point,
}

impl Jwk {
    /// Whether it is a key of the one sort that is known here.
    pub fn is_ed25519(&self) -> bool {
        self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519")
    }

    pub fn public(&self) -> Result<PublicKey, NoKey> {
        if self.d.is_some() {
            return Err(NoKey::Secret);
        }
        self.x.as_deref().and_then(|x| PublicKey::parse(x).ok()).ok_or(NoKey::Point)
    }
}
