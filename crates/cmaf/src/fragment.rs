//! Reading one track's run of samples out of a `moof`.
//!
//! The invariant: positions are those of the stream or file the `moof` lies in, and no more samples are listed
//! than the bounds allow, whatever the counts say.

use crate::moov::Defaults;
use crate::read::{Boxes, Fields, FourCc, Malformed};

/// Samples in one `moof`: four and a half minutes at 60 frames a second. Few bytes can announce many samples, so
/// this bounds what they cost.
pub(crate) const MAX_SAMPLES: usize = 1 << 14;

/// A `traf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traf {
    pub(crate) track: u32,
    /// Offsets count from the `moof`, not from something outside the segment.
    pub(crate) from_moof: bool,
    /// Whether a `tfdt` said when it starts.
    pub(crate) timed: bool,
    pub(crate) samples: Vec<Planned>,
}

/// A sample as its fragment describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Position of its first byte.
    pub(crate) at: u64,
    pub(crate) size: u32,
    pub(crate) dts: u64,
    pub(crate) cts_offset: i64,
    pub(crate) duration: u32,
    pub(crate) sync: bool,
}

impl Planned {
    pub(crate) fn pts(&self) -> i128 {
        i128::from(self.dts) + i128::from(self.cts_offset)
    }
}

impl Traf {
    /// Reads all `traf` of the `moof` at position `moof`. Without a `tfdt` decode times go on from `next_dts`.
    pub(crate) fn read_all(
        moof: u64,
        payload: &[u8],
        defaults: &[Defaults],
        next_dts: u64,
    ) -> Result<Vec<Self>, Malformed> {
        let mut trafs: Vec<Self> = Vec::new();
        let mut room = MAX_SAMPLES;
        for found in Boxes::new(b"moof", payload) {
            let found = found?;
            if &found.kind == b"traf" {
                let traf = Self::read(moof, found.payload, defaults, next_dts, room)?;
                room -= traf.samples.len();
                trafs.push(traf);
            }
        }
        Ok(trafs)
    }

    fn read(
        moof: u64,
        payload: &[u8],
        defaults: &[Defaults],
        next_dts: u64,
        room: usize,
    ) -> Result<Self, Malformed> {
        let boxes = Boxes::new(b"traf", payload);
        let mut tfhd = Fields::new(b"tfhd", boxes.need(b"tfhd")?);
        let (_, has) = tfhd.version_flags()?;
        let track = tfhd.u32()?;
        let known = defaults.iter().find(|d| d.track == track);
        let mut defaults = known.copied().unwrap_or(Defaults { track, duration: 0, size: 0, flags: 0 });
        let base = if has & 0x01 != 0 { tfhd.u64()? } else { moof };
        if has & 0x02 != 0 {
            tfhd.skip(4)?;
        }
        for (bit, field) in
            [(0x08, &mut defaults.duration), (0x10, &mut defaults.size), (0x20, &mut defaults.flags)]
        {
            if has & bit != 0 {
                *field = tfhd.u32()?;
            }
        }
        let mut state = State { at: base, dts: next_dts, room, samples: Vec::new() };
        let tfdt = boxes.find(b"tfdt")?;
        if let Some(tfdt) = tfdt {
            let mut tfdt = Fields::new(b"tfdt", tfdt);
            let (version, _) = tfdt.version_flags()?;
            state.dts = tfdt.word(version)?;
        }
        for found in boxes {
            let found = found?;
            if &found.kind == b"trun" {
                state.trun(base, found.payload, defaults)?;
            }
        }
        let from_moof = has & 0x01 == 0 && has & 0x02_0000 != 0;
        Ok(Self { track, from_moof, timed: tfdt.is_some(), samples: state.samples })
    }
}

/// Where the next sample lies, and when.
struct State {
    at: u64,
    dts: u64,
    room: usize,
    samples: Vec<Planned>,
}

impl State {
    /// Reads one `trun`; its data follows that of the one before unless it says otherwise.
    fn trun(&mut self, base: u64, payload: &[u8], defaults: Defaults) -> Result<(), Malformed> {
        let mut trun = Fields::new(b"trun", payload);
        let (version, has) = trun.version_flags()?;
        let count = trun.u32()? as usize;
        if count > self.room - self.samples.len() {
            return Err(Malformed::Limit(FourCc(*b"trun"), "too many samples"));
        }
        if has & 0x001 != 0 {
            let offset = i64::from(trun.i32()?);
            let Some(at) = base.checked_add_signed(offset) else { return trun.bad("offset out of range") };
            self.at = at;
        }
        let first_flags = if has & 0x004 != 0 { Some(trun.u32()?) } else { None };
        for number in 0..count {
            let duration = if has & 0x100 != 0 { trun.u32()? } else { defaults.duration };
            let size = if has & 0x200 != 0 { trun.u32()? } else { defaults.size };
            if size == 0 {
                return trun.bad("an empty sample");
            }
            let mut flags = if has & 0x400 != 0 { trun.u32()? } else { defaults.flags };
            if let (0, Some(first)) = (number, first_flags) {
                flags = first;
            }
            let cts_offset = match (has & 0x800 != 0, version) {
                (false, _) => 0,
                (true, 0) => i64::from(trun.u32()?),
                (true, _) => i64::from(trun.i32()?),
            };
            let sync = flags & 0x0001_0000 == 0;
            self.samples.push(Planned { at: self.at, size, dts: self.dts, cts_offset, duration, sync });
            let (Some(at), Some(dts)) =
                (self.at.checked_add(size.into()), self.dts.checked_add(duration.into()))
            else {
                return trun.bad("offsets or times overflow");
            };
            (self.at, self.dts) = (at, dts);
        }
        Ok(())
    }
}
