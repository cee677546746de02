//! One head: contents and encoding.

use super::refused::Refused;
use super::seal::{SEAL_BYTES, Sealed, Sort};
use crate::SegmentId;
use crate::digest::{self, Hash};
use crate::index::{MAX_PIECES, MAX_RENDITIONS};
use crate::key::{PublicKey, SecretKey};
use crate::reader::Reader;
use alloc::vec::Vec;

/// Most entries in a head.
pub const MAX_ENTRIES: usize = 256;
/// Most leaves in a head, of all its entries together: 128 MiB of media in pieces of 32 KiB.
pub const MAX_HEAD_LEAVES: usize = 4096;
/// Longest life of a head: 10 minutes. Publishers give theirs a few target durations.
pub const MAX_LIFETIME_MS: u64 = 10 * 60 * 1000;

const FIXED_BYTES: usize = 20 + 4 + 8 + 8 + 8 + 32 + 1 + 2;
const ENTRY_BYTES: usize = 1 + 1 + 4 + 4 + 4 + 4 + 2;

/// Largest sealed head.
pub const MAX_HEAD_BYTES: usize =
    SEAL_BYTES + FIXED_BYTES + MAX_RENDITIONS * 4 + MAX_ENTRIES * ENTRY_BYTES + MAX_HEAD_LEAVES * 32;

const SORT: Sort = Sort { magic: b"BCLH", context: b"braidcast live head v1\n", max_bytes: MAX_HEAD_BYTES };

/// What a stream has, as of one moment.
///
/// A head without entries is a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The stream's swarm id.
    pub stream: [u8; 20],
    /// The epoch of the delegation whose key signs this.
    pub epoch: u32,
    /// 1 for the first of an epoch, then 2, 3, ...
    pub number: u64,
    /// When it was made, milliseconds since 1970 UTC; never less than in the head before.
    pub at_ms: u64,
    /// From when on it does not count, milliseconds since 1970 UTC; later than `at_ms` by at most [`MAX_LIFETIME_MS`].
    pub expires_ms: u64,
    /// [`Head::digest`] of the head before it; zeros in the first of an epoch, and only there.
    pub previous: Hash,
    /// For each rendition the lowest sequence number that is still on offer; never less than in the head before.
    pub first: Vec<u32>,
    /// What was born since the head before, by rising [`SegmentId`]. The publisher may repeat what is still in the window, for
    /// those who have just come or missed a head.
    pub entries: Vec<Entry>,
}

/// One segment of a stream, or one part where the stream is made of parts: whatever its sequence numbers count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub segment: SegmentId,
    /// How playlists have it.
    pub cut: Cut,
    /// Where its presentation starts, milliseconds since the stream began: the same clock for all renditions. A stream lasts 49
    /// days at most.
    pub start_ms: u32,
    /// Length of its presentation, milliseconds; never 0.
    pub duration_ms: u32,
    /// Length of its bytes; never 0.
    pub size: u32,
    /// The chaining values of its pieces, as [`digest::leaves`] makes them: each piece can be checked the moment it comes.
    pub leaves: Vec<Hash>,
}

/// What a playlist says of a part besides its length: with this in the heads, viewers need not ask for playlists to know what they
/// say. A stream whose sequence numbers count segments leaves it empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Decoding can start in it.
    pub independent: bool,
    /// It is the last of its segment.
    pub ends_segment: bool,
    /// Something stands before it that only the playlist tells: a restart, another init segment, a marker.
    pub is_marked: bool,
}

impl Cut {
    /// The byte that says so: 1, 2 and 4.
    pub fn bits(self) -> u8 {
        u8::from(self.independent) | u8::from(self.ends_segment) << 1 | u8::from(self.is_marked) << 2
    }

    fn of(bits: u8) -> Option<Self> {
        let cut = Self { independent: bits & 1 != 0, ends_segment: bits & 2 != 0, is_marked: bits & 4 != 0 };
        (cut.bits() == bits).then_some(cut)
    }
}

impl Entry {
    /// The entry for `bytes`, cut into pieces of `piece_len`.
    pub fn new(segment: SegmentId, start_ms: u32, duration_ms: u32, bytes: &[u8], piece_len: u32) -> Self {
        Self {
            segment,
            cut: Cut::default(),
            start_ms,
            duration_ms,
            size: bytes.len() as u32,
            leaves: digest::leaves(bytes, piece_len),
        }
    }

    /// Plain BLAKE3 of the bytes, which is what the leaves merge to; `None` where there are not as many leaves as a segment
    /// of this size has pieces of `piece_len` bytes.
    pub fn root(&self, piece_len: u32) -> Option<Hash> {
        let count = self.size.checked_next_multiple_of(piece_len)? / piece_len;
        if self.leaves.len() != count as usize {
            return None;
        }
        digest::merge(&self.leaves)
    }
}

impl Head {
    /// The signed bytes. A head that [`validate`](Self::validate) refuses makes bytes that are refused.
    pub fn seal(&self, session: &SecretKey) -> Vec<u8> {
        SORT.seal(&self.encode(), session)
    }

    /// Reads what `session` has signed. Whether it is the newest is for a [`Chain`](super::Chain) to say.
    ///
    /// # Errors
    /// [`Refused::Malformed`], [`Refused::Version`], [`Refused::Impossible`], [`Refused::BadSignature`].
    pub fn open(bytes: &[u8], session: &PublicKey) -> Result<Self, Refused> {
        let (head, sealed) = Self::parse(bytes)?;
        sealed.verify(session)?;
        Ok(head)
    }

    /// Reads and does not look at the signature: for showing, never for believing.
    ///
    /// # Errors
    /// [`Refused::Malformed`], [`Refused::Version`], [`Refused::Impossible`].
    pub fn peek(bytes: &[u8]) -> Result<Self, Refused> {
        Self::parse(bytes).map(|(head, _)| head)
    }

    /// BLAKE3 of what is signed: the head's name in the next one.
    pub fn digest(&self) -> Hash {
        digest::root(&[SORT.context, &self.encode()].concat())
    }

    /// Checks every bound that holds for a head by itself.
    ///
    /// # Errors
    /// [`Refused::Impossible`].
    pub fn validate(&self) -> Result<(), Refused> {
        let wrong = |what| Err(Refused::Impossible(what));
        if self.number == 0 || (self.number == 1) != (self.previous == Hash([0; 32])) {
            return wrong("heads count from 1, and only the first has none before it");
        }
        if !matches!(self.expires_ms.checked_sub(self.at_ms), Some(1..=MAX_LIFETIME_MS)) {
            return wrong("a head lives from 1 ms to 10 minutes");
        }
        if !(1..=MAX_RENDITIONS).contains(&self.first.len()) || self.first.contains(&0) {
            return wrong("1 to 32 renditions, whose sequences start at 1 or later");
        }
        if self.entries.len() > MAX_ENTRIES {
            return wrong("more than 256 entries");
        }
        if self.entries.windows(2).any(|pair| pair[0].segment >= pair[1].segment) {
            return wrong("entries out of order");
        }
        let mut leaves = 0;
        for entry in &self.entries {
            if usize::from(entry.segment.rendition) >= self.first.len() || entry.segment.sequence == 0 {
                return wrong("an entry of no rendition, or without a sequence number");
            }
            if entry.duration_ms == 0 || entry.size == 0 {
                return wrong("an empty entry");
            }
            if !(1..=MAX_PIECES as usize).contains(&entry.leaves.len()) {
                return wrong("an entry of no piece, or of more than 2048");
            }
            leaves += entry.leaves.len();
        }
        if leaves > MAX_HEAD_LEAVES { wrong("more than 4096 leaves") } else { Ok(()) }
    }

    fn encode(&self) -> Vec<u8> {
        let leaves: usize = self.entries.iter().map(|entry| entry.leaves.len()).sum();
        let mut out = Vec::with_capacity(
            FIXED_BYTES + self.first.len() * 4 + self.entries.len() * ENTRY_BYTES + leaves * 32,
        );
        out.extend_from_slice(&self.stream);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.extend_from_slice(&self.expires_ms.to_le_bytes());
        out.extend_from_slice(&self.previous.0);
        out.push(self.first.len() as u8);
        for first in &self.first {
            out.extend_from_slice(&first.to_le_bytes());
        }
        out.extend_from_slice(&(self.entries.len() as u16).to_le_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&[entry.segment.rendition, entry.cut.bits()]);
            out.extend_from_slice(&entry.segment.sequence.to_le_bytes());
            out.extend_from_slice(&entry.start_ms.to_le_bytes());
            out.extend_from_slice(&entry.duration_ms.to_le_bytes());
            out.extend_from_slice(&entry.size.to_le_bytes());
            out.extend_from_slice(&(entry.leaves.len() as u16).to_le_bytes());
            entry.leaves.iter().for_each(|leaf| out.extend_from_slice(&leaf.0));
        }
        out
    }

    /// Reads, and leaves the signature to the caller. Room is set aside for what is there, never for what is only said.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, Sealed), Refused> {
        let sealed = SORT.unseal(bytes)?;
        let mut reader = Reader(sealed.body());
        let head = Self {
            stream: reader.array()?,
            epoch: reader.u32()?,
            number: reader.u64()?,
            at_ms: reader.u64()?,
            expires_ms: reader.u64()?,
            previous: Hash(reader.array()?),
            first: firsts(&mut reader)?,
            entries: entries(&mut reader)?,
        };
        if !reader.0.is_empty() {
            return Err(Refused::Malformed);
        }
        head.validate()?;
        Ok((head, sealed))
    }
}

fn firsts(reader: &mut Reader<'_>) -> Result<Vec<u32>, Refused> {
    let count = usize::from(reader.u8()?);
    let mut bytes = Reader(reader.take(count * 4)?);
    (0..count).map(|_| Ok(bytes.u32()?)).collect()
}

fn entries(reader: &mut Reader<'_>) -> Result<Vec<Entry>, Refused> {
    let count = usize::from(reader.u16()?);
    if reader.0.len() < count * ENTRY_BYTES {
        return Err(Refused::Malformed);
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (rendition, bits) = (reader.u8()?, reader.u8()?);
        let cut = Cut::of(bits).ok_or(Refused::Malformed)?;
        let segment = SegmentId::new(rendition, reader.u32()?);
        let (start_ms, duration_ms, size) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let count = usize::from(reader.u16()?);
        let mut bytes = Reader(reader.take(count * 32)?);
        let leaves = (0..count).map(|_| Ok(Hash(bytes.array()?))).collect::<Result<_, Refused>>()?;
        entries.push(Entry { segment, cut, start_ms, duration_ms, size, leaves });
    }
    Ok(entries)
}
