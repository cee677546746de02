//! The films that are served, and the bytes of theirs that are hot. Its invariant: bytes of a segment are given out only if they
//! have the digest that the signed index gives them.

use super::names::{Folder, Name};
use crate::package::{self, Card, PackageError};
use crate::slug::Slug;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use manifest::{Hash, Index, PublicKey, SegmentId, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Largest file that is read: a segment of the most pieces of the greatest length.
const MAX_FILE_BYTES: u64 = 128 << 20;
/// Text shorter than this is not compressed: headers would eat the gain.
const COMPRESS_FROM_BYTES: usize = 1024;
/// What the cache believes an entry to weigh beside its bytes.
const ENTRY_BYTES: u64 = 256;
/// For sizing the cache's tables.
const USUAL_ENTRY_BYTES: u64 = 512 << 10;

/// A film that is served.
#[derive(Debug)]
pub struct Stream {
    /// Its name in URLs.
    pub slug: Slug,
    /// Its line in the catalogue.
    pub card: Card,
    /// Its signed index.
    pub index: Index,
    /// What its playlists append to the addresses of segments.
    pub version: String,
    dir: PathBuf,
    /// Tells two packages of one name apart in the cache.
    generation: Hash,
}

impl Stream {
    /// Reads the package in `dir`, whose index must be signed by `key`.
    pub fn open(dir: &Path, slug: &Slug, key: &PublicKey) -> Result<Self, PackageError> {
        let damaged = |reason: String| PackageError::Damaged { path: dir.to_owned(), reason };
        let read = |name: Name| read_file(&name.path(dir)).map_err(|e| damaged(format!("{name}: {e}")));
        let sealed = read(Name::Index)?;
        let index = Index::open(&sealed, Some(key)).map_err(|e| damaged(format!("index.bci: {e}")))?;
        let mut card: Card =
            serde_json::from_slice(&read(Name::Card)?).map_err(|e| damaged(format!("stream.json: {e}")))?;
        card.slug = slug.to_string(); // the folder may have been renamed
        let version = package::version(&index);
        Ok(Self {
            slug: slug.clone(),
            card,
            index,
            version,
            dir: dir.to_owned(),
            generation: digest::root(&sealed),
        })
    }

    /// The digest that the index gives `name`; `None` for what is not in it.
    fn signed_digest(&self, name: Name) -> Option<Hash> {
        let place = |folder: Folder| {
            let id = folder.to_string();
            self.index.renditions.iter().position(|r| r.id == id)
        };
        match name {
            Name::Init(folder) => Some(self.index.renditions[place(folder)?].init),
            Name::Segment(folder, sequence) => {
                // An index has at most 32 renditions.
                Some(self.index.segment(SegmentId::new(place(folder)? as u8, sequence))?.root)
            }
            _ => None,
        }
    }
}

/// A file in memory.
#[derive(Clone, Debug)]
pub struct Hot {
    /// The file.
    pub bytes: Bytes,
    /// The file compressed with gzip, where that makes it smaller.
    pub gzip: Option<Bytes>,
    /// Digest of the file, in hex.
    pub etag: Arc<str>,
}

/// Why a file is not given out.
#[derive(Clone, Debug)]
pub enum Missing {
    /// There is no such film or file.
    NotFound,
    /// It is there and cannot be read, or is not what was signed. The text is for the log.
    Broken(Arc<str>),
}

/// The films and the cache.
#[derive(Debug)]
pub struct Store {
    streams: RwLock<BTreeMap<Slug, Arc<Stream>>>,
    cache: Cache<(Hash, Name), Hot, Weight>,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<(Hash, Name), Hot> for Weight {
    fn weight(&self, _: &(Hash, Name), hot: &Hot) -> u64 {
        ENTRY_BYTES + hot.bytes.len() as u64 + hot.gzip.as_ref().map_or(0, |z| z.len() as u64)
    }
}

impl Store {
    /// A store that keeps at most `cache_bytes` of hot files.
    pub fn new(cache_bytes: u64) -> Self {
        let entries = (cache_bytes / USUAL_ENTRY_BYTES).max(16) as usize;
        Self { streams: RwLock::default(), cache: Cache::with_weighter(entries, cache_bytes, Weight) }
    }

    /// Serves `stream` from now on, in place of another of its name.
    pub fn put(&self, stream: Stream) {
        self.write().insert(stream.slug.clone(), Arc::new(stream));
    }

    /// The film of that name.
    pub fn get(&self, slug: &Slug) -> Option<Arc<Stream>> {
        self.read().get(slug).cloned()
    }

    /// All films, by name.
    pub fn all(&self) -> Vec<Arc<Stream>> {
        self.read().values().cloned().collect()
    }

    /// The file `name` of `stream`, from memory or from disk; many who ask for the same at once cause one read.
    pub async fn load(&self, stream: &Arc<Stream>, name: Name) -> Result<Hot, Missing> {
        let signed = stream.signed_digest(name);
        if signed.is_none() && matches!(name, Name::Init(_) | Name::Segment(..)) {
            return Err(Missing::NotFound); // without a look at the disk
        }
        let key = (stream.generation, name);
        let read = async {
            let path = name.path(&stream.dir);
            let task = tokio::task::spawn_blocking(move || read_hot(&path, name, signed));
            task.await.unwrap_or_else(|panic| Err(Missing::Broken(panic.to_string().into())))
        };
        self.cache.get_or_insert_async(&key, read).await
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Slug, Arc<Stream>>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Slug, Arc<Stream>>> {
        self.streams.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_hot(path: &Path, name: Name, signed: Option<Hash>) -> Result<Hot, Missing> {
    let bytes = read_file(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound if signed.is_none() => Missing::NotFound,
        _ => Missing::Broken(format!("{}: {e}", path.display()).into()),
    })?;
    let digest = digest::root(&bytes);
    if signed.is_some_and(|signed| signed != digest) {
        return Err(Missing::Broken(format!("{}: not the bytes that were signed", path.display()).into()));
    }
    let gzip = if name.is_text() { gzip(&bytes) } else { None };
    Ok(Hot { bytes: bytes.into(), gzip, etag: digest.to_string().into() })
}

/// `text` compressed, where that is worth it.
pub(crate) fn gzip(text: &[u8]) -> Option<Bytes> {
    if text.len() < COMPRESS_FROM_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).ok()?;
    let small = encoder.finish().ok()?;
    (small.len() < text.len() / 10 * 9).then(|| small.into())
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(io::Error::other("no file of a package"));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
