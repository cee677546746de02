//! Takedowns: a list of streams that must not be shared any more, signed by who may say so. Spec: `docs/spec/access.md`.
//!
//! ```text
//! "BCRV" version:u8=1 signature:64 body
//! body = key:32 number:u64 at:u64 count:u32 { kind:u8 (0 swarm:20 | 1 len:u8 name) reason:u8 at:u64 }
//! ```
//! Integers are little-endian. The signature is over `SIGN_CONTEXT || body`. A list is whole: what a newer one leaves out is
//! no longer revoked. There is exactly one encoding of a list.
//!
//! The invariant of an [`Authority`]: its list never goes back to an older one.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use manifest::digest::{self, Hash};
use manifest::{PublicKey, SecretKey};

use crate::stream::is_name;
use crate::{MAX_NAME_LEN, Stream, Streams, SwarmId, Timestamp};

const MAGIC: &[u8; 4] = b"BCRV";
const VERSION: u8 = 1;
const SIGN_CONTEXT: &[u8] = b"braidcast revocations v1\n";
const HEADER_BYTES: usize = 4 + 1 + 64 + 32 + 8 + 8 + 4;
const ENTRY_BYTES: usize = 1 + 1 + MAX_NAME_LEN + 1 + 8;

/// Most entries of a list.
pub const MAX_ENTRIES: usize = 65_536;
/// Longest list that is taken.
pub const MAX_LIST_BYTES: usize = HEADER_BYTES + MAX_ENTRIES * ENTRY_BYTES;

/// What was taken down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Exactly this package or broadcast, wherever it is.
    Swarm(SwarmId),
    /// Whatever the operator serves under this name.
    Name(String),
}

/// Why it was taken down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub u8);

impl Reason {
    /// It is not said.
    pub const UNSAID: Self = Self(0);
    /// Its publisher took it back.
    pub const WITHDRAWN: Self = Self(1);
    /// Somebody holds rights in it.
    pub const COPYRIGHT: Self = Self(2);
    /// A court or an authority has ordered it.
    pub const ORDER: Self = Self(3);
    /// It shows what people have a right to keep to themselves.
    pub const PRIVACY: Self = Self(4);
    /// It breaks the operator's rules.
    pub const ABUSE: Self = Self(5);
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNSAID => f.write_str("no reason is given"),
            Self::WITHDRAWN => f.write_str("withdrawn by its publisher"),
            Self::COPYRIGHT => f.write_str("copyright"),
            Self::ORDER => f.write_str("by order of a court or an authority"),
            Self::PRIVACY => f.write_str("privacy"),
            Self::ABUSE => f.write_str("against the rules of this service"),
            Self(other) => write!(f, "reason {other}"),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({})", self.0)
    }
}

/// One takedown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Why.
    pub reason: Reason,
    /// When it was decided.
    pub at: Timestamp,
}

/// Why a list is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not a list at all, or cut short, or not written in the one way that there is.
    #[error("not a list of revocations, or damaged")]
    Malformed,
    /// Made by a version this code does not read.
    #[error("version {0} of the list of revocations is not known here")]
    Version(u8),
    /// Signed by nobody who may take down anything here.
    #[error("the list of revocations is signed by a key that has no say here")]
    OtherKey,
    /// The signature does not fit the contents.
    #[error("the signature does not fit the list of revocations")]
    BadSignature,
    /// Older than the one that is held.
    #[error("list {0} of the revocations is older than the one that is in force")]
    Rollback(u64),
    /// The same number as the one that is held, with other contents.
    #[error("another list {0} of the revocations is in force already")]
    Equivocation(u64),
    /// More than [`MAX_ENTRIES`], or a name that no stream has: only when a list is sealed.
    #[error("the list of revocations has too many entries, or one that names no stream")]
    Impossible,
}

/// A list of takedowns, the whole of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Higher with every list that one key signs; the first is 1 or more.
    pub number: u64,
    /// When it was made. It is told, and decides nothing.
    pub at: Timestamp,
    /// What is taken down.
    pub entries: BTreeMap<Target, Entry>,
}

impl Revocations {
    /// The list as a file, signed by `key`.
    pub fn seal(&self, key: &SecretKey) -> Result<Vec<u8>, ListError> {
        let names = |target: &Target| matches!(target, Target::Name(name) if !is_name(name));
        if self.entries.len() > MAX_ENTRIES || self.entries.keys().any(names) {
            return Err(ListError::Impossible);
        }
        let mut body = key.public().as_bytes().to_vec();
        body.extend_from_slice(&self.number.to_le_bytes());
        body.extend_from_slice(&self.at.0.to_le_bytes());
        body.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for (target, entry) in &self.entries {
            match target {
                Target::Swarm(swarm) => {
                    body.push(0);
                    body.extend_from_slice(&swarm.0);
                }
                Target::Name(name) => {
                    body.extend_from_slice(&[1, name.len() as u8]);
                    body.extend_from_slice(name.as_bytes());
                }
            }
            body.push(entry.reason.0);
            body.extend_from_slice(&entry.at.0.to_le_bytes());
        }
        let signature = key.sign(&[SIGN_CONTEXT, &body].concat());
        Ok([MAGIC, &[VERSION][..], &signature, &body].concat())
    }

    /// Reads a list by `trusted`. Nothing of it is looked at before the signature fits.
    pub fn open(bytes: &[u8], trusted: &PublicKey) -> Result<Self, ListError> {
        unseal(bytes, trusted).and_then(decode)
    }

    /// Why `stream` was taken down, if it was.
    pub fn revoked(&self, stream: &Stream<'_>) -> Option<Reason> {
        let by_swarm = self.entries.get(&Target::Swarm(stream.swarm));
        let by_name = || self.entries.get(&Target::Name(stream.name?.to_owned()));
        by_swarm.or_else(by_name).map(|entry| entry.reason)
    }
}

/// By whom a list says it is, and its number. Neither is true before an [`Authority`] has taken it.
pub fn heading(list: &[u8]) -> Option<(PublicKey, u64)> {
    let body = list.get(MAGIC.len() + 1 + 64..)?;
    let (key, rest) = body.split_first_chunk::<32>()?;
    let number = rest.first_chunk()?;
    Some((PublicKey::from_bytes(*key).ok()?, u64::from_le_bytes(*number)))
}

/// What became of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in force.
    New,
    /// It was in force already.
    Known,
}

/// Somebody who may take streams down: the operator all, a publisher its own.
///
/// It keeps the newest list. The caller keeps the file, and hands it in first after a restart, or else an older one would be
/// taken again.
#[derive(Clone, Debug)]
pub struct Authority {
    key: PublicKey,
    streams: Option<Streams>,
    list: Option<(Hash, Revocations)>,
}

impl Authority {
    /// The owner of `key`; with `streams` given, what its lists say of any other counts for nothing.
    pub const fn new(key: PublicKey, streams: Option<Streams>) -> Self {
        Self { key, streams, list: None }
    }

    /// Takes a list that is newer than the one held. Otherwise that stays as it is.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Taken, ListError> {
        let body = unseal(bytes, &self.key)?;
        let digest = digest::root(body);
        let list = decode(body)?;
        match &self.list {
            Some((_, held)) if list.number < held.number => Err(ListError::Rollback(list.number)),
            Some((known, held)) if list.number == held.number => {
                if *known == digest {
                    Ok(Taken::Known)
                } else {
                    Err(ListError::Equivocation(list.number))
                }
            }
            _ => {
                self.list = Some((digest, list));
                Ok(Taken::New)
            }
        }
    }

    /// Why `stream` was taken down, if it was.
    pub fn revoked(&self, stream: &Stream<'_>) -> Option<Reason> {
        let (_, list) = self.list.as_ref()?;
        let own = self.streams.as_ref().is_none_or(|streams| streams.matches(stream));
        if own { list.revoked(stream) } else { None }
    }

    /// By whose key its lists are signed.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The number of the list in force.
    pub fn number(&self) -> Option<u64> {
        self.list.as_ref().map(|(_, list)| list.number)
    }
}

/// The body of a list that `trusted` has signed.
fn unseal<'a>(bytes: &'a [u8], trusted: &PublicKey) -> Result<&'a [u8], ListError> {
    if bytes.len() > MAX_LIST_BYTES {
        return Err(ListError::Malformed);
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or(ListError::Malformed)?;
    let (&version, rest) = rest.split_first().ok_or(ListError::Malformed)?;
    if version != VERSION {
        return Err(ListError::Version(version));
    }
    let (signature, body) = rest.split_first_chunk::<64>().ok_or(ListError::Malformed)?;
    let key = body.first_chunk::<32>().ok_or(ListError::Malformed)?;
    if key != trusted.as_bytes() {
        return Err(ListError::OtherKey);
    }
    if !trusted.verifies(&[SIGN_CONTEXT, body].concat(), signature) {
        return Err(ListError::BadSignature);
    }
    Ok(body)
}

fn decode(body: &[u8]) -> Result<Revocations, ListError> {
    read(body).ok_or(ListError::Malformed)
}

/// `None` where it is not written as [`Revocations::seal`] would write it.
fn read(body: &[u8]) -> Option<Revocations> {
    let (_key, rest) = body.split_first_chunk::<32>()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let (count, mut rest) = rest.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    if count > MAX_ENTRIES {
        return None;
    }
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let (&kind, after) = rest.split_first()?;
        let (target, after) = match kind {
            0 => after.split_first_chunk().map(|(swarm, after)| (Target::Swarm(SwarmId(*swarm)), after))?,
            1 => {
                let (&len, after) = after.split_first()?;
                let (name, after) = after.split_at_checked(usize::from(len))?;
                let name = core::str::from_utf8(name).ok().filter(|name| is_name(name))?;
                (Target::Name(name.to_owned()), after)
            }
            _ => return None,
        };
        let (&reason, after) = after.split_first()?;
        let (at, after) = after.split_first_chunk()?;
        // In rising order, so that there is one way to write a list.
        if entries.last_key_value().is_some_and(|(last, _)| *last >= target) {
            return None;
        }
        entries.insert(target, Entry { reason: Reason(reason), at: Timestamp(u64::from_le_bytes(*at)) });
        rest = after;
    }
    let list =
        Revocations { number: u64::from_le_bytes(*number), at: Timestamp(u64::from_le_bytes(*at)), entries };
    rest.is_empty().then_some(list)
}
