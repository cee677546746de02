//! What a viewer shows at trackers that do not let everybody in: tokens of the site's own server, and proofs that they are its own. Spec:
//! `docs/spec/access.md`.

use std::{fmt, sync::Arc, time::Duration};

use access::{Challenge, PeerId, Proof, SwarmId, proof::Occasion};
use manifest::SecretKey;
use reqwest::{Client, StatusCode, Url, header::CONTENT_TYPE, redirect};
use serde_json::json;

/// Longest token that is taken, in bytes.
const MAX_TOKEN: usize = 2048;
/// How long the site's server has for its answer.
const WITHIN: Duration = Duration::from_secs(10);

/// A viewer's key, and where tokens for it come from. Clones are the same one.
#[derive(Clone)]
pub struct Pass(Arc<Inner>);

struct Inner {
    key: SecretKey,
    source: Source,
}

enum Source {
    Given(String),
    Asked { client: Client, url: Url },
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// No answer, or not to the end.
    #[error("the server that signs tokens does not answer: {0}")]
    Http(#[source] reqwest::Error),
    /// It gives none.
    #[error("the server that signs tokens answers {0}")]
    Status(StatusCode),
    /// An answer that can be no token.
    #[error("the server that signs tokens answers something else")]
    NoToken,
}

impl Pass {
    /// One token, for the viewer with this key. It admits once; afterwards, and after its time, no tracker takes it.
    pub fn given(key: SecretKey, token: String) -> Self {
        Self(Arc::new(Inner { key, source: Source::Given(token) }))
    }

    /// Tokens from a server, which is posted `{"viewer": <public key>, "swarm": <40 digits>}` and answers with the token alone.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn asked(key: SecretKey, url: Url) -> Result<Self, PassError> {
        let client = Client::builder().timeout(WITHIN).redirect(redirect::Policy::none()).build();
        let client = client.map_err(|error| PassError::Http(error.without_url()))?;
        Ok(Self(Arc::new(Inner { key, source: Source::Asked { client, url } })))
    }

    /// A token for a swarm.
    pub(crate) async fn token(&self, swarm: [u8; 20]) -> Result<String, PassError> {
        let (client, url) = match &self.0.source {
            Source::Given(token) => return Ok(token.clone()),
            Source::Asked { client, url } => (client, url.clone()),
        };
        // Its address may have a secret in it.
        let broken = |error: reqwest::Error| PassError::Http(error.without_url());
        let ask = json!({"viewer": self.0.key.public().to_string(), "swarm": SwarmId(swarm).to_string()});
        let ask = client.post(url).header(CONTENT_TYPE, "application/json").body(ask.to_string());
        let mut answer = ask.send().await.map_err(broken)?;
        if answer.status() != StatusCode::OK {
            return Err(PassError::Status(answer.status()));
        }
        let mut token = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            token.extend_from_slice(&chunk);
            if token.len() > MAX_TOKEN {
                return Err(PassError::NoToken);
            }
        }
        let token = String::from_utf8(token).map_err(|_| PassError::NoToken)?;
        Ok(token.trim().to_owned())
    }

    /// The proof that goes with a token.
    pub(crate) fn proof(
        &self,
        challenge: &Challenge,
        swarm: [u8; 20],
        peer: [u8; 20],
        token: &str,
    ) -> String {
        let occasion = Occasion { challenge, swarm: SwarmId(swarm), peer: PeerId(peer), token };
        Proof::sign(&self.0.key, &occasion).to_string()
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pass({})", self.0.key.public())
    }
}
