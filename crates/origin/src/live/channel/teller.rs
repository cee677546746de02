//! Tells of what is born: the window, the shelf, the disk, the bucket and the signed head, in one step. The invariant: what is pending is told
//! of whole, and what viewers are sent to is there before they hear of it.

use super::disk::Disk;
use super::elsewhere::Elsewhere;
use super::record::Recording;
use super::state::Closed;
use super::{Channel, ChannelConfig};
use crate::http::Origin;
use crate::live::bucket::Object;
use bytes::Bytes;
use cmaf::live::Part;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Parts that are born within so long are told of by one head.
const GATHER: Duration = Duration::from_millis(20);

/// A stream that is on offer, at the side that makes it.
pub(super) struct Teller {
    pub channel: Arc<Channel>,
    pub origin: Origin,
    pub config: ChannelConfig,
    /// The renditions' names.
    pub ids: Vec<String>,
    pub disk: Option<Disk>,
    pub recording: Option<Recording>,
    /// Born, and not yet told of; since when.
    pending: Vec<(usize, Part)>,
    since: Option<Instant>,
    /// When the last head was made.
    alive: Instant,
    /// Whether the origin has it in its catalogue.
    listed: bool,
}

impl Teller {
    pub fn new(channel: Arc<Channel>, origin: Origin, config: ChannelConfig, ids: Vec<String>) -> Self {
        let (pending, since, alive) = (Vec::new(), None, Instant::now());
        Self {
            channel,
            origin,
            config,
            ids,
            disk: None,
            recording: None,
            pending,
            since,
            alive,
            listed: false,
        }
    }

    /// When there is something to tell of, if nothing comes before.
    pub fn next(&self) -> Instant {
        self.since.map_or(self.alive + self.config.target(), |since| since + GATHER)
    }

    pub fn is_due(&self) -> bool {
        let all = (0..self.ids.len()).all(|line| self.pending.iter().any(|(of, _)| *of == line));
        self.since.is_some() && all || Instant::now() >= self.next()
    }

    pub fn born(&mut self, line: usize, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.pending.extend(parts.into_iter().map(|part| (line, part)));
        }
    }

    pub async fn flush_pending(&mut self) {
        if !self.pending.is_empty() {
            self.flush().await;
        }
    }

    /// Tells of what was born, or that the stream lives.
    pub async fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.upload(&pending).await;
        self.since = None;
        self.alive = Instant::now();
        let lines: Vec<usize> = pending.iter().map(|(line, _)| *line).collect();
        self.channel.parts.fetch_add(pending.len() as u64, Ordering::Relaxed);
        let bytes: usize = pending.iter().map(|(_, part)| part.bytes.len()).sum();
        self.channel.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let (closed, files) = {
            let mut state = self.channel.state();
            let born = pending.into_iter().map(|(line, part)| state.born(line, part)).collect();
            let closed = state.take(born);
            (closed, state.trim(&self.config))
        };
        for (line, list) in self.channel.lists.iter().enumerate() {
            if lines.contains(&line) {
                list.send_modify(|changes| *changes += 1);
            }
        }
        self.channel.heads.send_modify(|changes| *changes += 1);
        if !self.listed && !lines.is_empty() {
            self.listed = true;
            self.origin.on_air(Arc::clone(&self.channel));
        }
        if let Some(Elsewhere::Bucket(uploads)) = &self.channel.elsewhere {
            for segment in &closed {
                uploads.put(segment.line, Object::Segment(segment.sequence), segment.bytes.clone());
            }
        }
        if let Some(elsewhere) = &self.channel.elsewhere {
            for (line, cut) in self.channel.state().lines.iter().enumerate() {
                let Some((segment, part)) = cut.shelf.oldest() else { continue };
                match elsewhere {
                    Elsewhere::Bucket(uploads) => uploads.forget(line, segment, part),
                    Elsewhere::Source(links) => links.forget(line, segment, part),
                }
            }
        }
        self.store(closed, files).await;
    }

    /// What is about to be told of goes to the bucket first, with the initialisation segments that it needs.
    async fn upload(&self, pending: &[(usize, Part)]) {
        let Some(Elsewhere::Bucket(uploads)) = &self.channel.elsewhere else { return };
        let mut objects: Vec<(usize, Object, Bytes)> = pending
            .iter()
            .map(|(line, part)| (*line, Object::Part(part.sequence), Bytes::copy_from_slice(&part.bytes)))
            .collect();
        for (at, line) in self.channel.state().lines.iter().enumerate() {
            let inits = (1..).zip(&line.inits);
            objects.extend(inits.map(|(number, init)| (at, Object::Init(number), init.clone())));
        }
        uploads.publish(objects, self.config.targets.part).await;
    }

    async fn store(&mut self, closed: Vec<Closed>, files: Vec<PathBuf>) {
        let Some(disk) = &self.disk else { return };
        for segment in closed {
            let Some(id) = self.ids.get(segment.line) else { continue };
            if let Some(recording) = &mut self.recording
                && let Some(init) = self.channel.init(segment.line, segment.init)
            {
                recording.push(id, &init.bytes, segment.sequence);
            }
            disk.write(id, segment).await;
        }
        if self.recording.is_none() {
            for file in files {
                disk.remove(file).await;
            }
        }
    }

    pub fn wake_all(&self) {
        let all = self.channel.lists.iter().chain([&self.channel.heads]);
        all.for_each(|list| list.send_modify(|changes| *changes += 1));
    }
}
