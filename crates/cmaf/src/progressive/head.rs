//! The head of the file: `ftyp`, one `moov` out of several, and a `sidx` for each track.
//!
//! The `sidx` of a track names its own segments and counts what lies between two of them to the one before. So a player that
//! takes the index of one track for the file's finds every byte in it, and one that seeks in each track by itself
//! (libavformat) lands on exactly the segment it needs. That of the pictures comes first, as its segments do, for a player that
//! uses only one (VLC).
//!
//! The invariant: what is written depends on checked values only, and its size on the sizes of the inits and the number of
//! segments.

use super::{Error, MAX_INIT, SegmentSpan};
use crate::moov::Movie;
use crate::read::{Boxes, FourCc, Malformed};
use crate::write::{boxed, full, put_u16, put_u32, put_u64};

/// What a reference's size must stay below: it has 31 bits.
const MAX_REFERENCE: u64 = 1 << 31;

/// An init segment of one track.
pub(super) struct Init<'a> {
    /// Its track's id.
    pub(super) id: u32,
    /// Ticks per second of its track.
    pub(super) timescale: u32,
    /// Ticks per second of its movie.
    movie_timescale: u32,
    mvhd: &'a [u8],
    trak: &'a [u8],
    trex: &'a [u8],
}

/// One entry of a `sidx`.
pub(super) struct Reference {
    /// Bytes from this segment's first to that of the track's next one.
    size: u32,
    /// Ticks of the track.
    duration: u32,
}

/// What the `sidx` of a track says.
pub(super) struct Index {
    timescale: u32,
    /// Position of the track's first segment, from the end of the head.
    first: u64,
    references: Vec<Reference>,
}

impl Index {
    /// Bytes of the box that [`sidx`] writes.
    fn len(&self) -> u64 {
        8 + 4 + 8 + 16 + 4 + 12 * self.references.len() as u64
    }
}

impl<'a> Init<'a> {
    /// Reads the init segment of track `track`.
    pub(super) fn read(track: usize, bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_INIT {
            return Err(Malformed::Limit(FourCc(*b"moov"), "too large an init segment").into());
        }
        let moov = Boxes::new(b"file", bytes).need(b"moov")?;
        let movie = Movie::read(moov)?;
        let [trak] = &movie.tracks[..] else { return Err(Error::Init(track)) };
        if !matches!(&trak.handler, b"vide" | b"soun") {
            return Err(Error::Init(track));
        }
        let boxes = Boxes::new(b"moov", moov);
        let init = Self {
            id: trak.id,
            timescale: trak.timescale,
            movie_timescale: movie.timescale,
            mvhd: boxes.need(b"mvhd")?,
            trak: boxes.need(b"trak")?,
            trex: trex(boxes.need(b"mvex")?, trak.id)?,
        };
        // The file has the first track's movie header.
        if track > 0 && trak.edits.iter().any(|edit| edit.duration > 0) {
            return Err(Error::EditList(track));
        }
        Ok(init)
    }

    /// Its `trak`, with another id.
    fn put_trak(&self, out: &mut Vec<u8>, id: u32) {
        boxed(out, b"trak", |out| {
            // The whole was read before, so the walk has no errors.
            for found in Boxes::new(b"trak", self.trak).flatten() {
                boxed(out, &found.kind, |out| match (&found.kind, found.payload.first()) {
                    (b"tkhd", Some(1)) => put_patched(out, found.payload, 20, id),
                    (b"tkhd", _) => put_patched(out, found.payload, 12, id),
                    _ => out.extend_from_slice(found.payload),
                });
            }
        });
    }
}

/// The payload of the `trex` of this track.
fn trex(mvex: &[u8], id: u32) -> Result<&[u8], Malformed> {
    for found in Boxes::new(b"mvex", mvex) {
        let found = found?;
        if &found.kind == b"trex" && found.payload.get(4..8) == Some(&id.to_be_bytes()) {
            return Ok(found.payload);
        }
    }
    Err(Malformed::Missing { parent: FourCc(*b"mvex"), child: FourCc(*b"trex") })
}

/// The index of track `track`, whose segments lie at `starts`; the file ends at `end`, both from the end of the head.
pub(super) fn references(
    track: usize,
    timescale: u32,
    spans: &[SegmentSpan],
    starts: &[u64],
    end: u64,
) -> Result<Index, Error> {
    let ticks = |ms: u64| u128::from(ms) * u128::from(timescale) / 1000;
    let (mut passed_ms, mut from) = (0u64, 0);
    let mut references = Vec::with_capacity(spans.len());
    for (at, span) in spans.iter().enumerate() {
        let sequence = at as u32 + 1;
        // Both ends are rounded, not the length: so errors do not add up.
        passed_ms += u64::from(span.duration_ms);
        let last = at + 1 == spans.len();
        let to = ticks(passed_ms);
        let duration = u32::try_from(to - from).map_err(|_| Error::SegmentDuration { track, sequence })?;
        from = to;
        let reach = starts.get(at + 1).copied().unwrap_or(end) - starts[at];
        let size = match (reach < MAX_REFERENCE, last) {
            (true, _) => reach,
            // The other track goes on for long: its own index reaches to the end.
            (false, true) => span.size.into(),
            (false, false) => return Err(Error::SegmentSize { track, sequence }),
        };
        let size = u32::try_from(size).ok().filter(|&size| u64::from(size) < MAX_REFERENCE);
        references.push(Reference { size: size.ok_or(Error::SegmentSize { track, sequence })?, duration });
    }
    Ok(Index { timescale, first: starts[0], references })
}

/// The head of a file of these tracks that plays for `duration_ms`.
pub(super) fn write(inits: &[Init<'_>], duration_ms: u64, indices: &[Index]) -> Vec<u8> {
    let indices_len: u64 = indices.iter().map(Index::len).sum();
    let traks: usize = inits.iter().map(|init| init.trak.len()).sum();
    let mut out = Vec::with_capacity(traks + indices_len as usize + 512);
    boxed(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6");
        put_u32(out, 0);
        out.extend_from_slice(b"iso6mp41");
    });
    let movie_timescale = inits.first().map_or(1, |init| init.movie_timescale);
    boxed(&mut out, b"moov", |out| {
        if let Some(first) = inits.first() {
            boxed(out, b"mvhd", |out| {
                // The next track's id stands last.
                put_patched(out, first.mvhd, first.mvhd.len().saturating_sub(4), inits.len() as u32 + 1);
            });
        }
        for (at, init) in inits.iter().enumerate() {
            init.put_trak(out, at as u32 + 1);
        }
        boxed(out, b"mvex", |out| {
            full(out, b"mehd", 1, 0, |out| {
                let ticks = u128::from(duration_ms) * u128::from(movie_timescale) / 1000;
                put_u64(out, u64::try_from(ticks).unwrap_or(u64::MAX));
            });
            for (at, init) in inits.iter().enumerate() {
                boxed(out, b"trex", |out| put_patched(out, init.trex, 4, at as u32 + 1));
            }
        });
    });
    let mut rest = indices_len;
    for (at, index) in indices.iter().enumerate() {
        rest -= index.len();
        sidx(&mut out, at as u32 + 1, index, rest);
    }
    out
}

/// Writes the `sidx` of the track with this id; `rest` bytes of the head follow it.
fn sidx(out: &mut Vec<u8>, id: u32, index: &Index, rest: u64) {
    /// Starts with a picture that stands alone, and so does all after it.
    const STARTS_ALONE: u32 = 0x9000_0000;
    full(out, b"sidx", 1, 0, |out| {
        put_u32(out, id);
        put_u32(out, index.timescale);
        put_u64(out, 0);
        put_u64(out, rest + index.first);
        put_u16(out, 0);
        // At most MAX_SEGMENTS.
        put_u16(out, index.references.len() as u16);
        for reference in &index.references {
            put_u32(out, reference.size);
            put_u32(out, reference.duration);
            put_u32(out, STARTS_ALONE);
        }
    });
}

/// Copies `bytes` with the four at `at` replaced, where there are as many.
fn put_patched(out: &mut Vec<u8>, bytes: &[u8], at: usize, value: u32) {
    let start = out.len();
    out.extend_from_slice(bytes);
    if let Some(field) = out.get_mut(start + at..start + at + 4) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
