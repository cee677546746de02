//! Why somebody is not admitted: the texts that clients find, and codes that programs can go by.

use core::time::Duration;

use crate::revocations::Reason;

/// Why a [`Gate`](crate::Gate) does not admit. No text repeats what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The stream was taken down.
    #[error("this stream was taken down: {0}")]
    Revoked(Reason),
    /// The operator lists the streams that are welcome, and this is none of them.
    #[error("this stream is not one of those that are welcome here")]
    NotListed,
    /// A token is needed.
    #[error("a token is needed here, and none was sent")]
    NoToken,
    /// A token beyond the limit.
    #[error("the token is longer than {limit} bytes")]
    TooLong {
        /// [`Config::token_bytes`](crate::Config::token_bytes).
        limit: usize,
    },
    /// No token at all: says why.
    #[error("this is no token: {0}")]
    Malformed(&'static str),
    /// Signed by something else than Ed25519, or by nothing.
    #[error("the token's alg is not EdDSA, the only one that is taken")]
    Algorithm,
    /// A claim that every token must have is not there.
    #[error("the token's claim {0} is missing")]
    Missing(&'static str),
    /// A claim is not what it must be.
    #[error("the token's claim {claim} must be {must}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// No key of that name is in force, or the token names none and there are several.
    #[error("the token's kid names no key that is in force here")]
    UnknownKey,
    /// The signature is not the key's.
    #[error(
        "the token's signature does not fit: it was changed, or signed by another key than its kid names"
    )]
    BadSignature,
    /// Its time is over.
    #[error("the token expired {} s ago", .ago.as_secs())]
    Expired {
        /// Since when.
        ago: Duration,
    },
    /// Its time has not come, or it was made in the future.
    #[error("the token is not valid for another {} s: are the clocks right?", .left.as_secs())]
    Early {
        /// Until when.
        left: Duration,
    },
    /// `exp` is too long after `iat`, or not after it.
    #[error("the token must expire between 1 and {} s after it was made", .limit.as_secs())]
    Life {
        /// [`Config::max_life`](crate::Config::max_life).
        limit: Duration,
    },
    /// A token for another stream.
    #[error("the token is for another stream")]
    OtherStream,
    /// The key may not sign for this stream.
    #[error("the key that signed the token may not do so for this stream")]
    KeyLimit,
    /// The key signs for another customer.
    #[error("the key that signed the token may not do so for its iss")]
    OtherIssuer,
    /// The viewer's page is on another site.
    #[error("the token is for viewers on another site")]
    OtherSite,
    /// The proof of the viewer's key is missing.
    #[error("a proof is needed with the token: the tracker's challenge, signed by the viewer's key")]
    NoProof,
    /// The proof is another key's, or made for another occasion.
    #[error(
        "the proof does not fit: it must be made by the key in the token, for this challenge, swarm, peer_id and token"
    )]
    BadProof,
    /// The token was used in this swarm before.
    #[error("the token was used before: each admits once")]
    Spent,
    /// So many tokens were used that no more can be remembered.
    #[error("too many have come within a short time: try again later, with a new token")]
    Full,
}

impl Denied {
    /// One word for programs. These words do not change.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Revoked(_) => "revoked",
            Self::NotListed => "not-listed",
            Self::NoToken => "no-token",
            Self::TooLong { .. } | Self::Malformed(_) | Self::Missing(_) | Self::Claim { .. } => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "signature",
            Self::Expired { .. } => "expired",
            Self::Early { .. } => "early",
            Self::Life { .. } => "life",
            Self::OtherStream => "stream",
            Self::KeyLimit => "key-limit",
            Self::OtherIssuer => "issuer",
            Self::OtherSite => "site",
            Self::NoProof => "no-proof",
            Self::BadProof => "proof",
            Self::Spent => "spent",
            Self::Full => "full",
        }
    }

    /// Whether a new token of the same backend may be admitted: a client asks for one and tries again. After all else it asks
    /// nobody, and plays from the origin.
    pub const fn is_cured_by_a_new_token(&self) -> bool {
        matches!(self, Self::NoToken | Self::UnknownKey | Self::Expired { .. } | Self::Spent | Self::Full)
    }
}
