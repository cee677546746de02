//! A file or pipe of FLV (Adobe's Video File Format Specification 10.1, annex E) taken apart into tags.

use super::{AUDIO, SCRIPT, TagError, VIDEO};
use bytes::{Buf, Bytes, BytesMut};

/// Bytes of one tag: its length field has 24 bits, and no picture needs them all.
const MAX_TAG: usize = 8 << 20;

/// One tag without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// A picture, or its configuration.
    Video {
        /// Milliseconds on the publisher's clock, which wraps.
        timestamp_ms: u32,
        /// The tag's body.
        body: Bytes,
    },
    /// Sound, or its configuration.
    Audio {
        /// Milliseconds on the publisher's clock, which wraps.
        timestamp_ms: u32,
        /// The tag's body.
        body: Bytes,
    },
}

/// Takes the bytes of an FLV file in pieces of any size.
#[derive(Debug, Default)]
pub struct FileReader {
    buffer: BytesMut,
    started: bool,
}

impl FileReader {
    /// Takes the next bytes and gives the tags that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Tag>, TagError> {
        self.buffer.extend_from_slice(bytes);
        if !self.started {
            // The header says how long it is itself; after it comes the size of the tag before the first, 0.
            let Some(head) = self.buffer.first_chunk::<9>() else { return Ok(Vec::new()) };
            if !head.starts_with(b"FLV\x01") || head[5..] != [0, 0, 0, 9] {
                return Err(TagError::NotFlv);
            }
            self.buffer.advance(9);
            self.started = true;
        }
        let mut tags = Vec::new();
        // Four bytes about the tag before, then the header of eleven.
        while let Some(&[_, _, _, _, kind, l0, l1, l2, t0, t1, t2, high, ..]) =
            self.buffer.first_chunk::<15>()
        {
            let len = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
            if len > MAX_TAG {
                return Err(TagError::TooLarge(len));
            }
            if self.buffer.len() < 15 + len {
                break;
            }
            self.buffer.advance(15);
            let body = self.buffer.split_to(len).freeze();
            let timestamp_ms = u32::from_be_bytes([high, t0, t1, t2]);
            match kind {
                VIDEO => tags.push(Tag::Video { timestamp_ms, body }),
                AUDIO => tags.push(Tag::Audio { timestamp_ms, body }),
                SCRIPT => {}
                other => return Err(TagError::Kind(other)),
            }
        }
        Ok(tags)
    }
}
