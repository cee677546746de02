//! The playlists and pictures round the media, which come from the origin and are kept. Its invariant: what is kept has a bound,
//! whatever the origin gives, and was good.

use crate::origin::{self, Origin};
use crate::serving::MAX_FILE_BYTES;
use bytes::Bytes;
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// All that is kept of them, 64 MiB; what comes then is fetched every time.
const KEPT_MAX_BYTES: usize = 64 << 20;

/// The files that are no media.
pub(super) struct Files {
    origin: Origin,
    kept: Mutex<BTreeMap<String, Bytes>>,
}

impl Files {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, kept: Mutex::default() }
    }

    /// The file `name`, from the origin until that has given one that `is_good`.
    pub(super) async fn get(
        &self,
        name: &str,
        is_good: impl Fn(&[u8]) -> bool,
    ) -> Result<Bytes, origin::Error> {
        if let Some(bytes) = self.kept.lock().await.get(name) {
            return Ok(bytes.clone());
        }
        let bytes = self.origin.file(name, MAX_FILE_BYTES).await?;
        let mut kept = self.kept.lock().await;
        let kept_bytes = kept.values().map(Bytes::len).sum::<usize>();
        if is_good(&bytes) && kept_bytes + bytes.len() <= KEPT_MAX_BYTES {
            kept.insert(name.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }
}
