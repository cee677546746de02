//! The disk cache on real files: what it promises its callers, and what it makes of damage.

mod common;
mod full;
mod kill;

use bytes::Bytes;
use common::{MIB, block, count, damage, entry_path, folder, open, present};
use manifest::digest;
use node::cache::{Cache, Config, Error, MIN_DISK_BYTES};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn what_was_put_is_there_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let blocks: Vec<_> =
        [1, 1000, 4096, MIB, 10 * MIB].into_iter().zip(0..).map(|(n, i)| block(i, n)).collect();
    let cache = open(dir.path(), 32 * MIB as u64).await;
    for (root, bytes) in &blocks {
        assert!(!cache.contains(root).await);
        assert_eq!(cache.get(root).await, None);
        cache.put(*root, bytes.clone()).await.unwrap();
        cache.put(*root, bytes.clone()).await.unwrap();
        assert!(cache.contains(root).await);
        assert_eq!(cache.get(root).await.as_ref(), Some(bytes));
        assert_eq!(cache.get(root).await.as_ref(), Some(bytes), "from memory");
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (10, 5, 5));
    assert_eq!(stats.disk_bytes, (11 * MIB + 3 * 4096) as u64);
    let other = cache.clone();
    cache.close().await;
    assert_eq!(other.get(&blocks[0].0).await, None, "a closed cache has nothing");
    assert!(matches!(other.put(blocks[0].0, blocks[0].1.clone()).await, Err(Error::Closed)));

    let cache = open(dir.path(), 0).await;
    assert_eq!(cache.stats().entries, 5);
    assert_eq!(cache.stats().disk_bytes, stats.disk_bytes);
    for (root, bytes) in &blocks {
        assert!(cache.contains(root).await);
        assert_eq!(cache.get(root).await.as_ref(), Some(bytes));
    }
    assert_eq!(count(dir.path()), (5, stats.disk_bytes));
}

#[tokio::test]
async fn bytes_of_another_root_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 0).await;
    let (root, bytes) = block(1, 5000);
    let refused = cache.put(root, bytes.slice(..4999)).await.unwrap_err();
    assert!(matches!(refused, Error::WrongBytes { root: r } if r == root), "{refused}");
    assert!(!cache.contains(&root).await);
    assert_eq!(count(dir.path()), (0, 0));
}

#[tokio::test]
async fn a_removed_entry_is_gone_from_memory_and_disk() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 32 * MIB as u64).await;
    let (root, bytes) = block(1, MIB);
    cache.put(root, bytes.clone()).await.unwrap();
    assert!(cache.get(&root).await.is_some());
    cache.remove(&root).await;
    assert!(!cache.contains(&root).await);
    assert_eq!(cache.get(&root).await, None);
    assert_eq!((cache.stats().entries, cache.stats().disk_bytes), (0, 0));
    assert_eq!(count(dir.path()), (0, 0));
    cache.remove(&root).await;
    cache.put(root, bytes.clone()).await.unwrap();
    assert_eq!(cache.get(&root).await, Some(bytes));
}

#[tokio::test]
async fn damaged_files_are_misses_and_are_counted_and_dropped() {
    let blocks: Vec<_> = (0..24).map(|i| block(i, 1 + i as usize * 50_000)).collect();
    for restart in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = open(dir.path(), 0).await;
        for (root, bytes) in &blocks {
            cache.put(*root, bytes.clone()).await.unwrap();
        }
        if restart {
            cache.clone().close().await;
        }
        for (i, (root, _)) in blocks.iter().enumerate() {
            damage(&entry_path(dir.path(), root), i);
        }
        if restart {
            cache = open(dir.path(), 0).await;
        }
        for (i, (root, bytes)) in blocks.iter().enumerate() {
            let expected = (i % 6 == 5).then_some(bytes);
            assert_eq!(cache.get(root).await.as_ref(), expected, "block {i}");
            assert_eq!(entry_path(dir.path(), root).exists(), expected.is_some(), "block {i}");
        }
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.entries), (4, 20, 4), "restart: {restart}");
        assert_eq!(stats.rotten, 16, "those that were deleted are not rotten");
        assert_eq!(count(dir.path()), (4, stats.disk_bytes));

        for (root, bytes) in &blocks {
            cache.put(*root, bytes.clone()).await.unwrap();
            assert_eq!(cache.get(root).await.as_ref(), Some(bytes), "it can be put again");
        }
    }
}

#[tokio::test]
async fn the_limit_is_kept_and_what_was_used_lately_stays() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 0).await;
    let hot: Vec<_> = (0..4).map(|i| block(i, MIB)).collect();
    for (root, bytes) in &hot {
        cache.put(*root, bytes.clone()).await.unwrap();
    }
    let mut cold = Vec::new();
    for i in 100..300 {
        let (root, bytes) = block(i, MIB - (i as usize * 977) % 300_000);
        cache.put(root, bytes).await.unwrap();
        cold.push(root);
        assert!(count(dir.path()).1 <= MIN_DISK_BYTES, "after {i}");
        if i % 20 == 0 {
            for (root, bytes) in &hot {
                assert_eq!(cache.get(root).await.as_ref(), Some(bytes), "after {i}");
            }
        }
    }
    let stats = cache.stats();
    assert_eq!(count(dir.path()), (stats.entries, stats.disk_bytes));
    assert!(stats.disk_bytes > MIN_DISK_BYTES - MIB as u64, "{stats:?}");
    assert_eq!(stats.evicted, 204 - stats.entries);
    let newest = cold.len() - (stats.entries as usize - hot.len());
    assert_eq!(present(&cache, &cold[newest..]).await, cold.len() - newest, "the newest stay");
}

#[tokio::test]
async fn the_order_of_use_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 0).await;
    let old: Vec<_> = (0..60).map(|i| block(i, MIB)).collect();
    for (i, (root, bytes)) in old.iter().enumerate() {
        cache.put(*root, bytes.clone()).await.unwrap();
        let file = File::options().write(true).open(entry_path(dir.path(), root)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(10_000 - i as u64)).unwrap();
    }
    cache.close().await;
    let cache = open(dir.path(), 0).await;
    assert!(cache.get(&old[7].0).await.is_some());
    cache.close().await;

    let cache = open(dir.path(), 0).await;
    for i in 100..150 {
        let (root, bytes) = block(i, MIB);
        cache.put(root, bytes).await.unwrap();
    }
    let left: Vec<_> = old.iter().map(|b| b.0).collect();
    assert!(cache.contains(&left[7]).await);
    assert_eq!(present(&cache, &left[47..]).await, 13, "the oldest went first");
    assert_eq!(present(&cache, &left[..47]).await, 1);
}

#[tokio::test]
async fn a_smaller_limit_is_kept_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = |disk_bytes| Config { dir: folder(dir.path()), disk_bytes, memory_bytes: 0 };
    let cache = Cache::open(config(2 * MIN_DISK_BYTES)).await.unwrap();
    for i in 0..128 {
        let (root, bytes) = block(i, MIB);
        cache.put(root, bytes).await.unwrap();
    }
    assert_eq!(cache.stats().entries, 128);
    cache.close().await;
    let cache = Cache::open(config(MIN_DISK_BYTES)).await.unwrap();
    assert_eq!(cache.stats().entries, 64);
    assert_eq!(count(dir.path()), (64, MIN_DISK_BYTES));
}

#[tokio::test]
async fn one_folder_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { dir: folder(dir.path()), disk_bytes: MIN_DISK_BYTES, memory_bytes: 0 };
    let cache = Cache::open(config.clone()).await.unwrap();
    let refused = Cache::open(config.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }));
    assert!(refused.to_string().contains("is in use"), "{refused}");
    let handle = cache.clone();
    cache.close().await;
    Cache::open(config).await.expect("closing unlocks, whoever has a handle still");
    drop(handle);
}

#[tokio::test]
async fn what_cannot_work_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let small = Config { dir: folder(dir.path()), disk_bytes: MIN_DISK_BYTES - 1, memory_bytes: 0 };
    let refused = Cache::open(small).await.unwrap_err();
    assert!(refused.to_string().contains("allow 67108864 or more"), "{refused}");

    let file = dir.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let refused =
        Cache::open(Config { dir: file.clone(), disk_bytes: MIN_DISK_BYTES, memory_bytes: 0 }).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::Dir { .. }));
    assert!(refused.to_string().contains(file.to_str().unwrap()), "{refused}");

    let cache = open(dir.path(), 0).await;
    let bytes = Bytes::from(vec![7; 16 * MIB + 1]);
    let refused = cache.put(digest::root(&bytes), bytes).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { most: 16_777_216, .. }), "{refused}");
}

#[tokio::test]
async fn files_of_others_stay_and_leftovers_go() {
    let dir = tempfile::tempdir().unwrap();
    let (root, bytes) = block(1, 5000);
    let cache = open(dir.path(), 0).await;
    cache.put(root, bytes.clone()).await.unwrap();
    cache.close().await;
    let at = folder(dir.path());
    let foreign =
        [at.join("readme"), at.join("new/readme"), at.join("zz/readme"), at.join(format!("zz/{root}"))];
    fs::create_dir(at.join("zz")).unwrap();
    for path in &foreign {
        fs::write(path, "mine").unwrap();
    }
    let leftover = at.join(format!("new/{root}.3"));
    fs::write(&leftover, "half").unwrap();

    let cache = open(dir.path(), 0).await;
    assert_eq!(cache.get(&root).await, Some(bytes));
    assert_eq!((cache.stats().entries, cache.stats().rotten), (1, 0));
    assert!(!leftover.exists());
    assert!(foreign.iter().all(|path| path.exists()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_put_get_and_remove_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for memory_bytes in [0, 8 * MIB as u64] {
        let cache = open(dir.path(), memory_bytes).await;
        let tasks: Vec<_> = (0..12).map(|task| tokio::spawn(mixed_use(cache.clone(), task))).collect();
        let mut hits = 0;
        for task in tasks {
            hits += task.await.unwrap();
        }
        let stats = cache.stats();
        assert!(hits > 0 && stats.hits == hits, "{stats:?}");
        assert_eq!(stats.rotten, 0);
        assert_eq!(count(dir.path()), (stats.entries, stats.disk_bytes));
        assert!(stats.disk_bytes <= MIN_DISK_BYTES);
        cache.close().await;
    }
}

/// Puts, gets and removes what other tasks do too, some 100 MiB in all; how many gets had something.
async fn mixed_use(cache: Cache, task: u64) -> u64 {
    let mut hits = 0;
    for step in 0..60 {
        let i = (task * 7 + step * step) % 97;
        let (root, bytes) = block(i, 100_000 + i as usize * 20_000);
        match (task + step) % 7 {
            0 => cache.remove(&root).await,
            1..4 => cache.put(root, bytes).await.unwrap(),
            _ => {
                let got = cache.get(&root).await;
                hits += u64::from(got.is_some());
                assert!(got.is_none_or(|got| got == bytes));
            }
        }
    }
    hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_gets_of_one_root_are_one_read() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 64 * MIB as u64).await;
    let (root, bytes) = block(1, 8 * MIB);
    cache.put(root, bytes.clone()).await.unwrap();
    let get = |_| {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get(&root).await.unwrap() })
    };
    let mut all = Vec::new();
    for get in (0..50).map(get).collect::<Vec<_>>() {
        all.push(get.await.unwrap());
    }
    assert!(all.iter().all(|got| *got == bytes));
    assert_eq!(all.iter().map(|got| got.as_ptr()).collect::<BTreeSet<_>>().len(), 1, "all share one buffer");
}
