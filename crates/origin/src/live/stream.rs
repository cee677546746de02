//! One stream: its publications one after the other, as broadcasts that bridge the gaps between them.
//!
//! The invariant: what a broadcast gives out has rising times in each rendition, whoever publishes and however often the encoder
//! was started. A consumer that is slow slows the publisher, and nothing piles up between them.

use super::desk::{Ended, Next, Publication};
use super::encode::{Encoder, Workshop};
use super::feed::{Beginning, Broadcast, Feed, FeedSender, RenditionId, Unwanted};
use super::gather::{Gathered, gather, of_kind};
use super::timeline::{Placement, Timeline};
use cmaf::webvtt::Text;
use cmaf::{Kind, Sample, Track};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

/// Pauses before a dead encoder is started again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An encoder that ran so long died of something new.
const PROVEN: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Stream {
    pub name: String,
    /// Where encoders come from; `None` where samples go through as they come.
    pub workshop: Option<Workshop>,
    pub bridge: Duration,
    pub publications: mpsc::Receiver<Publication>,
    pub broadcasts: mpsc::Sender<Broadcast>,
}

/// A broadcast in progress.
struct OnAir {
    feed: FeedSender,
    timeline: Timeline,
}

/// Why a run of tracks ended.
enum Outcome {
    Ended(Ended),
    /// The publisher goes on with another configuration of one of its tracks.
    Changed(u8, Track),
    /// The encoder is dead.
    Died(String),
}

impl Stream {
    /// Runs until nobody takes broadcasts any more.
    pub async fn run(mut self) {
        let mut on_air: Option<OnAir> = None;
        let mut until: Option<Instant> = None;
        loop {
            let next = match (&on_air, until) {
                (Some(air), Some(until)) => tokio::select! {
                    next = timeout_at(until, self.publications.recv()) => next,
                    () = air.feed.unwanted() => {
                        on_air = None;
                        continue;
                    }
                },
                _ => Ok(self.publications.recv().await),
            };
            let mut publication = match next {
                Ok(Some(publication)) => publication,
                Ok(None) => return,
                Err(_) => {
                    tracing::info!(stream = %self.name, "the publisher did not come back");
                    sign_off(on_air.take()).await;
                    continue;
                }
            };
            let gathered = tokio::select! {
                gathered = gather(&mut publication) => gathered,
                () = pass(&on_air, until) => {
                    sign_off(on_air.take()).await;
                    continue;
                }
            };
            let gathered = match gathered {
                Ok(gathered) => gathered,
                Err(Ended::Clean) => {
                    sign_off(on_air.take()).await;
                    continue;
                }
                Err(_) => continue,
            };
            let air = match on_air.take() {
                Some(air) if air.feed.send(Feed::Restart).await.is_ok() => air,
                _ => {
                    let (feed, broadcast) = FeedSender::new(&self.name, publication.terms.target);
                    if self.broadcasts.send(broadcast).await.is_err() {
                        return;
                    }
                    OnAir { feed, timeline: Timeline::new(gathered.begun, gathered.wall) }
                }
            };
            match self.publication(&mut publication, gathered, &air).await {
                Ok(Ended::Clean) => sign_off(Some(air)).await,
                Ok(how) => {
                    tracing::info!(stream = %self.name, door = publication.door, ?how, "the stream waits for its publisher");
                    until = Some(Instant::now() + self.bridge);
                    on_air = Some(air);
                }
                Err(Unwanted) => {}
            }
        }
    }

    async fn publication(
        &self,
        publication: &mut Publication,
        gathered: Gathered,
        air: &OnAir,
    ) -> Result<Ended, Unwanted> {
        let placement = air.timeline.place(gathered.begun, gathered.first());
        let captions = publication.terms.captions.clone();
        let Gathered { mut tracks, held, texts, ended, .. } = gathered;
        let mut source = Source { publication, texts: texts.into_iter(), held: held.into_iter(), ended };
        let mut pause = FIRST_PAUSE;
        loop {
            let (video, audio) = (of_kind(&tracks, Kind::Video), of_kind(&tracks, Kind::Audio));
            let renditions = match &self.workshop {
                None => names(&tracks).into_values().collect(),
                Some(workshop) => workshop.renditions(video.map(|(_, t)| t), audio.map(|(_, t)| t)),
            };
            let beginning = Beginning { zero: air.timeline.zero, renditions, captions: captions.clone() };
            air.feed.send(Feed::Begin(beginning)).await?;
            let begun = Instant::now();
            let outcome = match &self.workshop {
                None => pass_through(&mut source, &tracks, placement, air).await?,
                Some(workshop) => encode(&mut source, workshop, &tracks, placement, air).await?,
            };
            match outcome {
                Outcome::Ended(how) => return Ok(how),
                Outcome::Changed(number, track) => {
                    tracing::info!(stream = %self.name, codec = %track.codec, "the publisher changed a track");
                    tracks.insert(number, track);
                }
                Outcome::Died(words) => {
                    air.feed.figures.encoder_failed();
                    if begun.elapsed() > PROVEN {
                        pause = FIRST_PAUSE;
                    }
                    tracing::warn!(stream = %self.name, %words, "the encoder died; it is started again in {pause:?}");
                    if let Some(Outcome::Ended(how)) = source.skip(pause, &mut tracks).await {
                        return Ok(how);
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            air.feed.send(Feed::Restart).await?;
        }
    }
}

/// Resolves when a broadcast has waited for long enough.
async fn pass(on_air: &Option<OnAir>, until: Option<Instant>) {
    match (on_air, until) {
        (Some(_), Some(until)) => tokio::time::sleep_until(until).await,
        _ => std::future::pending().await,
    }
}

async fn sign_off(air: Option<OnAir>) {
    if let Some(air) = air {
        air.feed.send(Feed::End).await.ok(); // whoever went away needs no end
    }
}

/// Names for tracks that go through as they are: pictures from the smallest, then sound.
fn names(tracks: &BTreeMap<u8, Track>) -> BTreeMap<u8, RenditionId> {
    let mut names = BTreeMap::new();
    let mut videos: Vec<(&u8, &Track)> = tracks.iter().filter(|(_, t)| t.kind == Kind::Video).collect();
    videos.sort_by_key(|(number, track)| (u32::from(track.width) * u32::from(track.height), **number));
    for (at, (number, _)) in videos.into_iter().enumerate() {
        names.insert(*number, RenditionId::video(at));
    }
    for (at, (number, _)) in tracks.iter().filter(|(_, t)| t.kind == Kind::Audio).enumerate() {
        names.insert(*number, RenditionId::audio(at));
    }
    names
}

/// What a publication gives: first what was held while its tracks were found out.
struct Source<'a> {
    publication: &'a mut Publication,
    texts: std::vec::IntoIter<(u8, Text)>,
    held: std::vec::IntoIter<(u8, Sample)>,
    ended: Option<Ended>,
}

impl Source<'_> {
    async fn next(&mut self) -> Next {
        if let Some((number, text)) = self.texts.next() {
            return Next::Text(number, text);
        }
        match (self.held.next(), self.ended) {
            (Some((number, sample)), _) => Next::Sample(number, sample),
            (None, Some(how)) => Next::Ended(how),
            (None, None) => self.publication.next().await,
        }
    }

    /// Lets a while pass, in which nobody wants what comes.
    async fn skip(&mut self, pause: Duration, tracks: &mut BTreeMap<u8, Track>) -> Option<Outcome> {
        let until = Instant::now() + pause;
        loop {
            match timeout_at(until, self.next()).await {
                Ok(Next::Ended(how)) => return Some(Outcome::Ended(how)),
                Ok(Next::Track(number, track)) => drop(tracks.insert(number, track)),
                Ok(Next::Mark(..) | Next::Text(..)) => {}
                Ok(Next::Sample(..)) => {
                    // Without a wait, what is held would be gone in no time.
                    if !self.held.as_slice().is_empty() {
                        sleep(Duration::from_millis(1)).await;
                    }
                }
                Err(_) => return None,
            }
        }
    }
}

async fn pass_through(
    source: &mut Source<'_>,
    tracks: &BTreeMap<u8, Track>,
    placement: Placement,
    air: &OnAir,
) -> Result<Outcome, Unwanted> {
    let names = names(tracks);
    for (number, id) in &names {
        // Its decoder delay is taken off each time.
        let track = Track { priming: 0, ..tracks[number].clone() };
        air.feed.send(Feed::Track(id.clone(), track)).await?;
    }
    loop {
        let next = tokio::select! {
            next = source.next() => next,
            () = air.feed.unwanted() => return Err(Unwanted),
        };
        match next {
            Next::Sample(number, sample) => {
                let (Some(id), Some(track)) = (names.get(&number), tracks.get(&number)) else { continue };
                if let Some(sample) = placement.apply(track, sample) {
                    air.timeline.reached(track.timescale, &sample);
                    air.feed.send(Feed::Sample(id.clone(), sample)).await?;
                }
            }
            Next::Mark(number, line) => {
                if let Some(id) = names.get(&number) {
                    air.feed.send(Feed::Mark(id.clone(), line)).await?;
                }
            }
            Next::Text(number, text) => {
                air.feed.send(Feed::Text(number.into(), placement.move_text(text))).await?;
            }
            Next::Track(number, track) if names.contains_key(&number) => {
                return Ok(Outcome::Changed(number, track));
            }
            Next::Track(..) => {
                tracing::warn!("a track that came late is left out until the publisher returns")
            }
            Next::Ended(how) => return Ok(Outcome::Ended(how)),
        }
    }
}

async fn encode(
    source: &mut Source<'_>,
    workshop: &Workshop,
    tracks: &BTreeMap<u8, Track>,
    placement: Placement,
    air: &OnAir,
) -> Result<Outcome, Unwanted> {
    let (video, audio) = (of_kind(tracks, Kind::Video), of_kind(tracks, Kind::Audio));
    let used = [video.map(|(number, _)| number), audio.map(|(number, _)| number)];
    let mut encoder: Option<Encoder> = None;
    let outcome = loop {
        let died = async {
            match &mut encoder {
                Some(encoder) => encoder.died().await,
                None => std::future::pending().await,
            }
        };
        let next = tokio::select! {
            next = source.next() => next,
            () = died => break Outcome::Died(String::new()),
            () = air.feed.unwanted() => return Err(Unwanted),
        };
        let (number, sample) = match next {
            Next::Sample(number, sample) if used.contains(&Some(number)) => (number, sample),
            Next::Sample(..) | Next::Mark(..) | Next::Text(..) => continue,
            Next::Track(number, track) if used.contains(&Some(number)) => {
                break Outcome::Changed(number, track);
            }
            Next::Track(..) => continue,
            Next::Ended(how) => break Outcome::Ended(how),
        };
        let Some(track) = tracks.get(&number) else { continue };
        let Some((dts_ms, cts_ms)) = placement.millis(track, &sample) else { continue };
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            // The first picture is a whole one.
            None if video.is_some() && !(track.kind == Kind::Video && sample.sync) => continue,
            None => {
                let first_ms = dts_ms.saturating_add_signed(cts_ms.into());
                let (video, audio) = (video.map(|(_, track)| track), audio.map(|(_, track)| track));
                match workshop.start(video, audio, first_ms, &air.feed, &air.timeline).await {
                    Ok(started) => encoder.insert(started),
                    Err(error) => break Outcome::Died(error.to_string()),
                }
            }
        };
        let fed = tokio::select! {
            fed = encoder.feed(track.kind, dts_ms, cts_ms, &sample) => fed,
            () = air.feed.unwanted() => return Err(Unwanted),
        };
        if fed.is_err() {
            break Outcome::Died(String::new());
        }
    };
    let Some(encoder) = encoder else { return Ok(outcome) };
    let last_words = encoder.finish().await;
    Ok(match (outcome, last_words) {
        (Outcome::Died(_), Err(words)) => Outcome::Died(words),
        (Outcome::Died(_), Ok(())) => Outcome::Died("it ended although its input goes on".to_owned()),
        (outcome, Err(words)) => {
            tracing::warn!(stream = %workshop.stream, %words, "the encoder did not end well");
            outcome
        }
        (outcome, Ok(())) => outcome,
    })
}
