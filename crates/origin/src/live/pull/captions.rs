//! Captions of somebody else's stream: texts, each fetched once as it is listed, and their cues by the clock of the media.
//!
//! The invariant: media waits for no caption. What cannot be had, or is none, is left out, and the log says so once.

use super::follower::JOIN;
use super::listing::{List, Rendition, Resource, Segment, Wanted};
use super::pause::Pause;
use super::source::{Source, Trouble, Unusable};
use crate::live::timeline::NANOS;
use cmaf::live::hls::Subtitles;
use cmaf::webvtt::{self, Text, mp4};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Captions of one stream that are passed on.
const MAX_CAPTIONS: usize = 8;
/// Texts that wait, and that are kept for a publication that may begin anew.
const WAITING: usize = 8;
const KEPT: usize = 16;
/// How often a text is asked for.
const ATTEMPTS: u32 = 3;
/// A list is asked for no more often than that, also where an MPD has none of them in a period.
const LEAST_REST: Duration = Duration::from_secs(1);
/// Pauses before a list is asked for again that could not be had: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How far cues may be from what goes out, where only the texts say when they are, in nanoseconds.
const MAX_APART: i128 = 600 * NANOS;

/// Ticks a second of the clock of MPEG-2, and how many of them it counts (ISO/IEC 13818-1).
const CLOCK: i128 = 90_000;
const TURN: i128 = 1 << 33;

/// A text of the source.
#[derive(Debug)]
struct Said {
    /// As in [`Segment::run`]; `None` where the list has no discontinuities.
    run: Option<u64>,
    text: Text,
    /// Cues further than this from what goes out are of another time, in nanoseconds.
    apart: i128,
}

/// All captions of a stream, at the side of its media. Dropping it ends their tasks.
#[derive(Debug)]
pub(super) struct Captions {
    all: Vec<Line>,
    run: u64,
    stream: String,
    _tasks: JoinSet<()>,
}

/// The captions of one language.
#[derive(Debug)]
struct Line {
    of: Subtitles,
    said: mpsc::Receiver<Said>,
    /// The last that came, and whether they have gone out.
    kept: VecDeque<(Said, bool)>,
    /// Whether the log has said that they lie elsewhere in time.
    is_apart: bool,
}

/// Follows the captions of `source`, the first ones where there are too many.
pub(super) fn follow(source: &Arc<Source>, stream: &str) -> Captions {
    let (mut all, mut tasks) = (Vec::new(), JoinSet::new());
    for (of, list) in source.captions.iter().take(MAX_CAPTIONS) {
        let (outlet, said) = mpsc::channel(WAITING);
        tasks.spawn(Follower::new(Arc::clone(source), list.clone(), stream).run(outlet));
        let of = Subtitles { uri: format!("t{}/media.m3u8", all.len()), ..of.clone() };
        all.push(Line { of, said, kept: VecDeque::new(), is_apart: false });
    }
    if source.captions.len() > MAX_CAPTIONS {
        tracing::warn!(%stream, "of {} captions {MAX_CAPTIONS} are taken", source.captions.len());
    }
    Captions { all, run: 0, stream: stream.to_owned(), _tasks: tasks }
}

impl Captions {
    /// Which there are, and where they will be.
    pub fn listed(&self) -> Vec<Subtitles> {
        self.all.iter().map(|line| line.of.clone()).collect()
    }

    /// A publication begins, of media in `run`: it is told again what was said already of the same.
    pub fn begin(&mut self, run: u64) {
        let goes_on = std::mem::replace(&mut self.run, run) == run;
        for (said, is_out) in self.all.iter_mut().flat_map(|line| &mut line.kept) {
            *is_out &= said.run.map_or(!goes_on, |of| of != run);
        }
    }

    /// Cues that have come and are of what goes out, which is at `now` by the clock of the media, with the numbers of their captions.
    pub fn fresh(&mut self, now: i128) -> Vec<(u8, Text)> {
        let mut fresh = Vec::new();
        for (line, number) in self.all.iter_mut().zip(0..) {
            while let Ok(said) = line.said.try_recv() {
                line.kept.push_back((said, false));
                if line.kept.len() > KEPT {
                    line.kept.pop_front();
                }
            }
            for (said, is_out) in line.kept.iter_mut().filter(|(_, is_out)| !is_out) {
                if said.run.is_some_and(|of| of > self.run) {
                    continue;
                }
                *is_out = true;
                let text = placed(said, now);
                if text.cues.len() < said.text.cues.len() && !line.is_apart {
                    line.is_apart = true;
                    let (stream, name) = (&self.stream, &line.of.name);
                    tracing::warn!(%stream, %name, "captions lie elsewhere in time than the media, and are left out");
                }
                if !text.cues.is_empty() || !text.head.is_empty() {
                    fresh.push((number, text));
                }
            }
        }
        fresh
    }
}

/// The cues of a text by the clock of media that is at `now`, as far as they are near that (RFC 8216 section 3.5).
fn placed(Said { text, apart, .. }: &Said, now: i128) -> Text {
    let map = text.map.map_or(0, |map| {
        i128::from(map.mpegts) * NANOS / CLOCK - i128::try_from(map.local.as_nanos()).unwrap_or(0)
    });
    let turn = TURN * NANOS / CLOCK;
    let cue = |cue: &webvtt::Cue| {
        let start = i128::try_from(cue.start.as_nanos()).ok()?.checked_add(map)?;
        let lasts = i128::try_from((cue.end - cue.start).as_nanos()).ok()?;
        // The clock has turned over as often as brings them together.
        let turns = (now - start + turn / 2).div_euclid(turn);
        let start = start + turns * turn;
        let is_near = start < now + apart && start + lasts > now - apart;
        let time = |nanos: i128| u64::try_from(nanos.max(0)).ok().map(Duration::from_nanos);
        let (start, end) = (time(start)?, time(start + lasts)?);
        (is_near && end > start).then(|| webvtt::Cue { start, end, ..cue.clone() })
    };
    Text { map: None, head: text.head.clone(), cues: text.cues.iter().filter_map(cue).collect() }
}

/// Follows one list of texts.
struct Follower {
    source: Arc<Source>,
    rendition: Rendition,
    stream: String,
    /// Of captions in MP4: an init segment, and its track if that is WebVTT.
    track: Option<(Resource, Option<mp4::Track>)>,
    /// Whether the log has said that a text is missing.
    is_lost: bool,
}

impl Follower {
    fn new(source: Arc<Source>, list: List, stream: &str) -> Self {
        let rendition = Rendition { list, language: None, wanted: Wanted::All };
        Self { source, rendition, stream: stream.to_owned(), track: None, is_lost: false }
    }

    /// Until the list ends, is none of captions, or nobody wants them.
    async fn run(mut self, outlet: mpsc::Sender<Said>) {
        let mut last = None;
        let mut pause = Pause::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let asked = Instant::now();
            let listing = match self.source.list(&self.rendition).await {
                Ok(listing) => listing,
                Err(why) => {
                    self.lost(&why);
                    if !why.may_pass() {
                        return;
                    }
                    pause.wait().await;
                    continue;
                }
            };
            pause.reset();
            let newest = listing.segments.last().map(|segment| segment.key);
            if newest.is_some() && newest < last {
                last = None; // it is numbered anew
            }
            // One more than of media: a cue may have begun before.
            let joined = listing.segments.len().saturating_sub(JOIN + 1);
            let skipped = if last.is_none() { joined } else { 0 };
            let has_runs = listing.segments.last().is_some_and(|segment| segment.run > 0);
            let fresh = listing.segments.iter().skip(skipped).filter(|one| last.is_none_or(|l| one.key > l));
            for segment in fresh.filter(|segment| !segment.gap) {
                let Some(mut text) = self.text(segment).await else { continue };
                let run = has_runs.then_some(segment.run);
                // What an MPD says of times holds, and players of DASH go by nothing else.
                let apart = if segment.map.is_some() { TURN * NANOS / CLOCK / 2 } else { MAX_APART };
                text.map = segment.map.or(text.map);
                if outlet.send(Said { run, text, apart }).await.is_err() {
                    return;
                }
            }
            let changed = newest != last;
            last = newest.or(last);
            if listing.ended {
                return;
            }
            let rest = if changed { listing.target } else { listing.target / 2 };
            sleep_until(asked + rest.max(LEAST_REST)).await;
        }
    }

    /// A text, if it can be had and is one.
    async fn text(&mut self, segment: &Segment) -> Option<Text> {
        let mut pause = Pause::new(FIRST_PAUSE, LONGEST_PAUSE);
        for attempt in 1..=ATTEMPTS {
            let why = match self.fetch(segment).await {
                Ok(text) => return Some(text),
                Err(why) => why,
            };
            if attempt == ATTEMPTS || !why.may_pass() {
                self.lost(&why);
                break;
            }
            pause.wait().await;
        }
        None
    }

    /// Fetches a text, in an MP4 or by itself.
    async fn fetch(&mut self, segment: &Segment) -> Result<Text, Trouble> {
        let none = || Trouble::at(&segment.media.url, Unusable::NoCaptions);
        let Some(init) = &segment.init else {
            let bytes = self.source.text(&segment.media).await?;
            return webvtt::read(&bytes).map_err(|_| none());
        };
        if self.track.as_ref().is_none_or(|(of, _)| of != init) {
            let bytes = self.source.init(init).await?;
            self.track = Some((init.clone(), mp4::Track::read(&bytes).ok()));
        }
        let (_, track) = self.track.as_ref().ok_or_else(none)?;
        let track = track.as_ref().ok_or_else(none)?;
        let bytes = self.source.text(&segment.media).await?;
        track.text(&bytes).map_err(|_| none())
    }

    fn lost(&mut self, why: &Trouble) {
        let stream = &self.stream;
        if std::mem::replace(&mut self.is_lost, true) {
            tracing::debug!(%stream, %why, "captions are left out");
        } else {
            tracing::warn!(%stream, %why, "captions are left out");
        }
    }
}

/// Reads `bytes` as captions: an entry for fuzzers.
pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(track) = mp4::Track::read(bytes) {
        // Either verdict is right.
        let _ = track.text(bytes);
    }
    let Ok(text) = webvtt::read(bytes) else { return };
    let said = Said { run: None, text, apart: MAX_APART };
    for now in [0, 5 * NANOS, 200_000 * NANOS] {
        assert!(placed(&said, now).cues.iter().all(|cue| cue.end > cue.start));
    }
    let text = said.text;
    let mut out = webvtt::begin(&text.head, Some(Duration::ZERO));
    text.cues.iter().for_each(|cue| webvtt::put(&mut out, cue));
    let again = webvtt::read(out.as_bytes()).expect("what is written can be read");
    assert_eq!((again.head, again.cues), (text.head, text.cues), "cues stay what they are");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_placed_by_the_clock_of_the_media() {
        let text = |map: &str| {
            let text = format!("WEBVTT\n{map}\n\n00:10.000 --> 00:12.000\nx\n");
            Said { run: None, text: webvtt::read(text.as_bytes()).unwrap(), apart: MAX_APART }
        };
        let at = |map: &str, now_s: i128| {
            placed(&text(map), now_s * NANOS)
                .cues
                .first()
                .map(|cue| (cue.start.as_millis(), cue.end.as_millis()))
        };
        assert_eq!(at("", 0), Some((10_000, 12_000)));
        assert_eq!(at("X-TIMESTAMP-MAP=MPEGTS:126000,LOCAL:00:00:00.000", 0), Some((11_400, 13_400)));
        assert_eq!(at("X-TIMESTAMP-MAP=LOCAL:00:00:10.000,MPEGTS:90000", 0), Some((1000, 3000)));
        assert_eq!(at("X-TIMESTAMP-MAP=LOCAL:00:00:15.000,MPEGTS:90000", 0), None, "it is over before zero");
        // The clock of the media has turned over once, or is about to.
        assert_eq!(at("", 95_444), Some((95_453_717, 95_455_717)));
        let late = "X-TIMESTAMP-MAP=LOCAL:00:00:10.000,MPEGTS:8589934591";
        assert_eq!(at(late, 95_440), Some((95_443_717, 95_445_717)));
        assert_eq!(at(late, 95_450), Some((95_443_717, 95_445_717)));
        assert_eq!(at("", 3000), None);
    }
}
