//! A folder that is being filled under a temporary name. Its invariant: the real name always stands for a complete
//! folder, the old one until [`Partial::commit`] and the new one from then on, whenever the process or the machine stops.

use super::error::PackageError;
use super::random_token;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the temporary name has between the real one and random letters. No slug holds a dot.
const UNFINISHED: &str = ".partial-";
/// The same for the folder that is replaced, where the system cannot exchange two names in one step.
const REPLACED: &str = ".old-";

/// A folder under a temporary name; dropping it deletes it.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl Partial {
    /// Makes an empty folder beside `target`.
    pub fn begin(target: &Path) -> Result<Self, PackageError> {
        let path = suffixed(target, UNFINISHED)?;
        fs::create_dir_all(&path).map_err(PackageError::write(&path))?;
        Ok(Self { path, target: target.to_owned(), finished: false })
    }

    /// The folder to fill.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything through to the disk and gives the folder its name; what had the name before is deleted.
    pub fn commit(mut self) -> Result<PathBuf, PackageError> {
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
        if let Some(old) = in_the_way {
            remove(&old);
        }
        Ok(self.target.clone())
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
