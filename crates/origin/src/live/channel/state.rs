//! What is known of a stream at one moment, behind the channel's lock. The invariant: windows, shelves and heads say the same.

use super::answers::Texts;
use super::heads::{HeadError, Heads};
use super::shelf::Shelf;
use super::{ChannelConfig, wall_ms};
use crate::slug::Slug;
use bytes::Bytes;
use cmaf::live::hls::Subtitles;
use cmaf::live::{Captions, Listed, Part, Rendition, Window};
use cmaf::webvtt::Text;
use cmaf::{Kind, Track};
use manifest::live::{Cut, Description, Entry, LiveRendition, MAX_INITS};
use manifest::{SecretKey, SegmentId, digest, text};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Length of the pieces that viewers exchange.
pub(super) const PIECE_LEN: u32 = 32 << 10;

#[derive(Debug)]
pub(super) struct State {
    pub lines: Vec<Line>,
    pub heads: Heads,
    pub over: bool,
    /// Rises with each change.
    pub version: u64,
    /// Whether bytes are dropped once they are signed for: viewers get them where they were published.
    pub is_index: bool,
    /// Which there are, here or served by somebody else.
    pub subtitles: Vec<Subtitles>,
    /// Those that are here, in the same order.
    pub captions: Vec<Captions>,
    /// The signed description.
    pub sealed: Bytes,
    pub texts: Texts,
    description: Description,
    publisher: SecretKey,
    /// When time zero of all renditions was, milliseconds since 1970 UTC.
    zero_ms: u64,
}

/// One rendition.
#[derive(Debug)]
pub(super) struct Line {
    pub id: String,
    pub window: Window,
    pub shelf: Shelf,
    pub inits: Vec<Bytes>,
    pub bytes: u64,
}

/// A part, and what a head says of it.
#[derive(Debug)]
pub(super) struct Born {
    pub line: usize,
    pub part: Part,
    pub entry: Entry,
}

/// A segment that has become whole.
#[derive(Debug)]
pub(super) struct Closed {
    pub line: usize,
    pub sequence: u32,
    pub init: u32,
    pub bytes: Bytes,
}

/// What a new stream starts with.
#[derive(Debug)]
pub(super) struct Start {
    pub id: String,
    pub track: Track,
    pub init: Vec<u8>,
    pub bandwidth: u64,
}

impl State {
    /// The swarm of those who watch it.
    pub fn swarm_id(&self) -> [u8; 20] {
        self.description.stream()
    }

    /// A stream whose time zero was `zero` and that begins at `born_ms`.
    pub fn new(
        slug: &Slug,
        config: &ChannelConfig,
        publisher: &SecretKey,
        (zero, born_ms): (SystemTime, u64),
        starts: Vec<Start>,
    ) -> Result<Self, HeadError> {
        let renditions = starts.iter().map(|start| LiveRendition {
            id: start.id.clone(),
            kind: match start.track.kind {
                Kind::Video => manifest::Kind::Video,
                Kind::Audio => manifest::Kind::Audio,
            },
            bandwidth_bps: u32::try_from(start.bandwidth).unwrap_or(u32::MAX),
            inits: vec![digest::root(&start.init)],
        });
        let description = Description {
            publisher: publisher.public(),
            born_ms,
            name: slug.to_string(),
            number: 1,
            piece_len: PIECE_LEN,
            renditions: renditions.collect(),
        };
        let zero_ms = wall_ms(zero);
        let mut lines = Vec::new();
        for Start { id, track, init, bandwidth } in starts {
            let name = match track.kind {
                Kind::Video => format!("{}p", track.height),
                Kind::Audio => id.clone(),
            };
            let rendition = Rendition { id: id.clone(), name, bandwidth, query: format!("?v={born_ms}") };
            let mut window = Window::new(rendition, &track, config.targets, config.window);
            window.set_clock(Duration::from_millis(zero_ms));
            let inits = vec![init.into()];
            lines.push(Line { id, window, shelf: Shelf::default(), inits, bytes: 0 });
        }
        let heads = Heads::new(&description, publisher.clone(), wall_ms(SystemTime::now()))?;
        Ok(Self {
            lines,
            heads,
            over: false,
            version: 0,
            is_index: false,
            subtitles: Vec::new(),
            captions: Vec::new(),
            sealed: description.seal(publisher).into(),
            texts: Texts::default(),
            description,
            publisher: publisher.clone(),
            zero_ms,
        })
    }

    /// A part with what a head says of it.
    pub fn born(&self, line: usize, part: Part) -> Born {
        let at = |ticks| {
            let wall_ms =
                u128::from(self.zero_ms) + cmaf::ticks_to_duration(ticks, part.timescale).as_millis();
            u32::try_from(wall_ms.saturating_sub(u128::from(self.description.born_ms))).unwrap_or(u32::MAX)
        };
        let (start_ms, end_ms) = (at(part.start), at(part.start.saturating_add(part.duration)));
        let id = SegmentId::new(line as u8, part.sequence); // at most 32 renditions
        let entry = Entry::new(id, start_ms, (end_ms - start_ms).max(1), &part.bytes, PIECE_LEN);
        Born { line, part, entry }
    }

    /// Takes in what was born, and announces it. Gives the segments that became whole.
    pub fn take(&mut self, born: Vec<Born>) -> Vec<Closed> {
        let mut closed = Vec::new();
        let mut entries = Vec::new();
        for Born { line: number, mut part, mut entry } in born {
            let Some(line) = self.lines.get_mut(number) else { continue };
            let before = line.window.segments().last().map_or(part.init, |last| last.init);
            line.window.push(&part);
            let listed = line.window.segments().last();
            entry.cut = Cut {
                independent: part.independent,
                ends_segment: part.ends_segment,
                is_marked: part.index == 0
                    && listed.is_some_and(|s| s.discontinuity || s.init != before || !s.marks.is_empty()),
            };
            line.bytes += part.bytes.len() as u64;
            let bytes = Bytes::from(std::mem::take(&mut part.bytes));
            let root = entry.root(PIECE_LEN).unwrap_or_else(|| digest::root(&bytes));
            let bytes = if self.is_index { Bytes::new() } else { bytes };
            if let Some((sequence, whole)) = line.shelf.push(&part, bytes, root) {
                closed.push(Closed { line: number, sequence, init: part.init, bytes: whole });
            }
            entries.push(entry);
        }
        self.caption();
        self.announce(entries);
        closed
    }

    /// The captions of each segment of the first rendition that is whole now, signed.
    fn caption(&mut self) {
        let Some(window) = self.lines.first().map(|line| &line.window) else { return };
        // Players hear of a text up to a target duration after it is made.
        let ahead = window.target_duration() * 2;
        let (stream, key) = (&self.description, &self.publisher);
        for (captions, number) in self.captions.iter_mut().zip(0..) {
            let last = captions.last().unwrap_or(0);
            let fresh = window.segments().rev().take_while(|segment| segment.sequence > last);
            let mut fresh: Vec<&Listed> = fresh.filter(|segment| segment.complete).collect();
            fresh.reverse();
            for segment in fresh {
                let name = format!("t{number}/{}.vtt", segment.sequence);
                let sign = |said: &str| text::seal(said.as_bytes(), &stream.stream(), &name, key);
                captions.close(segment, ahead, sign);
            }
        }
    }

    /// Cues of the captions with this number.
    pub fn say(&mut self, captions: usize, text: Text) {
        if let Some(captions) = self.captions.get_mut(captions) {
            captions.push(text);
        }
    }

    /// What all captions have shown.
    pub fn take_said(&mut self) -> Vec<(Subtitles, Captions)> {
        self.subtitles.iter().cloned().zip(self.captions.iter_mut().map(Captions::take_said)).collect()
    }

    /// The media begins anew.
    pub fn hush(&mut self) {
        self.caption();
        self.captions.iter_mut().for_each(Captions::restart);
    }

    /// Signs a head over `entries`, which may be none.
    pub fn announce(&mut self, entries: Vec<Entry>) {
        self.version += 1;
        let listed = |line: &Line| line.window.segments().next().map_or(1, |first| first.first_part);
        let listed: Vec<u32> = self.lines.iter().map(listed).collect();
        if let Err(why) = self.heads.publish(wall_ms(SystemTime::now()), entries, &listed) {
            tracing::error!(%why, "no head could be signed: viewers get this stream from the origin alone");
        }
    }

    /// A rendition goes on in another track. `false`: it has had as many initialisation segments as it can have.
    pub fn restart(&mut self, line: usize, track: &Track, (number, init): (u32, &[u8])) -> bool {
        let Some(line_of) = self.lines.get_mut(line) else { return false };
        line_of.window.restart(track);
        if number as usize > line_of.inits.len() {
            if line_of.inits.len() >= MAX_INITS {
                return false;
            }
            line_of.inits.push(Bytes::copy_from_slice(init));
            self.description.renditions[line].inits.push(digest::root(init));
            self.description.number += 1;
            self.sealed = self.description.seal(&self.publisher).into();
        }
        true
    }

    /// The stream is over.
    pub fn end(&mut self) {
        self.lines.iter_mut().for_each(|line| line.window.end());
        self.caption();
        self.over = true;
        self.announce(Vec::new());
    }

    /// Drops what nobody may ask for any more; gives files that go with it.
    pub fn trim(&mut self, config: &ChannelConfig) -> Vec<PathBuf> {
        let (grace, fresh) = (config.window(), config.in_memory);
        let oldest =
            self.lines.first().and_then(|line| line.shelf.oldest()).map_or(0, |(segment, _)| segment);
        self.captions.iter_mut().for_each(|captions| captions.trim(oldest));
        self.lines.iter_mut().flat_map(|line| line.shelf.trim(&line.window, grace, fresh)).collect()
    }

    /// From the first to the last that is listed.
    pub fn length(&self) -> Duration {
        let length = |line: &Line| line.window.segments().map(|segment| segment.play_time()).sum();
        self.lines.iter().map(length).max().unwrap_or_default()
    }

    /// Whether every rendition has a whole segment, so that any player can begin.
    pub fn is_playable(&self) -> bool {
        self.over || self.lines.iter().all(Line::is_playable)
    }
}

impl Line {
    /// Whether it has a whole segment.
    pub fn is_playable(&self) -> bool {
        self.window.segments().next().is_some_and(|first| first.complete)
    }
}
