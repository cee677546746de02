//! Reading the fragmented MP4 an encoder sends, while it arrives.
//!
//! Meant for what `ffmpeg -f mp4 -use_editlist 1 -movflags
//! +cmaf+frag_keyframe+empty_moov+default_base_moof+skip_sidx+skip_trailer+delay_moov` writes, one track in each
//! stream, but any fragmented MP4 of that kind will do: `moov`, then `moof` and `mdat` in turns. Without
//! `-use_editlist 1` ffmpeg leaves out the decoder delay of AAC, and sound comes 21 ms late.
//!
//! The invariant: memory is bounded by one fragment, and that by [`MAX_FRAGMENT`] or less; boxes that are not needed are
//! never buffered. Edit lists are applied as in [`crate::demux`].

use bytes::{Buf, Bytes, BytesMut};

use crate::fragment::{Planned, Traf};
use crate::moov::{Content, Defaults, Movie, Trak};
use crate::read::{FourCc, Malformed};
use crate::{Kind, Sample, Track, track};

/// Bytes of one `mdat`.
pub const MAX_FRAGMENT: u64 = 256 << 20;
/// Bytes of a `moov` or `moof`.
const MAX_HEADER: u64 = 8 << 20;

/// Why a stream cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A box is malformed.
    #[error("the stream is damaged: {0}")]
    Malformed(#[from] Malformed),
    /// The stream does not start as an MP4.
    #[error("this is not a fragmented MP4 stream")]
    NotMp4,
    /// Fragments came before the `moov`.
    #[error("a fragment came before the 'moov'")]
    NoMoov,
    /// There is not exactly one track, or none of the kind that is wanted.
    #[error("the stream holds {0} tracks; send each track in a stream of its own")]
    Tracks(usize),
    /// The track's codec is not H.264 or AAC.
    #[error("{kind:?} codec {codec} is not supported, only H.264 and AAC")]
    Codec {
        /// Video or audio.
        kind: Kind,
        /// Its name, as in [`crate::demux::Error::Codec`].
        codec: String,
    },
    /// The edit list does more than delay and trim the start.
    #[error("the stream's edit list is not supported")]
    EditList,
    /// The `moov` holds samples itself.
    #[error("the stream is not fragmented")]
    NotFragmented,
    /// The stream ended inside a box.
    #[error("the stream ended in the middle of a fragment")]
    Incomplete,
    /// It went on after an error.
    #[error("the stream failed before")]
    Failed,
}

/// What the stream says next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The track; comes once, before the first sample.
    Track(Track),
    /// The next sample in decode order.
    Sample(Sample),
}

/// Takes the bytes of one stream in pieces of any size.
#[derive(Debug)]
pub struct FragmentReader {
    max_fragment: u64,
    /// Which track is read; `None` where there must be just one.
    kind: Option<Kind>,
    buffer: BytesMut,
    /// Stream position of the first byte in `buffer`.
    at: u64,
    /// Bytes of a box of no interest that are still to come.
    skip: u64,
    stream: Option<Stream>,
    /// Samples of a `moof` whose `mdat` is still to come.
    fragment: Option<Vec<Planned>>,
    failed: bool,
}

#[derive(Debug)]
struct Stream {
    track: Track,
    announced: bool,
    id: u32,
    defaults: Vec<Defaults>,
    dts_shift: i128,
    cts_shift: i128,
    next_dts: u64,
}

impl Default for FragmentReader {
    fn default() -> Self {
        Self::new()
    }
}

impl FragmentReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::with_max_fragment(MAX_FRAGMENT)
    }

    /// A reader that takes at most `bytes`, and at most [`MAX_FRAGMENT`], in one `mdat`.
    pub fn with_max_fragment(bytes: u64) -> Self {
        Self {
            max_fragment: bytes.min(MAX_FRAGMENT),
            kind: None,
            buffer: BytesMut::new(),
            at: 0,
            skip: 0,
            stream: None,
            fragment: None,
            failed: false,
        }
    }

    /// A reader of the first track of a kind, whichever others are beside it. It takes at most `max_fragment` bytes, and at most
    /// [`MAX_FRAGMENT`], in one `mdat`.
    pub fn of_kind(kind: Kind, max_fragment: u64) -> Self {
        Self { kind: Some(kind), ..Self::with_max_fragment(max_fragment) }
    }

    /// Whether the `moov` has come.
    pub fn is_ready(&self) -> bool {
        self.stream.is_some()
    }

    /// Takes the next bytes and gives what they complete. After an error the reader takes nothing more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        let mut events = Vec::new();
        let result = self.advance(bytes, &mut events);
        self.failed = result.is_err();
        result.map(|()| events)
    }

    /// Says whether the stream ended where it may.
    pub fn finish(&self) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        if self.buffer.is_empty() && self.skip == 0 && self.fragment.is_none() {
            Ok(())
        } else {
            Err(Error::Incomplete)
        }
    }

    fn advance(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), Error> {
        loop {
            if self.skip > 0 {
                let part = self.skip.min(bytes.len() as u64);
                // At most `bytes.len()`.
                bytes = &bytes[part as usize..];
                self.skip -= part;
                self.at = self.at.saturating_add(part);
                if self.skip > 0 {
                    return Ok(());
                }
            }
            self.buffer.extend_from_slice(bytes);
            bytes = &[];
            let Some((kind, header, size)) = self.header()? else { return Ok(()) };
            if self.at == 0 && !matches!(&kind, b"ftyp" | b"styp" | b"moov" | b"free") {
                return Err(Error::NotMp4);
            }
            let limit = match &kind {
                b"moov" | b"moof" => MAX_HEADER,
                b"mdat" => self.max_fragment,
                _ => {
                    let held = size.min(self.buffer.len() as u64);
                    self.consume(held);
                    self.skip = size - held;
                    continue;
                }
            };
            if size > limit {
                return Err(Malformed::Limit(FourCc(kind), "too large for a live stream").into());
            }
            if (self.buffer.len() as u64) < size {
                return Ok(());
            }
            let start = self.at;
            // Bounded by `limit`, and all there.
            let whole = self.buffer.split_to(size as usize).freeze();
            self.at = self.at.saturating_add(size);
            let payload = whole.slice(header..);
            match &kind {
                b"moov" => self.moov(&payload)?,
                b"moof" => self.moof(start, &payload, events)?,
                _ => self.mdat(start + header as u64, payload, events)?,
            }
        }
    }

    /// Type, header length and size of the box at the start of the buffer, once its header is there.
    fn header(&self) -> Result<Option<([u8; 4], usize, u64)>, Malformed> {
        let Some(&[a, b, c, d, k0, k1, k2, k3]) = self.buffer.first_chunk::<8>() else { return Ok(None) };
        let kind = [k0, k1, k2, k3];
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            1 => match self.buffer.get(8..).and_then(|rest| rest.first_chunk::<8>()) {
                Some(size) => (16, u64::from_be_bytes(*size)),
                None => return Ok(None),
            },
            size => (8, u64::from(size)),
        };
        if size < header as u64 {
            return Err(Malformed::Size(FourCc(kind), size));
        }
        Ok(Some((kind, header, size)))
    }

    fn consume(&mut self, len: u64) {
        // Callers pass at most what is buffered.
        self.buffer.advance(len as usize);
        self.at = self.at.saturating_add(len);
    }

    fn moov(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.stream.is_some() {
            // Some encoders repeat it; the first one counts.
            return Ok(());
        }
        let movie = Movie::read(payload)?;
        if !movie.fragmented {
            return Err(Error::NotFragmented);
        }
        let (trak, mut track) = self.choose(&movie)?;
        let stretch = trak.stretch(movie.timescale).ok_or(Error::EditList)?;
        let offset = i128::from(stretch.delay) - i128::from(stretch.from);
        let (mut dts_shift, mut cts_shift) = (0, 0);
        match track.kind {
            _ if offset >= 0 => dts_shift = offset,
            Kind::Video => cts_shift = offset,
            Kind::Audio => track.priming = u64::try_from(-offset).unwrap_or(u64::MAX),
        }
        let id = trak.id;
        let defaults = movie.defaults;
        let stream = Stream { track, announced: false, id, defaults, dts_shift, cts_shift, next_dts: 0 };
        self.stream = Some(stream);
        Ok(())
    }

    /// The track that is read.
    fn choose<'a, 'b>(&self, movie: &'a Movie<'b>) -> Result<(&'a Trak<'b>, Track), Error> {
        if self.kind.is_none() && movie.tracks.len() != 1 {
            return Err(Error::Tracks(movie.tracks.len()));
        }
        let is_wanted = |kind| self.kind.is_none_or(|wanted| wanted == kind);
        let mut foreign = None;
        for trak in &movie.tracks {
            match trak.content()? {
                Content::Track(track) if is_wanted(track.kind) => return Ok((trak, track)),
                Content::Foreign(kind, codec) if is_wanted(kind) => {
                    foreign.get_or_insert(Error::Codec { kind, codec });
                }
                _ => {}
            }
        }
        Err(foreign.unwrap_or(Error::Tracks(0)))
    }

    fn moof(&mut self, start: u64, payload: &[u8], events: &mut Vec<Event>) -> Result<(), Error> {
        let stream = self.stream.as_mut().ok_or(Error::NoMoov)?;
        let mut samples = Vec::new();
        for traf in Traf::read_all(start, payload, &stream.defaults, stream.next_dts)? {
            if traf.track == stream.id {
                samples.extend(traf.samples);
            }
        }
        if let Some(last) = samples.last() {
            stream.next_dts = last.dts.saturating_add(last.duration.into());
        }
        if !stream.announced && !samples.is_empty() {
            stream.announced = true;
            if stream.track.kind == Kind::Video {
                let ticks = samples.iter().map(|s| u64::from(s.duration)).sum();
                // Bounded by what a fragment may list.
                let count = samples.len() as u32;
                let usual = samples[samples.len() / 2].duration;
                stream.track.frame_rate = track::frame_rate(stream.track.timescale, usual, ticks, count);
            }
            events.push(Event::Track(stream.track.clone()));
        }
        self.fragment = Some(samples);
        Ok(())
    }

    fn mdat(&mut self, start: u64, payload: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        let (Some(stream), Some(samples)) = (&self.stream, self.fragment.take()) else {
            // Media nobody announced.
            return Ok(());
        };
        for planned in samples {
            let outside = Malformed::Value(FourCc(*b"trun"), "a sample lies outside its 'mdat'");
            let from = planned.at.checked_sub(start).ok_or(outside.clone())?;
            let to = from.checked_add(planned.size.into()).filter(|&to| to <= payload.len() as u64);
            let to = to.ok_or(outside)?;
            let (dts, cts_offset) = stream.shift(&planned)?;
            events.push(Event::Sample(Sample {
                dts,
                cts_offset,
                duration: planned.duration,
                sync: planned.sync || stream.track.kind == Kind::Audio,
                data: payload.slice(from as usize..to as usize),
            }));
        }
        Ok(())
    }
}

impl Stream {
    fn shift(&self, planned: &Planned) -> Result<(u64, i32), Malformed> {
        let dts = u64::try_from(i128::from(planned.dts) + self.dts_shift);
        let cts = i32::try_from(i128::from(planned.cts_offset) + self.cts_shift);
        match (dts, cts) {
            (Ok(dts), Ok(cts)) => Ok((dts, cts)),
            _ => Err(Malformed::Value(FourCc(*b"tfdt"), "times leave their range")),
        }
    }
}

/// Feeds `stream` in two pieces, then in small ones, and throws the result away: an entry for fuzzers. Whatever
/// the bytes are, it returns.
pub fn fuzz(stream: &[u8]) {
    for step in [stream.len() / 2 + 1, 7] {
        let mut reader = FragmentReader::new();
        for part in stream.chunks(step) {
            if reader.push(part).is_err() {
                break;
            }
        }
        // Either verdict is right.
        let _ = reader.finish();
    }
}
