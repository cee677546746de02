//! A process that writes to the cache is killed, again and again, by a signal that it cannot see.
//!
//! The process is this test binary once more, told by the environment to run the second of these tests only.

use crate::common::{MIB, block, count, folder, open};
use manifest::Hash;
use node::cache::MIN_DISK_BYTES;
use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DIR: &str = "BRAIDCAST_TEST_CACHE_DIR";
const FIRST: &str = "BRAIDCAST_TEST_FIRST_BLOCK";
const ROUNDS: u64 = 20;
/// A round writes fewer blocks than this.
const BLOCKS: u64 = 1 << 20;

#[tokio::test]
async fn a_process_killed_at_any_moment_leaves_whole_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(Hash, u64)> = Vec::new();
    let (mut expected, mut there, mut slowest, mut leftovers) = (0, 0, Duration::ZERO, 0);
    for round in 0..ROUNDS {
        acknowledged.append(&mut write_and_kill(dir.path(), round));
        leftovers += fs::read_dir(folder(dir.path()).join("new")).unwrap().count();

        let before = Instant::now();
        let cache = open(dir.path(), 0).await;
        slowest = slowest.max(before.elapsed());
        let stats = cache.stats();
        assert_eq!(count(dir.path()), (stats.entries, stats.disk_bytes), "no leftover stays");
        assert!(stats.disk_bytes <= MIN_DISK_BYTES);

        // What four tasks put in no fixed order fits with much to spare, so that none of it was due to go.
        let mut lately = 0;
        let recent = acknowledged.iter().rev().take_while(|(_, size)| {
            lately += size;
            lately < MIN_DISK_BYTES / 2
        });
        let recent: HashSet<Hash> = recent.map(|(root, _)| *root).collect();
        for (root, size) in &acknowledged {
            let got = cache.get(root).await;
            assert!(
                got.as_ref().is_none_or(|b| b.len() as u64 == *size && manifest::digest::root(b) == *root)
            );
            if recent.contains(root) {
                expected += 1;
                there += usize::from(got.is_some());
            }
        }
        assert_eq!(cache.stats().rotten, 0, "the machine did not die");
        cache.close().await;
    }
    println!(
        "{ROUNDS} kills: {there} of {expected} acknowledged entries there, {leftovers} half-written, slowest open {slowest:?}"
    );
    assert!(there * 100 >= expected * 95, "{there} of {expected}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let (Some(dir), Ok(first)) = (std::env::var_os(DIR), std::env::var(FIRST)) else { return };
    let cache = open(Path::new(&dir), MIB as u64).await;
    let first: u64 = first.parse().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for i in (first + task..first + BLOCKS).step_by(4) {
                    let size = 20_000 + (i.wrapping_mul(2_654_435_761) % 2_000_000) as usize;
                    let (root, bytes) = block(i, size);
                    cache.put(root, bytes).await.unwrap();
                    println!("\nput {root} {size}.");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Lets a process write to the cache in `dir` for a random time. Returns what it said was put, with sizes in bytes.
fn write_and_kill(dir: &Path, round: u64) -> Vec<(Hash, u64)> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::the_process_that_is_killed", "--nocapture"])
        .env(DIR, dir)
        .env(FIRST, (round * BLOCKS).to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut put = Vec::from_iter(lines.by_ref().find_map(|line| parse(&line)));
    assert_eq!(put.len(), 1, "the process put nothing");

    let mut random = [0; 2];
    getrandom::fill(&mut random).unwrap();
    let after = Duration::from_micros(u64::from(u16::from_le_bytes(random)) * 5);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(after);
        writer.kill().unwrap();
        writer.wait().unwrap();
    });
    put.extend(lines.filter_map(|line| parse(&line)));
    killer.join().unwrap();
    put
}

/// What a whole line of the process says. It may have died amid a line.
fn parse(line: &str) -> Option<(Hash, u64)> {
    let (root, size) = line.strip_prefix("put ")?.strip_suffix('.')?.split_once(' ')?;
    let mut hash = [0; 32];
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(root.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some((Hash(hash), size.parse().ok()?))
}
