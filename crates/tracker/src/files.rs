//! Open files: every connection is one, and the system allows a process only so many. Its invariant: connections leave
//! [`RESERVED_FILES`] for everything else, so that taking the last one in never keeps a file from being read.

use crate::{Config, listener::Limits};

/// Files for all but connections: films being read, the log, the encoder's pipes.
pub const RESERVED_FILES: u64 = 512;

/// Fewest connections that are allowed however few files there may be.
const LEAST: u64 = 16;

/// Lets this process open as many files as it may at all, and says how many that is; `None` where that is not known.
pub fn raise_file_limit() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        }
    }
    #[cfg(not(target_os = "linux"))]
    None
}

impl Limits {
    /// Lowers the connections here and the tracker's until both fit into `files`, in proportion; says whether it had to.
    pub fn fit_into(&mut self, files: u64, tracker: &mut Config) -> bool {
        let room = files.saturating_sub(RESERVED_FILES).max(LEAST);
        let (here, there) = (self.connections as u64, tracker.table.connections as u64);
        if here.saturating_add(there) <= room {
            return false;
        }
        let share = u128::from(room) * u128::from(here) / u128::from(here.saturating_add(there));
        // Not above `room`, of which one is left for the tracker.
        let share = (share as u64).clamp(1, room - 1);
        self.connections = share as usize;
        tracker.table.connections = (room - share) as usize;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_files_for_all_else_fit_into_the_limit() {
        for files in [0, 100, 529, 1024, 4096, 28_000] {
            let (mut limits, mut tracker) = (Limits::default(), Config::default());
            assert!(limits.fit_into(files, &mut tracker), "{files}");
            let sum = (limits.connections + tracker.table.connections) as u64;
            assert_eq!(sum, files.saturating_sub(RESERVED_FILES).max(LEAST));
            assert!(limits.connections > 0 && tracker.table.connections > limits.connections);
        }
        let (mut limits, mut tracker) = (Limits::default(), Config::default());
        assert!(!limits.fit_into(1 << 20, &mut tracker));
        assert_eq!(limits, Limits::default());
    }
}
