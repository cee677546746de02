//! What is remembered of strangers.
//!
//! The invariant: never more than `limit` entries; the oldest is forgotten first.

use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
pub(super) struct Memory<K, V> {
    limit: usize,
    entries: BTreeMap<K, V>,
    /// Keys of all entries, the oldest first.
    ages: VecDeque<K>,
}

impl<K: Copy + Ord, V> Memory<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, entries: BTreeMap::new(), ages: VecDeque::new() }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Remembers `value`, in the place of what was under `key` before.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key, value).is_none() {
            self.ages.push_back(key);
        }
        while self.ages.len() > self.limit {
            if let Some(oldest) = self.ages.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if self.entries.remove(key).is_some() {
            self.ages.retain(|one| one != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_what_was_removed_takes_no_room() {
        let mut memory = Memory::new(3);
        for key in 0..3 {
            memory.insert(key, key * 10);
        }
        memory.insert(0, 1); // no newcomer
        memory.remove(&1);
        memory.insert(3, 30);
        assert_eq!(memory.get(&0), Some(&1));
        memory.insert(4, 40);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|key| memory.get(&key).copied()),
            [None, None, Some(20), Some(30), Some(40)]
        );
        assert_eq!(memory.ages.len(), 3);
    }
}
