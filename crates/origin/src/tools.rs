//! The programs of the ffmpeg suite that this machine has.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where ffmpeg and ffprobe are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The encoder.
    pub ffmpeg: PathBuf,
    /// What looks into files for it.
    pub ffprobe: PathBuf,
}

impl Tools {
    /// Looks in `PATH`; `None` unless both programs are there.
    pub fn find() -> Option<Self> {
        Self::find_in(&env::var_os("PATH")?)
    }

    /// Looks in `path`, a list of folders as `PATH` holds it.
    pub fn find_in(path: &OsStr) -> Option<Self> {
        let find = |name: &str| {
            let name = format!("{name}{}", env::consts::EXE_SUFFIX);
            // A relative entry would let the folder we happen to stand in choose the program.
            env::split_paths(path)
                .filter(|dir| dir.is_absolute())
                .map(|dir| dir.join(&name))
                .find(|p| is_program(p))
        };
        Some(Self { ffmpeg: find("ffmpeg")?, ffprobe: find("ffprobe")? })
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
