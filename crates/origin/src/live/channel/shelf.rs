//! The bytes of one rendition: in memory while they are fresh, on disk where viewers may go back further than that.
//!
//! The invariant: a part and the segment that it is of are the same memory, and what has left the window is gone after the grace of
//! RFC 8216 section 6.2.2.

use bytes::{Bytes, BytesMut};
use cmaf::live::{Part, Window};
use manifest::{Hash, digest};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes and their digest.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The bytes.
    pub bytes: Bytes,
    /// Plain BLAKE3 of them.
    pub digest: Hash,
}

/// Where a whole segment is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Memory(Piece),
    Disk(PathBuf, Hash),
}

/// What the shelf has of a segment.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Whole(Place),
    /// See [`Shelf::growth`].
    Growing,
}

#[derive(Debug, Default)]
pub(super) struct Shelf {
    segments: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    sequence: u32,
    first_part: u32,
    /// Empty once only the disk has it.
    parts: Vec<Piece>,
    lasts: Duration,
    whole: Option<Whole>,
    unlisted: Option<Instant>,
}

#[derive(Debug)]
struct Whole {
    bytes: Option<Bytes>,
    digest: Hash,
    since: Instant,
    path: Option<PathBuf>,
}

impl Shelf {
    /// Takes the next part, whose digest is `digest`; gives the segment that it completes.
    pub fn push(&mut self, part: &Part, bytes: Bytes, digest: Hash) -> Option<(u32, Bytes)> {
        if self.segments.back().is_none_or(|last| last.sequence != part.segment) {
            self.segments.push_back(Kept {
                sequence: part.segment,
                first_part: part.sequence,
                parts: Vec::new(),
                lasts: Duration::ZERO,
                whole: None,
                unlisted: None,
            });
        }
        let kept = self.segments.back_mut()?;
        kept.parts.push(Piece { bytes, digest });
        kept.lasts += part.play_time();
        part.ends_segment.then(|| kept.close())?
    }

    /// A part of the stream.
    pub fn part(&self, sequence: u32) -> Option<Piece> {
        let at = self.segments.partition_point(|kept| kept.first_part <= sequence).checked_sub(1)?;
        let kept = self.segments.get(at)?;
        kept.parts.get((sequence - kept.first_part) as usize).cloned()
    }

    /// A segment, whole or not.
    pub fn segment(&self, sequence: u32) -> Option<Found> {
        let kept = self.get(sequence)?;
        Some(match &kept.whole {
            None => Found::Growing,
            Some(Whole { bytes: Some(bytes), digest, .. }) => {
                Found::Whole(Place::Memory(Piece { bytes: bytes.clone(), digest: *digest }))
            }
            Some(Whole { path: Some(path), digest, .. }) => Found::Whole(Place::Disk(path.clone(), *digest)),
            Some(_) => return None,
        })
    }

    /// The parts of a segment from its `from`th on, and whether there are no more to come; `None` where memory has it no more.
    pub fn growth(&self, sequence: u32, from: usize) -> Option<(Vec<Bytes>, bool)> {
        let kept = self.get(sequence).filter(|kept| !kept.parts.is_empty())?;
        let parts = kept.parts.iter().skip(from).map(|part| part.bytes.clone()).collect();
        Some((parts, kept.whole.is_some()))
    }

    /// Numbers of the oldest segment and of its first part.
    pub fn oldest(&self) -> Option<(u32, u32)> {
        self.segments.front().map(|kept| (kept.sequence, kept.first_part))
    }

    /// Number of the newest segment; 0 before the first.
    pub fn newest(&self) -> u32 {
        self.segments.back().map_or(0, |kept| kept.sequence)
    }

    /// The segment has been written to `path`.
    pub fn written(&mut self, sequence: u32, path: PathBuf) {
        let Some(first) = self.segments.front().map(|kept| kept.sequence) else { return };
        let at = sequence.checked_sub(first).and_then(|at| self.segments.get_mut(at as usize));
        if let Some(whole) = at.and_then(|kept| kept.whole.as_mut()) {
            whole.path = Some(path);
        }
    }

    /// Drops what `window` has not listed for `grace` and its own duration, and from memory what is older than `fresh` where the disk
    /// has it. Gives the files that are not needed any more.
    pub fn trim(&mut self, window: &Window, grace: Duration, fresh: Duration) -> Vec<PathBuf> {
        let now = Instant::now();
        let listed = window.segments().next().map_or(0, |first| first.sequence);
        let mut files = Vec::new();
        for kept in self.segments.iter_mut().take_while(|kept| kept.sequence < listed) {
            kept.unlisted.get_or_insert(now);
        }
        while let Some(first) = self.segments.front() {
            let over = first.unlisted.is_some_and(|since| now >= since + grace + first.lasts);
            if !over {
                break;
            }
            let gone = self.segments.pop_front();
            files.extend(gone.and_then(|kept| kept.whole?.path));
        }
        for kept in &mut self.segments {
            let Some(whole) = &mut kept.whole else { break };
            if now < whole.since + fresh {
                break;
            }
            if whole.path.is_some() {
                whole.bytes = None;
                kept.parts = Vec::new();
            }
        }
        files
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().flat_map(|kept| &kept.parts).map(|part| part.bytes.len() as u64).sum()
    }

    fn get(&self, sequence: u32) -> Option<&Kept> {
        let at = sequence.checked_sub(self.segments.front()?.sequence)?;
        self.segments.get(at as usize)
    }
}

impl Kept {
    /// Joins the parts, which become views of the whole.
    fn close(&mut self) -> Option<(u32, Bytes)> {
        let size = self.parts.iter().map(|part| part.bytes.len()).sum();
        let mut joined = BytesMut::with_capacity(size);
        self.parts.iter().for_each(|part| joined.extend_from_slice(&part.bytes));
        let joined = joined.freeze();
        let mut at = 0;
        for part in &mut self.parts {
            let end = at + part.bytes.len();
            part.bytes = joined.slice(at..end);
            at = end;
        }
        let digest = digest::root(&joined);
        let whole = Whole { bytes: Some(joined.clone()), digest, since: Instant::now(), path: None };
        self.whole = Some(whole);
        Some((self.sequence, joined))
    }
}
