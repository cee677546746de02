//! From media times to presentation times.
//!
//! The invariant: all tracks of a film are moved by the same time, so they stay in step to within one tick.

use super::tables::{Place, Tables};
use crate::moov::Stretch;
use crate::read::{FourCc, Malformed};
use crate::{Kind, Track};

/// Decoder delay longer than this many audio frames is a cut, and frames before it are dropped.
const MAX_PRIMING_FRAMES: u64 = 4;

/// What one pass over a track's tables found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survey {
    kind: Kind,
    timescale: u32,
    stretch: Stretch,
    /// First sample kept, and its times.
    first: u32,
    first_dts: u64,
    first_pts: i128,
    /// One past the last sample kept.
    until: u32,
    /// Largest presentation end of the samples kept.
    end: i128,
    /// Ticks and number of all samples, and the duration most of them have.
    ticks: u64,
    count: u32,
    usual: (u32, u32),
}

/// How one track's samples are placed on the presentation timeline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) first: u32,
    pub(super) until: u32,
    pub(super) priming: u64,
    /// Presentation end in ticks.
    pub(super) end: u64,
    /// Added to decode times.
    dts_shift: i128,
    /// Added to offsets.
    cts_shift: i128,
}

impl Timing {
    /// Decode time and offset of a sample on the presentation timeline.
    pub(super) fn apply(&self, place: &Place) -> Result<(u64, i32), Malformed> {
        let overflow = || Malformed::Value(FourCc(*b"stts"), "times leave their range");
        let dts = i128::from(place.dts) + self.dts_shift;
        let cts = i128::from(place.cts_offset) + self.cts_shift;
        Ok((u64::try_from(dts).map_err(|_| overflow())?, i32::try_from(cts).map_err(|_| overflow())?))
    }
}

/// Finds which samples a track's edits leave; `None` when there are none.
pub(super) fn survey(
    moov: &[u8],
    track: &Track,
    tables: &Tables,
    stretch: Stretch,
) -> Result<Option<Survey>, Malformed> {
    let from = i128::from(stretch.from);
    let to = stretch.to.map_or(i128::MAX, i128::from);
    let mut survey = Survey {
        kind: track.kind,
        timescale: track.timescale,
        stretch,
        first: 0,
        first_dts: 0,
        first_pts: 0,
        until: 0,
        end: 0,
        ticks: 0,
        count: 0,
        usual: (0, 0),
    };
    let mut walk = tables.walk();
    let mut started = false;
    let mut votes = 0u32;
    for number in 0..tables.count() {
        let Some(place) = walk.next(moov, tables)? else { break };
        survey.ticks += u64::from(place.duration);
        survey.count += 1;
        vote(&mut survey.usual.0, &mut votes, place.duration);

        let start_here = !started
            || match track.kind {
                // The last keyframe shown no later than the edit starts.
                Kind::Video => place.sync && place.pts() <= from && survey.first_pts < from,
                // Two frames before the edit, for the decoder to settle; a short delay is all kept.
                Kind::Audio => {
                    let margin = i128::from(place.duration) * 2;
                    stretch.from > u64::from(place.duration) * MAX_PRIMING_FRAMES
                        && place.pts() + margin <= from
                }
            };
        if start_here && (track.kind == Kind::Audio || place.sync) {
            started = true;
            (survey.first, survey.first_dts, survey.first_pts) = (number, place.dts, place.pts());
        }
        if started && place.pts() < to {
            survey.until = number + 1;
            survey.end = survey.end.max((place.pts() + i128::from(place.duration)).min(to));
        }
    }
    if survey.until <= survey.first {
        return Ok(None);
    }
    survey.usual.1 = survey.count;
    Ok(Some(survey))
}

/// One step of a majority vote: after it, a value that more than half of all steps had is the leader.
fn vote(leader: &mut u32, votes: &mut u32, value: u32) {
    if *votes == 0 {
        *leader = value;
    }
    if *leader == value { *votes += 1 } else { *votes -= 1 }
}

impl Survey {
    /// The rate of most frames when it explains the whole, else the average.
    pub(super) fn frame_rate(&self, timescale: u32) -> Option<(u32, u32)> {
        let (usual, count) = self.usual;
        crate::track::frame_rate(timescale, usual, self.ticks, count)
    }

    /// Ticks by which the first kept picture comes before the edit starts.
    fn preroll(&self) -> i128 {
        match self.kind {
            Kind::Video => (i128::from(self.stretch.from) - self.first_pts).max(0),
            Kind::Audio => 0,
        }
    }
}

/// Places all tracks on one timeline that starts at zero.
pub(super) fn settle(surveys: &[Survey]) -> Vec<Timing> {
    // The longest preroll and the earliest start, as fractions: ticks and timescale.
    let preroll = surveys.iter().map(|s| (s.preroll(), s.timescale)).max_by(|a, b| compare(*a, *b));
    let offset = |s: &Survey| {
        let preroll = preroll.map_or(0, |p| rescale(p, s.timescale));
        i128::from(s.stretch.delay) - i128::from(s.stretch.from) + preroll
    };
    let starts = surveys.iter().map(|s| ((s.first_pts + offset(s)).max(0), s.timescale));
    let earliest = starts.min_by(|a, b| compare(*a, *b));

    surveys
        .iter()
        .map(|s| {
            let offset = offset(s) - earliest.map_or(0, |e| rescale(e, s.timescale));
            let start = s.first_pts + offset;
            let (dts_shift, cts_shift, priming) = match s.kind {
                Kind::Video => {
                    let dts_shift = start.max(0) - i128::from(s.first_dts);
                    (dts_shift, offset - dts_shift, 0)
                }
                Kind::Audio if start < 0 => (-s.first_pts, 0, u64::try_from(-start).unwrap_or(u64::MAX)),
                Kind::Audio => (offset, 0, 0),
            };
            Timing {
                first: s.first,
                until: s.until,
                priming,
                end: u64::try_from((s.end + offset).max(0)).unwrap_or(u64::MAX),
                dts_shift,
                cts_shift,
            }
        })
        .collect()
}

fn compare(a: (i128, u32), b: (i128, u32)) -> std::cmp::Ordering {
    // Times are below 2^66 (edits) and timescales below 2^32.
    (a.0 * i128::from(b.1)).cmp(&(b.0 * i128::from(a.1)))
}

/// Ticks at another timescale, rounded to the nearest.
fn rescale((ticks, timescale): (i128, u32), to: u32) -> i128 {
    let from = i128::from(timescale.max(1));
    (ticks * i128::from(to) + from / 2).div_euclid(from)
}
