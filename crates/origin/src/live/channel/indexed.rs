//! Somebody else's stream that is left where it is: signed heads over its own segments, each of which is one part here.
//!
//! The invariant: what a head says of a segment are the bytes that were found at the address to which viewers are sent for it. All
//! renditions are moved by the same time.

use super::elsewhere::{Elsewhere, Links};
use super::heads::HeadError;
use super::state::{Start, State};
use super::teller::Teller;
use super::{Channel, ChannelConfig, Stage, wall_ms};
use crate::live::bucket::Object;
use crate::live::feed::RenditionId;
use crate::live::pull::{Attempts, Ended, Followed, Init, JOIN, Trouble, Whole, follow};
use crate::live::timeline::NANOS;
use crate::live::{PullConfig, Targets};
use crate::slug::Slug;
use cmaf::live::Part;
use cmaf::{Kind, Track};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// A publisher's clock is believed within so much of ours.
const CLOCKS: Duration = Duration::from_secs(60);

/// A stream that is told of.
struct Index {
    teller: Teller,
    lines: Vec<Line>,
    born_ms: u64,
    /// What is added to the times of each run, in nanoseconds.
    shifts: BTreeMap<u64, i128>,
    /// Until when there is something, in nanoseconds.
    end: i128,
}

/// One rendition.
struct Line {
    track: Track,
    /// Init segments, as they came; the number of the one in force.
    inits: Vec<Init>,
    init: u32,
    run: u64,
    part: u32,
    /// Where its last segment ends, in ticks.
    end: u64,
}

impl Stage {
    /// Shows somebody else's stream whose media stays where it is, until `stop`: each segment is fetched once, hashed and told of, and
    /// whoever asks for one is sent to where it was published.
    pub async fn index(&self, pull: PullConfig, stop: impl Future<Output = ()>) {
        let Some(slug) = Slug::parse(&pull.name) else { return };
        let mut over = JoinSet::new();
        let mut on_air = None;
        let sessions = async {
            let mut attempts = Attempts::new(&pull);
            loop {
                let ended = self.follow_whole(&pull, &slug, &mut on_air).await;
                if let Some(Index { teller, born_ms, .. }) = on_air.take() {
                    self.close(teller, born_ms, &mut over);
                }
                attempts.rest(ended).await;
            }
        };
        tokio::select! {
            () = sessions => {}
            () = stop => {}
        }
        if let Some(Index { mut teller, born_ms, .. }) = on_air {
            teller.flush_pending().await;
            self.close(teller, born_ms, &mut over);
        }
    }

    /// Tells of a stream from its live edge until it ends, or something breaks.
    async fn follow_whole(
        &self,
        pull: &PullConfig,
        slug: &Slug,
        on_air: &mut Option<Index>,
    ) -> Result<(), Ended> {
        let followed = follow(pull).await?;
        let index = self.begin(slug, &followed).map_err(|why| Trouble::of(pull, why))?;
        let index = on_air.insert(index);
        tracing::info!(stream = %pull.name, place = %pull.place(), renditions = index.lines.len(), "indexing");
        let Followed { first, mut rest, .. } = followed;
        for whole in first {
            index.push(whole).await.map_err(|why| Trouble::of(pull, why))?;
        }
        loop {
            tokio::select! {
                next = rest.recv() => match next {
                    Some(whole) => index.push(whole?).await.map_err(|why| Trouble::of(pull, why))?,
                    None => break,
                },
                () = sleep_until(index.teller.next()) => index.teller.flush().await,
            }
            if index.teller.is_due() {
                index.teller.flush().await;
            }
        }
        index.teller.flush_pending().await;
        Ok(())
    }

    fn begin(&self, slug: &Slug, followed: &Followed) -> Result<Index, HeadError> {
        let Followed { first, target, window, .. } = followed;
        let config = ChannelConfig {
            // What is no longer listed there is soon gone.
            window: (*window).min(self.config.in_memory),
            targets: Targets::new(*target, *target),
            record: false,
            ..self.config.clone()
        };
        let (mut lines, mut starts) = (Vec::new(), Vec::new());
        let mut counts = BTreeMap::new();
        for whole in first {
            let Some(init) = &whole.init else { continue };
            let count = counts.entry(init.track.kind).or_insert(0);
            let id = match init.track.kind {
                Kind::Video => RenditionId::video(*count),
                Kind::Audio => RenditionId::audio(*count),
            };
            *count += 1;
            starts.push(Start {
                id: id.to_string(),
                track: init.track.clone(),
                init: init.bytes.to_vec(),
                bandwidth: self.bandwidth(&init.track),
            });
            lines.push(Line {
                track: init.track.clone(),
                inits: Vec::new(),
                init: 0,
                run: whole.run,
                part: 0,
                end: 0,
            });
        }
        let ids: Vec<String> = starts.iter().map(|start| start.id.clone()).collect();
        let begun = first.iter().zip(&lines).map(|(whole, line)| nanos(whole.start, &line.track)).min();
        let now = SystemTime::now();
        let here = now.checked_sub(*target * JOIN as u32).unwrap_or(now);
        let near = |wall: &SystemTime| apart(*wall, here) <= CLOCKS;
        let zero = first.iter().filter_map(|whole| whole.wall).find(near).unwrap_or(here);
        let born_ms = wall_ms(zero);
        let mut state = State::new(slug, &config, &self.key, (zero, born_ms), starts)?;
        state.is_index = true;
        state.subtitles.clone_from(&followed.subtitles);
        let links = Elsewhere::Source(Links::default());
        let channel = Channel::new(slug.clone(), Arc::default(), config.clone(), Some(links), state);
        let teller = Teller::new(Arc::new(channel), self.origin.clone(), config, ids);
        let runs = first.iter().map(|whole| whole.run).max().unwrap_or_default();
        let shifts = BTreeMap::from([(runs, -begun.unwrap_or_default())]);
        Ok(Index { teller, lines, born_ms, shifts, end: 0 })
    }
}

impl Index {
    /// Takes in the next segment of a rendition.
    async fn push(&mut self, whole: Whole) -> Result<(), HeadError> {
        let runs = self.lines.len() + 1;
        let Whole { line: number, run, url, bytes, init, start, end, independent, marks, .. } = whole;
        let Some(line) = self.lines.get_mut(number) else { return Ok(()) };
        if init.is_some() || !marks.is_empty() {
            // They are of what follows.
            self.teller.flush_pending().await;
        }
        let channel = Arc::clone(&self.teller.channel);
        let Some(Elsewhere::Source(links)) = &channel.elsewhere else { return Ok(()) };
        if let Some(init) = init {
            let known = line.inits.iter().position(|one| one.bytes == init.bytes);
            if known.is_none() {
                line.inits.push(init.clone());
            }
            // At most as many as a description may have.
            line.init = known.map_or(line.inits.len(), |at| at + 1) as u32;
            links.put(number, Object::Init(line.init), &init.url);
            line.track = init.track;
            if !channel.state().restart(number, &line.track, (line.init, &init.bytes)) {
                return Err(HeadError::Inits);
            }
        }
        let begins = nanos(start, &line.track);
        let shift = *self.shifts.entry(run).or_insert(self.end - begins);
        while self.shifts.len() > runs {
            self.shifts.pop_first();
        }
        let at = ticks(begins + shift, &line.track).max(line.end);
        let discontinuity = line.run != run;
        line.run = run;
        line.part += 1;
        line.end = at.saturating_add(end - start);
        self.end = self.end.max(nanos(line.end, &line.track));
        for object in [Object::Part(line.part), Object::Segment(line.part)] {
            links.put(number, object, &url);
        }
        marks.iter().for_each(|mark| channel.mark(number, mark));
        let part = Part {
            sequence: line.part,
            segment: line.part,
            index: 0,
            start: at,
            duration: end - start,
            timescale: line.track.timescale,
            independent,
            discontinuity,
            ends_segment: true,
            init: line.init,
            bytes: bytes.into(),
        };
        self.teller.born(number, vec![part]);
        Ok(())
    }
}

fn nanos(ticks: u64, track: &Track) -> i128 {
    i128::from(ticks) * NANOS / i128::from(track.timescale.max(1))
}

fn ticks(nanos: i128, track: &Track) -> u64 {
    let half = NANOS / 2;
    u64::try_from((nanos * i128::from(track.timescale) + half) / NANOS).unwrap_or(0)
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).or_else(|_| other.duration_since(one)).unwrap_or_default()
}
