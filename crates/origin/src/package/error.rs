//! Why a film was not packaged.

use crate::probe::ProbeError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a film was not packaged. The texts are written for the publisher, and say what to do where something can be done.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The source cannot be read.
    #[error("cannot read {path}: {source}{advice}", path = .path.display(), advice = advice(source))]
    Source {
        /// As the publisher named it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The source is a folder, a device or the like.
    #[error("{} is not a file; give the path of a film", .0.display())]
    NotAFile(PathBuf),
    /// The source has no bytes.
    #[error("{} is empty: copy the film again, or wait until whatever writes it is done", .0.display())]
    Empty(PathBuf),
    /// ffprobe cannot make sense of the source.
    #[error("{path}: {source}", path = .path.display())]
    Probe {
        /// As the publisher named it.
        path: PathBuf,
        /// What ffprobe said.
        source: ProbeError,
    },
    /// ffmpeg did not start.
    #[error("cannot run {program}: {source}", program = .program.display())]
    Start {
        /// Its path.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// ffmpeg gave up.
    #[error("{path}: ffmpeg failed ({status}): {tail}", path = .path.display())]
    Encoder {
        /// As the publisher named it.
        path: PathBuf,
        /// Its exit status.
        status: String,
        /// The last lines it said.
        tail: String,
    },
    /// What the encoder sent cannot be packaged.
    #[error("track {track}: {reason}")]
    Track {
        /// The track's folder.
        track: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The encoder stopped before the end of a track.
    #[error("track {0}: the encoder stopped before its end")]
    CutShort(String),
    /// The source cannot go out as it is, and no encoder is there (or none is wanted).
    #[error("{path} cannot be served without encoding it: {reason}. {advice}", path = .path.display())]
    Remux {
        /// As the publisher named it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The result would be no valid index.
    #[error("this film makes no valid index: {0}")]
    Index(manifest::Invalid),
    /// The package cannot be written.
    #[error("cannot write {path}: {source}", path = .path.display())]
    Write {
        /// File or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The folder that the package should go to holds something else.
    #[error("{} is there already and is no Braidcast package; choose another folder", .0.display())]
    Occupied(PathBuf),
    /// The package that would be replaced has something in it that is none of ours.
    #[error("{entry} is no part of a Braidcast package, and replacing the package would delete it: move it elsewhere, or choose another folder", entry = .0.display())]
    Foreign(PathBuf),
    /// A package on disk cannot be read back.
    #[error("the package {path} is damaged: {reason}. Delete the folder to have it made again", path = .path.display())]
    Damaged {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; check the name and the folder",
        io::ErrorKind::PermissionDenied => {
            "; allow it with `chmod +r` (and `+x` for its folders), or run as a user who may"
        }
        _ => "",
    }
}

impl PackageError {
    /// Whether the source or the folder named by the publisher is at fault, and not this program or the machine.
    pub fn is_input(&self) -> bool {
        use PackageError::{Empty, Foreign, NotAFile, Occupied, Probe, Remux, Source};
        matches!(
            self,
            Source { .. } | NotAFile(_) | Empty(_) | Probe { .. } | Occupied(_) | Foreign(_) | Remux { .. }
        )
    }

    /// For `map_err` after writing to `path`.
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Write { path: path.to_owned(), source }
    }
}
