//! A package as one file.

#[path = "../common/mod.rs"]
mod common;
mod layout;
mod play;
mod server;

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use cmaf::progressive::{Extent, Progressive, SegmentSpan, TAIL, Track};
use common::{Cut, Scratch};

/// Pictures that stand alone every 4 s, as the ladder makes them.
const LADDER: &str = "-g 100 -keyint_min 100 -sc_threshold 0";

struct Film {
    cuts: Vec<Cut>,
    file: Progressive,
    bytes: Vec<u8>,
}

impl Film {
    fn new(film: &Path) -> Self {
        let cuts = common::cut(film, Duration::from_secs(4));
        let spans: Vec<_> = cuts.iter().map(spans).collect();
        let file = Progressive::new(&tracks(&cuts, &spans)).expect("a package");
        let bytes = read(&file, &cuts, 0..file.len());
        Self { cuts, file, bytes }
    }
}

/// What an index says of the segments.
fn spans(cut: &Cut) -> Vec<SegmentSpan> {
    let ms = |ticks| cut.rendition.track.duration(ticks).as_millis() as u32;
    let span = |s: &cmaf::Segment| SegmentSpan {
        duration_ms: ms(s.start + s.duration) - ms(s.start),
        size: s.bytes.len() as u32,
    };
    cut.segments.iter().map(span).collect()
}

fn tracks<'a>(cuts: &'a [Cut], spans: &'a [Vec<SegmentSpan>]) -> Vec<Track<'a>> {
    cuts.iter().zip(spans).map(|(cut, segments)| Track { init: &cut.init, segments }).collect()
}

/// A range of the file as a gateway would serve it.
fn read(file: &Progressive, cuts: &[Cut], range: Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for extent in file.extents(range) {
        match extent {
            Extent::Head(range) => out.extend_from_slice(&file.head()[range]),
            Extent::Segment { track, sequence, range } => {
                let mut bytes = cuts[track].segments[sequence as usize - 1].bytes.clone();
                file.adapt(track, sequence, &mut bytes).expect("a segment of the package");
                out.extend_from_slice(&bytes[range.start as usize..range.end as usize]);
            }
            Extent::Tail(range) => out.extend_from_slice(&TAIL[range]),
        }
    }
    out
}

/// A minute of film; 15 segments.
fn minute() -> &'static Film {
    static FILM: OnceLock<Film> = OnceLock::new();
    FILM.get_or_init(|| {
        let scratch = Scratch::new("progressive-minute");
        let path = scratch.path("film.mp4");
        common::film(&path, 60.0, LADDER);
        Film::new(&path)
    })
}
