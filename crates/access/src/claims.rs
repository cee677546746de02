//! What a token says.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use manifest::PublicKey;
use serde::Deserialize;
use serde_json::json;

use crate::field::{Field, object};
use crate::jwk::Jwk;
use crate::{Denied, Pattern, Timestamp};

/// The one audience that is known here, where a token names any.
const AUDIENCE: &str = "braidcast";
/// Longest `jti` and `iss`, in bytes.
const MAX_TEXT: usize = 128;
/// Longest `site`, in bytes: a name of the DNS, a colon and a port.
const MAX_SITE: usize = 253 + 6;

/// The claims of a token: who may watch what, until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `stream`: what may be watched.
    pub stream: Pattern,
    /// `cnf`: the key that the viewer's page has made, and must prove to have.
    pub viewer: PublicKey,
    /// `jti`: no other token of the same key has it. 1 to 128 bytes.
    pub id: String,
    /// `iat`: when it was made.
    pub issued: Timestamp,
    /// `exp`: from when on it admits nobody.
    pub expires: Timestamp,
    /// `nbf`: before when it admits nobody.
    pub not_before: Option<Timestamp>,
    /// `site`: host, and port where it is not the scheme's own, of the page that the viewer is on: `www.example.org`.
    pub site: Option<String>,
    /// `iss`: for whom it was made, where several customers share a tracker.
    pub issuer: Option<String>,
}

impl Claims {
    /// What `viewer` needs to watch `stream` from `issued` on, for `life`.
    pub fn new(stream: Pattern, viewer: PublicKey, id: &str, issued: Timestamp, life: Duration) -> Self {
        Self {
            stream,
            viewer,
            id: id.to_owned(),
            issued,
            expires: issued.plus(life),
            not_before: None,
            site: None,
            issuer: None,
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": self.viewer.to_string() });
        let mut claims = json!({
            "stream": self.stream.to_string(),
            "cnf": { "jwk": jwk },
            "jti": self.id,
            "iat": self.issued.0,
            "exp": self.expires.0,
        });
        if let Some(not_before) = self.not_before {
            claims["nbf"] = not_before.0.into();
        }
        if let Some(site) = &self.site {
            claims["site"] = site.as_str().into();
        }
        if let Some(issuer) = &self.issuer {
            claims["iss"] = issuer.as_str().into();
        }
        claims.to_string()
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Self, Denied> {
        let raw: Raw = object(json).ok_or(Denied::Malformed("its claims are no JSON object"))?;
        if let Some(audience) = raw.aud {
            let named = match audience.good("aud", "a text or a list of texts")? {
                Audience::One(one) => one == AUDIENCE,
                Audience::Many(many) => many.iter().any(|one| one == AUDIENCE),
            };
            named.then_some(()).ok_or(Denied::Claim { claim: "aud", must: "braidcast, or left out" })?;
        }
        let pattern = text(raw.stream, "stream", MAX_TEXT)?.ok_or(Denied::Missing("stream"))?;
        let stream = Pattern::parse(&pattern).map_err(|_| Denied::Claim {
            claim: "stream",
            must: "a stream's name, a beginning of one and *, or a swarm id",
        })?;
        Ok(Self {
            stream,
            viewer: viewer(raw.cnf)?,
            id: text(raw.jti, "jti", MAX_TEXT)?.ok_or(Denied::Missing("jti"))?,
            issued: seconds(raw.iat, "iat")?.ok_or(Denied::Missing("iat"))?,
            expires: seconds(raw.exp, "exp")?.ok_or(Denied::Missing("exp"))?,
            not_before: seconds(raw.nbf, "nbf")?,
            site: text(raw.site, "site", MAX_SITE)?,
            issuer: text(raw.iss, "iss", MAX_TEXT)?,
        })
    }
}

/// A claim that is there twice is refused by serde; those that nobody knows are skipped.
#[derive(Deserialize)]
struct Raw {
    stream: Option<Field<String>>,
    cnf: Option<Field<Confirmation>>,
    jti: Option<Field<String>>,
    iat: Option<Field<u64>>,
    exp: Option<Field<u64>>,
    nbf: Option<Field<u64>>,
    site: Option<Field<String>>,
    iss: Option<Field<String>>,
    aud: Option<Field<Audience>>,
}

#[derive(Deserialize)]
struct Confirmation {
    jwk: Jwk,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

fn viewer(cnf: Option<Field<Confirmation>>) -> Result<PublicKey, Denied> {
    const MUST: &str = "{\"jwk\": {...}} with the viewer's public key, OKP of Ed25519";
    let bad = Denied::Claim { claim: "cnf", must: MUST };
    let jwk = cnf.ok_or(Denied::Missing("cnf"))?.good("cnf", MUST)?.jwk;
    if jwk.is_ed25519() { jwk.public().map_err(|_| bad) } else { Err(bad) }
}

fn seconds(field: Option<Field<u64>>, claim: &'static str) -> Result<Option<Timestamp>, Denied> {
    field.map(|field| field.good(claim, "whole seconds since 1970").map(Timestamp)).transpose()
}

fn text(field: Option<Field<String>>, claim: &'static str, limit: usize) -> Result<Option<String>, Denied> {
    const MUST: &str = "a short text";
    match field.map(|field| field.good(claim, MUST)).transpose()? {
        Some(text) if text.is_empty() || text.len() > limit => Err(Denied::Claim { claim, must: MUST }),
        text => Ok(text),
    }
}
