//! What the cache's tests share: blocks with known bytes, the folder as a stranger sees it, and damage.

use bytes::Bytes;
use manifest::{Hash, digest};
use node::cache::{Cache, Config, MIN_DISK_BYTES};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub const MIB: usize = 1 << 20;

/// Block `i` of `size` bytes, the same each time.
pub fn block(i: u64, size: usize) -> (Hash, Bytes) {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&i.to_le_bytes()).finalize_xof().fill(&mut bytes);
    (digest::root(&bytes), bytes.into())
}

/// The cache's folder in `dir`.
pub fn folder(dir: &Path) -> PathBuf {
    dir.join("cache")
}

/// The cache in `dir` with the least limit on disk.
pub async fn open(dir: &Path, memory_bytes: u64) -> Cache {
    Cache::open(Config { dir: folder(dir), disk_bytes: MIN_DISK_BYTES, memory_bytes }).await.unwrap()
}

/// Where the cache in `dir` has the entry `root`.
pub fn entry_path(dir: &Path, root: &Hash) -> PathBuf {
    let name = root.to_string();
    folder(dir).join(&name[..2]).join(name)
}

/// How many of `roots` are there.
pub async fn present(cache: &Cache, roots: &[Hash]) -> usize {
    let mut count = 0;
    for root in roots {
        count += usize::from(cache.contains(root).await);
    }
    count
}

/// Files that are entries, whole or not, in the cache's folder in `dir`, and the bytes of the disk that they take.
pub fn count(dir: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for sub in fs::read_dir(folder(dir)).unwrap().flatten().filter(|sub| sub.path().is_dir()) {
        for file in fs::read_dir(sub.path()).unwrap().flatten() {
            files += 1;
            bytes += file.metadata().unwrap().len().next_multiple_of(4096);
        }
    }
    (files, bytes)
}

/// Damages the file at `path` in the way `kind % 6`; the last way is none, the one before it deletes the file.
pub fn damage(path: &Path, kind: usize) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    match kind % 6 {
        0 => {
            let at = len * (kind as u64 + 3) / 30;
            let mut byte = [0];
            file.seek(SeekFrom::Start(at)).unwrap();
            file.read_exact(&mut byte).unwrap();
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&[byte[0] ^ 1]).unwrap();
        }
        1 => file.set_len(len / 2).unwrap(),
        2 => file.set_len(0).unwrap(),
        3 => {
            // As long as before, but its end never reached the disk.
            file.set_len(len - len / 3).unwrap();
            file.set_len(len).unwrap();
        }
        4 => fs::remove_file(path).unwrap(),
        _ => {}
    }
}
