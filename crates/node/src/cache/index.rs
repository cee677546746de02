//! What the cache folder holds and in which order it was used. Its invariant: what is held and what is being written never
//! exceed the limit together (but for what was found on opening: that shrinks to the limit first).
//!
//! No files here: [`super::shelf`] carries out what this decides.

use lru::LruCache;
use manifest::Hash;
use std::time::{Duration, Instant, SystemTime};

/// What a file takes on a disk is a multiple of this.
const DISK_BLOCK_BYTES: u64 = 4096;
/// How long the cache stays as small as a full disk made it before it tries to grow again.
const GROW_AGAIN: Duration = Duration::from_secs(600);
/// An entry's time on disk is renewed no more often than this: order over a restart is worth little more.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// The entries, the longest unused first to go.
#[derive(Debug)]
pub struct Index {
    entries: LruCache<Hash, Entry>,
    limit: u64,
    held: u64,
    reserved: u64,
    full: Option<Full>,
}

/// An entry that was found when the cache was opened.
#[derive(Debug)]
pub struct Found {
    /// When it was last used, as far as the folder tells.
    pub used: SystemTime,
    pub root: Hash,
    pub bytes: u64,
}

/// What there is to know of an entry that is asked for.
#[derive(Debug)]
pub struct Held {
    pub bytes: u64,
    /// Its time on disk is to be renewed.
    pub touch: bool,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    touched: Option<Instant>,
}

/// What a full disk left to the cache.
#[derive(Debug)]
struct Full {
    limit: u64,
    until: Instant,
}

impl Index {
    /// An index of what was `found`, in any order. It may hold more than `limit` bytes.
    pub fn new(limit: u64, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|f| f.used);
        let mut index = Self { entries: LruCache::unbounded(), limit, held: 0, reserved: 0, full: None };
        for Found { root, bytes, .. } in found {
            index.add(root, Entry { bytes, touched: None });
        }
        index
    }

    /// Whether `root` is held. Does not count as a use.
    pub fn contains(&self, root: &Hash) -> bool {
        self.entries.contains(root)
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes on disk, in whole disk blocks.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Counts a use of `root`: it is the last to go from now on.
    pub fn handle_use(&mut self, root: &Hash, now: Instant) -> Option<Held> {
        let entry = self.entries.get_mut(root)?;
        let touch = entry.touched.is_none_or(|at| now.saturating_duration_since(at) >= TOUCH_EVERY);
        if touch {
            entry.touched = Some(now);
        }
        Some(Held { bytes: entry.bytes, touch })
    }

    /// The entry that is the next to go.
    pub fn oldest(&self) -> Option<Hash> {
        self.entries.peek_lru().map(|(root, _)| *root)
    }

    /// Takes room for `bytes` that are about to be written; `false` when there is none.
    pub fn reserve(&mut self, bytes: u64, now: Instant) -> bool {
        let limit = match &self.full {
            Some(full) if now < full.until => full.limit.min(self.limit),
            _ => self.limit,
        };
        let fits = self.held + self.reserved + on_disk(bytes) <= limit;
        if fits {
            self.reserved += on_disk(bytes);
        }
        fits
    }

    /// Gives up room that was reserved for `bytes`.
    pub fn release(&mut self, bytes: u64) {
        self.reserved -= on_disk(bytes);
    }

    /// Turns room reserved for `bytes` into the entry `root`.
    pub fn insert(&mut self, root: Hash, bytes: u64, now: Instant) {
        self.release(bytes);
        self.add(root, Entry { bytes, touched: Some(now) });
        if self.full.as_ref().is_some_and(|full| now >= full.until && self.held > full.limit) {
            self.full = None;
        }
    }

    /// Forgets `root`.
    pub fn remove(&mut self, root: &Hash) {
        if let Some(entry) = self.entries.pop(root) {
            self.held -= on_disk(entry.bytes);
        }
    }

    /// The disk has no room: what is held now is all that may be held, for a while. Whether that is news.
    pub fn handle_full(&mut self, now: Instant) -> bool {
        let news = self.full.is_none();
        self.full = Some(Full { limit: self.held, until: now + GROW_AGAIN });
        news
    }

    fn add(&mut self, root: Hash, entry: Entry) {
        self.held += on_disk(entry.bytes);
        if let Some(old) = self.entries.put(root, entry) {
            self.held -= on_disk(old.bytes);
        }
    }
}

fn on_disk(bytes: u64) -> u64 {
    bytes.next_multiple_of(DISK_BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn root(n: u8) -> Hash {
        Hash([n; 32])
    }

    fn filled(limit: u64, count: u8, now: Instant) -> Index {
        let mut index = Index::new(limit, Vec::new());
        for n in 0..count {
            assert!(index.reserve(MIB, now));
            index.insert(root(n), MIB, now);
        }
        index
    }

    #[test]
    fn the_longest_unused_is_the_first_to_go() {
        let now = Instant::now();
        let mut index = filled(3 * MIB, 3, now);
        index.handle_use(&root(0), now);
        assert!(!index.reserve(1, now));
        assert_eq!(index.oldest(), Some(root(1)));
        index.remove(&root(1));
        assert!(index.reserve(MIB, now));
        assert!(!index.reserve(1, now), "what is being written counts");
        index.release(MIB);
        assert_eq!(index.held(), 2 * MIB);
    }

    #[test]
    fn an_entry_put_twice_counts_once_and_small_ones_count_whole_blocks() {
        let now = Instant::now();
        let mut index = Index::new(MIB, Vec::new());
        for _ in 0..2 {
            assert!(index.reserve(1, now));
            index.insert(root(1), 1, now);
        }
        assert_eq!((index.len(), index.held()), (1, DISK_BLOCK_BYTES));
    }

    #[test]
    fn what_was_found_goes_in_the_order_of_its_times() {
        let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        let found =
            [(3, 0), (1, 1), (2, 2)].map(|(used, n)| Found { used: at(used), root: root(n), bytes: MIB });
        let mut index = Index::new(0, found.into());
        let order = std::iter::from_fn(|| {
            let oldest = index.oldest()?;
            index.remove(&oldest);
            Some(oldest)
        });
        assert_eq!(order.collect::<Vec<_>>(), [root(1), root(2), root(0)]);
    }

    #[test]
    fn a_full_disk_is_news_once_and_a_limit_until_the_cache_could_grow_again() {
        let now = Instant::now();
        let mut index = filled(8 * MIB, 2, now);
        assert!(index.handle_full(now));
        assert!(!index.reserve(1, now));
        index.remove(&root(0));
        assert!(index.reserve(MIB, now));
        index.release(MIB);
        assert!(!index.handle_full(now));

        let later = now + GROW_AGAIN;
        for n in 2..4 {
            assert!(index.reserve(MIB, later));
            index.insert(root(n), MIB, later);
        }
        assert!(index.handle_full(later), "it had room again in between");
    }

    #[test]
    fn the_time_on_disk_is_renewed_now_and_then() {
        let now = Instant::now();
        let mut index = filled(MIB, 1, now);
        let touch = |index: &mut Index, at| index.handle_use(&root(0), at).is_some_and(|held| held.touch);
        assert!(!touch(&mut index, now));
        assert!(touch(&mut index, now + TOUCH_EVERY));
        assert!(!touch(&mut index, now + TOUCH_EVERY));
        assert!(index.handle_use(&root(9), now).is_none());
    }
}
