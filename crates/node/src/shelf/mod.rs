//! A film's segments on disk: the cache, which knows nothing of films, and beside it the leaves that a peer must have to give
//! single pieces. Its invariant: whatever is given out was checked against the signed index in the moment of reading.

mod leaves;

use crate::cache::{self, Cache};
use bytes::Bytes;
use leaves::Leaves;
use manifest::{Hash, Index, SegmentId, digest};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The segments of one film. Clones are handles to the same ones.
#[derive(Clone, Debug)]
pub struct Shelf {
    cache: Cache,
    index: Arc<Index>,
    leaves: Arc<Leaves>,
}

/// A segment, and the leaves that prove its pieces.
pub(crate) type Proven = (SegmentId, Vec<Hash>);

/// What was found on opening.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Segments that are on disk, as far as the cache knows, with their leaves.
    pub(crate) proven: Vec<Proven>,
    /// Segments whose leaves are missing or damaged: see [`Shelf::prove`].
    pub(crate) unproven: Vec<SegmentId>,
}

impl Shelf {
    /// The segments of the film with this index, in a cache that films may share. The leaves are in a file in `dir`, a folder
    /// of the film's own, which there must be.
    pub async fn open(cache: Cache, dir: &Path, index: &Index) -> io::Result<Self> {
        let index = Arc::new(index.clone());
        let (path, of) = (leaves_path(dir, &index), index.clone());
        let leaves = spawn_blocking(move || Leaves::open(&path, &of)).await.map_err(io::Error::other)??;
        Ok(Self { cache, index, leaves: Arc::new(leaves) })
    }

    /// What is there already. Reads leaves, no media.
    pub(crate) async fn found(&self) -> Found {
        let mut there = Vec::new();
        for (number, rendition) in (0u8..).zip(&self.index.renditions) {
            for sequence in (1u32..).take(rendition.segments.len()) {
                let segment = SegmentId::new(number, sequence);
                if self.contains(segment).await {
                    there.push(segment);
                }
            }
        }
        let (index, leaves) = (self.index.clone(), self.leaves.clone());
        let look = move || {
            let mut found = Found::default();
            for segment in there {
                match leaves.read(&index, segment) {
                    Some(leaves) => found.proven.push((segment, leaves)),
                    None => found.unproven.push(segment),
                }
            }
            found
        };
        // An error means that the runtime goes down.
        spawn_blocking(look).await.unwrap_or_default()
    }

    /// The leaves of a segment from its bytes, where the file has none; `None` if the bytes are no good either.
    pub(crate) async fn prove(&self, segment: SegmentId) -> Option<Vec<Hash>> {
        let bytes = self.get(segment).await?;
        let (index, file) = (self.index.clone(), self.leaves.clone());
        let work = move || {
            let leaves = digest::leaves(&bytes, index.piece_len);
            note(&file, &index, segment, &leaves);
            leaves
        };
        spawn_blocking(work).await.ok()
    }

    /// Puts a whole segment on disk.
    ///
    /// # Errors
    /// Those of [`Cache::put`]. Leaves that cannot be written are no error: they are made anew from the segment some day.
    pub(crate) async fn put(
        &self,
        segment: SegmentId,
        bytes: Bytes,
        leaves: Vec<Hash>,
    ) -> Result<(), cache::Error> {
        let Some(root) = self.root(segment) else { return Ok(()) };
        self.cache.put(root, bytes).await?;
        let (index, file) = (self.index.clone(), self.leaves.clone());
        let work = move || note(&file, &index, segment, &leaves);
        spawn_blocking(work).await.map_err(|_| cache::Error::Closed)
    }

    /// A whole segment, checked; `None` if it is not there, or not any more.
    pub(crate) async fn get(&self, segment: SegmentId) -> Option<Bytes> {
        self.cache.get(&self.root(segment)?).await
    }

    /// Whether the cache thinks that it has a segment.
    pub(crate) async fn contains(&self, segment: SegmentId) -> bool {
        match self.root(segment) {
            Some(root) => self.cache.contains(&root).await,
            None => false,
        }
    }

    fn root(&self, segment: SegmentId) -> Option<Hash> {
        self.index.segment(segment).map(|entry| entry.root)
    }
}

/// The file of the leaves: each version of a film has one of its own.
pub(crate) fn leaves_path(dir: &Path, index: &Index) -> PathBuf {
    let id: String = index.swarm_id().iter().map(|byte| format!("{byte:02x}")).collect();
    dir.join(format!("leaves-{id}"))
}

fn note(file: &Leaves, index: &Index, segment: SegmentId, leaves: &[Hash]) {
    if let Err(error) = file.write(index, segment, leaves) {
        tracing::warn!(?segment, %error, "leaves cannot be written: the segment will be read to make them anew");
    }
}
