//! The peer ids by which these peers know each other's release: `-PM`, the version in four digits, `-`, 12 letters and digits.
//!
//! The invariant: a [`PeerId`] is 20 ASCII characters of that form.

use std::fmt;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How a peer is called at the tracker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PeerId([u8; 20]);

impl PeerId {
    /// For a release, of which each number is at most 99 (greater ones count as that), from random bytes.
    pub fn new(major: u8, minor: u8, random: [u8; 12]) -> Self {
        let mut id = *b"-PM0000-000000000000";
        for (digits, number) in [(3, major), (5, minor)] {
            let number = number.min(99);
            id[digits] += number / 10;
            id[digits + 1] += number % 10;
        }
        for (letter, random) in id[8..].iter_mut().zip(random) {
            *letter = LETTERS[usize::from(random) % LETTERS.len()];
        }
        PeerId(id)
    }

    /// `None` when the bytes are not of the form: another program's peer.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let id: [u8; 20] = bytes.try_into().ok()?;
        let valid = id.starts_with(b"-PM")
            && id[3..7].iter().all(u8::is_ascii_digit)
            && id[7] == b'-'
            && id[8..].iter().all(u8::is_ascii_alphanumeric);
        valid.then_some(PeerId(id))
    }

    /// Major and minor number of the release it claims.
    pub fn version(&self) -> (u8, u8) {
        let number = |at: usize| (self.0[at] - b'0') * 10 + self.0[at + 1] - b'0';
        (number(3), number(5))
    }

    /// The 20 bytes that are announced.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}
