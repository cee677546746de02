//! What another process costs, looked at from outside: /proc of Linux.

use std::{fs, time::Duration};

/// Of the times in /proc/PID/stat: a hundred a second on all machines (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// A process and its children.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Processor time since they started. Zero for processes that are gone.
    pub fn cpu(self) -> Duration {
        self.family().iter().map(|stat| stat.cpu).sum()
    }

    /// Memory in use, in KiB.
    pub fn rss_kib(self) -> u64 {
        let of = |pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        self.family().iter().map(|stat| of(stat.pid)).sum()
    }

    fn family(self) -> Vec<Stat> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all: Vec<Stat> = entries
            .filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit())
            .filter_map(|entry| parse(&fs::read_to_string(entry.path().join("stat")).ok()?))
            .collect();
        let mut pids = vec![self.0];
        let mut at = 0;
        while let Some(&pid) = pids.get(at) {
            pids.extend(all.iter().filter(|stat| stat.parent == pid).map(|stat| stat.pid));
            at += 1;
        }
        all.into_iter().filter(|stat| pids.contains(&stat.pid)).collect()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    parent: u32,
    cpu: Duration,
}

fn parse(stat: &str) -> Option<Stat> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    // The name may have blanks and brackets in it.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(Stat { pid, parent: ticks(1)?, cpu: TICK * ticks(11)?.checked_add(ticks(12)?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_process_calls_itself() {
        let line = "42 (a) (b c) S 7 42 42 0 -1 4194304 500 0 0 0 150 50 3 4 20 0 5 0 100 1000 200";
        assert_eq!(parse(line), Some(Stat { pid: 42, parent: 7, cpu: Duration::from_secs(2) }));
        for strange in ["", "42", "42 (a", "42 (a)", "42 (a) S 7"] {
            assert_eq!(parse(strange), None);
        }
    }

    #[test]
    fn this_process_has_memory_and_a_process_that_is_none_has_nothing() {
        assert!(Process(std::process::id()).rss_kib() > 0);
        let none = Process(u32::MAX);
        assert_eq!((none.rss_kib(), none.cpu()), (0, Duration::ZERO));
    }
}
