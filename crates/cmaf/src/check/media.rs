//! Judging init and media segments: boxes, times, codecs.
//!
//! The invariant: a segment is judged with its init segment and its own bytes only; what follows from several
//! segments together is judged where they are listed.

use crate::fragment::{Planned, Traf};
use crate::moov::{Content, Defaults, Movie};
use crate::read::{Boxes, Found, Malformed};
use crate::{Kind, Track};

/// What an init segment says.
#[derive(Debug, Clone)]
pub(super) struct Init {
    /// Track id and timescale of the first track.
    pub(super) id: u32,
    pub(super) timescale: u32,
    pub(super) kind: Option<Kind>,
    /// `None` where the codec is not one this crate can read; its name is in `codec` then.
    pub(super) track: Option<Track>,
    pub(super) codec: String,
    pub(super) defaults: Vec<Defaults>,
    pub(super) tracks: usize,
    /// Media time that is shown at zero.
    pub(super) shown_from: i128,
}

impl Init {
    /// Reads an init segment. Complaints that do not keep it from being used go to `complain`.
    pub(super) fn read(bytes: &[u8], complain: &mut dyn FnMut(String)) -> Result<Self, String> {
        let boxes = Boxes::new(b"file", bytes);
        match boxes.clone().next() {
            Some(Ok(first)) if &first.kind == b"ftyp" => {}
            Some(Err(error)) => return Err(error.to_string()),
            _ => complain("an init segment must start with 'ftyp'".to_owned()),
        }
        for found in boxes.clone() {
            let found = found.map_err(text)?;
            if matches!(&found.kind, b"moof" | b"mdat") {
                complain(format!("an init segment holds '{}'", name(&found)));
            }
        }
        let movie = Movie::read(boxes.need(b"moov").map_err(text)?).map_err(text)?;
        if !movie.fragmented {
            complain("'moov' lacks 'mvex'".to_owned());
        }
        let trak = movie.tracks.first().ok_or("no track in the init segment")?;
        if !movie.defaults.iter().any(|d| d.track == trak.id) {
            complain("'mvex' lacks the 'trex' of the track".to_owned());
        }
        let (kind, track, codec) = match trak.content().map_err(text)? {
            Content::Track(track) => (Some(track.kind), Some(track.clone()), track.codec),
            Content::Foreign(kind, codec) => (Some(kind), None, codec),
            Content::Neither => (None, None, "neither video nor audio".to_owned()),
        };
        let shown_from = match trak.stretch(movie.timescale) {
            Some(stretch) => i128::from(stretch.from) - i128::from(stretch.delay),
            None => {
                complain("the edit list does more than delay and trim".to_owned());
                0
            }
        };
        Ok(Self {
            id: trak.id,
            timescale: trak.timescale,
            kind,
            track,
            codec,
            tracks: movie.tracks.len(),
            shown_from,
            defaults: movie.defaults,
        })
    }
}

/// What a media segment says, in ticks of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) dts: u64,
    pub(super) dts_end: u64,
    /// Presentation time of the first sample and the latest end of any, edit list applied.
    pub(super) shown: i128,
    pub(super) shown_end: i128,
    pub(super) starts_with_sync: bool,
    pub(super) bytes: u64,
}

/// Judges one segment; mistakes go to `complain`. `None` when there is nothing to go on with.
pub(super) fn segment(bytes: &[u8], init: &Init, complain: &mut dyn FnMut(String)) -> Option<Facts> {
    let mut facts: Option<Facts> = None;
    let mut waiting: Option<Vec<Planned>> = None;
    for found in Boxes::new(b"file", bytes) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                complain(error.to_string());
                break;
            }
        };
        match &found.kind {
            b"moof" => {
                if waiting.is_some() {
                    complain("a 'moof' follows another without 'mdat' between them".to_owned());
                }
                let next = facts.map_or(0, |f| f.dts_end);
                match moof(&found, init, next, facts.is_some(), complain) {
                    Ok(samples) => {
                        facts = merge(facts, &samples, init, bytes.len() as u64);
                        waiting = Some(samples);
                    }
                    Err(error) => {
                        complain(error.to_string());
                        return facts;
                    }
                }
            }
            b"mdat" => match waiting.take() {
                Some(samples) => mdat(&found, &samples, init.tracks == 1, complain),
                None => complain("an 'mdat' without 'moof' before it".to_owned()),
            },
            b"styp" if found.start > 0 => complain("'styp' is not at the start".to_owned()),
            b"styp" | b"sidx" | b"emsg" | b"prft" | b"free" | b"skip" | b"uuid" => {}
            _ => complain(format!("a segment must not hold '{}'", name(&found))),
        }
    }
    if waiting.is_some() {
        complain("the last 'moof' lacks its 'mdat'".to_owned());
    }
    if facts.is_none() {
        complain("no samples in the segment".to_owned());
    }
    facts
}

/// The samples of the first track in a `moof`.
fn moof(
    found: &Found<'_>,
    init: &Init,
    next_dts: u64,
    inside: bool,
    complain: &mut dyn FnMut(String),
) -> Result<Vec<Planned>, Malformed> {
    Boxes::new(b"moof", found.payload).need(b"mfhd")?;
    let trafs = Traf::read_all(found.start as u64, found.payload, &init.defaults, next_dts)?;
    let mut samples = Vec::new();
    for traf in trafs {
        if !traf.from_moof {
            complain("'tfhd' lacks default-base-is-moof".to_owned());
        }
        if !traf.timed {
            complain("'traf' lacks 'tfdt'".to_owned());
        }
        if traf.track == init.id {
            if inside && traf.timed && traf.samples.first().is_some_and(|s| s.dts != next_dts) {
                complain(format!("decode time jumps inside the segment, after {next_dts}"));
            }
            samples.extend(traf.samples);
        } else if init.tracks == 1 {
            complain(format!("'traf' of track {}, which the init segment does not have", traf.track));
        }
    }
    Ok(samples)
}

fn merge(facts: Option<Facts>, samples: &[Planned], init: &Init, bytes: u64) -> Option<Facts> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return facts };
    let ends = samples.iter().map(|s| s.pts() + i128::from(s.duration)).max().unwrap_or(0);
    let shown_end = ends - init.shown_from;
    let dts_end = last.dts.saturating_add(last.duration.into());
    Some(match facts {
        Some(facts) => Facts { dts_end, shown_end: facts.shown_end.max(shown_end), ..facts },
        None => Facts {
            dts: first.dts,
            dts_end,
            shown: first.pts() - init.shown_from,
            shown_end,
            starts_with_sync: first.sync || init.kind == Some(Kind::Audio),
            bytes,
        },
    })
}

fn mdat(found: &Found<'_>, samples: &[Planned], alone: bool, complain: &mut dyn FnMut(String)) {
    let start = found.body as u64;
    let end = start + found.payload.len() as u64;
    if samples.iter().any(|s| s.at < start || s.at.saturating_add(s.size.into()) > end) {
        complain("'trun' points outside the 'mdat' that follows".to_owned());
        return;
    }
    let total = samples.iter().fold(0u64, |sum, s| sum.saturating_add(s.size.into()));
    if alone && total != found.payload.len() as u64 {
        complain(format!("the sizes in 'trun' add up to {total}, but 'mdat' holds {}", found.payload.len()));
    }
}

/// Judges the bytes an I-frame playlist points to: `moof`, and in the `mdat` after it a whole sync sample.
pub(super) fn iframe(range: &[u8], init: &Init) -> Result<(), String> {
    let Some((header, _)) = range.split_first_chunk::<8>() else {
        return Err("the range is too short for a 'moof'".to_owned());
    };
    if &header[4..] != b"moof" {
        return Err("the range does not start with 'moof'".to_owned());
    }
    let size = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let moof = range.get(8..size).ok_or("the range ends inside 'moof'")?;
    let trafs = Traf::read_all(0, moof, &init.defaults, 0).map_err(text)?;
    let first = trafs.iter().find(|t| t.track == init.id).and_then(|t| t.samples.first());
    let first = first.ok_or("no sample in the 'moof'")?;
    if !first.sync {
        return Err("the first sample is not a sync sample".to_owned());
    }
    match first.at.checked_add(first.size.into()) {
        Some(end) if end <= range.len() as u64 => Ok(()),
        _ => Err("the range ends inside the picture".to_owned()),
    }
}

fn text(error: Malformed) -> String {
    error.to_string()
}

fn name(found: &Found<'_>) -> String {
    crate::FourCc(found.kind).to_string()
}
