//! The publisher's key on disk. Its invariant: the file is readable by its owner alone, from the moment it exists.
//!
//! The file holds the 43 characters of [`SecretKey::to_text`] and a newline.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use manifest::{KeyError, SecretKey};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// Others than the owner may read or write the file.
    #[error("{path} is open to others (mode {mode:03o}): run `chmod 600 {path}`, or make a new key if others may have read it", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is there and holds no key.
    #[error("{path} holds no key: {source}", path = .path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The file cannot be read or made.
    #[error("cannot {verb} the key {path}: {source}", path = .path.display())]
    Io {
        /// What was being done.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Reads the key at `path`.
pub fn read(path: &Path) -> Result<SecretKey, KeyFileError> {
    let io_error = |source| KeyFileError::Io { verb: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(io_error)?;
    check_mode(path, &file)?;
    let mut text = String::new();
    file.take(256).read_to_string(&mut text).map_err(io_error)?;
    SecretKey::parse(&text).map_err(|source| KeyFileError::Text { path: path.to_owned(), source })
}

/// Makes a new key at `path`, where no file may be yet.
pub fn create(path: &Path) -> Result<SecretKey, KeyFileError> {
    let io_error = |source| KeyFileError::Io { verb: "make", path: path.to_owned(), source };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(KeyFileError::Random)?;
    let key = SecretKey::from_seed(seed);
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(io_error)?;
    }
    if path.exists() {
        return Err(io_error(io::ErrorKind::AlreadyExists.into()));
    }
    // Under another name until it is whole: a crash here must not leave an empty key behind.
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished).map_err(io_error)?;
    file.write_all(format!("{}\n", key.to_text()).as_bytes()).map_err(io_error)?;
    file.sync_all().map_err(io_error)?;
    fs::rename(&unfinished, path).map_err(io_error)?;
    Ok(key)
}

/// A new key for the publisher of a live stream: 24 characters that stand in a URL as they are.
pub fn stream_key() -> Result<String, KeyFileError> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(KeyFileError::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads the key at `path`, or makes it if there is none.
pub fn read_or_create(path: &Path) -> Result<SecretKey, KeyFileError> {
    match read(path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => create(path),
        other => other,
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata =
        file.metadata().map_err(|source| KeyFileError::Io { verb: "read", path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 { Err(KeyFileError::Open { path: path.to_owned(), mode }) } else { Ok(()) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), KeyFileError> {
    Ok(())
}
