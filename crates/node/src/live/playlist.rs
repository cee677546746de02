//! One media playlist of a live stream, read from the origin once and carried on by what signed heads tell. Its invariant: what it says
//! the origin's own playlist says too, but for numbers that begin anew with each stream; and nothing of the origin's text is passed on
//! but numbers, and lines that lead nowhere else.

use super::stream::Told;
use crate::serving::stays;
use std::collections::VecDeque;
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

/// Of what was on offer longer ago than this nothing is listed.
const WINDOW: Duration = Duration::from_secs(600);
/// How far from the edge parts are listed, in target durations (RFC 8216bis section 6.2.2).
const PARTS_LISTED: u32 = 3;
/// Longest target duration, seconds.
const TARGET_MAX_S: u32 = 60;
/// Lines of one segment that are passed on.
const MARKS_MAX: usize = 64;
/// Numbers have nine digits at most, as in names.
const NUMBER_MAX: u32 = 999_999_999;

/// What is added to the numbers of a stream that follows on another, so that they rise for players.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Base {
    pub segments: u32,
    pub parts: u32,
    pub inits: u32,
    pub discontinuities: u32,
}

/// A part that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    sequence: u32,
    lasts: Duration,
    independent: bool,
}

/// A segment that is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// Media sequence number at the origin.
    pub sequence: u32,
    /// Numbers of its parts so far; empty where they are not known.
    pub numbers: Range<u32>,
    /// Whether it has all its parts.
    pub is_whole: bool,
    init: u32,
    is_discontinuity: bool,
    /// Lines that stand before it.
    marks: Vec<String>,
    /// Its parts, while they are listed.
    parts: Vec<Part>,
    lasts: Duration,
}

/// What a request gets that waits for a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ready,
    Wait,
    /// Nobody can have heard of that yet.
    TooFar,
}

/// A playlist as it was read, and what came after.
#[derive(Clone, Debug)]
pub(super) struct Playlist {
    target_s: u32,
    part_target: Duration,
    part_hold_back: Duration,
    discontinuities: u32,
    segments: VecDeque<Segment>,
    last_part: u32,
    is_over: bool,
}

impl Playlist {
    /// Reads the origin's; `None` if it is none that can be carried on.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != "#EXTM3U" {
            return None;
        }
        let mut playlist = Self {
            target_s: 0,
            part_target: Duration::from_secs(1),
            part_hold_back: Duration::from_secs(3),
            discontinuities: 0,
            segments: VecDeque::new(),
            last_part: 0,
            is_over: false,
        };
        let mut open = Segment::default();
        let mut init = 0;
        let mut next = 1;
        for line in lines {
            let (tag, rest) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-TARGETDURATION" => playlist.target_s = number(rest)?,
                "#EXT-X-MEDIA-SEQUENCE" => next = number(rest)?,
                "#EXT-X-DISCONTINUITY-SEQUENCE" => playlist.discontinuities = number(rest)?,
                "#EXT-X-PART-INF" => playlist.part_target = seconds(attribute(rest, "PART-TARGET")?)?,
                "#EXT-X-SERVER-CONTROL" => {
                    if let Some(hold) = attribute(rest, "PART-HOLD-BACK") {
                        playlist.part_hold_back = seconds(hold)?;
                    }
                }
                "#EXT-X-ENDLIST" => playlist.is_over = true,
                "#EXT-X-MAP" => init = named(attribute(rest, "URI")?, "init/", ".mp4")?,
                "#EXT-X-DISCONTINUITY" => open.is_discontinuity = true,
                "#EXT-X-PART" => {
                    let sequence = named(attribute(rest, "URI")?, "part/", ".m4s")?;
                    let lasts = seconds(attribute(rest, "DURATION")?)?;
                    let independent = attribute(rest, "INDEPENDENT") == Some("YES");
                    if playlist.last_part > 0 && sequence != playlist.last_part + 1 {
                        return None;
                    }
                    playlist.last_part = sequence;
                    open.push(Part { sequence, lasts, independent });
                }
                "#EXTINF" => open.lasts = seconds(rest.split(',').next()?)?,
                "#EXT-X-PROGRAM-DATE-TIME" | "#EXT-X-DATERANGE" | "#EXT-X-CUE-OUT" | "#EXT-X-CUE-IN" => {
                    if stays("m3u8", line.as_bytes()) && open.marks.len() < MARKS_MAX {
                        open.marks.push(line.to_owned());
                    }
                }
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => {
                    if named(line, "", ".m4s")? != next {
                        return None;
                    }
                    let whole = Segment { sequence: next, init, is_whole: true, ..std::mem::take(&mut open) };
                    playlist.segments.push_back(whole);
                    next += 1;
                }
            }
        }
        if !open.parts.is_empty() {
            playlist.segments.push_back(Segment { sequence: next, init, ..open });
        }
        let is_good = (1..=TARGET_MAX_S).contains(&playlist.target_s)
            && (playlist.last_part > 0 || playlist.is_over)
            && playlist.segments.front().is_none_or(|first| first.sequence > 0);
        playlist.trim();
        is_good.then_some(playlist)
    }

    /// How long a segment lasts at most, about.
    pub(super) fn target(&self) -> Duration {
        Duration::from_secs(self.target_s.into())
    }

    /// Whether nothing comes any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes in what heads have told, oldest first; `false`: the origin has to be asked, for they do not tell all of it.
    pub(super) fn follow(&mut self, told: &[Told], born_ms: u64) -> bool {
        self.number(told);
        let after = told.partition_point(|part| part.sequence <= self.last_part);
        let is_sure = told[after..].iter().all(|part| self.add(part, born_ms));
        self.trim();
        is_sure
    }

    fn add(&mut self, told: &Told, born_ms: u64) -> bool {
        if self.is_over || told.sequence != self.last_part + 1 || told.cut.is_marked {
            return false;
        }
        let Some(last) = self.segments.back() else { return false };
        if last.is_whole {
            let (sequence, init) = (last.sequence.saturating_add(1), last.init);
            if sequence > NUMBER_MAX {
                return false;
            }
            let at = i64::try_from(born_ms.saturating_add(told.start_ms.into())).unwrap_or(i64::MAX);
            let date = jiff::Timestamp::from_millisecond(at).ok();
            let marks = date.map(|date| format!("#EXT-X-PROGRAM-DATE-TIME:{date:.3}")).into_iter().collect();
            self.segments.push_back(Segment { sequence, init, marks, ..Segment::default() });
        }
        let Some(open) = self.segments.back_mut() else { return false };
        let lasts = Duration::from_millis(told.duration_ms.into());
        open.push(Part { sequence: told.sequence, lasts, independent: told.cut.independent });
        open.is_whole = told.cut.ends_segment;
        self.last_part = told.sequence;
        true
    }

    /// Finds which parts the segments have that are listed without: those between two that end a segment.
    fn number(&mut self, told: &[Told]) {
        let ends = |sequence: u32| {
            let at = sequence.checked_sub(told.first()?.sequence)?;
            Some(told.get(at as usize)?.cut.ends_segment)
        };
        let mut next: Option<u32> = None;
        for segment in self.segments.iter_mut().rev() {
            if let (true, Some(end)) = (segment.numbers.is_empty(), next) {
                // Its last part ends it, and the first after one that ends a segment is its first.
                let mut first = end - 1;
                if first == 0 || ends(first) != Some(true) {
                    break;
                }
                while first > 1 && ends(first - 1) == Some(false) {
                    first -= 1;
                }
                if first > 1 && ends(first - 1).is_none() {
                    break;
                }
                segment.numbers = first..end;
            }
            if segment.numbers.is_empty() {
                break;
            }
            next = Some(segment.numbers.start);
        }
    }

    fn trim(&mut self) {
        let mut behind = Duration::ZERO;
        let listed = self.target() * PARTS_LISTED;
        let mut kept = 0;
        for segment in self.segments.iter_mut().rev() {
            if behind > WINDOW {
                break;
            }
            if behind > listed {
                segment.parts.clear();
            }
            behind += segment.lasts;
            kept += 1;
        }
        for gone in self.segments.drain(..self.segments.len() - kept) {
            self.discontinuities += u32::from(gone.is_discontinuity);
        }
    }

    /// Forgets what the origin does not have any more: a segment and those before it.
    pub(super) fn forget(&mut self, sequence: u32) {
        while self.segments.len() > 1 && self.segments.front().is_some_and(|s| s.sequence <= sequence) {
            let gone = self.segments.pop_front();
            self.discontinuities += u32::from(gone.is_some_and(|gone| gone.is_discontinuity));
        }
    }

    /// From this segment on another stream goes on, the first time that its playlist was read.
    pub(super) fn join_at(&mut self, joint: Option<u32>) {
        if let Some(first) = self.segments.iter_mut().find(|s| Some(s.sequence) == joint) {
            first.is_discontinuity = true;
        }
    }

    /// The first segment that is listed.
    pub(super) fn first(&self) -> Option<u32> {
        self.segments.front().map(|segment| segment.sequence)
    }

    /// A segment that is listed.
    pub(super) fn segment(&self, sequence: u32) -> Option<&Segment> {
        let at = sequence.checked_sub(self.first()?)?;
        self.segments.get(at as usize)
    }

    /// The first part of the segment that comes after what is listed.
    pub(super) fn next(&self) -> Option<(u32, u32)> {
        let last = self.segments.back().filter(|last| last.is_whole && !last.numbers.is_empty())?;
        Some((last.sequence + 1, last.numbers.end))
    }

    /// What the numbers of a stream that follows on this one begin after.
    pub(super) fn base_after(&self, base: Base) -> Base {
        let last = self.segments.back();
        let inits = self.segments.iter().map(|segment| segment.init).max().unwrap_or(0);
        let joints = self.segments.iter().filter(|segment| segment.is_discontinuity).count() as u32;
        Base {
            // One that was hinted at may have been asked for.
            segments: base.segments + last.map_or(0, |last| last.sequence) + 1,
            parts: base.parts + self.last_part + 1,
            inits: base.inits + inits,
            discontinuities: base.discontinuities + self.discontinuities + joints,
        }
    }

    /// Whether it has that part of that segment (RFC 8216bis section 6.2.5.2); without a part, all of the segment.
    pub(super) fn answer(&self, segment: u32, part: Option<u32>) -> Answer {
        let (last, is_whole) = self.segments.back().map_or((0, true), |last| (last.sequence, last.is_whole));
        let open = if is_whole { last + 1 } else { last };
        let there = self.segments.back().filter(|_| !is_whole).map_or(0, |last| last.parts.len() as u32);
        // A part past the last of its segment is the first of the next one.
        let is_past = |part: u32| {
            self.segment(segment)
                .is_some_and(|s| s.is_whole && !s.parts.is_empty() && part >= s.parts.len() as u32)
        };
        let (segment, part) = match part {
            Some(part) if is_past(part) => (segment.saturating_add(1), Some(0)),
            _ => (segment, part),
        };
        match part {
            _ if self.is_over || segment < open => Answer::Ready,
            _ if segment > last.saturating_add(2) => Answer::TooFar,
            Some(part) if segment == open && part < there => Answer::Ready,
            _ => Answer::Wait,
        }
    }

    /// As players are given it, with those segments that are offered.
    pub(super) fn text(&self, base: Base, is_offered: impl Fn(&Segment) -> bool) -> String {
        let hidden = self.segments.iter().take_while(|segment| !is_offered(segment));
        let (hidden, joints) =
            hidden.fold((0, 0), |(n, joints), s| (n + 1, joints + u32::from(s.is_discontinuity)));
        let first = self.segments.get(hidden).or(self.segments.back());
        let first = base.segments + first.map_or(1, |first| first.sequence);
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:9\n");
        let target = self.target_s;
        let _ = writeln!(out, "#EXT-X-TARGETDURATION:{target}");
        let _ = writeln!(
            out,
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},HOLD-BACK={}.0\n#EXT-X-PART-INF:PART-TARGET={}",
            decimal(self.part_hold_back),
            target * 3,
            decimal(self.part_target),
        );
        let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{first}");
        let before = base.discontinuities + self.discontinuities + joints;
        if before > 0 {
            let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{before}");
        }
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        let mut init = 0;
        for segment in self.segments.iter().skip(hidden) {
            if segment.is_discontinuity {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if segment.init != init {
                init = segment.init;
                let _ = writeln!(out, "#EXT-X-MAP:URI=\"init/{}.mp4\"", base.inits + init);
            }
            segment.put(&mut out, base);
        }
        if self.is_over {
            out.push_str("#EXT-X-ENDLIST\n");
        } else {
            let next = base.parts + self.last_part + 1;
            let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/{next}.m4s\"");
        }
        out
    }
}

impl Segment {
    fn push(&mut self, part: Part) {
        if self.numbers.is_empty() {
            self.numbers.start = part.sequence;
        }
        self.numbers.end = part.sequence + 1;
        self.lasts += part.lasts;
        self.parts.push(part);
    }

    // To a string nothing fails.
    fn put(&self, out: &mut String, base: Base) {
        for mark in &self.marks {
            let _ = writeln!(out, "{mark}");
        }
        for part in &self.parts {
            let (lasts, number) = (decimal(part.lasts), base.parts + part.sequence);
            let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
            let _ = writeln!(out, "#EXT-X-PART:DURATION={lasts},URI=\"part/{number}.m4s\"{independent}");
        }
        if self.is_whole {
            let _ = writeln!(out, "#EXTINF:{},\n{}.m4s", decimal(self.lasts), base.segments + self.sequence);
        }
    }
}

/// A number as names have it.
pub(super) fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| is_plain && number <= NUMBER_MAX)
}

/// The number in a name such as `part/7.m4s?v=1`.
fn named(name: &str, folder: &str, ending: &str) -> Option<u32> {
    let name = name.split('?').next()?;
    number(name.strip_prefix(folder)?.strip_suffix(ending)?).filter(|&number| number > 0)
}

/// A span of at most some minutes.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    (0.0..=600.0).contains(&seconds).then(|| Duration::from_micros((seconds * 1e6).round() as u64))
}

/// Microseconds at the most, without needless zeros.
fn decimal(span: Duration) -> String {
    let text = format!("{}.{:06}", span.as_secs(), span.subsec_micros());
    let plain = text.trim_end_matches('0');
    if plain.ends_with('.') { format!("{plain}0") } else { plain.to_owned() }
}

/// An attribute of a tag, without its quotes.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key == name {
            return Some(value);
        }
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    None
}

#[cfg(test)]
mod tests;
