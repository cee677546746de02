//! What can go wrong with the cache. Its invariant: each message says what to do about it.

use manifest::Hash;
use std::io;
use std::path::PathBuf;

/// An error of the cache. None of them makes the cache unusable once it is open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be made, locked, read or written.
    #[error("cannot use {path} for the cache ({source}): let this user write there, or name another folder")]
    Dir {
        /// The cache's folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another cache, in this process or another, has the folder open.
    #[error("{path} is in use by another process: stop that one, or give each a folder of its own")]
    InUse {
        /// The cache's folder.
        path: PathBuf,
    },
    /// The limit on disk is below [`super::MIN_DISK_BYTES`].
    #[error("a cache of {bytes} bytes on disk is too small: allow {} or more", super::MIN_DISK_BYTES)]
    TooSmall {
        /// The limit that was asked for.
        bytes: u64,
    },
    /// The bytes do not hash to the root that they were put under: whoever sent them lies or is broken.
    #[error("these bytes are not those of {root}: fetch them elsewhere")]
    WrongBytes {
        /// The root.
        root: Hash,
    },
    /// One entry may take a quarter of the limit on disk.
    #[error(
        "an entry of {bytes} bytes is too large: this cache takes up to {most}, a quarter of its limit on disk"
    )]
    TooLarge {
        /// The entry's size.
        bytes: u64,
        /// The largest that is taken.
        most: u64,
    },
    /// The disk has no room, even for what the cache gave up of its own. What it holds stays readable.
    #[error("no room on the disk of {path}: free some, or allow the cache less")]
    Full {
        /// The cache's folder.
        path: PathBuf,
    },
    /// Writing failed for another reason than a full disk.
    #[error("cannot write to the cache in {path} ({source}): see to the disk")]
    Write {
        /// The cache's folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The cache was closed, or the runtime is going down.
    #[error("the cache is closed: open it again")]
    Closed,
}
