//! H.264 as RTP brings it (RFC 6184, put together with start codes) to tags as RTMP has them.

use crate::live::flv::Tag;
use bytes::Bytes;

/// Types of NAL units.
const IDR: u8 = 5;
const SEQUENCE_SET: u8 = 7;
const PICTURE_SET: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;

/// Bytes of a parameter set.
const MAX_SET: usize = 1024;

/// Turns pictures into tags, and remembers the parameter sets.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    sequence: Vec<u8>,
    picture: Vec<u8>,
    config: Vec<u8>,
}

impl Pictures {
    /// Tags for one picture: its configuration, when that changed, and itself.
    pub fn tags(&mut self, timestamp_ms: u32, units: &[u8]) -> Vec<Tag> {
        let mut body = vec![0x27, 1, 0, 0, 0];
        for unit in split(units) {
            match unit[0] & 31 {
                SEQUENCE_SET if (4..MAX_SET).contains(&unit.len()) => self.sequence = unit.to_vec(),
                PICTURE_SET if unit.len() < MAX_SET => self.picture = unit.to_vec(),
                SEQUENCE_SET | PICTURE_SET | DELIMITER | FILLER => {}
                kind => {
                    if kind == IDR {
                        body[0] = 0x17;
                    }
                    body.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                    body.extend_from_slice(unit);
                }
            }
        }
        let mut tags = Vec::new();
        if let Some(config) = self.new_config() {
            let config = [&[0x17, 0, 0, 0, 0][..], &config].concat();
            tags.push(Tag::Video { timestamp_ms, body: config.into() });
        }
        if body.len() > 5 {
            tags.push(Tag::Video { timestamp_ms, body: Bytes::from(body) });
        }
        tags
    }

    /// An AVCDecoderConfigurationRecord, if it is another one than before.
    fn new_config(&mut self) -> Option<Vec<u8>> {
        let (&[_, profile, constraints, level], false) =
            (self.sequence.first_chunk::<4>()?, self.picture.is_empty())
        else {
            return None;
        };
        let mut config = vec![1, profile, constraints, level, 0xff, 0xe1];
        config.extend_from_slice(&(self.sequence.len() as u16).to_be_bytes());
        config.extend_from_slice(&self.sequence);
        config.push(1);
        config.extend_from_slice(&(self.picture.len() as u16).to_be_bytes());
        config.extend_from_slice(&self.picture);
        if matches!(profile, 100 | 110 | 122 | 144) {
            config.extend_from_slice(&[0xfd, 0xf8, 0xf8, 0]); // 4:2:0 with eight bits: what WebRTC has
        }
        (config != self.config).then(|| {
            self.config.clone_from(&config);
            config
        })
    }
}

/// The NAL units between start codes; none is empty.
fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(3).position(|three| three == [0, 0, 1]) {
        at += found + 3;
        starts.push(at);
    }
    (0..starts.len()).filter_map(move |n| {
        let end = starts.get(n + 1).map_or(bytes.len(), |next| next - 3);
        let unit = &bytes[starts[n]..end];
        // A longer start code begins with one more zero; no unit ends in one.
        let len = unit.iter().rposition(|&byte| byte != 0)? + 1;
        Some(&unit[..len])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_go_into_the_configuration_and_pictures_get_lengths() {
        let mut pictures = Pictures::default();
        let units = [0, 0, 0, 1, 0x67, 66, 192, 30, 5, 0, 0, 0, 1, 0x68, 7, 0, 0, 1, 0x65, 9, 9];
        let tags = pictures.tags(40, &units);
        let body = |tag: &Tag| match tag {
            Tag::Video { timestamp_ms: 40, body } => body.to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            body(&tags[0])[5..],
            [1, 66, 192, 30, 255, 225, 0, 5, 0x67, 66, 192, 30, 5, 1, 0, 2, 0x68, 7]
        );
        assert_eq!(body(&tags[1]), [0x17, 1, 0, 0, 0, 0, 0, 0, 3, 0x65, 9, 9]);
        assert_eq!(pictures.tags(40, &units).len(), 1, "the same configuration is said once");
        assert!(pictures.tags(40, &[0, 0, 1, 0, 0, 1]).is_empty());
    }
}
