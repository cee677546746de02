//! The whole film as one MP4 file with ranges, for players that know neither HLS nor DASH. It is nowhere in one place: each
//! segment is brought when its bytes are asked for.

use super::Sent;
use crate::film::Film;
use crate::serving::range;
use crate::viewer::Viewer;
use axum::body::Body;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bytes::Bytes;
use cmaf::progressive::{Error, Extent, Progressive, SegmentSpan, TAIL, Track};
use futures_util::stream;
use manifest::{Kind, Segment, SegmentId};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// How many segments are kept as they are in the file.
const RECENT: usize = 8;

/// The pictures of the best rendition and the first sound, as one file.
pub(super) struct Movie {
    file: Progressive,
    /// The rendition of each track.
    renditions: Vec<u8>,
    /// Segments as they are in the file, by track and number: players read pictures and sound in many small ranges.
    recent: Cache<(usize, u32), Bytes>,
}

impl Movie {
    pub(super) fn of(film: &Film) -> Result<Self, Error> {
        let numbered = || (0u8..).zip(&film.index().renditions);
        let best = numbered().filter(|(_, r)| r.kind == Kind::Video).max_by_key(|(_, r)| r.bandwidth_bps);
        let sound = numbered().find(|(_, r)| r.kind == Kind::Audio);
        let chosen: Vec<_> = best.into_iter().chain(sound).collect();
        let spans: Vec<Vec<SegmentSpan>> = chosen
            .iter()
            .map(|(_, rendition)| {
                let span = |s: &Segment| SegmentSpan { duration_ms: s.duration_ms, size: s.size };
                rendition.segments.iter().map(span).collect()
            })
            .collect();
        let tracks: Vec<Track<'_>> = chosen
            .iter()
            .zip(&spans)
            .filter_map(|((number, _), segments)| Some(Track { init: film.init(*number)?, segments }))
            .collect();
        Ok(Self {
            file: Progressive::new(&tracks)?,
            renditions: chosen.iter().map(|(number, _)| *number).collect(),
            recent: Cache::new(RECENT),
        })
    }

    pub(super) fn respond(
        self: Arc<Self>,
        viewer: &Viewer,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response {
        let (mut response, range) = range::answer(method, headers, "video/mp4", self.file.len());
        if !range.is_empty() {
            let extents: Vec<Extent> = self.file.extents(range).collect();
            let state = (self, viewer.clone(), extents.into_iter());
            let body = stream::unfold(state, |(movie, viewer, mut extents)| async move {
                let extent = extents.next()?;
                let sent = movie.bytes(&viewer, extent).await;
                Some((sent, (movie, viewer, extents)))
            });
            *response.body_mut() = Body::from_stream(body);
        }
        response
    }

    async fn bytes(&self, viewer: &Viewer, extent: Extent) -> Sent {
        match extent {
            Extent::Head(range) => Ok(Bytes::copy_from_slice(&self.file.head()[range])),
            Extent::Tail(range) => Ok(Bytes::from_static(&TAIL).slice(range)),
            Extent::Segment { track, sequence, range } => {
                let name = (track, sequence);
                let brought = self.segment(viewer, track, sequence);
                let whole = self.recent.get_or_insert_async(&name, brought).await?;
                Ok(whole.slice(range.start as usize..range.end as usize))
            }
        }
    }

    async fn segment(&self, viewer: &Viewer, track: usize, sequence: u32) -> Sent {
        let segment = SegmentId::new(self.renditions[track], sequence);
        let whole = viewer.segment(segment).await.map_err(std::io::Error::other)?;
        let mut bytes = whole.to_vec();
        self.file.adapt(track, sequence, &mut bytes).map_err(std::io::Error::other)?;
        Ok(bytes.into())
    }
}
