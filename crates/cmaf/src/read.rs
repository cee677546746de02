//! Reading boxes of the ISO base media file format (ISO/IEC 14496-12) out of byte slices.
//!
//! The invariant: nothing here allocates by a number it read, and no offset leaves the slice it was found in.

use std::fmt;

/// A box type or codec name of four bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b' '..=b'~' => write!(f, "{}", byte as char)?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{self}'")
    }
}

/// What is wrong with a box.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The box ends before what it must hold.
    #[error("box '{0}' ends too early")]
    Truncated(FourCc),
    /// The size field of a box is smaller than its header or larger than its surroundings.
    #[error("box '{0}' has an impossible size of {1} bytes")]
    Size(FourCc, u64),
    /// A box that must be there is not.
    #[error("box '{parent}' lacks '{child}'")]
    Missing {
        /// The box looked into.
        parent: FourCc,
        /// The box looked for.
        child: FourCc,
    },
    /// A field has a value that makes no sense.
    #[error("box '{0}': {1}")]
    Value(FourCc, &'static str),
    /// A size or count is beyond what is accepted.
    #[error("box '{0}' is beyond the limit: {1}")]
    Limit(FourCc, &'static str),
}

/// Reads big-endian fields of one box in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    name: FourCc,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(name: &[u8; 4], rest: &'a [u8]) -> Self {
        Self { name: FourCc(*name), rest }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(Malformed::Truncated(self.name))?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Truncated(self.name))?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn skip(&mut self, len: usize) -> Result<(), Malformed> {
        self.take(len).map(|_| ())
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A u64 in version 1 of a box, a u32 in version 0.
    pub(crate) fn word(&mut self, version: u8) -> Result<u64, Malformed> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// Version and flags of a full box.
    pub(crate) fn version_flags(&mut self) -> Result<(u8, u32), Malformed> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bad<T>(&self, why: &'static str) -> Result<T, Malformed> {
        Err(Malformed::Value(self.name, why))
    }
}

/// The boxes that lie in a slice one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Boxes<'a> {
    parent: FourCc,
    all: &'a [u8],
    at: usize,
}

/// One box: its type, its payload, and where it and its payload start in the slice it was found in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) kind: [u8; 4],
    pub(crate) payload: &'a [u8],
    pub(crate) start: usize,
    pub(crate) body: usize,
}

impl<'a> Boxes<'a> {
    pub(crate) fn new(parent: &[u8; 4], all: &'a [u8]) -> Self {
        Self { parent: FourCc(*parent), all, at: 0 }
    }

    /// The payload of the first box of this type.
    pub(crate) fn find(&self, kind: &[u8; 4]) -> Result<Option<&'a [u8]>, Malformed> {
        for found in self.clone() {
            let found = found?;
            if &found.kind == kind {
                return Ok(Some(found.payload));
            }
        }
        Ok(None)
    }

    /// As [`Boxes::find`], but its absence is an error.
    pub(crate) fn need(&self, kind: &[u8; 4]) -> Result<&'a [u8], Malformed> {
        self.find(kind)?.ok_or(Malformed::Missing { parent: self.parent, child: FourCc(*kind) })
    }

    fn fail(&mut self, error: Malformed) -> Option<Result<Found<'a>, Malformed>> {
        self.at = self.all.len();
        Some(Err(error))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<Found<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.all[self.at..];
        if rest.len() < 8 {
            // QuickTime ends some containers with a zero word.
            if rest.iter().all(|&byte| byte == 0) {
                return None;
            }
            return self.fail(Malformed::Truncated(self.parent));
        }
        let mut fields = Fields { name: self.parent, rest };
        let (Ok(small), Ok(kind)) = (fields.u32(), fields.array::<4>()) else {
            return self.fail(Malformed::Truncated(self.parent));
        };
        let size = match small {
            0 => rest.len() as u64,
            1 => match fields.u64() {
                Ok(size) => size,
                Err(error) => return self.fail(error),
            },
            _ => u64::from(small),
        };
        let header = if small == 1 { 16 } else { 8 };
        if size < header || size > rest.len() as u64 {
            return self.fail(Malformed::Size(FourCc(kind), size));
        }
        // Bounded by `rest.len()`, so it fits.
        let whole = &rest[..size as usize];
        let found = Found {
            kind,
            payload: &whole[header as usize..],
            start: self.at,
            body: self.at + header as usize,
        };
        self.at += whole.len();
        Some(Ok(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_beyond_the_slice_is_an_error_and_ends_the_walk() {
        let mut boxes = Boxes::new(b"moov", &[0, 0, 0, 99, b'f', b'r', b'e', b'e']);
        assert!(matches!(boxes.next(), Some(Err(Malformed::Size(_, 99)))));
        assert!(boxes.next().is_none());
    }

    #[test]
    fn a_zero_word_at_the_end_is_quicktime_and_not_an_error() {
        assert!(Boxes::new(b"udta", &[0; 4]).next().is_none());
        assert!(matches!(Boxes::new(b"udta", &[1; 4]).next(), Some(Err(Malformed::Truncated(_)))));
    }

    #[test]
    fn a_large_size_is_read_and_must_cover_its_own_header() {
        let mut bytes = vec![0, 0, 0, 1, b'm', b'd', b'a', b't', 0, 0, 0, 0, 0, 0, 0, 18, 7, 8];
        let found = Boxes::new(b"file", &bytes).next().expect("one box").expect("well formed");
        assert_eq!(found.payload, [7, 8]);
        bytes[15] = 15;
        assert!(matches!(Boxes::new(b"file", &bytes).next(), Some(Err(Malformed::Size(_, 15)))));
    }
}
