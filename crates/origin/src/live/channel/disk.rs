//! Segments on disk: those that are too old for memory, and all of a stream that is recorded. The invariant: files are written and
//! removed in order, by one task, and who makes segments waits for it.

use super::Channel;
use super::state::Closed;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Jobs that may wait.
const WAITING: usize = 64;

/// A stream's folder, and the task that writes into it. Dropping it removes the folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: Folder,
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
}

/// A folder that goes when this is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

#[derive(Debug)]
enum Job {
    Write { line: usize, sequence: u32, bytes: Bytes, path: PathBuf },
    Remove(PathBuf),
}

impl Folder {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.0.display(), %error, "cannot remove what a stream left");
            }
            _ => {}
        }
    }
}

/// Where the segment of a rendition is in a stream's folder.
pub(super) fn path(folder: &Path, id: &str, sequence: u32) -> PathBuf {
    folder.join(id).join(format!("{sequence}.m4s"))
}

impl Disk {
    /// Makes `folder`, with a place for each of `ids`.
    pub fn open(folder: PathBuf, ids: &[String], channel: Arc<Channel>) -> io::Result<Self> {
        for id in ids {
            fs::create_dir_all(folder.join(id))?;
        }
        let folder = Folder(folder);
        let (jobs, queue) = mpsc::channel(WAITING);
        Ok(Self { folder, jobs, task: tokio::spawn(work(queue, channel)) })
    }

    /// Writes a segment, soon.
    pub async fn write(&self, id: &str, segment: Closed) {
        let Closed { line, sequence, bytes, .. } = segment;
        let path = path(self.folder.path(), id, sequence);
        // The task ends only with this.
        self.jobs.send(Job::Write { line, sequence, bytes, path }).await.ok();
    }

    /// Removes a segment, after what was to be written before.
    pub async fn remove(&self, path: PathBuf) {
        self.jobs.send(Job::Remove(path)).await.ok(); // as above
    }

    /// Waits until all is written, and leaves the folder to the caller.
    pub async fn close(self) -> Folder {
        drop(self.jobs);
        self.task.await.ok(); // it has nothing to say
        self.folder
    }
}

async fn work(mut queue: mpsc::Receiver<Job>, channel: Arc<Channel>) {
    while let Some(job) = queue.recv().await {
        match job {
            Job::Write { line, sequence, bytes, path } => match tokio::fs::write(&path, &bytes).await {
                Ok(()) => {
                    if let Some(line) = channel.state().lines.get_mut(line) {
                        line.shelf.written(sequence, path);
                    }
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a segment cannot be written; viewers can go back less far");
                }
            },
            Job::Remove(path) => {
                if let Err(error) = tokio::fs::remove_file(&path).await {
                    tracing::debug!(path = %path.display(), %error, "a segment was not removed");
                }
            }
        }
    }
}
