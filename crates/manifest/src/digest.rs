//! The hash tree over a segment: BLAKE3 cut at piece boundaries.
//!
//! BLAKE3 is a binary tree of chaining values over 1 KiB chunks, so any aligned power-of-two block is a subtree. The
//! *leaves* here are the chaining values of the pieces; merged as the BLAKE3 paper (section 2.1) lays down they give
//! the segment's root, which equals plain `blake3(segment)`. A list of leaves proves itself against the root, and then
//! each piece proves itself against its leaf: whoever sent a false list or a false piece is named at once.

use alloc::vec::Vec;
use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// A BLAKE3 digest or subtree chaining value, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl core::fmt::Debug for Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::fmt::Display for Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// The root of `bytes`: plain BLAKE3, the same as `b3sum` prints.
pub fn root(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}

/// How many pieces of `piece_len` bytes a segment of `size` bytes has.
pub const fn piece_count(size: u32, piece_len: u32) -> u32 {
    size.div_ceil(piece_len)
}

/// The chaining value of every piece of `segment`. For a segment of one piece the single leaf is the root itself.
///
/// `piece_len` is a power of two, at least 1024 (an [`crate::Index`] holds no other).
pub fn leaves(segment: &[u8], piece_len: u32) -> Vec<Hash> {
    let count = segment.chunks(piece_len as usize).len();
    segment
        .chunks(piece_len as usize)
        .enumerate()
        .map(|(i, piece)| leaf(piece, i as u32, count as u32, piece_len))
        .collect()
}

/// The chaining value of piece `index` of `count`.
pub fn leaf(piece: &[u8], index: u32, count: u32, piece_len: u32) -> Hash {
    if count <= 1 {
        return root(piece);
    }
    let mut hasher = Hasher::new();
    hasher.set_input_offset(u64::from(index) * u64::from(piece_len));
    hasher.update(piece);
    Hash(hasher.finalize_non_root())
}

/// The root that `leaves` merge to; `None` for an empty list.
pub fn merge(leaves: &[Hash]) -> Option<Hash> {
    match leaves {
        [] => None,
        [only] => Some(*only),
        _ => {
            let (left, right) = leaves.split_at(left_len(leaves.len()));
            let root = merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash);
            Some(Hash(*root.as_bytes()))
        }
    }
}

/// Whether `leaves` are those of the segment with this `root`.
pub fn leaves_match(leaves: &[Hash], root: &Hash) -> bool {
    merge(leaves).as_ref() == Some(root)
}

fn subtree(leaves: &[Hash]) -> [u8; 32] {
    match leaves {
        [only] => only.0,
        _ => {
            let (left, right) = leaves.split_at(left_len(leaves.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// The left subtree takes the largest power of two that leaves something for the right.
fn left_len(count: usize) -> usize {
    count.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    proptest! {
        #[test]
        fn merged_leaves_are_the_plain_hash(size in 1usize..300_000, shift in 10u32..17) {
            let bytes: vec::Vec<u8> = (0..size).map(|i| (i * 31 + i / 251) as u8).collect();
            let leaves = leaves(&bytes, 1 << shift);
            prop_assert_eq!(leaves.len(), piece_count(size as u32, 1 << shift) as usize);
            prop_assert!(leaves_match(&leaves, &root(&bytes)));
        }
    }

    #[test]
    fn a_flipped_bit_changes_exactly_its_leaf() {
        let good = vec![7u8; 200_000];
        let mut bad = good.clone();
        bad[70_000] ^= 1;
        let (a, b) = (leaves(&good, 32768), leaves(&bad, 32768));
        let differing: vec::Vec<_> = (0..a.len()).filter(|&i| a[i] != b[i]).collect();
        assert_eq!(differing, [2]);
        assert!(!leaves_match(&b, &root(&good)));
        assert!(!leaves_match(&[], &root(&good)));
    }
}
