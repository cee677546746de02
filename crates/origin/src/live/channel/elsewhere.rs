//! Media that viewers get somewhere else than from the origin. The invariant: nobody is sent to what is not there.

use crate::live::bucket::{Object, Uploads, older};
use reqwest::Url;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a stream's media is.
#[derive(Debug)]
pub(super) enum Elsewhere {
    /// In a bucket, as far as it was uploaded; the origin has it too.
    Bucket(Arc<Uploads>),
    /// Where it was published, and nowhere else.
    Source(Links),
}

/// Addresses of what somebody else has published.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<BTreeMap<(usize, Object), String>>);

impl Elsewhere {
    /// Where viewers get an object of a rendition from; `None`: from the origin.
    pub fn url(&self, line: usize, object: Object) -> Option<String> {
        match self {
            Self::Bucket(uploads) => uploads.url(line, object),
            Self::Source(links) => links.all().get(&(line, object)).cloned(),
        }
    }
}

impl Links {
    fn all(&self) -> MutexGuard<'_, BTreeMap<(usize, Object), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, line: usize, object: Object, url: &Url) {
        self.all().insert((line, object), url.to_string());
    }

    /// Forgets what is before segment `segment` and part `part` of a rendition.
    pub fn forget(&self, line: usize, segment: u32, part: u32) {
        self.all().retain(|(of, object), _| *of != line || !older(*object, segment, part));
    }
}
