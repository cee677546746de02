//! What a viewer watches, as the driver needs it. Its invariant: nothing of it comes from a playlist.

use crate::film::Film;
use crate::live::Stream;
use manifest::{Kind, SegmentId};
use session::{Options, Session};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use swarm::Time;

/// A film, or a live stream, whose parts are segments here.
#[derive(Clone, Debug)]
pub(super) enum Watched {
    Film(Arc<Film>),
    Live(Arc<Stream>),
}

impl Watched {
    /// A session of it that begins now.
    pub(super) fn session(&self, options: Options) -> Session {
        match self {
            Self::Film(film) => Session::start(Time::default(), film.index().clone(), options),
            Self::Live(stream) => {
                let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                Session::open_live(Time::default(), wall_ms as u64, stream.sealed(), None, options)
                    .expect("the description was read and its signature checked before")
            }
        }
    }

    pub(super) fn swarm_id(&self) -> [u8; 20] {
        match self {
            Self::Film(film) => film.index().swarm_id(),
            Self::Live(stream) => stream.swarm(),
        }
    }

    pub(super) fn piece_len(&self) -> u32 {
        match self {
            Self::Film(film) => film.index().piece_len,
            Self::Live(stream) => stream.piece_len(),
        }
    }

    pub(super) fn kind(&self, rendition: u8) -> Option<Kind> {
        match self {
            Self::Film(film) => film.kind(rendition),
            Self::Live(stream) => stream.kind(rendition),
        }
    }

    /// When a segment starts and ends.
    pub(super) fn span(&self, segment: SegmentId) -> Option<(Duration, Duration)> {
        match self {
            Self::Film(film) => film.span(segment),
            Self::Live(stream) => stream.part(segment).map(|part| part.span()),
        }
    }

    /// Bytes of a segment.
    pub(super) fn size(&self, segment: SegmentId) -> Option<u32> {
        match self {
            Self::Film(film) => film.index().segment(segment).map(|entry| entry.size),
            Self::Live(stream) => stream.part(segment).map(|part| part.size),
        }
    }

    /// Where a piece is in its segment.
    pub(super) fn piece_range(&self, segment: SegmentId, piece: u32) -> Option<Range<u32>> {
        match self {
            Self::Film(film) => film.index().piece_range(segment, piece),
            Self::Live(_) => None, // only films are on disk
        }
    }

    /// Where at the origin the segments of a rendition are.
    pub(super) fn folder(&self, rendition: u8) -> Option<String> {
        match self {
            Self::Film(film) => film.index().renditions.get(usize::from(rendition)).map(|r| r.id.clone()),
            Self::Live(stream) => stream.folder(rendition).map(|id| format!("{id}/part")),
        }
    }
}
