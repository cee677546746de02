//! A stream that is on offer, at the side that makes it. The invariant: renditions begin anew together, and what is pending when one does is
//! told of before.

use super::disk::Disk;
use super::record::Recording;
use super::state::Closed;
use super::{Channel, ChannelConfig};
use crate::http::Origin;
use crate::live::bucket::Object;
use crate::live::feed::{Beginning, RenditionId};
use bytes::Bytes;
use cmaf::live::{CutError, Cutter, Part};
use cmaf::{Sample, Track};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Parts that are born within so long are told of by one head.
const GATHER: Duration = Duration::from_millis(20);

/// A rendition on its way into parts.
pub(super) struct Cut {
    pub id: RenditionId,
    pub cutter: Cutter,
    pub track: Track,
}

/// A stream that is on offer.
pub(super) struct OnAir {
    pub channel: Arc<Channel>,
    pub origin: Origin,
    pub config: ChannelConfig,
    pub cuts: Vec<Cut>,
    /// Born, and not yet told of; since when.
    pub pending: Vec<(usize, Part)>,
    pub since: Option<Instant>,
    /// When the last head was made.
    pub alive: Instant,
    /// Whether the origin has it in its catalogue.
    pub listed: bool,
    pub disk: Option<Disk>,
    pub recording: Option<Recording>,
    pub born_ms: u64,
}

impl OnAir {
    /// Whether these are its renditions.
    pub fn has(&self, beginning: &Beginning) -> bool {
        beginning.renditions.len() == self.cuts.len()
            && self.cuts.iter().all(|cut| beginning.renditions.contains(&cut.id))
    }

    /// When there is something to tell of, if nothing comes before.
    pub fn next(&self) -> Instant {
        self.since.map_or(self.alive + self.config.target(), |since| since + GATHER)
    }

    pub fn is_due(&self) -> bool {
        let all = (0..self.cuts.len()).all(|line| self.pending.iter().any(|(of, _)| *of == line));
        self.since.is_some() && all || Instant::now() >= self.next()
    }

    pub async fn push(&mut self, id: &RenditionId, sample: Sample) {
        let Some(line) = self.cuts.iter().position(|cut| cut.id == *id) else { return };
        match self.cuts[line].cutter.push(sample.clone()) {
            Ok(parts) => self.born(line, parts),
            Err(CutError::NotRising { .. } | CutError::Overlap(_)) => {} // it is late, and there is no place for it
            Err(why) => {
                tracing::warn!(stream = %self.channel.slug, rendition = %id, %why, "the stream begins anew");
                self.finish().await;
                for at in 0..self.cuts.len() {
                    let track = self.cuts[at].track.clone();
                    self.follow(at, track);
                }
                match self.cuts[line].cutter.push(sample) {
                    Ok(parts) => self.born(line, parts),
                    Err(why) => tracing::debug!(%why, "a sample has no place"),
                }
            }
        }
    }

    /// A rendition goes on in `track`; `false` where the stream cannot.
    pub async fn restart(&mut self, id: &RenditionId, track: Track) -> bool {
        let Some(line) = self.cuts.iter().position(|cut| cut.id == *id) else { return true };
        if self.cuts[line].track.kind != track.kind {
            return false;
        }
        self.flush_pending().await;
        self.follow(line, track)
    }

    fn follow(&mut self, line: usize, track: Track) -> bool {
        let Some(cut) = self.cuts.get_mut(line) else { return true };
        let rest = cut.cutter.restart(&track);
        let goes_on = self.channel.state().restart(line, &track, cut.cutter.init());
        cut.track = track;
        self.born(line, rest);
        goes_on
    }

    /// Gives out all that there is, and ends the segments.
    pub async fn finish(&mut self) {
        for line in 0..self.cuts.len() {
            let rest = self.cuts[line].cutter.finish();
            self.born(line, rest);
        }
        self.flush_pending().await;
    }

    fn born(&mut self, line: usize, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.pending.extend(parts.into_iter().map(|part| (line, part)));
        }
    }

    async fn flush_pending(&mut self) {
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
        if let Some(uploads) = &self.channel.uploads {
            for segment in &closed {
                uploads.put(segment.line, Object::Segment(segment.sequence), segment.bytes.clone());
            }
            for (line, cut) in self.channel.state().lines.iter().enumerate() {
                if let Some((segment, part)) = cut.shelf.oldest() {
                    uploads.forget(line, segment, part);
                }
            }
        }
        self.store(closed, files).await;
    }

    /// What is about to be told of goes to the bucket first, with the initialisation segments that it needs.
    async fn upload(&self, pending: &[(usize, Part)]) {
        let Some(uploads) = &self.channel.uploads else { return };
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
            let id = self.cuts[segment.line].id.to_string();
            if let Some(recording) = &mut self.recording
                && let Some(init) = self.channel.init(segment.line, segment.init)
            {
                recording.push(&id, &init.bytes, segment.sequence);
            }
            disk.write(&id, segment).await;
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
