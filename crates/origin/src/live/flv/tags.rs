//! Tags to tracks and samples.
//!
//! Pictures keep the publisher's milliseconds. Sound is counted in samples, for a frame of AAC is no whole number of milliseconds:
//! a publisher's rounding is not passed on, and where its clock really moves the count follows.

use super::Tag;
use bytes::{Buf, Bytes};
use cmaf::{Kind, Malformed, Sample, Track};
use h264_reader::nal::sps::{ChromaFormat, SeqParameterSet};
use h264_reader::rbsp::{BitReader, ByteReader};
use thiserror::Error;

/// The number of the video track, and of the audio track.
pub(crate) const VIDEO_TRACK: u8 = 0;
pub(crate) const AUDIO_TRACK: u8 = 1;

/// Ticks per second of video tracks: FLV's own.
const VIDEO_SCALE: u32 = 1000;

/// A clock that leaps further than this was set anew.
const MAX_LEAP_MS: i64 = 10_000;

/// Sound further than this from its count is put where its timestamp says.
const MAX_DRIFT_MS: u64 = 60;

/// Why a publisher's tags cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagError {
    /// Not even the header is FLV's.
    #[error("this is no FLV")]
    NotFlv,
    /// No such type of tag.
    #[error("a tag of the unknown type {0}")]
    Kind(u8),
    /// A tag of this many bytes.
    #[error("a tag of {0} bytes")]
    TooLarge(usize),
    /// A tag that ends within its header.
    #[error("a tag that is too short")]
    Short,
    /// Another codec than H.264 and AAC.
    #[error("{0} is not supported: set the encoder to H.264 and AAC")]
    Codec(&'static str),
    /// The decoder configuration is damaged.
    #[error("the decoder configuration is damaged: {0}")]
    Config(#[from] Malformed),
    /// The sequence parameter set in the configuration says no size.
    #[error("the picture's size is not in the decoder configuration")]
    Size,
    /// Timestamps leapt by so many milliseconds.
    #[error("timestamps leap by {0} ms")]
    Leap(i64),
}

/// What the tags say next, with the number of the track: 0 is video, 1 is audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// A track, or another configuration of it.
    Track(u8, Track),
    /// The next sample of a track, in decode order.
    Sample(u8, Sample),
}

/// Takes the tags of one publisher.
#[derive(Debug, Default)]
pub struct TagReader {
    clock: Option<i64>,
    frame_rate: Option<(u32, u32)>,
    video: Option<Bytes>,
    /// A picture's duration is known when the next one comes.
    held: Option<Sample>,
    /// Where the next picture may begin.
    video_from: u64,
    audio: Option<Sound>,
}

#[derive(Debug)]
struct Sound {
    config: Bytes,
    rate: u32,
    frame: u32,
    next: Option<u64>,
}

impl TagReader {
    /// What the publisher says of its frame rate.
    pub fn set_frame_rate(&mut self, frames_per_second: f64) {
        if (1.0..=240.0).contains(&frames_per_second) {
            let thousandths = (frames_per_second * 1000.0).round() as u32;
            let exact = [(24000, 1001), (30000, 1001), (60000, 1001)]
                .into_iter()
                .find(|&(n, d)| (f64::from(n) / f64::from(d) - frames_per_second).abs() < 0.005);
            self.frame_rate = exact.or(match thousandths % 1000 {
                0 => Some((thousandths / 1000, 1)),
                _ => Some((thousandths, 1000)),
            });
        }
    }

    /// Takes the next tag and gives what it completes, at most two.
    pub fn tag(&mut self, tag: Tag) -> Result<Vec<Media>, TagError> {
        match tag {
            Tag::Video { timestamp_ms, body } => self.video(timestamp_ms, body),
            Tag::Audio { timestamp_ms, body } => self.audio(timestamp_ms, body),
        }
    }

    /// What is still held when nothing more comes.
    pub fn flush(&mut self) -> Option<Media> {
        self.held.take().map(|sample| Media::Sample(VIDEO_TRACK, sample))
    }

    fn video(&mut self, timestamp_ms: u32, mut body: Bytes) -> Result<Vec<Media>, TagError> {
        let Some(first) = take(&mut body) else { return Ok(Vec::new()) };
        let (key, packet, offset);
        if first & 0x80 != 0 {
            // The enhanced form: the packet type where the codec was, and a name of four letters.
            (key, packet) = (first >> 4 & 7 == 1, first & 15);
            let name = body.first_chunk::<4>().ok_or(TagError::Short)?;
            if name != b"avc1" {
                return Err(TagError::Codec(foreign(name)));
            }
            body.advance(4);
            offset = packet == 1;
        } else {
            (key, packet) = (first >> 4 == 1, take(&mut body).ok_or(TagError::Short)?);
            match (first >> 4, first & 15) {
                (5, _) => return Ok(Vec::new()), // a command to old players
                (_, 7) => offset = true,
                (_, 12) => return Err(TagError::Codec("HEVC")),
                _ => return Err(TagError::Codec("this video codec")),
            }
        }
        let mut cts_offset = 0;
        if offset {
            let &[c0, c1, c2] = body.first_chunk::<3>().ok_or(TagError::Short)?;
            cts_offset = i32::from_be_bytes([c0, c1, c2, 0]) >> 8;
            body.advance(3);
        }
        match packet {
            0 => self.picture_config(body),
            1 | 3 => self.picture(timestamp_ms, cts_offset, key, body),
            _ => Ok(Vec::new()),
        }
    }

    fn picture_config(&mut self, avcc: Bytes) -> Result<Vec<Media>, TagError> {
        if avcc.is_empty() || self.video.as_ref() == Some(&avcc) {
            return Ok(Vec::new()); // some encoders repeat it with every keyframe, and some send none at first
        }
        let (width, height) = picture_size(&avcc).ok_or(TagError::Size)?;
        let mut track = Track::h264(&avcc, width, height, VIDEO_SCALE)?;
        track.frame_rate = self.frame_rate;
        self.video = Some(avcc);
        let last = self.flush();
        Ok(last.into_iter().chain([Media::Track(VIDEO_TRACK, track)]).collect())
    }

    fn picture(
        &mut self,
        timestamp_ms: u32,
        cts_offset: i32,
        sync: bool,
        data: Bytes,
    ) -> Result<Vec<Media>, TagError> {
        let time = self.time(timestamp_ms)?;
        if self.video.is_none() || data.is_empty() {
            return Ok(Vec::new());
        }
        // Two pictures may share a millisecond: the later one is decoded one later, and shown when it should.
        let dts = time.max(self.video_from);
        let moved = i32::try_from(dts - time).unwrap_or(0);
        let cts_offset = cts_offset.saturating_sub(moved);
        let last = self.held.take().map(|mut last| {
            last.duration = u32::try_from(dts - last.dts).unwrap_or(1);
            last
        });
        let duration = last.as_ref().map_or(VIDEO_SCALE / 30, |last| last.duration);
        self.video_from = dts + 1;
        self.held = Some(Sample { dts, cts_offset, duration, sync, data });
        Ok(last.map(|last| Media::Sample(VIDEO_TRACK, last)).into_iter().collect())
    }

    fn audio(&mut self, timestamp_ms: u32, mut body: Bytes) -> Result<Vec<Media>, TagError> {
        let Some(first) = take(&mut body) else { return Ok(Vec::new()) };
        let packet = match first >> 4 {
            10 => take(&mut body).ok_or(TagError::Short)?,
            9 => {
                let name = body.first_chunk::<4>().ok_or(TagError::Short)?;
                if name != b"mp4a" {
                    return Err(TagError::Codec(foreign(name)));
                }
                body.advance(4);
                first & 15
            }
            2 | 14 => return Err(TagError::Codec("MP3")),
            _ => return Err(TagError::Codec("this audio codec")),
        };
        match packet {
            0 => self.sound_config(body),
            1 => self.sound(timestamp_ms, body),
            _ => Ok(Vec::new()),
        }
    }

    fn sound_config(&mut self, config: Bytes) -> Result<Vec<Media>, TagError> {
        // ffmpeg sends none before it knows, and it later.
        if config.is_empty() || self.audio.as_ref().is_some_and(|sound| sound.config == config) {
            return Ok(Vec::new());
        }
        let track = Track::aac(&config)?;
        // With spectral band replication a frame gives twice the samples, at twice the rate.
        let frame = if track.codec == "mp4a.40.2" { 1024 } else { 2048 };
        let rate = track.timescale;
        // What went before stays before.
        let next =
            self.audio.take().and_then(|old| Some(old.next? * u64::from(rate) / u64::from(old.rate) + 1));
        self.audio = Some(Sound { config, rate, frame, next });
        Ok(vec![Media::Track(AUDIO_TRACK, track)])
    }

    fn sound(&mut self, timestamp_ms: u32, data: Bytes) -> Result<Vec<Media>, TagError> {
        let time = self.time(timestamp_ms)?;
        let Some(sound) = &mut self.audio else { return Ok(Vec::new()) };
        if data.is_empty() {
            return Ok(Vec::new());
        }
        let said = time * u64::from(sound.rate) / 1000;
        let drift = MAX_DRIFT_MS * u64::from(sound.rate) / 1000;
        let dts = match sound.next {
            None => said,
            Some(next) if said.abs_diff(next) <= drift => next,
            Some(next) if said > next => said,
            Some(_) => return Ok(Vec::new()), // sound for a time that has had its sound
        };
        sound.next = Some(dts + u64::from(sound.frame));
        let sample = Sample { dts, cts_offset: 0, duration: sound.frame, sync: true, data };
        Ok(vec![Media::Sample(AUDIO_TRACK, sample)])
    }

    /// The publisher's clock without its wraps, which never falls below zero.
    fn time(&mut self, timestamp_ms: u32) -> Result<u64, TagError> {
        let time = match self.clock {
            // Some room below, for what comes first need not be the earliest.
            None => i64::from(timestamp_ms) + MAX_LEAP_MS,
            Some(last) => {
                let leap = i64::from(timestamp_ms.wrapping_sub((last - MAX_LEAP_MS) as u32) as i32);
                if leap.abs() > MAX_LEAP_MS {
                    return Err(TagError::Leap(leap));
                }
                last + leap
            }
        };
        self.clock = Some(time);
        Ok(u64::try_from(time).unwrap_or(0))
    }
}

impl Media {
    /// Video or audio, by the number of the track.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Track(track, _) | Self::Sample(track, _) if *track == VIDEO_TRACK => Kind::Video,
            _ => Kind::Audio,
        }
    }
}

fn take(body: &mut Bytes) -> Option<u8> {
    (!body.is_empty()).then(|| body.get_u8())
}

/// Names worth a hint; a publisher's own bytes are not repeated.
fn foreign(name: &[u8; 4]) -> &'static str {
    match name {
        b"hvc1" => "HEVC",
        b"av01" => "AV1",
        b"vp09" => "VP9",
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        _ => "this codec",
    }
}

/// Chroma format, and bits above eight of luma and colour, out of a sequence parameter set.
pub(in crate::live) fn chroma(sps: &[u8]) -> Option<[u8; 3]> {
    let bits = BitReader::new(ByteReader::skipping_h264_header(sps));
    let info = SeqParameterSet::from_bits(bits).ok()?.chroma_info;
    let format = match info.chroma_format {
        ChromaFormat::Monochrome => 0,
        ChromaFormat::YUV420 => 1,
        ChromaFormat::YUV422 => 2,
        ChromaFormat::YUV444 => 3,
        ChromaFormat::Invalid(_) => return None,
    };
    Some([format, info.bit_depth_luma_minus8 & 7, info.bit_depth_chroma_minus8 & 7])
}

/// Width and height out of the first sequence parameter set of an `avcC`.
pub(in crate::live) fn picture_size(avcc: &[u8]) -> Option<(u16, u16)> {
    let len = usize::from(u16::from_be_bytes(*avcc.get(6..)?.first_chunk::<2>()?));
    let sps = avcc.get(8..8 + len)?;
    let bits = BitReader::new(ByteReader::skipping_h264_header(sps));
    let (width, height) = SeqParameterSet::from_bits(bits).ok()?.pixel_dimensions().ok()?;
    let side = |pixels: u32| u16::try_from(pixels).ok().filter(|&side| (16..=8192).contains(&side));
    Some((side(width)?, side(height)?))
}
