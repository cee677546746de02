//! The leaves of a film's segments on disk, 32 bytes a piece, in a file beside the cache. Its invariant: a list that is read is
//! that of the segment, for it has proved itself against the signed index.
//!
//! Every segment has its place in the file, which follows from the index. So there is nothing to parse and nothing to compact: a
//! write that was torn, or a byte that rotted, costs the list that it lies in, and what was never written is a hole.

use manifest::digest::leaves_match;
use manifest::{Hash, Index, SegmentId};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a leaf.
const LEAF_BYTES: usize = 32;

/// The file. Everything here blocks.
#[derive(Debug)]
pub(super) struct Leaves {
    file: Mutex<File>,
    /// Where the leaves of each segment begin, in leaves from the start of the file, by rendition.
    places: Vec<Vec<u64>>,
}

impl Leaves {
    /// Opens the file at `path`, made where it is missing.
    pub(super) fn open(path: &Path, index: &Index) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut next = 0;
        let places = (0u8..).zip(&index.renditions).map(|(number, rendition)| {
            let sequences = (1u32..).take(rendition.segments.len());
            let place = |sequence| {
                let place = next;
                next += u64::from(index.piece_count(SegmentId::new(number, sequence)));
                place
            };
            sequences.map(place).collect()
        });
        let places = places.collect();
        Ok(Self { file: Mutex::new(file), places })
    }

    /// The leaves of a segment; `None` unless they prove themselves.
    pub(super) fn read(&self, index: &Index, segment: SegmentId) -> Option<Vec<Hash>> {
        let root = index.segment(segment)?.root;
        let mut bytes = vec![0; index.piece_count(segment) as usize * LEAF_BYTES];
        let mut file = self.at(segment).ok()?;
        file.read_exact(&mut bytes).ok()?;
        drop(file);
        let leaf = |bytes: &[u8]| {
            let mut leaf = [0; LEAF_BYTES];
            leaf.copy_from_slice(bytes);
            Hash(leaf)
        };
        let leaves: Vec<Hash> = bytes.chunks_exact(LEAF_BYTES).map(leaf).collect();
        leaves_match(&leaves, &root).then_some(leaves)
    }

    /// Writes the leaves of a segment to their place.
    pub(super) fn write(&self, index: &Index, segment: SegmentId, leaves: &[Hash]) -> io::Result<()> {
        if leaves.len() != index.piece_count(segment) as usize {
            return Err(io::Error::other("not the leaves of this segment"));
        }
        let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| leaf.0).collect();
        self.at(segment)?.write_all(&bytes)
    }

    /// The file, at the place of a segment.
    fn at(&self, segment: SegmentId) -> io::Result<MutexGuard<'_, File>> {
        let places = self.places.get(usize::from(segment.rendition));
        let place = segment.sequence.checked_sub(1).and_then(|at| places?.get(at as usize));
        let place = place.ok_or_else(|| io::Error::other("no such segment"))?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place * LEAF_BYTES as u64))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::{Kind, Rendition, Segment, digest};
    use std::fs;

    /// Two renditions of three segments, one to three pieces each.
    fn film() -> (Index, Vec<(SegmentId, Vec<Hash>)>) {
        let mut all = Vec::new();
        let renditions = (0..2u8).map(|number| {
            let segments = (1..=3u32).map(|sequence| {
                let media = vec![number ^ sequence as u8; 16_384 * sequence as usize - 7];
                all.push((SegmentId::new(number, sequence), digest::leaves(&media, 16_384)));
                Segment { duration_ms: 4000, size: media.len() as u32, root: digest::root(&media) }
            });
            Rendition {
                id: format!("v{number}"),
                kind: Kind::Video,
                bandwidth_bps: 1,
                init: Hash([0; 32]),
                segments: segments.collect(),
            }
        });
        let index = Index { piece_len: 16_384, renditions: renditions.collect() };
        (index, all)
    }

    #[test]
    fn lists_are_there_after_a_restart_and_damaged_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leaves");
        let (index, all) = film();
        let file = Leaves::open(&path, &index).unwrap();
        for (segment, leaves) in all.iter().rev() {
            assert_eq!(file.read(&index, *segment), None);
            file.write(&index, *segment, leaves).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), 2 * (1 + 2 + 3) * LEAF_BYTES);
        for at in 0..whole.len() {
            let mut rotten = whole.clone();
            rotten[at] ^= 1;
            fs::write(&path, rotten).unwrap();
            let file = Leaves::open(&path, &index).unwrap();
            let good =
                all.iter().filter(|(segment, leaves)| file.read(&index, *segment).as_ref() == Some(leaves));
            assert_eq!(good.count(), all.len() - 1, "byte {at}");
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let file = Leaves::open(&path, &index).unwrap();
        let (last, leaves) = all.last().unwrap();
        assert_eq!(file.read(&index, *last), None, "torn");
        file.write(&index, *last, leaves).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn what_is_no_list_of_a_segment_has_no_place() {
        let dir = tempfile::tempdir().unwrap();
        let (index, all) = film();
        let file = Leaves::open(&dir.path().join("leaves"), &index).unwrap();
        for segment in [SegmentId::new(0, 0), SegmentId::new(0, 4), SegmentId::new(2, 1)] {
            assert!(file.write(&index, segment, &[]).is_err());
            assert_eq!(file.read(&index, segment), None);
        }
        assert!(file.write(&index, all[0].0, &all[1].1).is_err());
    }
}
