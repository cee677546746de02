//! A small film that everybody here knows: what a verified piece must be.

use manifest::{Index, Kind, Rendition, Segment, SegmentId, digest};

/// One video and one audio rendition, bytes and all.
#[derive(Debug)]
pub struct Film {
    /// What is signed.
    pub index: Index,
    segments: Vec<Vec<Vec<u8>>>,
}

impl Film {
    /// The same film every time: segments of one to three pieces.
    pub fn new() -> Self {
        let sizes: [&[usize]; 2] = [&[40_000, 16_384, 33_000, 1], &[900, 20_000, 16_385, 512]];
        let mut segments = Vec::new();
        let mut renditions = Vec::new();
        for (number, (sizes, kind)) in sizes.into_iter().zip([Kind::Video, Kind::Audio]).enumerate() {
            let bytes: Vec<Vec<u8>> = sizes
                .iter()
                .enumerate()
                .map(|(at, &size)| (0..size).map(|i| (i * 31 + at * 7 + number) as u8).collect())
                .collect();
            renditions.push(Rendition {
                id: format!("{}{number}", if kind == Kind::Video { "v" } else { "a" }),
                kind,
                bandwidth_bps: 80_000,
                init: digest::root(b"init"),
                segments: bytes
                    .iter()
                    .map(|bytes| Segment {
                        duration_ms: 4000,
                        size: bytes.len() as u32,
                        root: digest::root(bytes),
                    })
                    .collect(),
            });
            segments.push(bytes);
        }
        Self { index: Index { piece_len: 16_384, renditions }, segments }
    }

    /// A segment's bytes.
    pub fn segment(&self, id: SegmentId) -> Option<&[u8]> {
        let sequence = id.sequence.checked_sub(1)? as usize;
        self.segments.get(usize::from(id.rendition))?.get(sequence).map(Vec::as_slice)
    }

    /// A piece's bytes.
    pub fn piece(&self, id: SegmentId, piece: u32) -> Option<&[u8]> {
        let range = self.index.piece_range(id, piece)?;
        self.segment(id)?.get(range.start as usize..range.end as usize)
    }
}

impl Default for Film {
    fn default() -> Self {
        Self::new()
    }
}
