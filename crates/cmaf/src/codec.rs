//! Sample entries: reading the codec configuration of H.264 and AAC, and writing it in canonical form.
//!
//! A source's own sample entry is never passed through: QuickTime writes other layouts and boxes players choke on.

use crate::read::{Boxes, Fields, FourCc, Malformed};
use crate::write::{boxed, full, put_u16, put_u32, put_zeros};

/// Parameter sets beyond this are not a film's.
const MAX_CONFIG: usize = 64 << 10;

/// Bytes of an AudioSpecificConfig: with it, every descriptor's length fits into one byte.
pub(crate) const MAX_AUDIO_CONFIG: usize = 96;

/// What a sample entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Codec {
    Video {
        codec: String,
        entry: Vec<u8>,
        width: u16,
        height: u16,
    },
    Audio {
        codec: String,
        entry: Vec<u8>,
        channels: u16,
        sample_rate: u32,
    },
    /// Something else, by its name.
    Other(String),
}

/// Reads the first sample entry of an `stsd` payload.
pub(crate) fn read(stsd: &[u8]) -> Result<Codec, Malformed> {
    let mut fields = Fields::new(b"stsd", stsd);
    let (version, _) = fields.version_flags()?;
    if fields.u32()? == 0 {
        return fields.bad("no sample entry");
    }
    let Some(entry) = Boxes::new(b"stsd", fields.rest()).next() else {
        return fields.bad("no sample entry");
    };
    let entry = entry?;
    match &entry.kind {
        b"avc1" | b"avc3" => video(&entry.kind, entry.payload),
        b"mp4a" => audio(version, entry.payload),
        other => Ok(Codec::Other(FourCc(*other).to_string())),
    }
}

fn video(kind: &[u8; 4], payload: &[u8]) -> Result<Codec, Malformed> {
    let mut fields = Fields::new(kind, payload);
    fields.skip(24)?;
    let (width, height) = (fields.u16()?, fields.u16()?);
    if width == 0 || height == 0 {
        return fields.bad("a picture without size");
    }
    fields.skip(50)?;
    let boxes = Boxes::new(kind, fields.rest());
    let config = boxes.need(b"avcC")?;
    if config.len() > MAX_CONFIG {
        return Err(Malformed::Limit(FourCc(*b"avcC"), "parameter sets too large"));
    }
    let mut avcc = Fields::new(b"avcC", config);
    if avcc.u8()? != 1 {
        return avcc.bad("unknown version");
    }
    let [profile, constraints, level] = avcc.array()?;
    avcc.skip(1)?;
    let sets = avcc.u8()? & 31;
    for _ in 0..sets {
        let len = avcc.u16()?;
        avcc.skip(len.into())?;
    }
    for _ in 0..avcc.u8()? {
        let len = avcc.u16()?;
        avcc.skip(len.into())?;
    }
    if kind == b"avc1" && sets == 0 {
        return avcc.bad("no sequence parameter set");
    }
    let colour = boxes.find(b"colr")?.and_then(colour);
    let aspect = boxes.find(b"pasp")?.filter(|p| p.len() == 8 && p[..4] != [0; 4] && p[4..] != [0; 4]);

    let mut entry = Vec::with_capacity(config.len() + 160);
    boxed(&mut entry, kind, |out| {
        put_zeros(out, 6);
        put_u16(out, 1);
        put_zeros(out, 16);
        put_u16(out, width);
        put_u16(out, height);
        put_u32(out, 0x0048_0000);
        put_u32(out, 0x0048_0000);
        put_u32(out, 0);
        put_u16(out, 1);
        put_zeros(out, 32);
        put_u16(out, 24);
        put_u16(out, 0xffff);
        boxed(out, b"avcC", |out| out.extend_from_slice(config));
        if let Some(colour) = colour {
            boxed(out, b"colr", |out| out.extend_from_slice(&colour));
        }
        if let Some(aspect) = aspect {
            boxed(out, b"pasp", |out| out.extend_from_slice(aspect));
        }
    });
    let name = FourCc(*kind);
    Ok(Codec::Video {
        codec: format!("{name}.{profile:02x}{constraints:02x}{level:02x}"),
        entry,
        width,
        height,
    })
}

/// `colr` as `nclx`; QuickTime's `nclc` lacks the range flag, which is then "limited". ICC profiles are left out.
fn colour(payload: &[u8]) -> Option<[u8; 11]> {
    let mut out = [0; 11];
    match payload.get(..4)? {
        b"nclx" => out.copy_from_slice(payload.get(..11)?),
        b"nclc" => out[..10].copy_from_slice(payload.get(..10)?),
        _ => return None,
    }
    out[..4].copy_from_slice(b"nclx");
    Some(out)
}

fn audio(stsd_version: u8, payload: &[u8]) -> Result<Codec, Malformed> {
    let mut fields = Fields::new(b"mp4a", payload);
    fields.skip(8)?;
    let version = fields.u16()?;
    fields.skip(6)?;
    let entry_channels = fields.u16()?;
    fields.skip(10)?;
    // QuickTime's sound descriptions of version 1 and 2 are longer; ISO files say so in stsd's own version.
    if stsd_version == 0 {
        fields.skip(match version {
            1 => 16,
            2 => 36,
            _ => 0,
        })?;
    }
    let boxes = Boxes::new(b"mp4a", fields.rest());
    let esds = match boxes.find(b"esds")? {
        Some(esds) => esds,
        None => Boxes::new(b"wave", boxes.need(b"wave")?).need(b"esds")?,
    };
    let elementary = elementary_stream(esds)?;
    if elementary.object_type != 0x40 {
        return Ok(Codec::Other(format!("mp4a.{:02x}", elementary.object_type)));
    }
    let config = audio_specific_config(elementary.config)?;
    if !matches!(config.object_type, 2 | 5 | 29) {
        return Ok(Codec::Other(format!("mp4a.40.{}", config.object_type)));
    }
    let channels = config.channels.unwrap_or(entry_channels);
    if channels == 0 {
        return fields.bad("no channels");
    }

    let mut entry = Vec::with_capacity(128);
    boxed(&mut entry, b"mp4a", |out| {
        put_zeros(out, 6);
        put_u16(out, 1);
        put_zeros(out, 8);
        put_u16(out, channels);
        put_u16(out, 16);
        put_zeros(out, 4);
        // 16.16 fixed point; rates beyond that are in the configuration only.
        put_u32(out, u16::try_from(config.sample_rate).map_or(0, |rate| u32::from(rate) << 16));
        full(out, b"esds", 0, 0, |out| {
            put_elementary(out, elementary.max_bitrate, elementary.average_bitrate, elementary.config);
        });
    });
    Ok(Codec::Audio {
        codec: format!("mp4a.40.{}", config.object_type),
        entry,
        channels,
        sample_rate: config.sample_rate,
    })
}

/// Writes the descriptors of an `esds` box; `config` is at most [`MAX_AUDIO_CONFIG`] bytes.
pub(crate) fn put_elementary(out: &mut Vec<u8>, max_bitrate: u32, average_bitrate: u32, config: &[u8]) {
    descriptor(out, 3, |out| {
        put_u16(out, 0);
        out.push(0);
        descriptor(out, 4, |out| {
            out.extend_from_slice(&[0x40, 0x15, 0, 0, 0]);
            put_u32(out, max_bitrate);
            put_u32(out, average_bitrate);
            descriptor(out, 5, |out| out.extend_from_slice(config));
        });
        descriptor(out, 6, |out| out.push(2));
    });
}

/// The AudioSpecificConfig in an `esds` payload.
pub(crate) fn audio_config(esds: &[u8]) -> Result<&[u8], Malformed> {
    elementary_stream(esds).map(|elementary| elementary.config)
}

struct Elementary<'a> {
    object_type: u8,
    max_bitrate: u32,
    average_bitrate: u32,
    config: &'a [u8],
}

/// Reads an `esds` payload (ISO/IEC 14496-1 section 7.2.6).
fn elementary_stream(esds: &[u8]) -> Result<Elementary<'_>, Malformed> {
    let mut fields = Fields::new(b"esds", esds);
    fields.version_flags()?;
    let mut stream = expect_descriptor(&mut fields, 3)?;
    stream.skip(2)?;
    let flags = stream.u8()?;
    if flags & 0x80 != 0 {
        stream.skip(2)?;
    }
    if flags & 0x40 != 0 {
        let len = stream.u8()?;
        stream.skip(len.into())?;
    }
    if flags & 0x20 != 0 {
        stream.skip(2)?;
    }
    let mut decoder = expect_descriptor(&mut stream, 4)?;
    let object_type = decoder.u8()?;
    decoder.skip(4)?;
    let (max_bitrate, average_bitrate) = (decoder.u32()?, decoder.u32()?);
    let config = match expect_descriptor(&mut decoder, 5) {
        Ok(config) => config.rest(),
        // MP3 in MP4 has none; AAC cannot do without.
        Err(_) if object_type != 0x40 => &[],
        Err(error) => return Err(error),
    };
    if config.len() > MAX_AUDIO_CONFIG {
        return Err(Malformed::Limit(FourCc(*b"esds"), "audio configuration too large"));
    }
    Ok(Elementary { object_type, max_bitrate, average_bitrate, config })
}

fn expect_descriptor<'a>(fields: &mut Fields<'a>, tag: u8) -> Result<Fields<'a>, Malformed> {
    if fields.u8()? != tag {
        return fields.bad("unexpected descriptor");
    }
    let mut len = 0usize;
    for _ in 0..4 {
        let byte = fields.u8()?;
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    // Some writers leave the length of the outer descriptors short of or beyond the box: take what is there.
    let len = len.min(fields.rest().len());
    Ok(Fields::new(b"esds", fields.take(len)?))
}

/// Writes a descriptor; its content is below 128 bytes, as `elementary_stream` bounds the configuration.
fn descriptor(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.push(0);
    fill(out);
    out[at] = (out.len() - at - 1).min(127) as u8;
}

struct AudioConfig {
    object_type: u8,
    /// What the decoder puts out: with explicit SBR, the doubled rate.
    sample_rate: u32,
    /// `None` when the stream itself says it.
    channels: Option<u16>,
}

/// Reads the start of an AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1). What follows the first fields,
/// such as the backward compatible SBR signal, is allowed and not needed.
fn audio_specific_config(bytes: &[u8]) -> Result<AudioConfig, Malformed> {
    const RATES: [u32; 13] =
        [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
    let mut at = 0usize;
    let mut bits = |count: usize| -> Result<u32, Malformed> {
        let mut value = 0;
        for _ in 0..count {
            let byte = bytes.get(at / 8).ok_or(Malformed::Truncated(FourCc(*b"esds")))?;
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
            at += 1;
        }
        Ok(value)
    };
    let mut object_type = bits(5)?;
    if object_type == 31 {
        object_type = 32 + bits(6)?;
    }
    let rate = |index: u32, bits: &mut dyn FnMut(usize) -> Result<u32, Malformed>| match index {
        15 => bits(24),
        index => RATES
            .get(index as usize)
            .copied()
            .ok_or(Malformed::Value(FourCc(*b"esds"), "reserved sampling frequency")),
    };
    let index = bits(4)?;
    let mut sample_rate = rate(index, &mut bits)?;
    let layout = bits(4)?;
    if matches!(object_type, 5 | 29) {
        let index = bits(4)?;
        sample_rate = rate(index, &mut bits)?;
    }
    if sample_rate == 0 {
        return Err(Malformed::Value(FourCc(*b"esds"), "sampling frequency of zero"));
    }
    // Parametric stereo (29) makes two of one.
    let channels = match (layout, object_type) {
        (1, 29) => Some(2),
        (1..=6, _) => Some(layout as u16),
        (7 | 12 | 14, _) => Some(8),
        (11, _) => Some(7),
        (13, _) => Some(24),
        _ => None,
    };
    Ok(AudioConfig { object_type: object_type as u8, sample_rate, channels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_byte_configuration_of_ffmpeg_is_read() {
        let config = audio_specific_config(&[0x11, 0x88, 0x56, 0xe5, 0x00]).expect("legal");
        assert_eq!((config.object_type, config.sample_rate, config.channels), (2, 48000, Some(1)));
    }

    #[test]
    fn explicit_sbr_says_the_doubled_rate() {
        // AOT 5, 24 kHz, two channels, extension 48 kHz, AOT 2.
        let config = audio_specific_config(&[0x2b, 0x11, 0x88, 0x00]).expect("legal");
        assert_eq!((config.object_type, config.sample_rate, config.channels), (5, 48000, Some(2)));
    }

    #[test]
    fn short_or_reserved_configurations_are_errors() {
        assert!(audio_specific_config(&[]).is_err());
        assert!(audio_specific_config(&[0x16]).is_err());
        assert!(audio_specific_config(&[0x16, 0x88]).is_err(), "frequency index 13 is reserved");
    }
}
