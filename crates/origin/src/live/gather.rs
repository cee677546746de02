//! The first moment of a publication: which tracks it has. The invariant: it is over soon, and holds little, whatever comes.

use super::desk::{Ended, Next, Publication};
use super::timeline;
use cmaf::webvtt::Text;
use cmaf::{Kind, Sample, Track};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout_at};

/// How long further tracks are waited for, once one has samples.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Samples, and bytes of them, held meanwhile.
const MAX_HELD: usize = 2000;
const MAX_HELD_BYTES: usize = 32 << 20;
/// Texts held meanwhile.
const MAX_HELD_TEXTS: usize = 64;

/// A publication's tracks, and what came of them so far.
#[derive(Debug)]
pub(super) struct Gathered {
    pub tracks: BTreeMap<u8, Track>,
    pub held: Vec<(u8, Sample)>,
    pub texts: Vec<(u8, Text)>,
    /// When the first sample came, and what the clock on the wall said.
    pub begun: Instant,
    pub wall: SystemTime,
    /// Whether the publication has ended already.
    pub ended: Option<Ended>,
}

/// Waits for the tracks of `publication`; an error says how it ended without a sample.
pub(super) async fn gather(publication: &mut Publication) -> Result<Gathered, Ended> {
    let mut tracks = BTreeMap::new();
    let mut held: Vec<(u8, Sample)> = Vec::new();
    let mut texts = Vec::new();
    let mut bytes = 0;
    let mut first: Option<(Instant, SystemTime)> = None;
    let mut ended = None;
    loop {
        let next = match first {
            None => publication.next().await,
            Some((begun, _)) => match timeout_at(begun + PATIENCE, publication.next()).await {
                Ok(next) => next,
                Err(_) => break,
            },
        };
        match next {
            Next::Track(number, track) => {
                tracks.insert(number, track);
            }
            Next::Sample(number, sample) => {
                first.get_or_insert_with(|| (Instant::now(), SystemTime::now()));
                bytes += sample.data.len();
                held.push((number, sample));
            }
            Next::Mark(..) => {} // of what comes first there is nothing before it
            Next::Text(number, text) if texts.len() < MAX_HELD_TEXTS => texts.push((number, text)),
            Next::Text(..) => {}
            Next::Ended(how) => {
                ended = Some(how);
                break;
            }
        }
        let whole = tracks.len() >= publication.tracks
            && tracks.keys().all(|number| held.iter().any(|(of, _)| of == number));
        if whole || held.len() >= MAX_HELD || bytes >= MAX_HELD_BYTES {
            break;
        }
    }
    tracks.retain(|number, _| held.iter().any(|(of, _)| of == number));
    held.retain(|(number, _)| tracks.contains_key(number));
    match first {
        Some((begun, wall)) if !tracks.is_empty() => Ok(Gathered { tracks, held, texts, begun, wall, ended }),
        _ => Err(ended.unwrap_or(Ended::Cut)),
    }
}

impl Gathered {
    /// Where the publication begins, in nanoseconds of its own clock: the earliest first sample.
    pub fn first(&self) -> i128 {
        let start = |(number, track): (&u8, &Track)| {
            let first = self.held.iter().find(|(of, _)| of == number);
            first.map(|(_, sample)| timeline::start(track, sample))
        };
        self.tracks.iter().filter_map(start).min().unwrap_or(0)
    }
}

/// The first track of a kind.
pub(super) fn of_kind(tracks: &BTreeMap<u8, Track>, kind: Kind) -> Option<(u8, &Track)> {
    tracks.iter().find(|(_, track)| track.kind == kind).map(|(number, track)| (*number, track))
}
