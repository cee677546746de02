//! What of one stream is in the bucket. The invariant: what is said to be there is there whole, until it is forgotten.

use super::Bucket;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A file of a rendition, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// An initialisation segment.
    Init(u32),
    /// A whole segment.
    Segment(u32),
    /// A part of the stream.
    Part(u32),
}

/// Whether an object is before segment `segment` or part `part`; initialisation segments are needed to the end.
pub(in crate::live) fn older(object: Object, segment: u32, part: u32) -> bool {
    match object {
        Object::Init(_) => false,
        Object::Segment(number) => number < segment,
        Object::Part(number) => number < part,
    }
}

/// One stream's objects.
#[derive(Debug)]
pub(in crate::live) struct Uploads {
    bucket: Bucket,
    /// `STREAM/BORN`: another stream of the same name is elsewhere.
    folder: String,
    ids: Vec<String>,
    cache: String,
    there: Mutex<BTreeSet<(usize, Object)>>,
    /// Whether the last that was tried came to its end in time.
    works: AtomicBool,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl Uploads {
    /// For the renditions `ids` of a stream; caches may keep objects for `keep`.
    pub fn new(bucket: Bucket, folder: String, ids: Vec<String>, keep: Duration) -> Arc<Self> {
        bucket.folders().insert(folder.clone());
        Arc::new(Self {
            bucket,
            folder,
            ids,
            cache: format!("public, max-age={}, immutable", keep.as_secs()),
            there: Mutex::default(),
            works: AtomicBool::new(true),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    fn there(&self) -> MutexGuard<'_, BTreeSet<(usize, Object)>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where viewers get an object from; `None`: from the origin.
    pub fn url(&self, line: usize, object: Object) -> Option<String> {
        let there = self.works.load(Ordering::Relaxed) && self.there().contains(&(line, object));
        there.then(|| self.bucket.url(&self.key(line, object)))
    }

    /// Bytes that were uploaded, and uploads that failed.
    pub fn figures(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }

    /// Uploads what is about to be published, and waits for it, for `patience` at most and not at all while the bucket fails: what is
    /// late is served by the origin until it is there.
    pub async fn publish(self: &Arc<Self>, objects: Vec<(usize, Object, Bytes)>, patience: Duration) {
        let uploads: Vec<_> =
            objects.into_iter().filter_map(|(line, what, bytes)| self.put(line, what, bytes)).collect();
        if !self.works.load(Ordering::Relaxed) {
            return;
        }
        let all = async {
            for upload in uploads {
                upload.await.ok(); // it has nothing to say, and panics no more than the store's client does
            }
        };
        if timeout(patience, all).await.is_err() {
            self.stumbled(&"it takes too long");
        }
    }

    /// Uploads something beside all else; nothing, where it is there or too much is under way.
    pub fn put(self: &Arc<Self>, line: usize, object: Object, bytes: Bytes) -> Option<JoinHandle<()>> {
        if self.there().contains(&(line, object)) {
            return None;
        }
        let Ok(place) = Arc::clone(&self.bucket.places).try_acquire_owned() else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.stumbled(&"too many uploads are under way");
            return None;
        };
        let this = Arc::clone(self);
        Some(tokio::spawn(async move {
            let key = this.key(line, object);
            let length = bytes.len() as u64;
            match this.bucket.put(&key, bytes, this.media_type(line), &this.cache).await {
                Ok(()) => {
                    this.bytes.fetch_add(length, Ordering::Relaxed);
                    this.there().insert((line, object));
                    if !this.works.swap(true, Ordering::Relaxed) {
                        tracing::info!(
                            stream = this.folder,
                            bucket = this.bucket.name,
                            "the bucket takes media again"
                        );
                    }
                }
                Err(error) => {
                    this.failures.fetch_add(1, Ordering::Relaxed);
                    this.stumbled(&error);
                }
            }
            drop(place);
        }))
    }

    fn stumbled(&self, why: &dyn std::fmt::Display) {
        if self.works.swap(false, Ordering::Relaxed) {
            let bucket = &self.bucket.name;
            tracing::warn!(stream = self.folder, %bucket, %why, "the bucket fails: the origin serves by itself");
        }
    }

    /// Removes what is before segment `segment` and part `part` of a rendition.
    pub fn forget(self: &Arc<Self>, line: usize, segment: u32, part: u32) {
        let mut there = self.there();
        let all = there.range((line, Object::Init(0))..(line + 1, Object::Init(0)));
        let old: Vec<_> = all.filter(|(_, object)| older(*object, segment, part)).copied().collect();
        if old.is_empty() {
            return;
        }
        for object in &old {
            there.remove(object);
        }
        drop(there);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let keys = old.into_iter().map(|(line, object)| this.key(line, object));
            this.bucket.remove(keys).await;
        });
    }

    /// Removes everything.
    pub async fn clear(&self) {
        self.there().clear();
        self.bucket.clear(&self.folder).await;
    }

    fn key(&self, line: usize, object: Object) -> String {
        let id = self.ids.get(line).map_or("", String::as_str);
        let folder = &self.folder;
        match object {
            Object::Init(number) => format!("{folder}/{id}/init/{number}.mp4"),
            Object::Segment(number) => format!("{folder}/{id}/{number}.m4s"),
            Object::Part(number) => format!("{folder}/{id}/part/{number}.m4s"),
        }
    }

    fn media_type(&self, line: usize) -> &'static str {
        crate::http::media_type(self.ids.get(line).map_or("", String::as_str))
    }
}
