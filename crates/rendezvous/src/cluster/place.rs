//! Where a membership is kept: the cell of the swarm, and the node that has it.
//!
//! Every node comes to the same answer alone, from what all of them hear: which nodes there are, and into how many cells a swarm is
//! split. A cell belongs to the node with the highest weight for it (Thaler and Ravishankar, "Using name-based mappings to increase
//! hit rates", 1998), so that one node more or less moves its own share and nothing else. A swarm of level `n` has `2^n` cells, and a
//! level more splits each in two, of which one half stays.

use crate::{ConnId, InfoHash, PeerId};

/// Names a node of a cluster, for as long as its process lives: a new process is another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Part of a swarm: its number, below two to the power of the swarm's level. A swarm that is not split has cell 0 alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell(pub(crate) u16);

/// How often a swarm has been split in two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(u8);

/// One in so many members is in a neighbouring cell too: this is what keeps the cells from being swarms of their own. They make
/// about a tenth of the members of a cell.
const BRIDGES: u64 = 8;

/// A cell, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) cell: Cell,
    pub(crate) node: NodeId,
}

impl Level {
    /// More would be far beyond what one swarm on earth has: 4096 cells.
    const MOST: u8 = 12;

    pub(crate) fn new(level: u8) -> Option<Self> {
        (level <= Self::MOST).then_some(Self(level))
    }

    pub(crate) fn get(self) -> u8 {
        self.0
    }

    /// Of the highest level.
    pub(crate) const fn most_cells() -> usize {
        1 << Self::MOST
    }

    pub(crate) fn cells(self) -> usize {
        1 << self.0
    }

    pub(crate) fn up(self) -> Self {
        Self((self.0 + 1).min(Self::MOST))
    }

    pub(crate) fn down(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The cell of a member with this hash.
    pub(crate) fn cell(self, hash: u64) -> Cell {
        Cell((hash & ((1 << self.0) - 1)) as u16)
    }

    /// The second cell of a member, if it is one of those that are in two. The cells that differ from one in a bit are its neighbours,
    /// so that there is a way of `level` steps at most between any two.
    pub(crate) fn bridge(self, cell: Cell, peer: PeerId) -> Option<Cell> {
        let hash = mix(hash(b"bridge", &peer.0));
        let level = u64::from(self.0);
        (level > 0 && hash.is_multiple_of(BRIDGES)).then(|| Cell(cell.0 ^ (1 << ((hash / BRIDGES) % level))))
    }
}

/// Who has a cell, of these nodes.
pub(crate) fn owner(
    info_hash: InfoHash,
    cell: Cell,
    nodes: impl IntoIterator<Item = NodeId>,
) -> Option<NodeId> {
    let key = hash(&cell.0.to_be_bytes(), &info_hash.0);
    nodes.into_iter().max_by_key(|node| (mix(key ^ mix(node.0)), *node))
}

/// FNV-1a of what it is for, and of a name.
pub(crate) fn hash(what: &[u8], name: &[u8]) -> u64 {
    let bytes = what.iter().chain(name);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A step of SplitMix64, which lets every bit depend on every other.
pub(crate) fn mix(hash: u64) -> u64 {
    let hash = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A connection of another node has an id of its own in the tables of this one, out of the caller's reach.
pub(crate) const FOREIGN: ConnId = ConnId(1 << 63);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_node_that_goes_moves_only_what_it_had(names in prop::collection::btree_set(any::<u64>(), 2..12), name in any::<[u8; 20]>(), cell in 0..64u16) {
            let nodes: Vec<_> = names.into_iter().map(NodeId).collect();
            let of = |nodes: &[NodeId]| owner(InfoHash(name), Cell(cell), nodes.iter().copied()).unwrap();
            let had = of(&nodes);
            for gone in &nodes {
                let rest: Vec<_> = nodes.iter().copied().filter(|node| node != gone).collect();
                prop_assert_eq!(of(&rest) == had, *gone != had);
            }
        }

        #[test]
        fn a_split_leaves_one_half_where_it_is(hash in any::<u64>(), level in 0..Level::MOST) {
            let level = Level(level);
            let (before, after) = (level.cell(hash).0, level.up().cell(hash).0);
            prop_assert!(after == before || usize::from(after) == usize::from(before) + level.cells());
        }
    }

    #[test]
    fn swarms_are_spread_over_the_nodes_and_one_member_in_eight_is_a_bridge() {
        let nodes = [1, 2, 3].map(NodeId);
        let mut owned = [0; 3];
        let mut bridges = 0;
        for n in 0..3000u32 {
            let mut name = [7; 20];
            name[..4].copy_from_slice(&n.to_be_bytes());
            let node = owner(InfoHash(name), Cell(0), nodes).unwrap();
            owned[node.0 as usize - 1] += 1;
            if let Some(cell) = Level(3).bridge(Cell(5), PeerId(name)) {
                assert_eq!((cell.0 ^ 5).count_ones(), 1);
                bridges += 1;
            }
        }
        assert!(owned.iter().all(|&one| (900..1100).contains(&one)), "{owned:?}");
        assert!((300..450).contains(&bridges), "{bridges}");
    }
}
