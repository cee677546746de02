//! A stream that is over, made into a film. The invariant: what stands in the library is whole; samples are those that were live.

use super::disk;
use crate::library::Library;
use crate::package::{self, Mode, PackageError, Placed, Record, Stamp, TREE_VERSION, Writer};
use crate::slug::Slug;
use bytes::Bytes;
use cmaf::ingest::{Event, FragmentReader};
use cmaf::live::Captions;
use cmaf::live::hls::Subtitles;
use cmaf::{Sample, Subtitle, Track};
use manifest::SecretKey;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Bytes of one fragment that was live.
const MAX_FRAGMENT: u64 = 128 << 20;

/// Which segments there were.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// Rises when a rendition goes on with another initialisation segment: then another film begins.
    run: u32,
    /// By run and rendition: the initialisation segment, and numbers of segments.
    runs: BTreeMap<(u32, String), (Bytes, Vec<u32>)>,
    /// What was said, once it is over.
    pub captions: Vec<(Subtitles, Captions)>,
}

impl Recording {
    /// A segment of the rendition `id`, which needs `init`.
    pub fn push(&mut self, id: &str, init: &Bytes, sequence: u32) {
        let key = (self.run, id.to_owned());
        if self.runs.get(&key).is_some_and(|(has, _)| has != init) {
            self.run += 1;
        }
        let key = (self.run, id.to_owned());
        self.runs.entry(key).or_insert_with(|| (init.clone(), Vec::new())).1.push(sequence);
    }

    /// Packages what is in `folder`: one film, or one more each time that the encoder came back as another.
    pub fn package(
        self,
        folder: &Path,
        library: &Library,
        key: &SecretKey,
        (slug, title, born_ms): (&Slug, &str, u64),
    ) -> Vec<Result<(Slug, Placed), PackageError>> {
        let mut films: BTreeMap<u32, Vec<Line>> = BTreeMap::new();
        for ((run, id), (init, segments)) in self.runs {
            films.entry(run).or_default().push(Line { id, init, segments });
        }
        let films = films.into_values().zip(1..);
        let film = |(mut lines, number): (Vec<Line>, u16)| {
            lines.sort_by_key(|line| (!line.id.starts_with('v'), line.id.clone()));
            let slug = slug.nth(number);
            let into = library.begin(&slug)?;
            let stamp = Stamp {
                name: slug.to_string(),
                path_hash: manifest::digest::root(slug.as_str().as_bytes()).to_string(),
                size: lines.iter().map(|line| line.segments.len() as u64).sum(),
                mtime_ms: born_ms,
            };
            let record =
                Record { version: TREE_VERSION, source: stamp, settings: "live".into(), mode: Mode::Remuxed };
            let begun = lines.iter().filter_map(|line| line.begin(folder)).min().unwrap_or_default();
            let mut written = Vec::new();
            for line in &lines {
                written.extend(line.write(folder, into.path(), begun)?);
            }
            let lasts = written.iter().map(|one| one.rendition.end()).max().unwrap_or_default();
            let subtitles = subtitles(&self.captions, into.path(), (begun, begun.saturating_add(lasts)))?;
            Ok((slug.clone(), package::place((written, subtitles), &slug, title, key, &record, into)?))
        };
        films.map(film).collect()
    }
}

/// Writes the captions between two times into the package in `root`.
fn subtitles(
    captions: &[(Subtitles, Captions)],
    root: &Path,
    (from, to): (Duration, Duration),
) -> Result<Vec<Subtitle>, PackageError> {
    let mut all = Vec::new();
    for (of, captions) in captions {
        let Some(text) = captions.film(from, to) else { continue };
        let id = format!("t{}", all.len());
        let uri = format!("{id}/subs.vtt");
        let path = root.join(&uri);
        fs::create_dir_all(root.join(&id)).map_err(PackageError::write(&path))?;
        fs::write(&path, &text).map_err(PackageError::write(&path))?;
        let (language, name) = (of.language.clone(), of.name.clone());
        all.push(Subtitle { id, language, name, uri, duration: to - from, bytes: text.len() as u64 });
    }
    Ok(all)
}

/// A rendition of one film.
struct Line {
    id: String,
    init: Bytes,
    segments: Vec<u32>,
}

impl Line {
    /// When its first sample is decoded, on the stream's timeline.
    fn begin(&self, folder: &Path) -> Option<Duration> {
        let mut begun = None;
        self.samples(folder, &self.segments[..1], |track, sample| {
            begun.get_or_insert(cmaf::ticks_to_duration(sample.dts, track.timescale));
            Ok(())
        })
        .ok()?;
        begun
    }

    /// Cuts it into the package in `root`, whose time zero is `begun`.
    fn write(
        &self,
        folder: &Path,
        root: &Path,
        begun: Duration,
    ) -> Result<Option<package::Written>, PackageError> {
        let mut writer: Option<Writer> = None;
        self.samples(folder, &self.segments, |track, mut sample| {
            let shift = cmaf::duration_to_ticks(begun, track.timescale.into());
            sample.dts = sample.dts.saturating_sub(shift);
            if writer.is_none() {
                let name = match track.kind {
                    cmaf::Kind::Video => format!("{}p", track.height),
                    cmaf::Kind::Audio => self.id.clone(),
                };
                writer = Some(Writer::new(root, &self.id, &name, track.clone())?);
            }
            writer.as_mut().map_or(Ok(()), |writer| writer.push(sample))
        })?;
        writer.map_or(Ok(None), Writer::finish)
    }

    fn samples(
        &self,
        folder: &Path,
        segments: &[u32],
        mut each: impl FnMut(&Track, Sample) -> Result<(), PackageError>,
    ) -> Result<(), PackageError> {
        let broken = |reason: String| PackageError::Track { track: self.id.clone(), reason };
        let mut reader = FragmentReader::with_max_fragment(MAX_FRAGMENT);
        let mut track: Option<Track> = None;
        let mut take = |bytes: &[u8]| -> Result<(), PackageError> {
            for event in reader.push(bytes).map_err(|e| broken(e.to_string()))? {
                match event {
                    Event::Track(of) => track = Some(of),
                    Event::Sample(sample) => {
                        if let Some(track) = &track {
                            each(track, sample)?;
                        }
                    }
                }
            }
            Ok(())
        };
        take(&self.init)?;
        for sequence in segments {
            let path = disk::path(folder, &self.id, *sequence);
            match fs::read(&path) {
                Ok(bytes) => take(&bytes)?,
                // It could not be written, which was said then: the picture stands still meanwhile.
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a segment is missing in the film")
                }
            }
        }
        Ok(())
    }
}
