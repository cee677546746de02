//! Into how many cells swarms are split.
//!
//! Who has a swarm's first cell is told how many are in the others, decides, and says so in its beats; everybody else believes it.
//! The invariant: what is not said again is forgotten, and what is kept of others' words is bounded.

use std::{collections::BTreeMap, time::Duration};

use super::{
    config::Config,
    envelope::SPLIT,
    place::{Cell, Level},
};
use crate::InfoHash;

/// A level that nobody has spoken of for so long is none.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Sizes {
    /// Since when the swarm is as it is.
    since: Duration,
    cells: BTreeMap<Cell, (usize, Duration)>,
}

#[derive(Debug, Default)]
pub(crate) struct Levels {
    known: BTreeMap<InfoHash, (Level, Duration)>,
    sizes: BTreeMap<InfoHash, Sizes>,
}

impl Levels {
    pub(crate) fn get(&self, info_hash: InfoHash) -> Level {
        self.known.get(&info_hash).map_or(Level::default(), |known| known.0)
    }

    /// What the owner of the first cell says. Whether it is news.
    pub(crate) fn handle_told(&mut self, now: Duration, info_hash: InfoHash, level: Level) -> bool {
        let before = self.get(info_hash);
        if level == Level::default() {
            self.known.remove(&info_hash);
        } else if self.known.contains_key(&info_hash) || self.known.len() < SPLIT {
            self.known.insert(info_hash, (level, now));
        }
        before != self.get(info_hash)
    }

    /// How many are in a cell of a swarm whose first cell is here.
    pub(crate) fn handle_size(&mut self, now: Duration, info_hash: InfoHash, cell: Cell, members: usize) {
        let level = self.get(info_hash);
        let is_known = self.sizes.contains_key(&info_hash);
        if usize::from(cell.0) < level.cells() && (is_known || self.sizes.len() < SPLIT) {
            let new = || Sizes { since: now, cells: BTreeMap::new() };
            self.sizes.entry(info_hash).or_insert_with(new).cells.insert(cell, (members, now));
        }
    }

    /// Splits what is too big and joins what is too small. Whether anything is otherwise than before.
    pub(crate) fn decide(&mut self, now: Duration, config: &Config) -> bool {
        let settled = config.sizes_every * 2;
        let mut changed = Vec::new();
        self.sizes.retain(|&info_hash, sizes| {
            sizes.cells.retain(|_, (_, told)| now.saturating_sub(*told) < config.sizes_every * 3);
            let level = self.known.get(&info_hash).map_or(Level::default(), |known| known.0);
            if now.saturating_sub(sizes.since) >= settled {
                let members = || sizes.cells.values().map(|size| size.0);
                let (total, largest): (usize, usize) = (members().sum(), members().max().unwrap_or(0));
                let splits =
                    largest > config.cell_most && total / level.up().cells() >= config.cell_least * 2;
                let joins = total / level.cells() < config.cell_least;
                let next = if splits {
                    level.up()
                } else if joins {
                    level.down()
                } else {
                    level
                };
                if next != level {
                    changed.push((info_hash, next));
                    return false;
                }
            }
            !sizes.cells.is_empty()
        });
        for &(info_hash, level) in &changed {
            self.handle_told(now, info_hash, level);
        }
        !changed.is_empty()
    }

    /// Those that are split.
    pub(crate) fn split(&self) -> impl Iterator<Item = (InfoHash, Level)> {
        self.known.iter().map(|(&info_hash, &(level, _))| (info_hash, level))
    }

    /// Notes that the levels of swarms whose first cell is here are as they were, and forgets what nobody speaks of. Whether there
    /// was such.
    pub(crate) fn expire(&mut self, now: Duration, is_mine: impl Fn(InfoHash) -> bool) -> bool {
        let before = self.known.len();
        self.known.retain(|&info_hash, (_, heard)| {
            if is_mine(info_hash) {
                *heard = now;
            }
            now.saturating_sub(*heard) < FORGOTTEN_AFTER
        });
        self.sizes.retain(|&info_hash, _| is_mine(info_hash));
        self.known.len() != before
    }
}
