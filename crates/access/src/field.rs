//! Members of a JSON object from a stranger, read so that a refusal can say which of them is wrong, and repeats none of it.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::Denied;

/// Reads the members of `T`. A list of them in their order, which serde takes as well, is no object.
pub(crate) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    json.starts_with(b"{").then(|| serde_json::from_slice(json).ok()).flatten()
}

/// A member, of the kind that it must be or of another.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Field<T> {
    Good(T),
    Bad(IgnoredAny),
}

impl<T> Field<T> {
    /// The value; otherwise the refusal says what `claim` must be.
    pub fn good(self, claim: &'static str, must: &'static str) -> Result<T, Denied> {
        match self {
            Self::Good(value) => Ok(value),
            Self::Bad(_) => Err(Denied::Claim { claim, must }),
        }
    }
}
