//! Admission: who may join a swarm, until when.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use manifest::PublicKey;

use crate::keys::Key;
use crate::proof::Occasion;
use crate::revocations::{ListError, Reason, Taken};
use crate::token::Unverified;
use crate::{
    Authority, Challenge, Claims, Config, Denied, KeySet, PeerId, Proof, Spent, Stream, Streams, Timestamp,
    Use,
};

/// Whom a gate admits. What was taken down it admits nobody to, in any case.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Everybody, to every stream.
    Open,
    /// Everybody, to these streams.
    Listed(Streams),
    /// Whoever has a token by one of these keys.
    Tokens(KeySet),
}

/// What somebody shows who wants to join.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The stream whose swarm is to be joined.
    pub stream: Stream<'a>,
    /// As whom.
    pub peer: PeerId,
    /// What was drawn for this connection.
    pub challenge: Challenge,
    /// The `Origin` header of the connection. A browser says it truly, any other program what it likes.
    pub site: Option<&'a str>,
    /// The token.
    pub token: Option<&'a str>,
    /// The proof, as text.
    pub proof: Option<&'a str>,
}

/// Somebody is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Until when; then a new token is needed. `None` where no token is.
    pub until: Option<Timestamp>,
    /// Whose token it was.
    pub holder: Option<Holder>,
    /// Which token it was, for [`Gate::note_use`] of other gates to the same streams.
    pub used: Option<Use>,
}

impl Grant {
    /// For whoever comes.
    const OPEN: Self = Self { until: None, holder: None, used: None };
}

/// What became of a word that a token was used elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It admits nobody here.
    Known,
    /// It has admitted here as well.
    UsedHere,
    /// There is no room to remember it.
    Full,
}

/// To whom limits per customer and per viewer apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The key that signed the token.
    pub kid: String,
    /// The customer. Sure only for keys that are limited to one: others may say any.
    pub issuer: Option<String>,
    /// The viewer's key. Its owner can make others, but has to get a token for each.
    pub viewer: PublicKey,
}

/// There are as many authorities as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {limit} keys may take streams down")]
pub struct TooMany {
    /// [`Config::authorities`].
    pub limit: usize,
}

/// A tracker's door.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    policy: Policy,
    authorities: Vec<Authority>,
    spent: Spent,
    spent_elsewhere: Spent,
}

impl Gate {
    /// A gate at which nothing was used and nothing is taken down yet.
    pub const fn new(config: Config, policy: Policy) -> Self {
        let authorities = Vec::new();
        let spent_elsewhere = Spent::new(config.spent);
        Self { config, policy, authorities, spent: Spent::new(config.spent), spent_elsewhere }
    }

    /// Admits by other rules or keys from now on. Used tokens stay used; those who are in stay until their grants end.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Lets the lists of one more authority count.
    pub fn trust(&mut self, authority: Authority) -> Result<(), TooMany> {
        if self.authorities.len() >= self.config.authorities {
            return Err(TooMany { limit: self.config.authorities });
        }
        self.authorities.push(authority);
        Ok(())
    }

    /// Takes in a list of revocations by one of the authorities. The owner then asks [`Gate::revoked`] about each swarm that
    /// there is.
    pub fn take_revocations(&mut self, list: &[u8]) -> Result<Taken, ListError> {
        let mut refused = ListError::OtherKey;
        for authority in &mut self.authorities {
            match authority.take(list) {
                Err(ListError::OtherKey) => {}
                Err(why) => refused = why,
                Ok(taken) => return Ok(taken),
            }
        }
        Err(refused)
    }

    /// Why the stream was taken down, if it was.
    pub fn revoked(&self, stream: &Stream<'_>) -> Option<Reason> {
        self.authorities.iter().find_map(|authority| authority.revoked(stream))
    }

    /// Another gate has admitted by a token, up to then: this one admits nobody by it any more. What it has admitted stays, and it says so
    /// ([`Noted::UsedHere`]). Of others' tokens it remembers as many as of its own, beside those.
    pub fn note_use(&mut self, now: Timestamp, used: Use, until: Timestamp) -> Noted {
        if self.spent.contains(&used) {
            return Noted::UsedHere;
        }
        let until = until.min(now.plus(self.config.max_life).plus(self.config.skew).plus(self.config.skew));
        match self.spent_elsewhere.insert(now, used, until) {
            Err(Denied::Full) => Noted::Full,
            _ => Noted::Known,
        }
    }

    /// The tokens that were used at this gate.
    pub const fn spent(&self) -> &Spent {
        &self.spent
    }

    /// Decides whether somebody may join. A token that admits is used up by that, for this swarm.
    ///
    /// The cheap checks come first: signatures are looked at when all else is right. `now` is not to go back: used tokens whose time
    /// was over are forgotten.
    pub fn admit(&mut self, now: Timestamp, request: &Request<'_>) -> Result<Grant, Denied> {
        if let Some(reason) = self.revoked(&request.stream) {
            return Err(Denied::Revoked(reason));
        }
        let keys = match &self.policy {
            Policy::Open => return Ok(Grant::OPEN),
            Policy::Listed(streams) if streams.matches(&request.stream) => return Ok(Grant::OPEN),
            Policy::Listed(_) => return Err(Denied::NotListed),
            Policy::Tokens(keys) => keys,
        };
        let text = request.token.ok_or(Denied::NoToken)?;
        let token = Unverified::read(text, self.config.token_bytes)?;
        let (kid, key) = keys.find(token.kid.as_deref())?;
        self.config.check_times(now, &token.claims)?;
        check_scope(key, &token.claims, request)?;
        let proof = request.proof.ok_or(Denied::NoProof)?;
        let proof = Proof::parse(proof).ok_or(Denied::BadProof)?;
        let swarm = request.stream.swarm;
        let used = Use::new(&key.public, swarm, &token.claims.id);
        if self.spent.contains(&used) || self.spent_elsewhere.contains(&used) {
            return Err(Denied::Spent);
        }

        if !token.is_signed_by(&key.public) {
            return Err(Denied::BadSignature);
        }
        let viewer = token.claims.viewer;
        let occasion = Occasion { challenge: &request.challenge, swarm, peer: request.peer, token: text };
        if !proof.fits(&viewer, &occasion) {
            return Err(Denied::BadProof);
        }
        let until = token.claims.expires.plus(self.config.skew);
        self.spent.insert(now, used, until)?;
        let holder = Holder { kid: kid.to_owned(), issuer: token.claims.issuer, viewer };
        Ok(Grant { until: Some(until), holder: Some(holder), used: Some(used) })
    }
}

impl Config {
    fn check_times(&self, now: Timestamp, claims: &Claims) -> Result<(), Denied> {
        let Claims { issued, expires, .. } = *claims;
        if expires <= issued || expires.since(issued) > self.max_life {
            return Err(Denied::Life { limit: self.max_life });
        }
        if now >= expires.plus(self.skew) {
            return Err(Denied::Expired { ago: now.since(expires) });
        }
        let begins = claims.not_before.map_or(issued, |not_before| not_before.max(issued));
        if begins > now.plus(self.skew) {
            return Err(Denied::Early { left: begins.since(now) });
        }
        Ok(())
    }
}

/// Whether the token is for this stream and site, and its key may say so.
fn check_scope(key: &Key, claims: &Claims, request: &Request<'_>) -> Result<(), Denied> {
    if !claims.stream.matches(&request.stream) {
        return Err(Denied::OtherStream);
    }
    if !key.covers(&request.stream) {
        return Err(Denied::KeyLimit);
    }
    if !key.speaks_for(claims.issuer.as_deref()) {
        return Err(Denied::OtherIssuer);
    }
    match &claims.site {
        Some(site) if !request.site.is_some_and(|origin| is_at(origin, site)) => Err(Denied::OtherSite),
        _ => Ok(()),
    }
}

/// Whether an `Origin` header (RFC 6454 section 7) is that of a page at `site`.
fn is_at(origin: &str, site: &str) -> bool {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    host.is_some_and(|host| host.eq_ignore_ascii_case(site))
}
