//! The sample tables of one track (ISO/IEC 14496-12 sections 8.6 and 8.7), walked lazily.
//!
//! The invariant: the tables stay as they lie in the file. A walk holds a few numbers whatever the counts say, and
//! a table that ends before its count is an error at the sample where it ends.

use crate::read::{Boxes, Fields, FourCc, Malformed};

/// Samples in one film, all tracks together: two days of pictures and sound.
pub(crate) const MAX_SAMPLES: u32 = 1 << 24;
/// Bytes of one sample.
pub(crate) const MAX_SAMPLE: u32 = 64 << 20;

/// Where a sample lies in the file, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) size: u32,
    pub(crate) dts: u64,
    pub(crate) cts_offset: i32,
    pub(crate) duration: u32,
    pub(crate) sync: bool,
}

impl Place {
    /// Presentation time before edits, in ticks.
    pub(crate) fn pts(&self) -> i128 {
        i128::from(self.dts) + i128::from(self.cts_offset)
    }
}

/// Byte ranges of the tables within the `moov`, so that the `moov` and this can be moved together.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    count: u32,
    /// 0 when `sizes` holds one each.
    same_size: u32,
    sizes: Table,
    times: Table,
    offsets: Option<Table>,
    /// Sorted sample numbers from 1; all are sync without it.
    syncs: Option<Table>,
    runs: Table,
    chunks: Table,
    /// Bytes of a chunk offset: 4 or 8.
    chunk_width: usize,
}

#[derive(Debug, Clone, Copy)]
struct Table {
    start: usize,
    entries: u32,
}

impl Tables {
    /// Finds the tables in `stbl`, whose boxes lie somewhere in `moov`.
    pub(crate) fn find(moov: &[u8], stbl: &Boxes<'_>) -> Result<Self, Malformed> {
        let table = |payload: &[u8], name: &[u8; 4], entry: usize, extra: usize| {
            let mut fields = Fields::new(name, payload);
            fields.version_flags()?;
            fields.skip(extra)?;
            let entries = fields.u32()?;
            let rest = fields.rest();
            if rest.len() / entry < entries as usize {
                return Err(Malformed::Truncated(FourCc(*name)));
            }
            // `rest` is a part of `moov`: both slices stem from the same buffer.
            Ok(Table { start: rest.as_ptr() as usize - moov.as_ptr() as usize, entries })
        };
        let stsz = stbl.need(b"stsz")?;
        let mut fields = Fields::new(b"stsz", stsz);
        fields.version_flags()?;
        let (same_size, count) = (fields.u32()?, fields.u32()?);
        if count > MAX_SAMPLES {
            return Err(Malformed::Limit(FourCc(*b"stsz"), "too many samples"));
        }
        let sizes =
            if same_size == 0 { table(stsz, b"stsz", 4, 4)? } else { Table { start: 0, entries: count } };
        let (chunks, chunk_width) = match stbl.find(b"stco")? {
            Some(stco) => (table(stco, b"stco", 4, 0)?, 4),
            None => (table(stbl.need(b"co64")?, b"co64", 8, 0)?, 8),
        };
        let optional = |name: &[u8; 4], entry| stbl.find(name)?.map(|p| table(p, name, entry, 0)).transpose();
        let tables = Self {
            count,
            same_size,
            sizes,
            times: table(stbl.need(b"stts")?, b"stts", 8, 0)?,
            offsets: optional(b"ctts", 8)?,
            syncs: optional(b"stss", 4)?,
            runs: table(stbl.need(b"stsc")?, b"stsc", 12, 0)?,
            chunks,
            chunk_width,
        };
        for run in 0..tables.runs.entries {
            if word(moov, tables.runs, run, 3, 2)? != 1 {
                return Err(Malformed::Value(FourCc(*b"stsc"), "the codec configuration changes midway"));
            }
        }
        Ok(tables)
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Starts a walk at the first sample.
    pub(crate) fn walk(&self) -> Walk {
        Walk::default()
    }
}

/// A position in the tables. Feed it the same `moov` and [`Tables`] at each step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walk {
    sample: u32,
    dts: u64,
    time: Run,
    offset: Run,
    sync: u32,
    /// Chunks started so far.
    chunk: u32,
    run: u32,
    left_in_chunk: u32,
    at: u64,
}

/// A run-length table's state: entries used, repeats left, the value repeated.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    entry: u32,
    left: u32,
    value: u32,
}

impl Run {
    /// The next value; `None` when the table is used up.
    fn step(&mut self, moov: &[u8], table: Table) -> Result<Option<u32>, Malformed> {
        while self.left == 0 {
            if self.entry >= table.entries {
                return Ok(None);
            }
            self.left = word(moov, table, self.entry, 2, 0)?;
            self.value = word(moov, table, self.entry, 2, 1)?;
            self.entry += 1;
        }
        self.left -= 1;
        Ok(Some(self.value))
    }
}

impl Walk {
    /// The next sample in decode order.
    pub(crate) fn next(&mut self, moov: &[u8], tables: &Tables) -> Result<Option<Place>, Malformed> {
        if self.sample >= tables.count {
            return Ok(None);
        }
        while self.left_in_chunk == 0 {
            self.open_chunk(moov, tables)?;
        }
        self.left_in_chunk -= 1;
        let size = match tables.same_size {
            0 => word(moov, tables.sizes, self.sample, 1, 0)?,
            size => size,
        };
        if size > MAX_SAMPLE {
            return Err(Malformed::Limit(FourCc(*b"stsz"), "a sample too large"));
        }
        let Some(duration) = self.time.step(moov, tables.times)? else {
            return Err(Malformed::Truncated(FourCc(*b"stts")));
        };
        let cts_offset = match tables.offsets {
            // Unsigned in version 0, but many writers put signed values there.
            Some(table) => self.offset.step(moov, table)?.unwrap_or(0) as i32,
            None => 0,
        };
        let sync = match tables.syncs {
            None => true,
            Some(table) => {
                while self.sync < table.entries && word(moov, table, self.sync, 1, 0)? <= self.sample {
                    self.sync += 1;
                }
                self.sync < table.entries && word(moov, table, self.sync, 1, 0)? == self.sample + 1
            }
        };
        let place = Place { offset: self.at, size, dts: self.dts, cts_offset, duration, sync };
        self.sample += 1;
        let overflow = Malformed::Value(FourCc(*b"stbl"), "times or offsets overflow");
        self.at = self.at.checked_add(size.into()).ok_or(overflow)?;
        // At most MAX_SAMPLES times u32::MAX: far below u64.
        self.dts += u64::from(duration);
        Ok(Some(place))
    }

    fn open_chunk(&mut self, moov: &[u8], tables: &Tables) -> Result<(), Malformed> {
        if self.chunk >= tables.chunks.entries {
            return Err(Malformed::Truncated(FourCc(*b"stco")));
        }
        // A run covers the chunks up to where the next one starts (numbered from 1).
        while self.run + 1 < tables.runs.entries
            && word(moov, tables.runs, self.run + 1, 3, 0)? <= self.chunk + 1
        {
            self.run += 1;
        }
        if tables.runs.entries == 0 {
            return Err(Malformed::Truncated(FourCc(*b"stsc")));
        }
        self.left_in_chunk = word(moov, tables.runs, self.run, 3, 1)?;
        let width = tables.chunk_width / 4;
        let high = word(moov, tables.chunks, self.chunk, width, 0)?;
        self.at = match width {
            1 => high.into(),
            _ => u64::from(high) << 32 | u64::from(word(moov, tables.chunks, self.chunk, width, 1)?),
        };
        self.chunk += 1;
        Ok(())
    }
}

/// Word `field` of entry `entry` of a table with `width` words an entry.
fn word(moov: &[u8], table: Table, entry: u32, width: usize, field: usize) -> Result<u32, Malformed> {
    let at = table.start + (entry as usize * width + field) * 4;
    let bytes = moov.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(Malformed::Truncated(FourCc(*b"stbl")))
}
