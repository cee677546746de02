//! A segment of a package made into one of the file.
//!
//! The invariant: what is refused is as it was. Fragments find their media by its distance from themselves, so they may move
//! as long as nothing comes between a `moof` and its `mdat`.

use super::{Error, FRAGMENTS};
use crate::read::{Boxes, Fields, FourCc, Malformed};

/// Gives the fragments of track `id` the id `new_id` and the numbers after `number`. What stands before the first of them
/// becomes `free` and goes behind the last: players that come by an index want to find a `moof`, and an index does not say how
/// long `styp` is.
pub(super) fn adapt(bytes: &mut [u8], id: u32, new_id: u32, number: u32) -> Result<(), Error> {
    let mut patches = Patches { id, new_id, number, fragments: 0, all: Vec::new() };
    let (mut first, mut end) = (None, 0);
    for found in Boxes::new(b"file", bytes) {
        let found = found?;
        end = found.body + found.payload.len();
        if bytes[found.start..].starts_with(&[0; 4]) {
            // It would reach to the end of the file.
            return Err(Malformed::Size(FourCc(found.kind), 0).into());
        }
        match &found.kind {
            b"moof" => {
                first.get_or_insert(found.start);
                patches.moof(found.body, found.payload)?;
            }
            // What a segment says of itself alone.
            b"styp" | b"sidx" | b"ssix" | b"prft" => patches.all.push((found.start + 4, *b"free")),
            _ => {}
        }
    }
    if end != bytes.len() {
        return Err(Malformed::Truncated(FourCc(*b"file")).into());
    }
    let first = first.ok_or(Malformed::Missing { parent: FourCc(*b"file"), child: FourCc(*b"moof") })?;
    for (at, value) in patches.all {
        bytes[at..at + 4].copy_from_slice(&value);
    }
    bytes.rotate_left(first);
    Ok(())
}

/// What [`adapt`] is going to write where.
struct Patches {
    id: u32,
    new_id: u32,
    number: u32,
    fragments: u32,
    all: Vec<(usize, [u8; 4])>,
}

impl Patches {
    /// A `moof` whose payload lies at `at`.
    fn moof(&mut self, at: usize, payload: &[u8]) -> Result<(), Error> {
        if self.fragments == FRAGMENTS {
            return Err(Error::Fragments);
        }
        self.fragments += 1;
        for found in Boxes::new(b"moof", payload) {
            let found = found?;
            match &found.kind {
                b"mfhd" => {
                    Fields::new(b"mfhd", found.payload).skip(8)?;
                    self.all.push((at + found.body + 4, (self.number + self.fragments).to_be_bytes()));
                }
                b"traf" => self.traf(at + found.body, found.payload)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn traf(&mut self, at: usize, payload: &[u8]) -> Result<(), Error> {
        let boxes = Boxes::new(b"traf", payload);
        boxes.need(b"tfhd")?;
        for found in boxes {
            let found = found?;
            if &found.kind == b"tfhd" {
                let mut tfhd = Fields::new(b"tfhd", found.payload);
                let (_, has) = tfhd.version_flags()?;
                let id = tfhd.u32()?;
                if id != self.id {
                    return Err(Error::ForeignTrack(id));
                }
                if has & 0x01 != 0 {
                    return Err(Error::FileOffsets);
                }
                self.all.push((at + found.body + 4, self.new_id.to_be_bytes()));
            }
        }
        Ok(())
    }
}
