//! H.264 as RTP brings it (RFC 6184, put together with start codes) to tags as RTMP has them.

use crate::live::annexb::{ParameterSets, split};
use crate::live::flv::Tag;
use bytes::Bytes;

/// The type of a NAL unit where decoding can start.
const IDR: u8 = 5;

/// Turns pictures into tags, and remembers the parameter sets.
#[derive(Debug, Default)]
pub(super) struct Pictures(ParameterSets);

impl Pictures {
    /// Tags for one picture: its configuration, when that changed, and itself.
    pub fn tags(&mut self, timestamp_ms: u32, units: &[u8]) -> Vec<Tag> {
        let mut body = vec![0x27, 1, 0, 0, 0];
        for unit in split(units) {
            if self.0.take(unit) {
                continue;
            }
            if unit[0] & 31 == IDR {
                body[0] = 0x17;
            }
            body.extend_from_slice(&(unit.len() as u32).to_be_bytes());
            body.extend_from_slice(unit);
        }
        let mut tags = Vec::new();
        if let Some(config) = self.0.new_config() {
            let config = [&[0x17, 0, 0, 0, 0][..], &config].concat();
            tags.push(Tag::Video { timestamp_ms, body: config.into() });
        }
        if body.len() > 5 {
            tags.push(Tag::Video { timestamp_ms, body: Bytes::from(body) });
        }
        tags
    }
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
