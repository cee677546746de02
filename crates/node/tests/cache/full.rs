//! A disk that is smaller than the cache may grow: a file system in memory, mounted where no other process sees it.
//!
//! The process that sees it is this test binary once more, told by the environment to run the second of these tests only.

use crate::common::{MIB, block, folder, open};
use node::cache::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

const DIR: &str = "BRAIDCAST_TEST_SMALL_DISK";
const DISK_MIB: usize = 40;
const REACHED: &str = "on the small disk";

#[test]
fn a_full_disk_is_not_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={DISK_MIB}m none \"$0\" && exec \"$@\"");
    for namespace in [&["-m"][..], &["-r", "-m"]] {
        let run = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", &script])
            .arg(dir.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "full::the_process_on_the_small_disk", "--nocapture"])
            .env(DIR, dir.path())
            .output();
        let Ok(run) = run else { continue };
        if String::from_utf8_lossy(&run.stdout).contains(REACHED) {
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            return;
        }
    }
    println!("not tried: nothing can be mounted here");
}

#[tokio::test]
async fn the_process_on_the_small_disk() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    println!("{REACHED}");
    let blocks: Vec<_> = (0..100).map(|i| block(i, MIB)).collect();

    let cache = open(dir, 0).await;
    for (root, bytes) in &blocks {
        cache.put(*root, bytes.clone()).await.unwrap();
        assert_eq!(cache.get(root).await.as_ref(), Some(bytes));
    }
    let stats = cache.stats();
    assert!((DISK_MIB as u64 - 2..=DISK_MIB as u64).contains(&stats.entries), "{stats:?}");
    assert_eq!((stats.rotten, stats.evicted), (0, 100 - stats.entries));
    for (root, bytes) in &blocks[70..] {
        assert_eq!(cache.get(root).await.as_ref(), Some(bytes), "the newest stay");
    }
    assert_eq!(fs::read_dir(folder(dir).join("new")).unwrap().count(), 0);
    for (root, _) in &blocks {
        cache.remove(root).await;
    }
    cache.close().await;

    // All the room is somebody else's.
    let _ = fs::write(dir.join("other"), vec![1; DISK_MIB * MIB]);
    let cache = open(dir, 0).await;
    let (root, bytes) = &blocks[0];
    let refused = cache.put(*root, bytes.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::Full { .. }), "{refused}");
    assert!(!cache.contains(root).await);
    fs::remove_file(dir.join("other")).unwrap();
    cache.close().await;
    let cache = open(dir, 0).await;
    cache.put(*root, bytes.clone()).await.unwrap();
    assert_eq!(cache.get(root).await.as_ref(), Some(bytes));
}
