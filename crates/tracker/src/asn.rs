//! Which autonomous system an address is of, by a file that is looked at again while a server runs: they change every week.

use std::{
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use maxminddb::Reader;
use serde::Deserialize;

/// A file that is not there, or holds something else.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}")]
pub struct AsnError {
    file: PathBuf,
    why: String,
}

/// A file in MaxMind's format with the fields of GeoLite2-ASN; those of other makers have them too. Clones share what
/// [`Asns::reload`] reads.
#[derive(Clone)]
pub struct Asns(Arc<Inner>);

struct Inner {
    file: PathBuf,
    current: RwLock<Reader<Vec<u8>>>,
}

#[derive(Deserialize)]
struct Record {
    autonomous_system_number: Option<u32>,
}

impl Asns {
    /// Reads a file, all of it: some ten megabytes.
    ///
    /// # Errors
    /// If it is not there, or is no database of autonomous systems.
    pub fn open(file: &Path) -> Result<Self, AsnError> {
        Ok(Self(Arc::new(Inner { file: file.to_owned(), current: RwLock::new(read(file)?) })))
    }

    /// Reads the file again, for those who come from now on.
    ///
    /// # Errors
    /// As in [`Asns::open`]; all stays as it was then.
    pub fn reload(&self) -> Result<(), AsnError> {
        let read = read(&self.0.file)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// That of an address; `None` for one that the file does not know.
    pub fn of(&self, address: IpAddr) -> Option<u32> {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        // A record that cannot be read is as none: the file is damaged, and nobody is turned away for that.
        let record = current.lookup(address).ok()?.decode::<Record>().ok()?;
        record?.autonomous_system_number
    }
}

impl fmt::Debug for Asns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asns").field(&self.0.file).finish()
    }
}

fn read(file: &Path) -> Result<Reader<Vec<u8>>, AsnError> {
    let bad = |why: &dyn fmt::Display| AsnError { file: file.to_owned(), why: why.to_string() };
    let bytes = fs::read(file).map_err(|why| bad(&why))?;
    let reader = Reader::from_source(bytes).map_err(|why| bad(&why))?;
    let kind = &reader.metadata().database_type;
    if !kind.to_ascii_uppercase().contains("ASN") {
        return Err(bad(&format_args!("a database of another kind: {kind}")));
    }
    Ok(reader)
}
