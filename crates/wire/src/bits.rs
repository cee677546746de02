//! A set of small integers: which pieces of a segment are held.

use alloc::vec;
use alloc::vec::Vec;

/// A bitmap of fixed length; bit `i` stands for piece `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    len: u32,
    ones: u32,
    words: Vec<u64>,
}

impl Bits {
    /// `len` bits, none set.
    pub fn none(len: u32) -> Self {
        Self { len, ones: 0, words: vec![0; len.div_ceil(64) as usize] }
    }

    /// `len` bits, all set.
    pub fn all(len: u32) -> Self {
        let mut words = vec![u64::MAX; len.div_ceil(64) as usize];
        if let Some(last) = words.last_mut()
            && !len.is_multiple_of(64)
        {
            *last >>= 64 - len % 64;
        }
        Self { len, ones: len, words }
    }

    /// How many bits there are, set or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no bits at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many are set.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether every bit is set.
    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether bit `i` is set; out of range is "no".
    pub fn has(&self, i: u32) -> bool {
        i < self.len && self.words[(i / 64) as usize] >> (i % 64) & 1 == 1
    }

    /// Sets bit `i`; says whether that changed anything. Out of range changes nothing.
    pub fn set(&mut self, i: u32) -> bool {
        let new = i < self.len && !self.has(i);
        if new {
            self.words[(i / 64) as usize] |= 1 << (i % 64);
            self.ones += 1;
        }
        new
    }

    /// Sets every bit that `other` has set; bits of another length change nothing.
    pub fn join(&mut self, other: &Bits) {
        if self.len == other.len {
            self.words.iter_mut().zip(&other.words).for_each(|(word, more)| *word |= more);
            self.ones = self.words.iter().map(|word| word.count_ones()).sum();
        }
    }

    /// The places of the bits that are not set, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|&i| !self.has(i))
    }

    /// The bits as bytes, least significant first, without the length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.truncate(self.len.div_ceil(8) as usize);
        bytes
    }

    /// Reads what [`Bits::to_bytes`] wrote; `None` unless `bytes` is as long as `len` bits need and the spare bits are 0.
    pub fn from_bytes(len: u32, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != len.div_ceil(8) as usize {
            return None;
        }
        let mut bits = Self::none(len);
        for (i, byte) in bytes.iter().enumerate() {
            bits.words[i / 8] |= u64::from(*byte) << (8 * (i % 8));
        }
        bits.ones = bits.words.iter().map(|w| w.count_ones()).sum();
        let spare = len % 64;
        match bits.words.last() {
            Some(last) if spare != 0 && last >> spare != 0 => None,
            _ => Some(bits),
        }
    }
}
