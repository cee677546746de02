//! Reading progressive MP4 and QuickTime films with H.264 and AAC.
//!
//! [`Demuxer::open`] finds the `moov`, wherever it lies, and reads only that; samples are read one at a time, so a
//! film of many gigabytes costs no more memory than its sample tables. Fragmented files are refused with a name:
//! they are for [`crate::ingest`].
//!
//! The invariant: samples come out with edit lists applied. Presentation starts at zero, video delayed by B-frames
//! has negative offsets, audio carries its decoder delay as [`Track::priming`]. Tracks that a cut film starts in the
//! middle of a group of pictures start at the keyframe before, all together, so that sound and picture stay in step.

mod edits;
mod tables;

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::time::Duration;

use bytes::Bytes;

use crate::moov::{Content, Movie};
use crate::read::{FourCc, Malformed};
use crate::{Kind, Sample, Track, ticks_to_duration};
use edits::Timing;
use tables::{Tables, Walk};

/// The largest `moov` read: the tables of some hundred hours.
const MAX_MOOV: u64 = 256 << 20;
/// Boxes looked at in search of the `moov`.
const MAX_TOP_LEVEL: usize = 10_000;

/// Why a film cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source could not be read.
    #[error("cannot read the film: {0}")]
    Io(#[from] std::io::Error),
    /// It is some other kind of file.
    #[error("this is not an MP4 or QuickTime file")]
    NotMp4,
    /// The file ends before a `moov` was found: an upload or recording that did not finish.
    #[error("no 'moov' box: the file is incomplete, or a recording that was not finished")]
    NoMoov,
    /// It is a fragmented MP4.
    #[error("this MP4 is fragmented; rewrite it first: ffmpeg -i FILM -c copy FILM.mp4")]
    Fragmented,
    /// A box is malformed.
    #[error("the film is damaged: {0}")]
    Malformed(#[from] Malformed),
    /// All tracks of a kind use codecs this crate cannot package.
    #[error("{kind:?} codec {codec} is not supported, only H.264 and AAC: re-encode it")]
    Codec {
        /// Video or audio.
        kind: Kind,
        /// Name of the sample entry or the RFC 6381 string, such as `hvc1`, `ac-3` or `mp4a.6b`.
        codec: String,
    },
    /// Neither video nor audio is in it.
    #[error("the film holds neither video nor audio")]
    NoTracks,
    /// The edit list of a track does more than delay and trim.
    #[error("track {track} is cut together by an edit list; render it first: ffmpeg -i FILM FILM.mp4")]
    EditList {
        /// Its track id in the file.
        track: u32,
    },
    /// The film names a sample beyond its own end.
    #[error("a sample at byte {offset} lies beyond the end of the file: it is incomplete")]
    Incomplete {
        /// Where the sample starts, in bytes.
        offset: u64,
    },
}

/// A track of the film that is left out, because another of its kind can be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Video or audio.
    pub kind: Kind,
    /// Its codec, as in [`Error::Codec`].
    pub codec: String,
}

/// An opened film.
#[derive(Debug)]
pub struct Demuxer<R> {
    reader: R,
    moov: Vec<u8>,
    tracks: Vec<Track>,
    states: Vec<State>,
    skipped: Vec<Skipped>,
    duration: Duration,
}

#[derive(Debug)]
struct State {
    tables: Tables,
    timing: Timing,
    walk: Walk,
    given: u32,
}

impl<R: Read + Seek> Demuxer<R> {
    /// Finds and reads the `moov`.
    pub fn open(mut reader: R) -> Result<Self, Error> {
        let moov = read_moov(&mut reader)?;
        let movie = Movie::read(&moov)?;
        if movie.fragmented {
            return Err(Error::Fragmented);
        }
        let mut skipped = Vec::new();
        let mut tracks = Vec::new();
        let mut surveys = Vec::new();
        let mut room = tables::MAX_SAMPLES;
        for trak in &movie.tracks {
            let track = match trak.content()? {
                Content::Track(track) => track,
                Content::Foreign(kind, codec) => {
                    skipped.push(Skipped { kind, codec });
                    continue;
                }
                Content::Neither => continue,
            };
            let tables = Tables::find(&moov, &trak.stbl)?;
            if tables.count() == 0 {
                continue;
            }
            room = room
                .checked_sub(tables.count())
                .ok_or(Malformed::Limit(FourCc(*b"moov"), "too many samples"))?;
            let stretch = trak.stretch(movie.timescale).ok_or(Error::EditList { track: trak.id })?;
            if let Some(survey) = edits::survey(&moov, &track, &tables, stretch)? {
                tracks.push(track);
                surveys.push((tables, survey));
            }
        }
        for Skipped { kind, codec } in &skipped {
            if !tracks.iter().any(|t| t.kind == *kind) {
                return Err(Error::Codec { kind: *kind, codec: codec.clone() });
            }
        }
        if tracks.is_empty() {
            return Err(Error::NoTracks);
        }

        let timings = edits::settle(&surveys.iter().map(|(_, survey)| *survey).collect::<Vec<_>>());
        let mut states = Vec::new();
        let mut duration = Duration::ZERO;
        for ((track, (tables, survey)), timing) in tracks.iter_mut().zip(surveys).zip(timings) {
            track.priming = timing.priming;
            if track.kind == Kind::Video {
                track.frame_rate = survey.frame_rate(track.timescale);
            }
            duration = duration.max(ticks_to_duration(timing.end, track.timescale));
            let mut walk = tables.walk();
            for _ in 0..timing.first {
                walk.next(&moov, &tables)?;
            }
            states.push(State { tables, timing, walk, given: timing.first });
        }
        Ok(Self { reader, moov, tracks, states, skipped, duration })
    }

    /// The tracks that can be packaged, in the order of the file.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Video and audio tracks left out for their codec; there is another of their kind in [`Demuxer::tracks`].
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// How long the longest track plays.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The next sample of track number `track` of [`Demuxer::tracks`], in decode order; `None` after the last one,
    /// and for a track that is not there. Tracks may be read one after the other or in turns.
    pub fn next_sample(&mut self, track: usize) -> Result<Option<Sample>, Error> {
        let Some(state) = self.states.get_mut(track) else { return Ok(None) };
        if state.given >= state.timing.until {
            return Ok(None);
        }
        let Some(place) = state.walk.next(&self.moov, &state.tables)? else { return Ok(None) };
        state.given += 1;
        let data = read_at(&mut self.reader, place.offset, place.size)?;
        let (dts, cts_offset) = state.timing.apply(&place)?;
        Ok(Some(Sample { dts, cts_offset, duration: place.duration, sync: place.sync, data }))
    }
}

fn read_at<R: Read + Seek>(reader: &mut R, offset: u64, size: u32) -> Result<Bytes, Error> {
    reader.seek(SeekFrom::Start(offset))?;
    // Small samples take their room at once, large ones as their bytes turn out to be there.
    let mut data = Vec::with_capacity(size.min(1 << 20) as usize);
    reader.take(size.into()).read_to_end(&mut data)?;
    if data.len() < size as usize {
        return Err(Error::Incomplete { offset });
    }
    Ok(data.into())
}

/// Walks the boxes of the file up to the `moov` and reads its payload.
fn read_moov<R: Read + Seek>(reader: &mut R) -> Result<Vec<u8>, Error> {
    let mut at = 0u64;
    let mut fragments = false;
    for number in 0..MAX_TOP_LEVEL {
        reader.seek(SeekFrom::Start(at))?;
        let mut header = [0; 16];
        if !fill(reader, &mut header[..8])? {
            break;
        }
        let small = u32::from_be_bytes(header[..4].try_into().expect("four bytes"));
        let kind: [u8; 4] = header[4..8].try_into().expect("four bytes");
        if number == 0 && !FIRST.contains(&&kind) {
            return Err(Error::NotMp4);
        }
        let (size, header_len) = match small {
            0 => (u64::MAX - at, 8),
            1 if !fill(reader, &mut header[8..])? => break,
            1 => (u64::from_be_bytes(header[8..].try_into().expect("eight bytes")), 16),
            small => (u64::from(small), 8),
        };
        if size < header_len {
            return Err(Malformed::Size(FourCc(kind), size).into());
        }
        match &kind {
            b"moov" if small != 0 && size - header_len > MAX_MOOV => {
                return Err(Malformed::Limit(FourCc(kind), "larger than 256 MiB").into());
            }
            b"moov" => {
                let mut moov = Vec::new();
                reader.take((size - header_len).min(MAX_MOOV)).read_to_end(&mut moov)?;
                if small != 0 && (moov.len() as u64) < size - header_len {
                    return Err(Malformed::Truncated(FourCc(kind)).into());
                }
                return Ok(moov);
            }
            b"moof" => fragments = true,
            _ => {}
        }
        match at.checked_add(size) {
            Some(next) if small != 0 => at = next,
            _ => break,
        }
    }
    Err(if fragments { Error::Fragmented } else { Error::NoMoov })
}

/// What the first box of a film may be.
const FIRST: [&[u8; 4]; 10] =
    [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp", b"moof"];

/// Whether all of `buffer` could be read; the end of the file is no error.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<bool, Error> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads all of `film` and throws it away: an entry for fuzzers. Whatever the bytes are, it returns.
pub fn fuzz(film: &[u8]) {
    let Ok(mut demuxer) = Demuxer::open(std::io::Cursor::new(film)) else { return };
    for track in 0..demuxer.tracks().len() {
        // Zero-sized samples cost nothing in the file, so a count alone must not decide how long this runs.
        for _ in 0..10_000 {
            if !matches!(demuxer.next_sample(track), Ok(Some(_))) {
                break;
            }
        }
    }
}
