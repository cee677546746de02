//! A folder that is being filled under a temporary name. Its invariant: the real name always stands for a complete
//! folder, the old one until [`Partial::commit`] and the new one from then on, whenever the process or the machine stops.

use super::error::PackageError;
use super::{Record, random_token};
use crate::http::Name;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the temporary name has between the real one and random letters. No slug holds a dot.
const UNFINISHED: &str = ".partial-";
/// The same for the folder that is replaced, where the system cannot exchange two names in one step.
const REPLACED: &str = ".old-";

/// Files of a package that are not served.
const OURS: [&str; 2] = ["package.json", super::UNFINISHED];

/// A folder under a temporary name; dropping it deletes it.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    /// Whether the target may hold files of other people.
    careful: bool,
    finished: bool,
    /// Tells other processes that somebody works here; the system lets go of it when the process dies.
    _lock: Option<File>,
}

/// A package that has its name. What had the name before is deleted when this is dropped: whoever serves the package turns
/// to the new one first.
#[derive(Debug)]
#[must_use]
pub struct Placed {
    dir: PathBuf,
    replaced: Option<PathBuf>,
}

impl Placed {
    /// The package's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(old) = &self.replaced {
            remove(old);
        }
    }
}

impl Partial {
    /// Makes an empty folder beside `target`.
    pub fn begin(target: &Path) -> Result<Self, PackageError> {
        let path = suffixed(target, UNFINISHED)?;
        fs::create_dir_all(&path).map_err(PackageError::write(&path))?;
        Ok(Self { _lock: lock(&path), path, target: target.to_owned(), careful: false, finished: false })
    }

    /// The same in a folder that is not ours alone: what killed processes left of this very target is cleared away, and a
    /// target with anything in it that is no part of a package is refused, now and at [`Partial::commit`].
    pub fn begin_among_others(target: &Path) -> Result<Self, PackageError> {
        clean_up_after(target).map_err(PackageError::write(target))?;
        refuse_foreign(target)?;
        let mut partial = Self::begin(target)?;
        partial.careful = true;
        Ok(partial)
    }

    /// The folder to fill.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything through to the disk and gives the folder its name; what had the name before is deleted with the
    /// result.
    pub fn commit(mut self) -> Result<Placed, PackageError> {
        if self.careful {
            refuse_foreign(&self.target)?;
        }
        sync_tree(&self.path).map_err(PackageError::write(&self.path))?;
        let in_the_way = match fs::symlink_metadata(&self.target) {
            Ok(_) => Some(swap(&self.path, &self.target)?),
            Err(_) => {
                fs::rename(&self.path, &self.target).map_err(PackageError::write(&self.target))?;
                None
            }
        };
        self.finished = true;
        if let Some(parent) = parent(&self.target) {
            sync_dir(parent).map_err(PackageError::write(parent))?;
        }
        Ok(Placed { dir: self.target.clone(), replaced: in_the_way })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            remove(&self.path);
        }
    }
}

/// Deletes what processes that were killed left in `dir`, and puts back what they had moved aside.
pub(crate) fn clean(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if name.contains(UNFINISHED) {
            tracing::info!(path = %path.display(), "deleting what an interrupted run left");
            remove(&path);
        } else if let Some((real, _)) = name.split_once(REPLACED) {
            let real = dir.join(real);
            if real.exists() {
                remove(&path);
            } else {
                fs::rename(&path, &real)?;
            }
        }
    }
    Ok(())
}

/// The same for one `target` among other people's files: only folders with exactly the names that we make, and in which
/// nobody works.
fn clean_up_after(target: &Path) -> io::Result<()> {
    let Some(name) = target.file_name().and_then(|n| n.to_str()) else { return Ok(()) };
    let dir = parent(target).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) }; // it is yet to be made
    for entry in entries {
        let path = entry?.path();
        let ours = |between| {
            let letters = path.file_name()?.to_str()?.strip_prefix(name)?.strip_prefix(between)?;
            let random = letters.len() == 8 && letters.bytes().all(|b| b.is_ascii_hexdigit());
            (random && path.is_dir()).then_some(())
        };
        if ours(UNFINISHED).is_some() && lock(&path).is_some() {
            remove(&path);
        } else if ours(REPLACED).is_some() && Record::read(&path).is_some() {
            if target.exists() { remove(&path) } else { fs::rename(&path, target)? }
        }
    }
    Ok(())
}

/// Refuses a folder that holds anything but the files of a package; one that is not there holds nothing.
fn refuse_foreign(dir: &Path) -> Result<(), PackageError> {
    let list = |dir: &Path| match fs::read_dir(dir) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(PackageError::write(dir)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(PackageError::write(dir)(e)),
    };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    for entry in list(dir)? {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or("/");
        if !is_folder(&entry) {
            if !OURS.contains(&name) && Name::parse(name).is_none() {
                return Err(PackageError::Foreign(entry.path()));
            }
            continue;
        }
        // A folder is ours if its name is one that a playlist could lie in.
        if Name::parse(&format!("{name}/media.m3u8")).is_none() {
            return Err(PackageError::Foreign(entry.path()));
        }
        for file in list(&entry.path())? {
            let inner = format!("{name}/{}", file.file_name().to_str().unwrap_or("/"));
            if is_folder(&file) || Name::parse(&inner).is_none() {
                return Err(PackageError::Foreign(file.path()));
            }
        }
    }
    Ok(())
}

/// Claims a folder; `None` where another process has it, and where folders cannot be claimed.
fn lock(dir: &Path) -> Option<File> {
    let file = File::open(dir).ok()?;
    file.try_lock().ok().map(|()| file)
}

/// Gives `new` the name of `old`, which exists; returns where the old one is now.
fn swap(new: &Path, old: &Path) -> Result<PathBuf, PackageError> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(new.to_owned());
        }
    }
    let aside = suffixed(old, REPLACED)?;
    fs::rename(old, &aside).map_err(PackageError::write(old))?;
    fs::rename(new, old).map_err(PackageError::write(old))?;
    Ok(aside)
}

fn suffixed(path: &Path, between: &str) -> Result<PathBuf, PackageError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(between);
    name.push(&random_token()?[..8]);
    Ok(path.with_file_name(name))
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|p| !p.as_os_str().is_empty())
}

/// A few tries: a thread that was told to stop may still be writing its last file.
fn remove(dir: &Path) {
    for _ in 0..20 {
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => std::thread::sleep(Duration::from_millis(25)),
            _ => return,
        }
    }
    tracing::warn!(path = %dir.display(), "cannot delete this unfinished package; the next start will try again");
}

#[cfg(target_os = "linux")]
fn sync_tree(dir: &Path) -> io::Result<()> {
    // One call for thousands of files; it reports writes that failed.
    Ok(rustix::fs::syncfs(File::open(dir)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { sync_tree(&path)? } else { File::open(&path)?.sync_all()? }
    }
    sync_dir(dir)
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}
