//! What a live stream consists of: the first thing that a viewer is told of it.

use super::refused::Refused;
use super::seal::{SEAL_BYTES, Sealed, Sort};
use crate::digest::Hash;
use crate::index::{Kind, MAX_RENDITIONS};
use crate::key::{PublicKey, SecretKey};
use crate::reader::Reader;
use alloc::string::String;
use alloc::vec::Vec;

/// Most initialisation segments that a rendition has had. Each time an encoder comes back with other settings there is one more.
pub const MAX_INITS: usize = 64;
const MAX_NAME: usize = 64;
const FIXED_BYTES: usize = 32 + 8 + 1 + 4 + 4 + 1;
const RENDITION_BYTES: usize = 1 + 32 + 1 + 4 + 1 + MAX_INITS * 32;

/// Largest sealed description.
pub const MAX_DESCRIPTION_BYTES: usize =
    SEAL_BYTES + FIXED_BYTES + MAX_NAME + MAX_RENDITIONS * RENDITION_BYTES;

const SORT: Sort =
    Sort { magic: b"BCLS", context: b"braidcast live stream v1\n", max_bytes: MAX_DESCRIPTION_BYTES };
const SWARM_CONTEXT: &str = "braidcast 2026 swarm of a live stream, peer wire 1";

/// One rendition of a live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRendition {
    /// Its folder, as of a film's [`Rendition`](crate::Rendition).
    pub id: String,
    /// What it carries.
    pub kind: Kind,
    /// Average bits per second.
    pub bandwidth_bps: u32,
    /// Digests of its initialisation segments, `init-1.mp4` first.
    pub inits: Vec<Hash>,
}

/// What a live stream consists of. The publisher's own key signs it: who has it can check delegations and heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Whose stream it is.
    pub publisher: PublicKey,
    /// When it began, milliseconds since 1970 UTC: where the times of its [entries](super::Entry) start.
    pub born_ms: u64,
    /// What its publisher calls it: letters, digits, `-` and `_`, 1 to 64.
    pub name: String,
    /// Rises when initialisation segments are added, which is all that changes.
    pub number: u32,
    /// Length of every piece but the last of a part: a power of two from 16 KiB to 64 KiB.
    pub piece_len: u32,
    /// Renditions, video first; a rendition's place here is its number in [`SegmentId`](crate::SegmentId).
    pub renditions: Vec<LiveRendition>,
}

impl Description {
    /// The swarm of everybody who watches this stream: the tracker's `info_hash`, and the stream's name in delegations and heads.
    pub fn stream(&self) -> [u8; 20] {
        let mut of = self.publisher.as_bytes().to_vec();
        of.extend_from_slice(&self.born_ms.to_le_bytes());
        of.extend_from_slice(self.name.as_bytes());
        let mut id = [0; 20];
        id.copy_from_slice(&blake3::derive_key(SWARM_CONTEXT, &of)[..20]);
        id
    }

    /// The signed bytes. What [`open`](Self::open) would refuse makes bytes that are refused.
    pub fn seal(&self, publisher: &SecretKey) -> Vec<u8> {
        let mut body = Vec::with_capacity(FIXED_BYTES + self.renditions.len() * RENDITION_BYTES);
        body.extend_from_slice(self.publisher.as_bytes());
        body.extend_from_slice(&self.born_ms.to_le_bytes());
        put_text(&mut body, &self.name);
        body.extend_from_slice(&self.number.to_le_bytes());
        body.extend_from_slice(&self.piece_len.to_le_bytes());
        body.push(self.renditions.len() as u8);
        for rendition in &self.renditions {
            put_text(&mut body, &rendition.id);
            body.push(rendition.kind as u8);
            body.extend_from_slice(&rendition.bandwidth_bps.to_le_bytes());
            body.push(rendition.inits.len() as u8);
            rendition.inits.iter().for_each(|init| body.extend_from_slice(&init.0));
        }
        SORT.seal(&body, publisher)
    }

    /// Reads what its publisher has signed: the one that it names, who must be `publisher` where one is given.
    ///
    /// # Errors
    /// [`Refused::Malformed`], [`Refused::Version`], [`Refused::Impossible`], [`Refused::BadSignature`].
    pub fn open(bytes: &[u8], publisher: Option<&PublicKey>) -> Result<Self, Refused> {
        let sealed = SORT.unseal(bytes)?;
        let description = Self::parse(&sealed)?;
        if publisher.is_some_and(|publisher| *publisher != description.publisher) {
            return Err(Refused::BadSignature);
        }
        sealed.verify(&description.publisher)?;
        Ok(description)
    }

    fn parse(sealed: &Sealed) -> Result<Self, Refused> {
        let mut reader = Reader(sealed.body());
        let publisher = PublicKey::from_bytes(reader.array()?)
            .map_err(|_| Refused::Impossible("the publisher's key is no Ed25519 public key"))?;
        let description = Self {
            publisher,
            born_ms: reader.u64()?,
            name: text(&mut reader)?,
            number: reader.u32()?,
            piece_len: reader.u32()?,
            renditions: (0..reader.u8()?).map(|_| rendition(&mut reader)).collect::<Result<_, _>>()?,
        };
        if !reader.0.is_empty() {
            return Err(Refused::Malformed);
        }
        description.validate().map_err(Refused::Impossible)?;
        Ok(description)
    }

    fn validate(&self) -> Result<(), &'static str> {
        let ids = || self.renditions.iter().map(|rendition| &rendition.id);
        if !matches!(self.piece_len, 16384 | 32768 | 65536) {
            return Err("a piece length that is not 16, 32 or 64 KiB");
        }
        if !is_name(&self.name, MAX_NAME) || !ids().all(|id| is_name(id, 32)) {
            return Err("a name of other characters than letters, digits, - and _");
        }
        if !(1..=MAX_RENDITIONS).contains(&self.renditions.len()) {
            return Err("1 to 32 renditions");
        }
        if ids().enumerate().any(|(place, id)| ids().take(place).any(|other| other == id)) {
            return Err("two renditions of one name");
        }
        if self.renditions.iter().any(|rendition| !(1..=MAX_INITS).contains(&rendition.inits.len())) {
            return Err("1 to 64 initialisation segments a rendition");
        }
        Ok(())
    }

    /// Whether `newer` is the same stream, some time later.
    pub fn becomes(&self, newer: &Self) -> bool {
        let same = |(old, new): (&LiveRendition, &LiveRendition)| {
            (&old.id, old.kind) == (&new.id, new.kind) && new.inits.starts_with(&old.inits)
        };
        self.stream() == newer.stream()
            && self.number < newer.number
            && self.piece_len == newer.piece_len
            && self.renditions.len() == newer.renditions.len()
            && self.renditions.iter().zip(&newer.renditions).all(same)
    }
}

fn is_name(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

fn text(reader: &mut Reader<'_>) -> Result<String, Refused> {
    let len = usize::from(reader.u8()?);
    String::from_utf8(reader.take(len)?.to_vec()).map_err(|_| Refused::Malformed)
}

fn rendition(reader: &mut Reader<'_>) -> Result<LiveRendition, Refused> {
    let id = text(reader)?;
    let kind = match reader.u8()? {
        0 => Kind::Video,
        1 => Kind::Audio,
        _ => return Err(Refused::Malformed),
    };
    let bandwidth_bps = reader.u32()?;
    let count = usize::from(reader.u8()?);
    let mut bytes = Reader(reader.take(count * 32)?);
    let inits = (0..count).map(|_| Ok(Hash(bytes.array()?))).collect::<Result<_, Refused>>()?;
    Ok(LiveRendition { id, kind, bandwidth_bps, inits })
}
