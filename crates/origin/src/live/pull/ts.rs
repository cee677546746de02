//! MPEG-TS segments (ISO/IEC 13818-1) with H.264 and AAC as samples of MP4.
//!
//! The invariant: of a segment that is held whole, each byte is copied a few times at most; numbers that are read only choose what
//! is looked at next. Times go on from segment to segment, also where their 33 bits begin anew.

use super::demux::Taken;
use super::listing::Wanted;
use super::source::Unusable;
use crate::live::annexb::{ParameterSets, split};
use crate::live::flv::picture_size;
use bytes::Bytes;
use cmaf::ingest::Error;
use cmaf::{Kind, Sample, Track};

/// Bytes of a packet, and what each begins with.
const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Ticks a second of all times.
const CLOCK: u32 = 90_000;
/// Times have so many bits.
const BITS: u32 = 33;
/// Stream types (table 2-34).
const H264: u8 = 0x1b;
const AAC: u8 = 0x0f;
/// Sounds by their sampling frequency index (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
/// Frames of sound have so many samples.
const SAMPLES: u32 = 1024;

/// Reads segments one after the other.
#[derive(Debug)]
pub(super) struct Reader {
    wanted: Wanted,
    /// The last time of any track, as it goes on.
    last: Option<u64>,
    sets: ParameterSets,
    video: Option<Track>,
    audio: Option<Track>,
    /// The configuration of the sound, and when its next frame is, in its samples.
    sound: Option<([u8; 2], u64)>,
}

/// What a program has.
#[derive(Debug, Default)]
struct Program {
    video: Option<u16>,
    audio: Option<u16>,
    other: Option<(Kind, u8)>,
}

/// The payload of one PES packet, and its times.
#[derive(Debug)]
struct Unit {
    pts: u64,
    dts: u64,
    data: Vec<u8>,
}

impl Reader {
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, last: None, sets: ParameterSets::default(), video: None, audio: None, sound: None }
    }

    /// Whether these are packets.
    pub fn knows(bytes: &[u8]) -> bool {
        bytes.first() == Some(&SYNC) && bytes.get(PACKET).is_none_or(|&byte| byte == SYNC)
    }

    /// Reads a whole segment.
    pub fn segment(&mut self, bytes: &[u8]) -> Result<Vec<Taken>, Unusable> {
        let (program, wanted) = (program(bytes), self.wanted);
        let mut all = Vec::new();
        if let Some(pid) = program.video.filter(|_| wanted.has(Kind::Video)) {
            all.push(self.pictures(units(bytes, pid))?);
        }
        if let Some(pid) = program.audio.filter(|_| wanted.has(Kind::Audio)) {
            all.push(self.sounds(units(bytes, pid))?);
        }
        match program.other {
            Some((kind, number)) if all.is_empty() && wanted.has(kind) => {
                Err(Error::Codec { kind, codec: format!("of stream type {number:#04x}") }.into())
            }
            _ if all.is_empty() => Err(Error::Tracks(0).into()),
            _ => Ok(all),
        }
    }

    /// A time that goes on from the one before, whichever way is shorter.
    fn unwrap(&mut self, time: u64) -> u64 {
        let span = 1u64 << BITS;
        let Some(last) = self.last else {
            // Room for what lies before it.
            let first = time + span;
            self.last = Some(first);
            return first;
        };
        let ahead = time.wrapping_sub(last) & (span - 1);
        let whole = if ahead < span / 2 { last + ahead } else { (last + ahead).saturating_sub(span) };
        self.last = Some(whole);
        whole
    }

    fn pictures(&mut self, units: Vec<Unit>) -> Result<Taken, Unusable> {
        let mut taken = Taken { kind: Kind::Video, track: None, samples: Vec::<Sample>::new() };
        for unit in units {
            let dts = self.unwrap(unit.dts);
            let cts_offset = self.unwrap(unit.pts) as i64 - dts as i64; // of 34 bits and a few more
            let (mut data, mut sync) = (Vec::with_capacity(unit.data.len() + 16), false);
            for nal in split(&unit.data) {
                if self.sets.take(nal) {
                    continue;
                }
                sync |= nal.first().is_some_and(|first| first & 31 == 5);
                data.extend_from_slice(&(nal.len() as u32).to_be_bytes()); // of 64 MiB at most
                data.extend_from_slice(nal);
            }
            if let Some(config) = self.sets.new_config() {
                let (width, height) = picture_size(&config).ok_or(Unusable::Damaged)?;
                let track = Track::h264(&config, width, height, CLOCK).map_err(Error::from)?;
                self.video = Some(track.clone());
                taken.track = Some(track);
            }
            let rises = taken.samples.last().is_none_or(|before| before.dts < dts);
            if self.video.is_none() || data.is_empty() || !rises {
                continue;
            }
            if let Some(before) = taken.samples.last_mut() {
                before.duration = u32::try_from(dts - before.dts).unwrap_or(u32::MAX);
            }
            let cts_offset = i32::try_from(cts_offset).map_err(|_| Unusable::Damaged)?;
            let duration = taken.samples.last().map_or(CLOCK / 25, |before| before.duration);
            taken.samples.push(Sample { dts, cts_offset, duration, sync, data: Bytes::from(data) });
        }
        if let Some(track) = &mut taken.track {
            track.frame_rate = frame_rate(&taken.samples);
        }
        Ok(taken)
    }

    fn sounds(&mut self, units: Vec<Unit>) -> Result<Taken, Unusable> {
        let mut taken = Taken { kind: Kind::Audio, track: None, samples: Vec::<Sample>::new() };
        let mut rest: Vec<u8> = Vec::new();
        for unit in units {
            let at = self.unwrap(unit.pts);
            // A frame may begin in one packet and end in the next.
            let began = rest.is_empty();
            rest.extend_from_slice(&unit.data);
            let mut bytes = &rest[..];
            let mut first = began;
            while let Some(Frame { config, rate, header, len }) = Frame::of(bytes)? {
                let Some(frame) = bytes.get(header..len) else { break };
                if self.sound.is_none_or(|(known, _)| known != config) {
                    let track = Track::aac(&config).map_err(Error::from)?;
                    self.audio = Some(track.clone());
                    taken.track = Some(track);
                    self.sound = Some((config, 0));
                }
                let said = (u128::from(at) * u128::from(rate) / u128::from(CLOCK)) as u64; // 35 bits times 17, by 16
                let Some((_, next)) = &mut self.sound else { break };
                // Times are rounded to ticks of 90 kHz: only what is further off is a leap.
                if first && said.abs_diff(*next) > u64::from(SAMPLES) / 2 {
                    *next = said;
                }
                first = false;
                let dts = *next;
                *next += u64::from(SAMPLES);
                let rises = taken.samples.last().is_none_or(|before| before.dts < dts);
                if rises && !frame.is_empty() {
                    let data = Bytes::copy_from_slice(frame);
                    taken.samples.push(Sample { dts, cts_offset: 0, duration: SAMPLES, sync: true, data });
                }
                bytes = &bytes[len..];
            }
            rest = bytes.to_vec();
        }
        Ok(taken)
    }
}

/// A frame of sound with a header of its own (ISO/IEC 14496-3 section 1.A.2.2).
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    /// An AudioSpecificConfig.
    config: [u8; 2],
    /// Samples a second.
    rate: u32,
    /// Bytes of the header, and of the whole.
    header: usize,
    len: usize,
}

impl Frame {
    /// The frame that `bytes` begin with; `None` where they are too few to tell.
    fn of(bytes: &[u8]) -> Result<Option<Self>, Unusable> {
        let Some(&[a, b, c, d, e, f, _]) = bytes.first_chunk::<7>() else { return Ok(None) };
        let index = c >> 2 & 15;
        let (Some(&rate), 0xff, 0xf0) = (RATES.get(usize::from(index)), a, b & 0xf6) else {
            return Err(Unusable::Damaged);
        };
        let header = if b & 1 == 1 { 7 } else { 9 };
        let len = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
        let channels = (c & 1) << 2 | d >> 6;
        if len < header || channels == 0 {
            return Err(Unusable::Damaged);
        }
        let object = (c >> 6) + 1;
        let config = [object << 3 | index >> 1, (index & 1) << 7 | channels << 3];
        Ok(Some(Self { config, rate, header, len }))
    }
}

/// The frames per second that most durations say.
fn frame_rate(samples: &[Sample]) -> Option<(u32, u32)> {
    let mut durations: Vec<u32> = samples.iter().map(|sample| sample.duration).collect();
    durations.sort_unstable();
    let usual = durations.get(durations.len() / 2).copied().filter(|&usual| usual > 0)?;
    let (mut a, mut b) = (CLOCK, usual);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Some((CLOCK / a, usual / a))
}

/// Each packet that is whole: whether something begins in it, its stream, and what it carries.
fn packets(bytes: &[u8]) -> impl Iterator<Item = (bool, u16, &[u8])> {
    bytes.chunks_exact(PACKET).filter_map(|packet| {
        let &[SYNC, b, c, d] = packet.first_chunk::<4>()? else { return None };
        // In error, or scrambled.
        if b & 0x80 != 0 || d & 0xc0 != 0 || d & 0x10 == 0 {
            return None;
        }
        let start = if d & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
        let pid = u16::from(b & 0x1f) << 8 | u16::from(c);
        Some((b & 0x40 != 0, pid, packet.get(start..)?))
    })
}

/// What the first program of a segment has, by its tables; each is in one packet.
fn program(bytes: &[u8]) -> Program {
    let mut program = Program::default();
    let mut map = None;
    for (begins, pid, payload) in packets(bytes).filter(|(begins, ..)| *begins) {
        let section = payload.first().and_then(|&pointer| payload.get(1 + usize::from(pointer)..));
        let Some(section) = section.filter(|section| begins && section.len() > 12) else { continue };
        let len = usize::from(section[1] & 15) << 8 | usize::from(section[2]);
        // Without its checksum.
        let Some(body) = section.get(8..(3 + len).saturating_sub(4).min(section.len())) else { continue };
        if pid == 0 && section[0] == 0 && map.is_none() {
            let programs = body.chunks_exact(4).filter(|entry| entry[..2] != [0, 0]);
            map = programs.map(|entry| u16::from(entry[2] & 0x1f) << 8 | u16::from(entry[3])).next();
        } else if Some(pid) == map && section[0] == 2 {
            let skip = |at: &[u8]| usize::from(at[0] & 15) << 8 | usize::from(at[1]);
            let mut rest = body.get(2..4).and_then(|info| body.get(4 + skip(info)..)).unwrap_or_default();
            while let Some(&[kind, a, b, c, d]) = rest.first_chunk::<5>() {
                let pid = u16::from(a & 0x1f) << 8 | u16::from(b);
                match kind {
                    H264 => drop(program.video.get_or_insert(pid)),
                    AAC => drop(program.audio.get_or_insert(pid)),
                    // MPEG-1 and 2 sound and pictures, LATM, MPEG-4, HEVC, AC-3.
                    1 | 2 | 0x10 | 0x24 => drop(program.other.get_or_insert((Kind::Video, kind))),
                    3 | 4 | 0x11 | 0x81 | 0x87 => drop(program.other.get_or_insert((Kind::Audio, kind))),
                    _ => {}
                }
                rest = rest.get(5 + skip(&[c, d])..).unwrap_or_default();
            }
            break;
        }
    }
    program
}

/// The PES packets of a stream.
fn units(bytes: &[u8], pid: u16) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut timed = false;
    for (begins, _, payload) in packets(bytes).filter(|(_, of, _)| *of == pid) {
        if begins {
            let unit = header(payload);
            timed = unit.is_some();
            units.extend(unit);
        } else if let Some(unit) = units.last_mut().filter(|_| timed) {
            unit.data.extend_from_slice(payload);
        }
    }
    units
}

/// Reads the header of a PES packet (section 2.4.3.6) that has a time.
fn header(payload: &[u8]) -> Option<Unit> {
    let &[0, 0, 1, _, _, _, _, flags, len] = payload.first_chunk::<9>()? else { return None };
    let time = |at: usize| {
        let &[a, b, c, d, e] = payload.get(at..)?.first_chunk::<5>()?;
        let high = u64::from(a >> 1 & 7) << 30 | u64::from(b) << 22 | u64::from(c >> 1) << 15;
        Some(high | u64::from(d) << 7 | u64::from(e >> 1))
    };
    let pts = if flags & 0x80 != 0 { time(9)? } else { return None };
    let dts = if flags & 0x40 != 0 { time(14)? } else { pts };
    Some(Unit { pts, dts, data: payload.get(9 + usize::from(len)..)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_where_their_bits_begin_anew() {
        let mut reader = Reader::new(Wanted::All);
        let span = 1u64 << BITS;
        let first = reader.unwrap(span - 10);
        assert_eq!(reader.unwrap(20), first + 30);
        // Sound that lies before the pictures.
        assert_eq!(reader.unwrap(span - 40), first - 30);
        assert_eq!(reader.unwrap(90_000), first + 90_010);
    }

    #[test]
    fn sound_is_told_by_its_header() {
        // AAC-LC, 48 kHz, two channels, 9 bytes with the header.
        let frame = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 1, 2];
        let told = Frame { config: [0x11, 0x90], rate: 48_000, header: 7, len: 9 };
        assert_eq!(Frame::of(&frame), Ok(Some(told)));
        assert_eq!(Frame::of(&frame[..6]), Ok(None));
        assert_eq!(Frame::of(b"no sound at all"), Err(Unusable::Damaged));
        let short = [0xff, 0xf1, 0x4c, 0x80, 0x00, 0x3f, 0xfc];
        assert_eq!(Frame::of(&short), Err(Unusable::Damaged));
    }

    #[test]
    fn what_is_cut_or_nonsense_gives_nothing_or_an_error() {
        let mut packet = vec![0xff; PACKET];
        packet[0] = SYNC;
        for rest in [[0x40, 0, 0x10], [0x40, 0, 0x30], [0x1f, 0xff, 0x10], [0x40, 0, 0x90]] {
            packet[1..4].copy_from_slice(&rest);
            assert!(Reader::knows(&packet));
            assert!(Reader::new(Wanted::All).segment(&packet.repeat(3)).is_err(), "{rest:?}");
        }
        assert!(Reader::new(Wanted::All).segment(&packet[..100]).is_err());
        assert!(!Reader::knows(b"\0\0\0\x18styp"));
    }
}
