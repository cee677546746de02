//! FLV: what RTMP carries, and what the encoder is fed with.
//!
//! [`TagReader`] turns the tags of a publisher into a track and its samples, [`TagWriter`] samples into tags, [`FileReader`] takes a
//! file or pipe of tags apart. The invariant: whatever the bytes are, each is looked at once, nothing is allocated by a number
//! that was read, and what comes out has rising times.

mod read;
mod tags;
mod write;

pub use read::{FileReader, Tag};
pub use tags::{Media, TagError, TagReader};
pub(super) use tags::{chroma, picture_size};
pub use write::TagWriter;

/// Tag types.
const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const SCRIPT: u8 = 18;

/// Feeds `bytes` as a file, and each of its tags to a reader, and throws the result away: an entry for fuzzers.
pub fn fuzz(bytes: &[u8]) {
    let mut file = FileReader::default();
    let mut tags = TagReader::default();
    let mut last = [None::<u64>; 2];
    for part in bytes.chunks(61) {
        let Ok(found) = file.push(part) else { return };
        for tag in found {
            let Ok(media) = tags.tag(tag) else { return };
            for one in media.into_iter().chain(tags.flush()) {
                match one {
                    // It may count in other ticks.
                    Media::Track(track, _) => last[usize::from(track.min(1))] = None,
                    Media::Sample(track, sample) => {
                        let last = &mut last[usize::from(track.min(1))];
                        assert!(last.is_none_or(|last| sample.dts > last), "times rise");
                        *last = Some(sample.dts);
                    }
                }
            }
        }
    }
}
