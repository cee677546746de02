//! Media of live streams in S3-compatible storage, from where viewers get it through whatever CDN stands before it.
//!
//! The origin goes on serving playlists and heads; requests for media that the bucket has are sent there (302). The invariant: nobody
//! is sent to an object that is not there, and while the bucket fails nobody is sent there at all. The bucket need not be trusted:
//! viewers check what they get from it against the signed heads, as from anywhere.

mod uploads;

pub use uploads::Object;
pub(super) use uploads::{Uploads, older};

use crate::live::{SOME_PAGE, is_open_to_pages, is_web};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, ObjectStore, PutOptions, RetryConfig,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Uploads under way at a time, of all streams.
const UPLOADS: usize = 64;
/// How long an upload may take, tried anew or not.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bucket, or a folder of one.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    prefix: Path,
    /// As it was named.
    name: String,
    /// Where viewers find what is under the prefix, without a slash at its end.
    public: String,
    places: Arc<Semaphore>,
    /// Folders of streams that have something there.
    open: Arc<Mutex<BTreeSet<String>>>,
}

/// Why a bucket is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BadBucket {
    /// What was said of it makes no sense.
    #[error("{0} is no bucket: say s3://BUCKET or s3://BUCKET/FOLDER")]
    Name(String),
    /// A setting that is not one of S3's.
    #[error("the setting {0} of the bucket is unknown")]
    Setting(String),
    /// The address for viewers is none.
    #[error("{0} is no address that viewers could ask: say https://HOST or https://HOST/FOLDER")]
    Public(String),
    /// The client cannot be made.
    #[error("the bucket cannot be used: {0}")]
    Client(object_store::Error),
    /// The probe was not taken.
    #[error("cannot write into {0}: {1}")]
    Write(String, object_store::Error),
    /// The probe was written, and viewers do not get it.
    #[error("what was written into {0} is not found at {1}: {2}")]
    Read(String, String, String),
}

impl Bucket {
    /// The bucket `name` (`s3://BUCKET/FOLDER`), which viewers reach at `public`. `settings` are those that S3's own tools read from the
    /// environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and others; an endpoint may be
    /// `http:`.
    pub fn open(
        name: &str,
        public: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BadBucket> {
        let place = name.strip_prefix("s3://").filter(|place| !place.is_empty() && !place.starts_with('/'));
        let (bucket, folder) = place
            .map(|place| place.split_once('/').unwrap_or((place, "")))
            .ok_or_else(|| BadBucket::Name(name.to_owned()))?;
        let prefix =
            Path::parse(folder.trim_end_matches('/')).map_err(|_| BadBucket::Name(name.to_owned()))?;
        let url = reqwest::Url::parse(public).ok().filter(is_web);
        if url.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            return Err(BadBucket::Public(public.to_owned()));
        }
        let client = ClientOptions::new()
            .with_timeout(PATIENCE)
            .with_connect_timeout(Duration::from_secs(3))
            .with_pool_max_idle_per_host(UPLOADS);
        let retry =
            RetryConfig { backoff: BackoffConfig::default(), max_retries: 2, retry_timeout: PATIENCE };
        let mut builder =
            AmazonS3Builder::new().with_client_options(client).with_retry(retry).with_bucket_name(bucket);
        for (key, value) in settings {
            let key: AmazonS3ConfigKey =
                key.to_ascii_lowercase().parse().map_err(|_| BadBucket::Setting(key))?;
            if matches!(key, AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint) {
                builder = builder.with_allow_http(value.starts_with("http://"));
            }
            builder = builder.with_config(key, value);
        }
        Ok(Self {
            store: Arc::new(builder.build().map_err(BadBucket::Client)?),
            prefix,
            name: name.to_owned(),
            public: public.trim_end_matches('/').to_owned(),
            places: Arc::new(Semaphore::new(UPLOADS)),
            open: Arc::default(),
        })
    }

    /// As it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes something, reads it as a viewer would, and removes it. `false`: all is well but for pages of other sites, which may not
    /// read it (no CORS headers).
    pub async fn check(&self) -> Result<bool, BadBucket> {
        let mut nonce = [0; 16];
        // Without randomness the probe is the same each time, and still a probe.
        getrandom::fill(&mut nonce).ok();
        let probe = format!("braidcast-probe-{}", manifest::digest::root(&nonce));
        let bytes = Bytes::from(probe.clone());
        self.put(&probe, bytes.clone(), "text/plain", "no-store")
            .await
            .map_err(|error| BadBucket::Write(self.name.clone(), error))?;
        let url = self.url(&probe);
        let read = async {
            let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
            let answer = client.get(&url).header(reqwest::header::ORIGIN, SOME_PAGE).send().await?;
            let answer = answer.error_for_status()?;
            let open = is_open_to_pages(answer.headers());
            Ok::<_, reqwest::Error>((answer.bytes().await? == bytes, open))
        };
        let read = read.await;
        self.remove([probe]).await;
        let why = match read {
            Ok((true, open)) => return Ok(open),
            Ok((false, _)) => "something else is there".to_owned(),
            Err(error) => error.without_url().to_string(),
        };
        Err(BadBucket::Read(self.name.clone(), self.public.clone(), why))
    }

    /// Removes what streams have left.
    pub async fn close(&self) {
        let open: Vec<String> = self.folders().iter().cloned().collect();
        for folder in open {
            self.clear(&folder).await;
        }
    }

    fn folders(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where viewers find the object `key`.
    fn url(&self, key: &str) -> String {
        format!("{}/{key}", self.public)
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &'static str,
        cache: &str,
    ) -> Result<(), object_store::Error> {
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, media_type.to_owned()),
            (Attribute::CacheControl, cache.to_owned()),
        ]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.store.put_opts(&self.path(key), bytes.into(), options).await.map(drop)
    }

    /// Removes objects; what cannot be removed stays, and the log says so.
    async fn remove(&self, keys: impl IntoIterator<Item = String>) {
        let paths: Vec<_> = keys.into_iter().map(|key| Ok(self.path(&key))).collect();
        self.remove_all(stream::iter(paths).boxed()).await;
    }

    /// Removes all that is in `folder`.
    async fn clear(&self, folder: &str) {
        self.folders().remove(folder);
        let there = self.store.list(Some(&self.path(folder)));
        self.remove_all(there.map_ok(|object| object.location).boxed()).await;
    }

    async fn remove_all(&self, paths: BoxStream<'static, Result<Path, object_store::Error>>) {
        let mut gone = self.store.delete_stream(paths);
        while let Some(outcome) = gone.next().await {
            if let Err(error) = outcome
                && !matches!(error, object_store::Error::NotFound { .. })
            {
                tracing::warn!(bucket = self.name, %error, "something was not removed");
                return;
            }
        }
    }

    fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(Path::from(key).parts()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_read_or_refused_by_what_is_wrong() {
        let open = |name, public| Bucket::open(name, public, []);
        let bucket = open("s3://media/live/", "https://cdn.example/live/").unwrap();
        assert_eq!(bucket.path("one/1/v0/part/7.m4s").as_ref(), "live/one/1/v0/part/7.m4s");
        assert_eq!(bucket.url("one/1/v0/part/7.m4s"), "https://cdn.example/live/one/1/v0/part/7.m4s");
        assert_eq!(open("s3://media", "http://cdn.example").unwrap().path("a").as_ref(), "a");
        for name in ["", "media", "s3://", "s3:///x", "gs://media"] {
            assert!(matches!(open(name, "https://cdn.example"), Err(BadBucket::Name(_))), "{name}");
        }
        for public in ["", "cdn.example", "ftp://cdn.example", "https://cdn.example/?x", "https://"] {
            assert!(matches!(open("s3://media", public), Err(BadBucket::Public(_))), "{public}");
        }
        let strange = [("AWS_COLOUR".to_owned(), "red".to_owned())];
        assert!(matches!(
            Bucket::open("s3://media", "https://cdn.example", strange),
            Err(BadBucket::Setting(name)) if name == "AWS_COLOUR"
        ));
    }
}
