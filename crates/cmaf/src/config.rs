//! Tracks out of bare decoder configurations, as FLV, RTMP and RTP carry them beside the samples, and back.
//!
//! The invariant: such a track is the one that the same configuration inside an MP4 would have given.

use crate::codec::{self, Codec};
use crate::read::{Boxes, Fields, FourCc, Malformed};
use crate::write::{boxed, full, put_u16, put_u32, put_zeros};
use crate::{Kind, Track};

/// Bytes of a sample entry before its boxes: of a picture, and of sound.
const VIDEO_FIELDS: usize = 78;
const AUDIO_FIELDS: usize = 28;

impl Track {
    /// A track of H.264: `avcc` is an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1), whose picture is `width` x
    /// `height` pixels; times are in `timescale` ticks per second.
    pub fn h264(avcc: &[u8], width: u16, height: u16, timescale: u32) -> Result<Self, Malformed> {
        from_entry(timescale, b"avc1", |out| {
            put_zeros(out, 24);
            put_u16(out, width);
            put_u16(out, height);
            put_zeros(out, 50);
            boxed(out, b"avcC", |out| out.extend_from_slice(avcc));
        })
    }

    /// A track of AAC: `config` is an AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1). Times are in ticks of its sample
    /// rate.
    pub fn aac(config: &[u8]) -> Result<Self, Malformed> {
        if config.len() > codec::MAX_AUDIO_CONFIG {
            return Err(Malformed::Limit(FourCc(*b"esds"), "audio configuration too large"));
        }
        let mut track = from_entry(1, b"mp4a", |out| {
            put_zeros(out, AUDIO_FIELDS);
            full(out, b"esds", 0, 0, |out| codec::put_elementary(out, 0, 0, config));
        })?;
        track.timescale = track.sample_rate;
        Ok(track)
    }

    /// The decoder configuration in the sample entry: what [`Track::h264`] and [`Track::aac`] take.
    pub fn decoder_config(&self) -> Result<&[u8], Malformed> {
        let missing = Malformed::Missing { parent: FourCc(*b"stsd"), child: FourCc(*b"avc1") };
        let entry = Boxes::new(b"stsd", &self.sample_entry).next().ok_or(missing)??;
        let mut fields = Fields::new(&entry.kind, entry.payload);
        match self.kind {
            Kind::Video => {
                fields.skip(VIDEO_FIELDS)?;
                Boxes::new(&entry.kind, fields.rest()).need(b"avcC")
            }
            Kind::Audio => {
                fields.skip(AUDIO_FIELDS)?;
                codec::audio_config(Boxes::new(&entry.kind, fields.rest()).need(b"esds")?)
            }
        }
    }
}

/// Reads a sample entry just written: so it is checked and put in its canonical form as any other.
fn from_entry(timescale: u32, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) -> Result<Track, Malformed> {
    let mut stsd = Vec::new();
    put_u32(&mut stsd, 0);
    put_u32(&mut stsd, 1);
    boxed(&mut stsd, kind, fill);
    let mut track = Track::blank(Kind::Video, timescale.max(1));
    match codec::read(&stsd)? {
        Codec::Video { codec, entry, width, height } => {
            (track.codec, track.sample_entry) = (codec, entry);
            (track.width, track.height) = (width, height);
        }
        Codec::Audio { codec, entry, channels, sample_rate } => {
            track.kind = Kind::Audio;
            (track.codec, track.sample_entry) = (codec, entry);
            (track.channels, track.sample_rate) = (channels, sample_rate);
        }
        Codec::Other(_) => return Err(Malformed::Value(FourCc(*kind), "a codec that is not supported")),
    }
    Ok(track)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVCC: [u8; 19] =
        [1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 4, 0x67, 0x42, 0xc0, 0x1e, 1, 0, 4, 0x68, 0xce, 0x3c, 0x80];

    #[test]
    fn a_configuration_comes_back_as_it_was_given() {
        let video = Track::h264(&AVCC, 640, 360, 1000).expect("legal");
        assert_eq!((video.codec.as_str(), video.width, video.height), ("avc1.42c01e", 640, 360));
        assert_eq!(video.decoder_config(), Ok(&AVCC[..]));
        let audio = Track::aac(&[0x11, 0x90]).expect("legal");
        assert_eq!((audio.codec.as_str(), audio.timescale, audio.channels), ("mp4a.40.2", 48000, 2));
        assert_eq!(audio.decoder_config(), Ok(&[0x11, 0x90][..]));
    }

    #[test]
    fn what_no_decoder_takes_is_refused() {
        assert!(Track::h264(&AVCC[..9], 640, 360, 1000).is_err());
        assert!(Track::h264(&AVCC, 0, 360, 1000).is_err());
        assert!(Track::aac(&[]).is_err());
        assert!(Track::aac(&[0x11; 200]).is_err());
    }
}
