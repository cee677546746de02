//! What an origin has of a live stream beside media: heads, which it may keep a question for a while for, and files that change.
//!
//! The invariant is that of the module above: every answer has a bound in bytes and in time.

use super::{Error, Origin};
use bytes::Bytes;
use std::time::Duration;

/// The origin answers after 20 s at the latest, and is given some more.
const ANSWER: Duration = Duration::from_secs(30);
/// No answer is larger: the heads of a minute, with what they announce.
const ANSWER_MAX_BYTES: usize = 4 << 20;

impl Origin {
    /// The same origin, whose addresses end with the name of what is fetched: caches shall not take it for something else that was
    /// there before.
    pub(crate) fn with_version(&self, version: u64) -> Self {
        let version = format!("v={version}");
        let query = match &self.query {
            Some(query) => format!("{query}&{version}"),
            None => version,
        };
        Self { query: Some(query), ..self.clone() }
    }

    /// What follows on head `after` of `epoch`: delegations and heads, each after its length. Empty where nothing came for a while, or
    /// nothing comes any more: then the second is `true`. `fresh`: past every cache.
    ///
    /// # Errors
    /// As [`Origin::file`].
    pub(crate) async fn heads(&self, epoch: u32, after: u64, fresh: bool) -> Result<(Bytes, bool), Error> {
        let name = "heads";
        let mut url = self.url(name)?;
        url.query_pairs_mut()
            .append_pair("epoch", &epoch.to_string())
            .append_pair("after", &after.to_string());
        let patient = Self { silence: ANSWER, ..self.clone() };
        let (status, bytes) = patient.whole(name, url, ANSWER_MAX_BYTES, fresh, &[200, 204]).await?;
        Ok((bytes, status == 204))
    }

    /// A small file that may have changed, past every cache.
    ///
    /// # Errors
    /// As [`Origin::file`].
    pub(crate) async fn fresh_file(&self, name: &str, max: usize) -> Result<Bytes, Error> {
        let url = self.url(name)?;
        Ok(self.whole(name, url, max, true, &[200]).await?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_comes_after_what_the_address_has() {
        let url = |query: Option<&str>| {
            let origin = Origin::new("https://a.b/s/x".parse().unwrap(), query.map(str::to_owned)).unwrap();
            origin.with_version(7).url("v0/1.m4s").unwrap().to_string()
        };
        assert_eq!(url(None), "https://a.b/s/x/v0/1.m4s?v=7");
        assert_eq!(url(Some("token=t")), "https://a.b/s/x/v0/1.m4s?token=t&v=7");
    }
}
