//! Segments as samples. The invariant: a segment gives whole samples of the tracks that its init segment announces, or an error, whatever
//! its bytes are.

use super::listing::Wanted;
use super::source::Unusable;
use super::ts;
use cmaf::ingest::{Error, Event, FragmentReader};
use cmaf::{Kind, Sample, Track};

/// Bytes of one fragment: of a segment at most.
const MAX_FRAGMENT: u64 = 64 << 20;

/// What a segment has of one track.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub kind: Kind,
    /// The track, where it is not known already.
    pub track: Option<Track>,
    pub samples: Vec<Sample>,
}

/// Reads segments of one form.
#[derive(Debug)]
pub(super) enum Demux {
    /// Those that need one init segment.
    Fragments(Vec<(Kind, FragmentReader)>),
    Stream(Box<ts::Reader>),
}

impl Demux {
    /// A reader of what is `wanted` of segments as `first`, which need `init`.
    pub fn new(init: Option<&[u8]>, first: &[u8], wanted: Wanted) -> Result<Self, Unusable> {
        let Some(init) = init else {
            return match ts::Reader::knows(first) {
                true => Ok(Self::Stream(Box::new(ts::Reader::new(wanted)))),
                false => Err(Self::looks_foreign(first).unwrap_or(Unusable::NoInit)),
            };
        };
        let mut readers = Vec::new();
        let mut foreign = None;
        for kind in [Kind::Video, Kind::Audio] {
            if !wanted.has(kind) {
                continue;
            }
            let mut reader = FragmentReader::of_kind(kind, MAX_FRAGMENT);
            match reader.push(init) {
                Ok(_) if reader.is_ready() => readers.push((kind, reader)),
                Ok(_) => return Err(Unusable::NotFragmented),
                Err(Error::Tracks(_)) => {}
                Err(why @ Error::Codec { .. }) => foreign = Some(why),
                Err(why) => return Err(why.into()),
            }
        }
        match (readers.is_empty(), foreign) {
            (true, Some(why)) => Err(why.into()),
            (true, None) => Err(Error::Tracks(0).into()),
            (false, _) => Ok(Self::Fragments(readers)),
        }
    }

    /// Says what is wrong where a segment is none of MP4 at all.
    pub fn looks_foreign(bytes: &[u8]) -> Option<Unusable> {
        // The tag or frame sync of raw AAC and MP3.
        let is_sound = bytes.starts_with(b"ID3") || matches!(bytes, [0xff, second, ..] if *second >= 0xe0);
        is_sound.then_some(Unusable::NotFragmented)
    }

    /// Reads a whole segment.
    pub fn segment(&mut self, bytes: &[u8]) -> Result<Vec<Taken>, Unusable> {
        if let Some(why) = Self::looks_foreign(bytes) {
            return Err(why);
        }
        let readers = match self {
            Self::Fragments(readers) => readers,
            Self::Stream(reader) => return reader.segment(bytes),
        };
        let mut all = Vec::new();
        for (kind, reader) in readers {
            let mut taken = Taken { kind: *kind, track: None, samples: Vec::new() };
            for event in reader.push(bytes)? {
                match event {
                    Event::Track(track) => taken.track = Some(track),
                    Event::Sample(sample) => taken.samples.push(sample),
                }
            }
            reader.finish()?;
            all.push(taken);
        }
        Ok(all)
    }
}

/// Reads `bytes` as an init segment and as a segment: an entry for fuzzers.
pub(super) fn fuzz(bytes: &[u8]) {
    for wanted in [Wanted::All, Wanted::Video, Wanted::Audio] {
        for init in [Some(bytes), None] {
            let Ok(mut demux) = Demux::new(init, bytes, wanted) else { continue };
            // Either verdict is right, and the second segment is read after the first.
            let _ = (demux.segment(bytes), demux.segment(bytes));
        }
    }
}
