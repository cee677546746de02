//! The bucket that viewers get media from.

use crate::args::Live as Args;
use crate::config::File;
use crate::progress::Screen;
use crate::stop;
use anyhow::{Result, bail};
use origin::live::bucket::Bucket;
use std::time::Duration;

/// What of S3's settings is read from the environment.
const BUCKET_SETTINGS: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
];
/// How long it may take to remove from a bucket what streams left there.
const CLEARING: Duration = Duration::from_secs(60);

/// The bucket for media, tried before anybody depends on it.
pub async fn open(args: &Args, file: &File, screen: &Screen) -> Result<Option<Bucket>> {
    let name = args.bucket.as_ref().or(file.bucket.as_ref());
    let url = args.bucket_url.as_ref().or(file.bucket_url.as_ref());
    let (name, url) = match (name, url) {
        (None, None) => return Ok(None),
        (Some(name), Some(url)) => (name, url),
        _ => bail!(
            "--bucket and --bucket-url belong together: where media is written, and where viewers read it"
        ),
    };
    let settings = std::env::vars().filter(|(key, _)| BUCKET_SETTINGS.contains(&key.as_str()));
    let bucket = Bucket::open(name, url, settings)?;
    if !bucket.check().await? {
        screen.line(&format!(
            "warning: pages may not read from {url}: let it answer with Access-Control-Allow-Origin (CORS), or browsers get nothing from it"
        ));
    }
    Ok(Some(bucket))
}

/// Removes what is left in it, unless that takes too long or the program shall stop at once.
pub async fn clear(bucket: Bucket, screen: &Screen) {
    let cleared = tokio::time::timeout(CLEARING, bucket.close());
    tokio::select! {
        late = cleared => {
            if late.is_err() {
                screen.line(&format!("error: something is left in {}", bucket.name()));
            }
        }
        _ = stop::requested() => {}
    }
}
