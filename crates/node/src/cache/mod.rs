//! The disk cache of an edge node: whole segments and inits, addressed by their roots. Its invariant: bytes are given out only
//! if they hash to the root that was asked for, whatever became of the files in the meantime.
//!
//! A folder of content-addressed files, an index of it in memory, and the bytes used last in memory, checked. Entries leave in
//! the order of their last use, which survives a restart (to within a minute). [`Cache::put`] returns when its entry is in
//! the folder under its name, so that no death of the process, at any moment, takes it away or leaves half of it.
//!
//! Why not a cache library: `foyer` 0.22, tried first, keeps entries in blocks of 16 MiB, a file each. It
//!
//! - panics on the first write that finds the disk full, and then in each call that needs a block (a poisoned lock);
//! - evicts whole blocks in the order they were written, whatever was read since, and in no order after a restart;
//! - drops without a word what is put faster than it flushes (35 of 100 entries of 3 MiB, with a queue of 64 MiB);
//! - cannot say what it holds after a restart, and leaves the bytes of removed entries in its files;
//! - holds every file open: some 60,000 for a terabyte.
//!
//! The others have no limit by bytes (`cacache`) or are abandoned (`lru-disk-cache`).

mod error;
mod index;
mod shelf;

pub use error::Error;

use bytes::Bytes;
use index::Held;
use manifest::Hash;
use quick_cache::sync::{Cache as Memory, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use shelf::{Shelf, WRITES};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Least limit on disk, bytes: a few segments of the largest kind.
pub const MIN_DISK_BYTES: u64 = 64 << 20;
/// How many entries may be read at once; the others wait. It bounds the memory that reading takes.
const READS: u32 = 8;
/// What an entry in memory weighs beside its bytes.
const ENTRY_BYTES: u64 = 256;
/// For sizing the tables of the memory.
const USUAL_ENTRY_BYTES: u64 = 512 << 10;

/// Where the cache is and how large it may grow.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its folder, made where it is missing. Files in it that are not the cache's own are left alone.
    pub dir: PathBuf,
    /// Limit on disk, bytes, at least [`MIN_DISK_BYTES`]. Files count in whole blocks of 4 KiB, half-written ones too. An entry
    /// may take a quarter of it.
    pub disk_bytes: u64,
    /// Limit of the entries kept in memory, bytes. With 0 every use is a read and a check. Beside these, up to 8 entries that
    /// are being read and some 200 bytes for each entry on disk are in memory.
    pub memory_bytes: u64,
}

/// Counts since the cache was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries given out by [`Cache::get`].
    pub hits: u64,
    /// Entries that [`Cache::get`] did not have.
    pub misses: u64,
    /// Entries dropped because the disk did not hold what was put. Those found by a `get` count as misses too.
    pub rotten: u64,
    /// Entries dropped to make room.
    pub evicted: u64,
    /// Bytes on disk, in whole blocks of 4 KiB.
    pub disk_bytes: u64,
    /// Entries on disk.
    pub entries: u64,
}

/// A handle of the open cache; clones share it. The folder stays locked until [`Cache::close`], or until the last handle is
/// dropped and what was under way is done.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shelf: Arc<Shelf>,
    /// Checked bytes. It may hold what the disk no longer does; the index is asked first.
    memory: Memory<Hash, Bytes, ByBytes>,
    /// Closed together with the cache.
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    hits: AtomicU64,
    misses: AtomicU64,
    lock: Mutex<Option<File>>,
}

impl Cache {
    /// Opens the cache and counts what it holds, without reading it: its time grows with the number of entries, not their
    /// size. Entries over the limit are dropped.
    ///
    /// Fails with [`Error::TooSmall`], [`Error::InUse`] and [`Error::Dir`].
    pub async fn open(config: Config) -> Result<Self, Error> {
        let Config { dir, disk_bytes, memory_bytes } = config;
        if disk_bytes < MIN_DISK_BYTES {
            return Err(Error::TooSmall { bytes: disk_bytes });
        }
        let open = spawn_blocking(move || Shelf::open(dir, disk_bytes));
        let (shelf, lock) = open.await.map_err(|_| Error::Closed)??;
        // One shard: the limit is shared out among shards, and a share should not be less than an entry.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity((memory_bytes / USUAL_ENTRY_BYTES) as usize + 1)
            .weight_capacity(memory_bytes)
            .build()
            .expect("both capacities are given");
        Ok(Self(Arc::new(Inner {
            shelf: Arc::new(shelf),
            memory: Memory::with_options(
                options,
                ByBytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            reads: Arc::new(Semaphore::new(READS as usize)),
            writes: Arc::new(Semaphore::new(WRITES as usize)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            lock: Mutex::new(Some(lock)),
        })))
    }

    /// The bytes of `root`, checked. `None` also when what is on disk fails the check, which drops it, when it cannot be read
    /// and when the cache is closed.
    ///
    /// Any number of calls for one root at a time make one read.
    pub async fn get(&self, root: &Hash) -> Option<Bytes> {
        let bytes = self.find(root).await;
        let count = if bytes.is_some() { &self.0.hits } else { &self.0.misses };
        count.fetch_add(1, Ordering::Relaxed);
        bytes
    }

    /// Adds an entry, dropping the longest unused ones where there is no room. Once this returns it outlives the process;
    /// dropping the future may or may not leave the entry there. One that is held already is only marked as used.
    ///
    /// Fails with [`Error::WrongBytes`], [`Error::TooLarge`], [`Error::Full`], [`Error::Write`] and [`Error::Closed`]; the
    /// cache is as good as before then.
    pub async fn put(&self, root: Hash, bytes: Bytes) -> Result<(), Error> {
        let permit = self.0.writes.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let shelf = self.0.shelf.clone();
        let work = move || {
            let _permit = permit;
            shelf.put(root, &bytes)
        };
        spawn_blocking(work).await.map_err(|_| Error::Closed)?
    }

    /// Whether `root` should be there. Looks at no file, so that the answer may be too hopeful; does not count as a use.
    pub async fn contains(&self, root: &Hash) -> bool {
        !self.0.reads.is_closed() && self.0.shelf.index().contains(root)
    }

    /// Drops `root` from memory and disk. Once this returns no `get` brings it back, only a `put`, of those under way too.
    pub async fn remove(&self, root: &Hash) {
        let Ok(permit) = self.0.writes.clone().acquire_owned().await else { return };
        let (inner, root) = (self.0.clone(), *root);
        let work = move || {
            let _permit = permit;
            inner.shelf.remove(&root);
            inner.memory.remove(&root);
        };
        // An error means that the runtime goes down.
        let _ = spawn_blocking(work).await;
    }

    /// What the cache holds and has done so far.
    pub fn stats(&self) -> Stats {
        let (disk_bytes, entries) = {
            let index = self.0.shelf.index();
            (index.held(), index.len() as u64)
        };
        Stats {
            hits: self.0.hits.load(Ordering::Relaxed),
            misses: self.0.misses.load(Ordering::Relaxed),
            rotten: self.0.shelf.rotten(),
            evicted: self.0.shelf.evicted(),
            disk_bytes,
            entries,
        }
    }

    /// Finishes what is under way and unlocks the folder. Other handles find the cache closed from then on.
    pub async fn close(self) {
        // An error means that it is closed already.
        let _puts = self.0.writes.acquire_many(WRITES).await;
        let _gets = self.0.reads.acquire_many(READS).await;
        self.0.writes.close();
        self.0.reads.close();
        self.0.memory.clear();
        self.0.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn find(&self, root: &Hash) -> Option<Bytes> {
        let Inner { shelf, memory, reads, .. } = &*self.0;
        if reads.is_closed() {
            return None;
        }
        let held = shelf.index().handle_use(root, Instant::now())?;
        match memory.get_value_or_guard_async(root).await {
            Ok(bytes) => {
                if held.touch {
                    let (shelf, root) = (shelf.clone(), *root);
                    spawn_blocking(move || shelf.touch(&root));
                }
                Some(bytes)
            }
            Err(guard) => {
                let bytes = self.read(*root, held).await?;
                // An error means that it was removed in the meantime.
                let _ = guard.insert(bytes.clone());
                if !shelf.index().contains(root) {
                    memory.remove(root);
                }
                Some(bytes)
            }
        }
    }

    async fn read(&self, root: Hash, held: Held) -> Option<Bytes> {
        let permit = self.0.reads.clone().acquire_owned().await.ok()?;
        let shelf = self.0.shelf.clone();
        let work = move || {
            let _permit = permit;
            shelf.read(&root, &held)
        };
        spawn_blocking(work).await.ok()?
    }
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Hash, Bytes> for ByBytes {
    fn weight(&self, _: &Hash, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + ENTRY_BYTES
    }
}
