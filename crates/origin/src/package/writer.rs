//! One rendition on its way to disk. Its invariant: the hash of a segment is taken of the very bytes that are written,
//! in the one place where segments are made.

use super::error::PackageError;
use cmaf::{Sample, Segment, SegmentInfo, Segmenter, Track, ticks_to_duration};
use manifest::{Hash, digest};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Segments aim at this length.
pub const SEGMENT_TIME: Duration = Duration::from_secs(4);

/// Makes the folder of one rendition.
#[derive(Debug)]
pub(crate) struct Writer {
    dir: PathBuf,
    id: String,
    name: String,
    track: Track,
    segmenter: Segmenter,
    init: Hash,
    infos: Vec<SegmentInfo>,
    hashed: Vec<manifest::Segment>,
}

/// A rendition whose folder is complete but for its playlists.
#[derive(Debug)]
pub(crate) struct Written {
    /// What the playlists need.
    pub rendition: cmaf::Rendition,
    /// What the index needs.
    pub indexed: manifest::Rendition,
}

impl Writer {
    /// Makes `<root>/<id>` and its init segment.
    pub fn new(root: &Path, id: &str, name: &str, track: Track) -> Result<Self, PackageError> {
        let dir = root.join(id);
        fs::create_dir_all(&dir).map_err(PackageError::write(&dir))?;
        let init = cmaf::init_segment(&track);
        let path = dir.join("init.mp4");
        fs::write(&path, &init).map_err(PackageError::write(&path))?;
        Ok(Self {
            dir,
            id: id.to_owned(),
            name: name.to_owned(),
            segmenter: Segmenter::new(&track, SEGMENT_TIME),
            track,
            init: digest::root(&init),
            infos: Vec::new(),
            hashed: Vec::new(),
        })
    }

    /// Takes the next sample in decode order.
    pub fn push(&mut self, sample: Sample) -> Result<(), PackageError> {
        let cut = self.segmenter.push(sample).map_err(|e| self.refused(e.to_string()))?;
        cut.map_or(Ok(()), |segment| self.store(segment))
    }

    /// Writes what is left. A rendition without a single segment is `None`, and its folder goes.
    pub fn finish(mut self) -> Result<Option<Written>, PackageError> {
        if let Some(last) = self.segmenter.finish() {
            self.store(last)?;
        }
        if self.infos.is_empty() {
            fs::remove_dir_all(&self.dir).map_err(PackageError::write(&self.dir))?;
            return Ok(None);
        }
        let kind = match self.track.kind {
            cmaf::Kind::Video => manifest::Kind::Video,
            cmaf::Kind::Audio => manifest::Kind::Audio,
        };
        let rendition =
            cmaf::Rendition { id: self.id.clone(), name: self.name, track: self.track, segments: self.infos };
        let indexed = manifest::Rendition {
            id: self.id,
            kind,
            bandwidth_bps: u32::try_from(rendition.average_bandwidth()).unwrap_or(u32::MAX),
            init: self.init,
            segments: self.hashed,
        };
        Ok(Some(Written { rendition, indexed }))
    }

    fn store(&mut self, segment: Segment) -> Result<(), PackageError> {
        let size =
            u32::try_from(segment.bytes.len()).map_err(|_| self.refused("a segment is over 4 GiB".into()))?;
        let path = self.dir.join(format!("{}.m4s", segment.sequence));
        fs::write(&path, &segment.bytes).map_err(PackageError::write(&path))?;
        // Both ends are rounded, not the length: so the lengths add up to the film's.
        let ms = |ticks| ticks_to_duration(ticks, segment.timescale).as_millis();
        let duration_ms = ms(segment.start.saturating_add(segment.duration)) - ms(segment.start);
        self.hashed.push(manifest::Segment {
            duration_ms: u32::try_from(duration_ms).unwrap_or(u32::MAX).max(1),
            size,
            root: digest::root(&segment.bytes),
        });
        self.infos.push(segment.info());
        Ok(())
    }

    fn refused(&self, reason: String) -> PackageError {
        PackageError::Track { track: self.id.clone(), reason }
    }
}
