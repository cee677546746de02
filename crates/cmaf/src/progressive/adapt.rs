//! A segment of a package made into one of the file.
//!
//! Players that come by an index want a `moof` where it points to, and libavformat takes the first `moof` and the first run of
//! what the index names for all there is: it skips others, or puts them in the wrong place, when it comes back to them. Nor may
//! anything lie between a `mdat` and the next `moof`, which it would then read twice. So a segment becomes one `moof` of one run
//! and one `mdat` wherever its length allows it, and what is over hides in the `mdat`.
//!
//! The invariant: the samples are those of the segment, each with its times and bytes, and what is refused is as it was.

use bytes::Bytes;

use super::{Error, FRAGMENTS};
use crate::fragment::{MAX_SAMPLES, Traf};
use crate::init::TRACK_ID;
use crate::moov::Defaults;
use crate::read::{Boxes, Fields, Found, FourCc, Malformed};
use crate::{Kind, Sample, segment};

/// Who a segment is and becomes.
#[derive(Clone, Copy)]
pub(super) struct Names {
    /// The track's id in the package.
    pub(super) id: u32,
    /// Its id in the file.
    pub(super) new_id: u32,
    /// The fragments get the numbers after this one.
    pub(super) number: u32,
}

/// A `moof` and the `mdat` after it.
struct Fragment<'a> {
    moof: Found<'a>,
    mdat: Found<'a>,
}

/// Makes the segment `bytes` one of the file.
pub(super) fn adapt(bytes: &mut [u8], names: Names) -> Result<(), Error> {
    let fragments = fragments(bytes)?;
    let mut patches = Vec::new();
    for (number, fragment) in (names.number + 1..).zip(&fragments) {
        name(&fragment.moof, names, number, &mut patches)?;
    }
    let (Some(first), Some(last)) = (fragments.first(), fragments.last()) else {
        return Err(Malformed::Missing { parent: FourCc(*b"file"), child: FourCc(*b"moof") }.into());
    };
    if fragments.len() > 1
        && let Some(merged) = merge(bytes, &fragments, names)
    {
        bytes.copy_from_slice(&merged);
        return Ok(());
    }
    // What stands before goes behind, and into the last `mdat`.
    let start = first.moof.start;
    let size = u32::try_from(bytes.len() - (last.mdat.start - start))
        .map_err(|_| Malformed::Limit(FourCc(*b"mdat"), "too large a segment"))?;
    patches.push((last.mdat.start, size.to_be_bytes()));
    write(bytes, patches);
    bytes.rotate_left(start);
    Ok(())
}

/// The fragments of a segment: a walk over all of its bytes.
fn fragments(bytes: &[u8]) -> Result<Vec<Fragment<'_>>, Error> {
    let (mut fragments, mut moof, mut end) = (Vec::new(), None, 0);
    for found in Boxes::new(b"file", bytes) {
        let found = found?;
        end = found.body + found.payload.len();
        match (&found.kind, moof.take()) {
            (b"moof", None) => moof = Some(found),
            (b"mdat", Some(moof))
                if found.body == found.start + 8 && !bytes[found.start..].starts_with(&[0; 4]) =>
            {
                if fragments.len() == FRAGMENTS as usize {
                    return Err(Error::Fragments);
                }
                fragments.push(Fragment { moof, mdat: found });
            }
            (b"moof" | b"mdat", _) => return Err(Error::Fragment),
            (_, waiting) => moof = waiting,
        }
    }
    if end != bytes.len() {
        return Err(Malformed::Truncated(FourCc(*b"file")).into());
    }
    if moof.is_some() { Err(Error::Fragment) } else { Ok(fragments) }
}

/// Where and what to write so that a `moof` has the names of the file.
fn name(
    moof: &Found<'_>,
    names: Names,
    number: u32,
    patches: &mut Vec<(usize, [u8; 4])>,
) -> Result<(), Error> {
    for found in Boxes::new(b"moof", moof.payload) {
        let found = found?;
        let at = moof.body + found.body;
        match &found.kind {
            b"mfhd" => {
                Fields::new(b"mfhd", found.payload).skip(8)?;
                patches.push((at + 4, number.to_be_bytes()));
            }
            b"traf" => {
                let boxes = Boxes::new(b"traf", found.payload);
                let mut tfhd = Fields::new(b"tfhd", boxes.need(b"tfhd")?);
                let (_, has) = tfhd.version_flags()?;
                let id = tfhd.u32()?;
                if id != names.id {
                    return Err(Error::ForeignTrack(id));
                }
                if has & 0x01 != 0 {
                    return Err(Error::FileOffsets);
                }
                let tfhd = boxes.flatten().find(|inner| &inner.kind == b"tfhd");
                patches.extend(tfhd.map(|tfhd| (at + tfhd.body + 4, names.new_id.to_be_bytes())));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The segment as a single fragment, if that fits. Of its pictures only the first is said to stand alone, if not all do: the
/// others could be said to at four bytes a picture.
fn merge(bytes: &[u8], fragments: &[Fragment<'_>], names: Names) -> Option<Vec<u8>> {
    let source = Bytes::copy_from_slice(bytes);
    // What the init segment says of samples that say nothing themselves is not known here: sizes must be there, and the rest
    // is checked below.
    let defaults = [Defaults { track: names.id, duration: 0, size: 0, flags: 0 }];
    let mut samples: Vec<Sample> = Vec::new();
    for fragment in fragments {
        let moof = &fragment.moof;
        for traf in Traf::read_all(moof.start as u64, moof.payload, &defaults, 0).ok()? {
            for planned in traf.samples {
                let (from, to) = (planned.at, planned.at.checked_add(planned.size.into())?);
                let gapless =
                    samples.last().is_none_or(|last| last.dts + u64::from(last.duration) == planned.dts);
                if !traf.timed || !gapless || planned.duration == 0 || to > bytes.len() as u64 {
                    return None;
                }
                samples.push(Sample {
                    dts: planned.dts,
                    cts_offset: i32::try_from(planned.cts_offset).ok()?,
                    duration: planned.duration,
                    sync: planned.sync,
                    // Both lie in `bytes`.
                    data: source.slice(from as usize..to as usize),
                });
            }
        }
    }
    let kind = if samples.iter().all(|sample| sample.sync) { Kind::Audio } else { Kind::Video };
    samples.iter_mut().skip(1).for_each(|sample| sample.sync = false);
    let size: usize = samples.iter().map(|sample| sample.data.len()).sum();
    if samples.is_empty() || samples.len() > MAX_SAMPLES || size > bytes.len() {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let media = segment::fragment(&mut out, kind, names.number + 1, &samples);
    if out.len() > bytes.len() {
        return None;
    }
    out.resize(bytes.len(), 0);
    let mdat = u32::try_from(out.len() - (media - 8)).ok()?;
    out[media - 8..media - 4].copy_from_slice(&mdat.to_be_bytes());
    let moof = Boxes::new(b"file", &out).next()?.ok()?;
    let mut patches = Vec::new();
    name(&moof, Names { id: TRACK_ID, ..names }, names.number + 1, &mut patches).ok()?;
    write(&mut out, patches);
    Some(out)
}

fn write(bytes: &mut [u8], patches: Vec<(usize, [u8; 4])>) {
    for (at, value) in patches {
        bytes[at..at + 4].copy_from_slice(&value);
    }
}
