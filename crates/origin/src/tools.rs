//! The programs of the ffmpeg suite that this machine has.

use std::env;
use std::ffi::{OsStr, OsString};
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

/// Arguments for a program of the suite.
#[derive(Debug, Default)]
pub(crate) struct Arguments(pub Vec<OsString>);

impl Arguments {
    /// Those that hold no blank, with blanks between them.
    pub fn words(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(OsString::from));
    }

    /// One that is used as it is.
    pub fn word(&mut self, word: String) {
        self.0.push(word.into());
    }
}

/// The filters behind a chain that make of its pictures one of each size: `[v0]`, `[v1]`, ...
pub(crate) fn scaled(chain: &str, sizes: &[(u32, u32)]) -> String {
    let mut filters = format!("{chain}split={}", sizes.len());
    (0..sizes.len()).for_each(|n| filters += &format!("[s{n}]"));
    for (n, (width, height)) in sizes.iter().enumerate() {
        filters += &format!(";[s{n}]scale={width}:{height}:flags=bicubic,setsar=1,format=yuv420p[v{n}]");
    }
    filters
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
