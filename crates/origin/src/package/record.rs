//! `package.json`: what a package was made of, so that it is not made again. It is never served.

use super::error::PackageError;
use super::{Settings, TREE_VERSION};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Longest record that is read.
const MAX_BYTES: u64 = 64 << 10;

/// How a package came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A ladder made by ffmpeg.
    Encoded,
    /// The source's own tracks, cut anew.
    Remuxed,
}

/// What tells one source file from another, without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// File name without folders.
    pub name: String,
    /// Digest of the absolute path: folders are nobody's business but must tell two films of one name apart.
    pub path_hash: String,
    /// Bytes.
    pub size: u64,
    /// Time of the last change, milliseconds since 1970.
    pub mtime_ms: u64,
}

/// The contents of `package.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the tree's layout.
    pub version: u32,
    /// What it was made of.
    pub source: Stamp,
    /// [`Settings::fingerprint`] of the time.
    pub settings: String,
    /// How it was made.
    pub mode: Mode,
}

impl Stamp {
    /// Looks at `source`, an absolute path.
    pub fn of(source: &Path) -> Result<Self, PackageError> {
        let io_error = |source_error| PackageError::Source { path: source.to_owned(), source: source_error };
        let metadata = fs::metadata(source).map_err(io_error)?;
        let mtime = metadata.modified().map_err(io_error)?;
        let path_hash = manifest::digest::root(source.as_os_str().as_encoded_bytes()).to_string();
        Ok(Self {
            name: source.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            path_hash,
            size: metadata.len(),
            mtime_ms: mtime.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64),
        })
    }

    /// Whether both are the same bytes, as far as can be told: the file may have been moved.
    pub fn same_film(&self, other: &Self) -> bool {
        (&self.name, self.size, self.mtime_ms) == (&other.name, other.size, other.mtime_ms)
    }
}

impl Record {
    /// Reads the record of the package in `dir`; `None` where there is none that this version understands.
    pub fn read(dir: &Path) -> Option<Self> {
        let path = path(dir);
        if fs::metadata(&path).ok()?.len() > MAX_BYTES {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Writes it into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), PackageError> {
        let path = path(dir);
        let json = serde_json::to_vec_pretty(self).expect("a record has string keys only");
        fs::write(&path, json).map_err(PackageError::write(&path))
    }

    /// Whether the package is what `settings` would make of `source` now; `can_encode` where ffmpeg is there.
    pub fn is_current(&self, source: &Stamp, settings: &Settings, can_encode: bool) -> bool {
        // Made without ffmpeg because there was none: better can be had now.
        let makeshift = self.mode == Mode::Remuxed && settings.transcode && can_encode;
        self.version == TREE_VERSION
            && self.source.same_film(source)
            && self.settings == settings.fingerprint()
            && !makeshift
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("package.json")
}
