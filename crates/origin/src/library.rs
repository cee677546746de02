//! The data directory: packages, key, and who may write. Its invariant: one process at a time.
//!
//! ```text
//! <data>/lock            held while a process works here
//! <data>/publisher.key   made on first use
//! <data>/streams/<slug>  finished packages
//! ```

use crate::package::{PackageError, Partial, Record, Stamp};
use crate::slug::Slug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the data directory cannot be used.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// Another process has it.
    #[error("{} is in use by another braidcast; stop that one, or choose another folder with --data", .0.display())]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("cannot use the data folder {path}: {source}", path = .path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// An opened data directory.
#[derive(Debug)]
pub struct Library {
    root: PathBuf,
    /// Unlocked by the system when this is dropped, or when the process dies.
    _lock: File,
}

/// How often, and how far apart, the lock of a data folder is tried.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

impl Library {
    /// Takes `root`, making it where there is none, and clears away what killed processes left.
    pub fn open(root: &Path) -> Result<Self, LibraryError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| LibraryError::Io { path, source }
        };
        let streams = root.join("streams");
        fs::create_dir_all(&streams).map_err(io_error(&streams))?;
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error(&path))?;
        // One that was killed a moment ago may live on for a moment in a child that was just being started.
        let mut patience = LOCK_TRIES;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if patience > 0 => patience -= 1,
                Err(TryLockError::WouldBlock) => return Err(LibraryError::InUse(root.to_owned())),
                Err(TryLockError::Error(e)) => return Err(io_error(&path)(e)),
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        crate::package::clean(&streams).map_err(io_error(&streams))?;
        let live = root.join("live");
        match fs::remove_dir_all(&live) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&live)(error)),
            _ => {}
        }
        let root = fs::canonicalize(root).map_err(io_error(root))?;
        Ok(Self { root, _lock: lock })
    }

    /// Where the publisher's key is unless told otherwise.
    pub fn key_path(&self) -> PathBuf {
        self.root.join("publisher.key")
    }

    /// The folder of the package `slug`, whether or not it is there.
    pub fn package(&self, slug: &Slug) -> PathBuf {
        self.root.join("streams").join(slug.as_str())
    }

    /// A folder to fill, which then becomes the package `slug`.
    pub fn begin(&self, slug: &Slug) -> Result<Partial, PackageError> {
        Partial::begin(&self.package(slug))
    }

    /// An empty folder for segments of the live stream `slug` that began at `born_ms`; what is left in it when this process ends is cleared
    /// away by the next.
    pub fn live(&self, slug: &Slug, born_ms: u64) -> Result<PathBuf, LibraryError> {
        let path = self.root.join("live").join(format!("{slug}-{born_ms}"));
        let io_error = |source| LibraryError::Io { path: path.clone(), source };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(io_error)?;
        }
        fs::create_dir_all(&path).map_err(io_error)?;
        Ok(path)
    }

    /// The finished packages, by name.
    pub fn packages(&self) -> Result<Vec<Slug>, LibraryError> {
        let streams = self.root.join("streams");
        let io_error = |source| LibraryError::Io { path: streams.clone(), source };
        let mut slugs = Vec::new();
        for entry in fs::read_dir(&streams).map_err(io_error)? {
            let name = entry.map_err(io_error)?.file_name();
            if let Some(slug) = name.to_str().and_then(Slug::parse)
                && Record::read(&self.package(&slug)).is_some()
            {
                slugs.push(slug);
            }
        }
        slugs.sort();
        Ok(slugs)
    }

    /// Under which name each of `sources` (absolute paths) goes. A film that has a package keeps its name, whatever the
    /// order of the arguments; of several films of one name the later ones are numbered.
    pub fn names(&self, sources: &[(PathBuf, Stamp)]) -> Vec<Slug> {
        let mut names: Vec<Option<Slug>> = vec![None; sources.len()];
        let known: fn(&Record, &Stamp) -> bool = |record, stamp| record.source.path_hash == stamp.path_hash;
        let moved: fn(&Record, &Stamp) -> bool = |record, stamp| record.source.same_film(stamp);
        for matches in [known, moved] {
            for (i, (path, stamp)) in sources.iter().enumerate() {
                if names[i].is_some() {
                    continue;
                }
                let base = Slug::of_file(path);
                names[i] = (1..1000).map(|n| base.nth(n)).filter(|s| self.package(s).exists()).find(|slug| {
                    let free = !names.iter().flatten().any(|taken| taken == slug);
                    free && Record::read(&self.package(slug)).is_some_and(|record| matches(&record, stamp))
                });
            }
        }
        for (i, (path, _)) in sources.iter().enumerate() {
            let base = Slug::of_file(path);
            let is_free = |slug: &Slug| {
                !names.iter().flatten().any(|taken| taken == slug) && !self.package(slug).exists()
            };
            let name = names[i].clone().or_else(|| (1..1000).map(|n| base.nth(n)).find(is_free));
            // All 999 names are taken by other films: the last of them gives way.
            names[i] = Some(name.unwrap_or_else(|| base.nth(999)));
        }
        names.into_iter().flatten().collect()
    }
}
