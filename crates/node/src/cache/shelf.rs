//! The cache folder. Its invariant: a file has a name made of a root only once it was written in full, and the index names
//! exactly those files, both changed together.
//!
//! ```text
//! lock            held while a process has the cache open
//! new/ROOT.N      being written; what is there on opening was left by a process that died
//! RO/ROOT         an entry: plain bytes, so `b3sum` prints its name
//! ```
//!
//! Nothing is forced to the disk: a process that dies loses nothing that was put, a machine that does loses what the system
//! had not written yet. What is left of that is found out by the check on reading. Everything here blocks.

use super::error::Error;
use super::index::{Found, Held, Index};
use bytes::Bytes;
use manifest::{Hash, digest};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

/// How many entries may be written at once.
pub const WRITES: u32 = 4;

/// The folder, and what it is known to hold.
#[derive(Debug)]
pub struct Shelf {
    dir: PathBuf,
    /// Largest entry: what [`WRITES`] of them take always fits.
    most: u64,
    /// Never held while a file is touched.
    index: Mutex<Index>,
    /// Held while entries get or lose their names, so that files and index agree.
    names: Mutex<()>,
    /// Tells temporary names apart.
    next: AtomicU64,
    rotten: AtomicU64,
    evicted: AtomicU64,
}

impl Shelf {
    /// Opens `dir`, made where it is missing, and drops what is over `limit` bytes. The lock is let go with the file.
    pub fn open(dir: PathBuf, limit: u64) -> Result<(Self, File), Error> {
        let unusable = |source| Error::Dir { path: dir.clone(), source };
        let new = dir.join("new");
        fs::create_dir_all(&new).map_err(unusable)?;
        let lock = File::create(dir.join("lock")).map_err(unusable)?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => Error::InUse { path: dir.clone() },
            TryLockError::Error(source) => unusable(source),
        })?;
        for left in fs::read_dir(&new).map_err(unusable)?.flatten() {
            let name = left.file_name();
            if name.to_str().and_then(|n| parse(n.split_once('.')?.0)).is_some() {
                fs::remove_file(left.path()).map_err(unusable)?;
            }
        }

        let most = limit / u64::from(WRITES);
        let (found, rotten) = scan(&dir, most).map_err(unusable)?;
        let shelf = Self {
            index: Mutex::new(Index::new(limit, found)),
            most,
            names: Mutex::new(()),
            next: AtomicU64::new(0),
            rotten: AtomicU64::new(rotten),
            evicted: AtomicU64::new(0),
            dir,
        };
        shelf.make_room(0).map_err(|source| Error::Dir { path: shelf.dir.clone(), source })?;
        Ok((shelf, lock))
    }

    /// What is known of the entries.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries that were dropped because their bytes were not what was put.
    pub fn rotten(&self) -> u64 {
        self.rotten.load(Ordering::Relaxed)
    }

    /// Entries that were dropped to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// The bytes of an entry that the index said is `held`, checked. What fails the check is dropped.
    pub fn read(&self, root: &Hash, held: &Held) -> Option<Bytes> {
        let file = match File::open(self.path(root)) {
            Ok(file) => file,
            Err(e) => {
                // Evicted since, or deleted by somebody else. Other errors say nothing about the entry.
                match e.kind() {
                    ErrorKind::NotFound => self.remove(root),
                    _ => tracing::warn!(%root, error = %e, "a cache entry cannot be opened"),
                }
                return None;
            }
        };
        let mut bytes = Vec::with_capacity(held.bytes as usize + 1);
        let read = (&file).take(held.bytes + 1).read_to_end(&mut bytes);
        if read.is_err() || digest::root(&bytes) != *root {
            tracing::warn!(%root, error = ?read.err(), "a cache entry is not what was put there: dropped");
            self.rotten.fetch_add(1, Ordering::Relaxed);
            self.remove(root);
            return None;
        }
        if held.touch {
            renew(&file);
        }
        Some(bytes.into())
    }

    /// Renews the time of an entry that was used without being read.
    pub fn touch(&self, root: &Hash) {
        if let Ok(file) = File::open(self.path(root)) {
            renew(&file);
        }
    }

    /// Checks `bytes` and makes them the entry `root`.
    pub fn put(&self, root: Hash, bytes: &[u8]) -> Result<(), Error> {
        let size = bytes.len() as u64;
        if digest::root(bytes) != root {
            return Err(Error::WrongBytes { root });
        }
        if size > self.most {
            return Err(Error::TooLarge { bytes: size, most: self.most });
        }
        if self.index().handle_use(&root, Instant::now()).is_some() {
            return Ok(());
        }
        let failed = |source| Error::Write { path: self.dir.clone(), source };
        // The second time with what the cache gave up of its own.
        for _ in 0..2 {
            if !self.make_room(size).map_err(failed)? {
                break;
            }
            match self.write(root, bytes) {
                Ok(()) => return Ok(()),
                Err(e) if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    let (news, held) = {
                        let mut index = self.index();
                        index.release(size);
                        (index.handle_full(Instant::now()), index.held())
                    };
                    if news {
                        tracing::warn!(dir = %self.dir.display(), held, "the disk is full: the cache stops growing");
                    }
                }
                Err(source) => {
                    self.index().release(size);
                    return Err(failed(source));
                }
            }
        }
        Err(Error::Full { path: self.dir.clone() })
    }

    /// Forgets the entry `root` and deletes its file.
    pub fn remove(&self, root: &Hash) {
        let _names = self.names();
        if let Err(e) = self.unname(root) {
            tracing::warn!(%root, error = %e, "a cache entry cannot be deleted: it will be there again after a restart");
        }
        self.index().remove(root);
    }

    /// Reserves room for `bytes`, dropping the longest unused entries as needed; `false` when that is not enough. Whoever makes
    /// room takes it, before another can.
    fn make_room(&self, bytes: u64) -> io::Result<bool> {
        let _names = self.names();
        loop {
            let oldest = {
                let mut index = self.index();
                if index.reserve(bytes, Instant::now()) {
                    return Ok(true);
                }
                index.oldest()
            };
            let Some(root) = oldest else { return Ok(false) };
            match self.unname(&root) {
                // The same for all of them: they stay, to be read.
                Err(e) if matches!(e.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
                    return Err(e);
                }
                Err(e) => {
                    tracing::warn!(%root, error = %e, "a cache entry cannot be deleted: it takes room all the same")
                }
                Ok(()) => {}
            }
            self.index().remove(&root);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes the file of `root`, for which room is reserved.
    fn write(&self, root: Hash, bytes: &[u8]) -> io::Result<()> {
        let new = self.dir.join(format!("new/{root}.{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let path = self.path(&root);
        let written = File::create(&new).and_then(|mut file| file.write_all(bytes)).and_then(|()| {
            let _names = self.names();
            fs::create_dir_all(path.parent().expect("entries are in folders"))?;
            fs::rename(&new, &path)?;
            self.index().insert(root, bytes.len() as u64, Instant::now());
            Ok(())
        });
        if written.is_err() {
            // It may never have been made.
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// Deletes the file of `root`, if it is there. Only with `names` held, until the index knows.
    fn unname(&self, root: &Hash) -> io::Result<()> {
        match fs::remove_file(self.path(root)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn names(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, root: &Hash) -> PathBuf {
        path(&self.dir, root)
    }
}

fn path(dir: &Path, root: &Hash) -> PathBuf {
    let name = root.to_string();
    dir.join(&name[..2]).join(name)
}

/// The entries in `dir`, and how many were rotten at sight: an empty file is what a machine that died leaves. Those larger
/// than `most` bytes, from a time with a higher limit, are dropped too. Files with other names are not ours and stay.
fn scan(dir: &Path, most: u64) -> io::Result<(Vec<Found>, u64)> {
    let (mut found, mut rotten) = (Vec::new(), 0);
    for folder in fs::read_dir(dir)? {
        let folder = folder?;
        if folder.file_name().len() != 2 || !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let Some(root) = file.file_name().to_str().and_then(parse) else { continue };
            let meta = file.metadata()?;
            if !meta.is_file() || file.path() != path(dir, &root) {
                continue;
            }
            if meta.len() == 0 || meta.len() > most {
                fs::remove_file(file.path())?;
                rotten += u64::from(meta.len() == 0);
                continue;
            }
            found.push(Found { used: meta.modified()?, root, bytes: meta.len() });
        }
    }
    Ok((found, rotten))
}

/// Best effort: it costs order after a restart, no more.
fn renew(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}

/// The root that `name` spells as [`Hash`] displays it.
fn parse(name: &str) -> Option<Hash> {
    let mut root = [0; 32];
    if name.len() != 64 || !name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (i, byte) in root.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&name[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(Hash(root))
}
