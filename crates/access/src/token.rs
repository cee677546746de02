//! Tokens as text: the compact form of a JSON Web Signature (RFC 7515), by Ed25519 only.
//!
//! Its invariant: there is one algorithm. What a header says of any other, of keys that it brings along, or of rules that must
//! be understood, is never followed.

use alloc::string::String;
use alloc::{format, vec::Vec};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use manifest::{PublicKey, SecretKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::field::object;
use crate::{Claims, Denied};

/// Longest `kid`, in bytes.
pub(crate) const MAX_KID: usize = 128;

/// A signed token, as a backend hands it to a page. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Makes the token that says `claims`, signed by `key`, which its set knows as `kid`.
    pub fn mint(key: &SecretKey, kid: Option<&str>, claims: &Claims) -> Self {
        let mut header = json!({ "alg": "EdDSA", "typ": "JWT" });
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        let part = |json: String| URL_SAFE_NO_PAD.encode(json);
        let signed = format!("{}.{}", part(format!("{header}")), part(claims.to_json()));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        Self(format!("{signed}.{signature}"))
    }

    /// The text that a viewer sends.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A token that was read; nobody knows yet who made it.
pub(crate) struct Unverified<'a> {
    /// Which key is said to have signed it.
    pub kid: Option<String>,
    pub claims: Claims,
    signed: &'a [u8],
    signature: [u8; 64],
}

impl<'a> Unverified<'a> {
    /// Reads the token. A text is read in at most one way, and no two texts are the same token.
    pub fn read(text: &'a str, max_bytes: usize) -> Result<Self, Denied> {
        if text.len() > max_bytes {
            return Err(Denied::TooLong { limit: max_bytes });
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Denied::Malformed("it has no three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(Denied::Malformed("it has no three parts"))?;
        let header: Header =
            object(&bytes(header)?).ok_or(Denied::Malformed("its header is not that of a token"))?;
        if header.alg != Algorithm::EdDSA {
            return Err(Denied::Algorithm);
        }
        if header.crit.is_some() {
            return Err(Denied::Malformed("its header has crit, of which nothing is understood here"));
        }
        if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(Denied::Malformed("its header's typ is not JWT"));
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(Denied::UnknownKey);
        }
        let signature =
            bytes(signature)?.try_into().map_err(|_| Denied::Malformed("its signature is not 64 bytes"))?;
        let claims = Claims::from_json(&bytes(claims)?)?;
        Ok(Self { kid: header.kid, claims, signed: signed.as_bytes(), signature })
    }

    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(self.signed, &self.signature)
    }
}

/// The one that there is. `none`, HS256 and all others are [`Algorithm::Other`], which has no way to be verified.
#[derive(Default, Deserialize, PartialEq)]
#[serde(from = "String")]
enum Algorithm {
    EdDSA,
    #[default]
    Other,
}

impl From<String> for Algorithm {
    fn from(name: String) -> Self {
        if name == "EdDSA" { Self::EdDSA } else { Self::Other }
    }
}

/// Keys in a header (`jwk`, `jku`, `x5c`) are not even read.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    alg: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

fn bytes(part: &str) -> Result<Vec<u8>, Denied> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Denied::Malformed("a part of it is not base64url"))
}
