//! The movie header, as far as films and fragmented streams share it.

use crate::codec::{self, Codec};
use crate::read::{Boxes, Fields, FourCc, Malformed};
use crate::{Kind, Track, language};

/// Tracks in one file; more are not a film.
const MAX_TRACKS: usize = 256;
/// Entries of one edit list.
const MAX_EDITS: u32 = 1 << 16;

/// A `moov`, its sample tables still raw.
#[derive(Debug)]
pub(crate) struct Movie<'a> {
    /// Ticks per second of the edit durations.
    pub(crate) timescale: u32,
    pub(crate) tracks: Vec<Trak<'a>>,
    /// Whether fragments follow.
    pub(crate) fragmented: bool,
    pub(crate) defaults: Vec<Defaults>,
}

/// A `trak` of any kind.
#[derive(Debug)]
pub(crate) struct Trak<'a> {
    pub(crate) id: u32,
    pub(crate) handler: [u8; 4],
    pub(crate) timescale: u32,
    pub(crate) language: Option<String>,
    pub(crate) rotation: u16,
    pub(crate) edits: Vec<Edit>,
    pub(crate) stbl: Boxes<'a>,
}

/// What a track is to this crate.
#[derive(Debug)]
pub(crate) enum Content {
    /// H.264 or AAC.
    Track(Track),
    /// Video or audio of another codec, by its name.
    Foreign(Kind, String),
    /// Text, time codes, chapters.
    Neither,
}

/// One entry of an edit list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edit {
    /// In ticks of the movie.
    pub(crate) duration: u64,
    /// In ticks of the track; -1 shows nothing.
    pub(crate) media_time: i64,
    pub(crate) rate: u32,
}

/// A `trex`: what fragments need not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) track: u32,
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

/// A file's edits in the one form this crate plays: an optional delay, then one stretch of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stretch {
    /// Ticks of the track for which nothing is shown.
    pub(crate) delay: u64,
    /// Media time at which showing starts.
    pub(crate) from: u64,
    /// Media time at which it ends.
    pub(crate) to: Option<u64>,
}

impl<'a> Movie<'a> {
    /// Reads the payload of a `moov`.
    pub(crate) fn read(moov: &'a [u8]) -> Result<Self, Malformed> {
        let boxes = Boxes::new(b"moov", moov);
        let mut mvhd = Fields::new(b"mvhd", boxes.need(b"mvhd")?);
        let timescale = timescale(&mut mvhd)?;
        let mut movie = Self { timescale, tracks: Vec::new(), fragmented: false, defaults: Vec::new() };
        for found in boxes {
            let found = found?;
            match &found.kind {
                b"trak" if movie.tracks.len() >= MAX_TRACKS => {
                    return Err(Malformed::Limit(FourCc(*b"moov"), "too many tracks"));
                }
                b"trak" => movie.tracks.push(Trak::read(found.payload)?),
                b"mvex" => {
                    movie.fragmented = true;
                    for found in Boxes::new(b"mvex", found.payload).take(MAX_TRACKS) {
                        let found = found?;
                        if &found.kind == b"trex" {
                            movie.defaults.push(Defaults::read(found.payload)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(movie)
    }
}

/// Reads a version 0 or 1 header up to and including its timescale.
fn timescale(fields: &mut Fields<'_>) -> Result<u32, Malformed> {
    let (version, _) = fields.version_flags()?;
    fields.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = fields.u32()?;
    fields.skip(if version == 1 { 8 } else { 4 })?;
    if timescale == 0 { fields.bad("a timescale of zero") } else { Ok(timescale) }
}

impl<'a> Trak<'a> {
    fn read(trak: &'a [u8]) -> Result<Self, Malformed> {
        let boxes = Boxes::new(b"trak", trak);
        let mut tkhd = Fields::new(b"tkhd", boxes.need(b"tkhd")?);
        let (version, _) = tkhd.version_flags()?;
        tkhd.skip(if version == 1 { 16 } else { 8 })?;
        let id = tkhd.u32()?;
        tkhd.skip(if version == 1 { 12 } else { 8 } + 16)?;
        let [a, b, _, c, d] = [tkhd.i32()?, tkhd.i32()?, tkhd.i32()?, tkhd.i32()?, tkhd.i32()?];
        let rotation = match (a.signum(), b.signum(), c.signum(), d.signum()) {
            (0, 1, -1, 0) => 90,
            (-1, 0, 0, -1) => 180,
            (0, -1, 1, 0) => 270,
            _ => 0,
        };
        let edits = match boxes.find(b"edts")? {
            Some(edts) => Boxes::new(b"edts", edts).find(b"elst")?.map_or(Ok(Vec::new()), edits)?,
            None => Vec::new(),
        };

        let media = Boxes::new(b"mdia", boxes.need(b"mdia")?);
        let mut mdhd = Fields::new(b"mdhd", media.need(b"mdhd")?);
        let timescale = timescale(&mut mdhd)?;
        let packed = mdhd.u16()?;
        let mut hdlr = Fields::new(b"hdlr", media.need(b"hdlr")?);
        hdlr.skip(8)?;
        let handler = hdlr.array()?;
        let extended = media.find(b"elng")?.and_then(|elng| {
            let text = elng.get(4..)?.split(|&byte| byte == 0).next()?;
            language::from_code(std::str::from_utf8(text).ok()?)
        });
        let info = Boxes::new(b"minf", media.need(b"minf")?);
        Ok(Self {
            id,
            handler,
            timescale,
            language: extended.or_else(|| language::from_packed(packed)),
            rotation,
            edits,
            stbl: Boxes::new(b"stbl", info.need(b"stbl")?),
        })
    }

    /// Reads codec and geometry.
    pub(crate) fn content(&self) -> Result<Content, Malformed> {
        let kind = match &self.handler {
            b"vide" => Kind::Video,
            b"soun" => Kind::Audio,
            _ => return Ok(Content::Neither),
        };
        let mut track = Track { language: self.language.clone(), ..Track::blank(kind, self.timescale) };
        match (kind, codec::read(self.stbl.need(b"stsd")?)?) {
            (Kind::Video, Codec::Video { codec, entry, width, height }) => {
                (track.codec, track.sample_entry) = (codec, entry);
                (track.width, track.height, track.rotation) = (width, height, self.rotation);
            }
            (Kind::Audio, Codec::Audio { codec, entry, channels, sample_rate }) => {
                (track.codec, track.sample_entry) = (codec, entry);
                (track.channels, track.sample_rate) = (channels, sample_rate);
            }
            (_, Codec::Other(codec)) => return Ok(Content::Foreign(kind, codec)),
            _ => return Err(Malformed::Value(FourCc(*b"stsd"), "the codec does not fit the handler")),
        }
        Ok(Content::Track(track))
    }

    /// The edit list as one [`Stretch`]; `None` when it says more than that.
    pub(crate) fn stretch(&self, movie_timescale: u32) -> Option<Stretch> {
        let scaled = |duration: u64| {
            let ticks = u128::from(duration) * u128::from(self.timescale);
            u64::try_from((ticks + u128::from(movie_timescale / 2)) / u128::from(movie_timescale)).ok()
        };
        let mut stretch = Stretch::default();
        let mut delay = 0u64;
        let mut edits = self.edits.iter().peekable();
        while let Some(edit) = edits.next_if(|edit| edit.media_time < 0) {
            delay = delay.checked_add(edit.duration)?;
        }
        stretch.delay = scaled(delay)?;
        let Some(edit) = edits.next() else { return Some(stretch) };
        if edit.rate != 0x0001_0000 || edits.next().is_some() {
            return None;
        }
        stretch.from = u64::try_from(edit.media_time).ok()?;
        if edit.duration > 0 {
            stretch.to = Some(stretch.from.checked_add(scaled(edit.duration)?)?);
        }
        Some(stretch)
    }
}

fn edits(elst: &[u8]) -> Result<Vec<Edit>, Malformed> {
    let mut fields = Fields::new(b"elst", elst);
    let (version, _) = fields.version_flags()?;
    let count = fields.u32()?;
    if count > MAX_EDITS {
        return Err(Malformed::Limit(FourCc(*b"elst"), "too many edits"));
    }
    let mut edits = Vec::new();
    for _ in 0..count {
        let duration = fields.word(version)?;
        let media_time = if version == 1 { fields.u64()? as i64 } else { i64::from(fields.i32()?) };
        edits.push(Edit { duration, media_time, rate: fields.u32()? });
    }
    Ok(edits)
}

impl Defaults {
    fn read(trex: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(b"trex", trex);
        fields.version_flags()?;
        let track = fields.u32()?;
        fields.skip(4)?;
        Ok(Self { track, duration: fields.u32()?, size: fields.u32()?, flags: fields.u32()? })
    }
}
