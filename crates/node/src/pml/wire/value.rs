//! The values of a command's fields: integers, lists of similar integers, strings.
//!
//! The head byte of a value has its type in the high half. Integers (type 0) have their count of bytes in the low half,
//! then sign and magnitude, big-endian. A list (type 1) is groups that share all but the low byte: the shared part with
//! the group's count in its low byte, then the low bytes. Strings (type 2) are 12 bits of length and the bytes.

use std::ops::Range;

use super::{Malformed, SegmentId};

/// Groups in one list: their count is one byte.
pub const MAX_GROUPS: usize = 255;

/// Ids in one group. A count byte of 0 means 256 to newer releases only: one less is read by all.
const MAX_IN_GROUP: usize = 255;

/// Bytes of an integer that all releases read.
const MAX_INT_BYTES: usize = 7;

pub(super) enum Value {
    Int(i64),
    Ids(Vec<SegmentId>),
    String,
}

/// Writes an integer. Its magnitude is below 2^55.
pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    let magnitude = value.unsigned_abs();
    let bits = u64::BITS - magnitude.leading_zeros();
    let count = (bits as usize + 1).div_ceil(8);
    debug_assert!(count <= MAX_INT_BYTES);
    out.push(count as u8);
    let first = out.len();
    out.extend_from_slice(&magnitude.to_be_bytes()[8 - count..]);
    if value < 0 {
        out[first] |= 0x80;
    }
}

/// Writes a list, up to its last possible group.
pub(super) fn put_ids(out: &mut Vec<u8>, ids: &[SegmentId]) {
    let groups = groups(ids).take(MAX_GROUPS).count();
    out.extend([0x10, groups as u8]);
    for group in self::groups(ids).take(MAX_GROUPS) {
        let ids = &ids[group];
        put_int(out, shared(ids[0]) | ids.len() as i64);
        out.extend(ids.iter().map(|id| id.get() as u8));
    }
}

/// The runs of `ids` that go into one group each.
pub(super) fn groups(ids: &[SegmentId]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = *ids.get(start)?;
        let run =
            ids[start..].iter().take(MAX_IN_GROUP).take_while(|id| shared(**id) == shared(first)).count();
        start += run;
        Some(start - run..start)
    })
}

/// All but the low byte, in two's complement as the releases compute it.
fn shared(id: SegmentId) -> i64 {
    id.get() & !0xff
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Reader { rest }
    }

    pub(super) fn next_byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.next_byte().ok_or(Malformed::Short)
    }

    pub(super) fn value(&mut self) -> Result<Value, Malformed> {
        match self.rest.first().ok_or(Malformed::Short)? >> 4 {
            0 => Ok(Value::Int(self.int()?)),
            1 => Ok(Value::Ids(self.ids()?)),
            2 => {
                let length = usize::from(self.byte()? & 0x0f) << 8 | usize::from(self.byte()?);
                self.bytes(length)?;
                Ok(Value::String)
            }
            _ => Err(Malformed::Type),
        }
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn int(&mut self) -> Result<i64, Malformed> {
        let count = usize::from(self.byte()?);
        if !(1..=MAX_INT_BYTES).contains(&count) {
            return Err(Malformed::Type);
        }
        let bytes = self.bytes(count)?;
        let first = i64::from(bytes[0] & 0x7f);
        let magnitude = bytes[1..].iter().fold(first, |value, byte| value << 8 | i64::from(*byte));
        Ok(if bytes[0] & 0x80 == 0 { magnitude } else { -magnitude })
    }

    fn ids(&mut self) -> Result<Vec<SegmentId>, Malformed> {
        self.byte()?;
        let mut ids = Vec::new();
        for _ in 0..self.byte()? {
            let head = self.int()?;
            // Who writes 0 has 256: no release writes an empty group.
            let count = match head & 0xff {
                0 => 256,
                count => count as usize,
            };
            for low in self.bytes(count)? {
                ids.push(SegmentId::new(head & !0xff | i64::from(*low)).ok_or(Malformed::Range)?);
            }
        }
        Ok(ids)
    }
}
