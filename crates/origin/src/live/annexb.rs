//! H.264 with start codes (ITU-T H.264 annex B), as RTP and MPEG-TS bring it, on its way to what MP4 and FLV have. The invariant: parameter
//! sets go into the decoder configuration, and there alone; how many are kept, and how long they are, has a bound.

use super::flv::chroma;

/// Types of NAL units.
const SEQUENCE_SET: u8 = 7;
const PICTURE_SET: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;

/// Bytes of a parameter set.
const MAX_SET: usize = 1024;
/// Picture parameter sets that are in use at a time.
const MAX_PICTURE_SETS: usize = 16;

/// The parameter sets in force.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    sequence: Vec<u8>,
    pictures: Vec<Vec<u8>>,
    config: Vec<u8>,
}

impl ParameterSets {
    /// Looks at a NAL unit; `true` for what is no part of a picture.
    pub fn take(&mut self, unit: &[u8]) -> bool {
        let Some(first) = unit.first() else { return true };
        match first & 31 {
            SEQUENCE_SET => {
                if (4..MAX_SET).contains(&unit.len()) && self.sequence != unit {
                    self.sequence = unit.to_vec();
                    self.pictures.clear();
                }
                true
            }
            PICTURE_SET => {
                if unit.len() < MAX_SET && !self.pictures.iter().any(|known| known == unit) {
                    if self.pictures.len() == MAX_PICTURE_SETS {
                        self.pictures.remove(0);
                    }
                    self.pictures.push(unit.to_vec());
                }
                true
            }
            DELIMITER | FILLER => true,
            _ => false,
        }
    }

    /// An AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1), if it is another one than before.
    pub fn new_config(&mut self) -> Option<Vec<u8>> {
        let &[_, profile, constraints, level] = self.sequence.first_chunk::<4>()?;
        if self.pictures.is_empty() {
            return None;
        }
        let mut config = vec![1, profile, constraints, level, 0xff, 0xe1];
        config.extend_from_slice(&(self.sequence.len() as u16).to_be_bytes());
        config.extend_from_slice(&self.sequence);
        config.push(self.pictures.len() as u8); // at most MAX_PICTURE_SETS
        for picture in &self.pictures {
            config.extend_from_slice(&(picture.len() as u16).to_be_bytes());
            config.extend_from_slice(picture);
        }
        if matches!(profile, 100 | 110 | 122 | 144 | 244) {
            let [format, luma, colour] = chroma(&self.sequence).unwrap_or([1, 0, 0]);
            config.extend_from_slice(&[0xfc | format, 0xf8 | luma, 0xf8 | colour, 0]);
        }
        (config != self.config).then(|| {
            self.config.clone_from(&config);
            config
        })
    }
}

/// The NAL units between start codes; none is empty.
pub(super) fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
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
