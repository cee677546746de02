//! Key sets from a web address, fetched again before they are stale.

use std::time::Duration;

use access::{KeySet, KeySetError, MAX_KEY_SET_BYTES, Policy};
use reqwest::{Client, StatusCode, Url, header::CACHE_CONTROL, redirect};
use tokio::time::sleep;

use crate::Tracker;

/// A set counts for as long as its answer says by `max-age`, within these bounds.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);
/// Where the answer says nothing.
const USUAL: Duration = Duration::from_secs(300);
/// When it failed, it is tried again after so long, and then after twice as long, up to [`SHORTEST`].
const AGAIN: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(10);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody answers, or not to the end.
    #[error("the keys cannot be fetched: {0}")]
    Http(#[from] reqwest::Error),
    /// Another answer than 200.
    #[error("the keys cannot be fetched: the answer is {0}")]
    Status(StatusCode),
    /// No set of keys.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// Where keys are published.
#[derive(Clone, Debug)]
pub struct Source {
    client: Client,
    url: Url,
}

impl Source {
    /// A JWK Set at this address.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(url: Url) -> Result<Self, FetchError> {
        let client = Client::builder().timeout(WITHIN).redirect(redirect::Policy::limited(3)).build()?;
        Ok(Self { client, url })
    }

    /// The keys, and for how long they count.
    pub async fn fetch(&self) -> Result<(KeySet, Duration), FetchError> {
        let mut answer = self.client.get(self.url.clone()).send().await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let fresh = answer.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let fresh = fresh.and_then(max_age).unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
        let mut json = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            json.extend_from_slice(&chunk);
            if json.len() > MAX_KEY_SET_BYTES {
                return Err(KeySetError::TooLong.into());
            }
        }
        let json = std::str::from_utf8(&json).map_err(|_| KeySetError::NotJwks("not UTF-8".to_owned()))?;
        Ok((KeySet::parse(json)?, fresh))
    }

    /// Gives the tracker the keys again and again. While they cannot be had, the last ones stay in force.
    pub async fn follow(&self, tracker: &Tracker, first: Duration) {
        let (mut wait, mut again) = (first, AGAIN);
        loop {
            sleep(wait).await;
            match self.fetch().await {
                Ok((keys, fresh)) => {
                    tracker.set_policy(Policy::Tokens(keys));
                    (wait, again) = (fresh, AGAIN);
                }
                Err(why) => {
                    tracing::error!(%why, "the old keys stay in force");
                    (wait, again) = (again, (again * 2).min(SHORTEST));
                }
            }
        }
    }
}

fn max_age(header: &str) -> Option<Duration> {
    let directives = header.split(',').map(str::trim);
    let seconds = directives.filter_map(|one| one.strip_prefix("max-age=")).next()?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_found_among_other_directives() {
        let secs = |header| max_age(header).map(|age| age.as_secs());
        assert_eq!(secs("public, max-age=120, immutable"), Some(120));
        assert_eq!(secs("max-age=0"), Some(0));
        assert_eq!(secs("no-store"), None);
        assert_eq!(secs("max-age=soon"), None);
    }
}
