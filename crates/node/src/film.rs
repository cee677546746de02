//! A film as a node opens it: the signed index, checked, and the small files round it. Its invariant: what is known of the
//! media comes from an index whose signature was checked, never from a playlist.

use crate::origin::{self, Origin};
use crate::serving::Texts;
use bytes::Bytes;
use manifest::{Index, Kind, MAX_INDEX_BYTES, OpenError, PublicKey, SegmentId};
use std::time::Duration;
use thiserror::Error;

/// Largest `init.mp4`, 1 MiB.
const MAX_INIT_BYTES: usize = 1 << 20;

/// Why a film cannot be opened.
#[derive(Debug, Error)]
pub enum OpenFilm {
    /// No index: it is not a film of Braidcast, or the origin is away.
    #[error("no signed index: {0}. Is this the address of a Braidcast film?")]
    NoIndex(#[source] origin::Error),
    /// The index is damaged, or signed by somebody else.
    #[error("the index is refused: {0}")]
    Refused(#[from] OpenError),
    /// An initialisation segment does not come, or is not the publisher's.
    #[error("the start of rendition {0} is not the publisher's, or does not come")]
    Init(String),
}

/// What there is to watch.
#[derive(Clone, Debug)]
pub struct Film {
    index: Index,
    /// The index as it was signed.
    sealed: Bytes,
    /// Starts of the segments of each rendition, and the end of the last.
    starts: Vec<Vec<Duration>>,
    inits: Vec<Bytes>,
    texts: Texts,
}

impl Film {
    /// Fetches index and initialisation segments. With `key`, only what that key signed is taken.
    pub async fn open(origin: &Origin, key: Option<&PublicKey>) -> Result<Self, OpenFilm> {
        let sealed = Self::sealed_index(origin).await?;
        Self::open_sealed(sealed, origin, key).await
    }

    /// Fetches the index, as it was signed.
    pub(crate) async fn sealed_index(origin: &Origin) -> Result<Bytes, OpenFilm> {
        origin.file("index.bci", MAX_INDEX_BYTES).await.map_err(OpenFilm::NoIndex)
    }

    /// Checks an index that was fetched, and fetches the initialisation segments.
    pub(crate) async fn open_sealed(
        sealed: Bytes,
        origin: &Origin,
        key: Option<&PublicKey>,
    ) -> Result<Self, OpenFilm> {
        let index = Index::open(&sealed, key)?;
        let mut inits = Vec::with_capacity(index.renditions.len());
        for rendition in &index.renditions {
            let name = format!("{}/init.mp4", rendition.id);
            let init = origin.file(&name, MAX_INIT_BYTES).await;
            inits.push(init.map_err(|_| OpenFilm::Init(rendition.id.clone()))?);
        }
        Self::of(sealed, key, inits)
    }

    /// A film of these files, all of which are checked: the index as it was signed, and the initialisation segment of each
    /// rendition in its order.
    pub(crate) fn of(sealed: Bytes, key: Option<&PublicKey>, inits: Vec<Bytes>) -> Result<Self, OpenFilm> {
        let index = Index::open(&sealed, key)?;
        for (at, rendition) in index.renditions.iter().enumerate() {
            if inits.get(at).is_none_or(|init| manifest::digest::root(init) != rendition.init) {
                return Err(OpenFilm::Init(rendition.id.clone()));
            }
        }
        let starts = index.renditions.iter().map(|rendition| {
            let mut at = 0;
            let starts = rendition.segments.iter().map(|segment| {
                let start = at;
                at += u64::from(segment.duration_ms);
                Duration::from_millis(start)
            });
            let mut starts: Vec<_> = starts.collect();
            starts.push(Duration::from_millis(at));
            starts
        });
        let starts = starts.collect();
        let texts = Texts::new(key, index.swarm_id());
        Ok(Self { index, sealed, starts, inits, texts })
    }

    /// The index as it was signed: `index.bci`.
    pub fn sealed(&self) -> &Bytes {
        &self.sealed
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Which subtitles may be given out.
    pub(crate) fn texts(&self) -> Texts {
        self.texts
    }

    /// A rendition's `init.mp4`.
    pub fn init(&self, rendition: u8) -> Option<&Bytes> {
        self.inits.get(usize::from(rendition))
    }

    /// What a rendition carries.
    pub fn kind(&self, rendition: u8) -> Option<Kind> {
        self.index.renditions.get(usize::from(rendition)).map(|r| r.kind)
    }

    /// When a segment starts and ends.
    pub fn span(&self, segment: SegmentId) -> Option<(Duration, Duration)> {
        let starts = self.starts.get(usize::from(segment.rendition))?;
        let first = (segment.sequence as usize).checked_sub(1)?;
        Some((*starts.get(first)?, *starts.get(first + 1)?))
    }

    /// The place of the rendition with this folder name.
    pub fn rendition(&self, id: &str) -> Option<u8> {
        self.index.renditions.iter().position(|r| r.id == id).and_then(|at| u8::try_from(at).ok())
    }
}
