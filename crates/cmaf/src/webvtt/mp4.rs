//! WebVTT in fragmented MP4 (`wvtt`, ISO/IEC 14496-30): a sample has all cues that are shown while it lasts, so a cue may be in several.
//!
//! The invariant: that of [`super`]; what is read costs no more than the bounds there, whatever counts and sizes say.

use std::time::Duration;

use super::{Cue, MAX_CUES, Text};
use crate::fragment::Traf;
use crate::moov::{Defaults, Movie};
use crate::read::{Boxes, Fields, FourCc, Malformed};
use crate::ticks_to_duration;

/// What an init segment says of its captions.
#[derive(Debug, Clone)]
pub struct Track {
    id: u32,
    timescale: u32,
    head: String,
    defaults: Vec<Defaults>,
}

impl Track {
    /// Reads an init segment whose first track of text is WebVTT.
    pub fn read(init: &[u8]) -> Result<Self, Malformed> {
        let movie = Movie::read(Boxes::new(b"file", init).need(b"moov")?)?;
        for trak in &movie.tracks {
            let mut stsd = Fields::new(b"stsd", trak.stbl.need(b"stsd")?);
            stsd.skip(8)?;
            let Some(entry) = Boxes::new(b"stsd", stsd.rest()).find(b"wvtt")? else { continue };
            let mut entry = Fields::new(b"wvtt", entry);
            // Reserved, and where its data is.
            entry.skip(8)?;
            let header = Boxes::new(b"wvtt", entry.rest()).need(b"vttC")?;
            let head = super::read(header).map(|text| text.head).unwrap_or_default();
            return Ok(Self { id: trak.id, timescale: trak.timescale, head, defaults: movie.defaults });
        }
        Err(Malformed::Missing { parent: FourCc(*b"stsd"), child: FourCc(*b"wvtt") })
    }

    /// Reads a segment; its times are those of the media.
    pub fn text(&self, segment: &[u8]) -> Result<Text, Malformed> {
        let mut text = Text { head: self.head.clone(), ..Text::default() };
        // Samples do not share bytes, so there are no more to read than there are.
        let mut room = segment.len();
        for found in Boxes::new(b"file", segment) {
            let found = found?;
            if &found.kind != b"moof" {
                continue;
            }
            for traf in Traf::read_all(found.start as u64, found.payload, &self.defaults, 0)? {
                for sample in traf.samples.iter().filter(|_| traf.track == self.id) {
                    let size = sample.size as usize;
                    room = room.checked_sub(size).ok_or(Malformed::Size(FourCc(*b"mdat"), size as u64))?;
                    let from = usize::try_from(sample.at).ok().and_then(|at| segment.get(at..));
                    let bytes = from.and_then(|bytes| bytes.get(..size));
                    let bytes = bytes.ok_or(Malformed::Truncated(FourCc(*b"mdat")))?;
                    let pts = u64::try_from(sample.pts().max(0)).unwrap_or(u64::MAX);
                    let end = pts.saturating_add(sample.duration.into());
                    let span = [pts, end].map(|ticks| ticks_to_duration(ticks, self.timescale));
                    sampled(&mut text.cues, bytes, span)?;
                }
            }
        }
        Ok(text)
    }
}

/// Takes in the cues of a sample. One that the sample before it has too goes on.
fn sampled(cues: &mut Vec<Cue>, sample: &[u8], [start, end]: [Duration; 2]) -> Result<(), Malformed> {
    for found in Boxes::new(b"mdat", sample) {
        let found = found?;
        if &found.kind != b"vttc" {
            continue;
        }
        let Some(cue) = cue(found.payload, [start, end])? else { continue };
        let same = |other: &Cue| {
            other.end == start
                && (&other.id, &other.settings, &other.text) == (&cue.id, &cue.settings, &cue.text)
        };
        match cues.iter().rposition(same) {
            Some(before) => cues[before].end = end,
            None if cues.len() < MAX_CUES => cues.push(cue),
            None => {}
        }
    }
    Ok(())
}

/// A cue box as a cue, if one can be written as WebVTT.
fn cue(vttc: &[u8], [start, end]: [Duration; 2]) -> Result<Option<Cue>, Malformed> {
    let field = |kind| -> Result<_, Malformed> {
        Ok(Boxes::new(b"vttc", vttc).find(kind)?.map(String::from_utf8_lossy).unwrap_or_default())
    };
    let (id, settings, text) = (field(b"iden")?, field(b"sttg")?, field(b"payl")?);
    let one_line = |text: &str| {
        if text.contains(['\n', '\r', '\0']) || text.contains("-->") {
            String::new()
        } else {
            text.to_owned()
        }
    };
    let times = format!("{} --> {} {}", super::clock(start), super::clock(end), one_line(settings.trim()));
    let (id, text) = (one_line(&id), text.replace('\0', "\u{fffd}"));
    let lines = text.split(['\n', '\r']).filter(|line| !line.is_empty());
    let head = [id.as_str(), times.as_str()].into_iter().skip(usize::from(id.is_empty()));
    // By what holds for files too.
    Ok(super::cue(&head.chain(lines).collect::<Vec<_>>()).map(|cue| Cue { start, end, ..cue }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], &body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn init(entry: &[u8; 4]) -> Vec<u8> {
        let header = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000]), &[0; 80]]);
        let tkhd = boxed(b"tkhd", &[&words(&[7, 0, 0, 3]), &[0; 68]]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 1000, 0, 0])]);
        let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"text", &[0; 13]]);
        let config = boxed(b"vttC", &[b"WEBVTT\n\nSTYLE\n::cue { color: lime }"]);
        let entry = boxed(entry, &[&words(&[0, 1]), &config]);
        let stbl = boxed(b"stbl", &[&boxed(b"stsd", &[&words(&[0, 1]), &entry])]);
        let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
        let trex = boxed(b"trex", &[&words(&[0, 3, 1, 0, 0, 0])]);
        boxed(b"moov", &[&header, &boxed(b"trak", &[&tkhd, &mdia]), &boxed(b"mvex", &[&trex])])
    }

    fn segment(start: u32, samples: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let make = |offset: u32| {
            let entries: Vec<u32> = samples.iter().flat_map(|(d, bytes)| [*d, bytes.len() as u32]).collect();
            let tfhd = boxed(b"tfhd", &[&words(&[0x02_0000, 3])]);
            let tfdt = boxed(b"tfdt", &[&words(&[0, start])]);
            let trun = boxed(b"trun", &[&words(&[0x301, samples.len() as u32, offset]), &words(&entries)]);
            boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &tfdt, &trun])])
        };
        let moof = make(make(0).len() as u32 + 8);
        let data: Vec<u8> = samples.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        [moof, boxed(b"mdat", &[&data])].concat()
    }

    fn said(id: &str, settings: &str, text: &str) -> Vec<u8> {
        let fields = [(b"iden", id), (b"sttg", settings), (b"payl", text)];
        boxed(b"vttc", &fields.map(|(kind, text)| boxed(kind, &[text.as_bytes()])).each_ref().map(|f| &f[..]))
    }

    #[test]
    fn cues_go_on_from_sample_to_sample_and_stay_within_their_lines() {
        let track = Track::read(&init(b"wvtt")).unwrap();
        let (long, short) = (said("1", "line:0", "Hello\n\nthere"), said("", "", "Hi\r\nnow --> then"));
        let samples = [
            (500, boxed(b"vtte", &[])),
            (300, long.clone()),
            (200, [long.clone(), short].concat()),
            (400, said("a\nb", "x\n00:00.000 --> 00:01.000", "last")),
            (100, said("", "", "\n\n")),
        ];
        let text = track.text(&segment(90_000, &samples)).unwrap();
        let ms = Duration::from_millis;
        let cue = |start, end, id: &str, settings: &str, text: &str| Cue {
            start: ms(start),
            end: ms(end),
            id: id.into(),
            settings: settings.into(),
            text: text.into(),
        };
        assert_eq!(
            text.cues,
            [
                cue(90_500, 91_000, "1", "line:0", "Hello\nthere"),
                cue(90_800, 91_000, "", "", "Hi"),
                cue(91_000, 91_400, "", "", "last"),
            ]
        );
        assert_eq!((text.head.as_str(), text.map), ("STYLE\n::cue { color: lime }\n\n", None));
        let mut out = super::super::begin(&text.head, None);
        text.cues.iter().for_each(|cue| super::super::put(&mut out, cue));
        assert_eq!(super::super::read(out.as_bytes()).unwrap(), text);
    }

    #[test]
    fn what_is_no_webvtt_or_damaged_is_an_error() {
        assert!(Track::read(&init(b"stpp")).is_err());
        assert!(Track::read(b"WEBVTT\n\n").is_err());
        let track = Track::read(&init(b"wvtt")).unwrap();
        let whole = segment(0, &[(1, said("", "", "x"))]);
        for end in 0..whole.len() {
            if let Ok(text) = track.text(&whole[..end]) {
                assert!(text.cues.is_empty());
            }
        }
        let many: Vec<_> = (0..5000).map(|at| (1, said("", "", &at.to_string()))).collect();
        assert_eq!(track.text(&segment(0, &many)).unwrap().cues.len(), MAX_CUES);
    }
}
