//! Captions of a live stream: cues as they come, and of each segment of the pictures the WebVTT of its time (RFC 8216 section 3.5).
//!
//! The invariant: the text of a segment is made once, when the segment is whole, and never changes; what is not known by then is
//! not in it. Cues, texts and bytes of both are bounded.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::Listed;
use crate::webvtt::{self, Cue, Text};

/// Cues that wait, or are still shown.
const MAX_CUES: usize = 4096;
/// Bytes of the text of one segment, and of all that are kept.
const MAX_TEXT: usize = 64 << 10;
const MAX_TEXTS: usize = 16 << 20;
/// Bytes of the cues that are kept for a film, and how many of the last ones are compared with a new one.
const MAX_SAID: usize = 16 << 20;
const LATELY: usize = 256;

/// The captions of one language.
#[derive(Debug, Clone, Default)]
pub struct Captions {
    head: String,
    /// By when they appear, on the stream's timeline.
    cues: Vec<Cue>,
    /// By media sequence number, which rises.
    texts: VecDeque<(u32, Bytes)>,
    bytes: usize,
    /// All that was shown, where that is wanted, and its bytes.
    said: Option<(Vec<Cue>, usize)>,
}

impl Captions {
    /// Captions of which all that are shown are kept, for a film.
    pub fn recorded() -> Self {
        Self { said: Some((Vec::new(), 0)), ..Self::default() }
    }

    /// Takes in cues, whose times are on the stream's timeline; those that are known already change nothing.
    pub fn push(&mut self, text: Text) {
        if !text.head.is_empty() {
            self.head = text.head;
        }
        for cue in text.cues {
            let at = self.cues.partition_point(|other| other.start < cue.start);
            let same = self.cues[at..].iter().take_while(|other| other.start == cue.start);
            if self.cues.len() < MAX_CUES && !same.into_iter().any(|other| *other == cue) {
                self.cues.insert(at, cue);
            }
        }
    }

    /// Makes the text of a `segment` that is whole. In it are also cues that appear within `ahead` of its end: whoever plays parts at the live
    /// edge reads it when it plays what comes next. `sign` gives the text with its publisher's signature.
    pub fn close(&mut self, segment: &Listed, ahead: Duration, sign: impl FnOnce(&str) -> Vec<u8>) {
        if self.texts.back().is_some_and(|(last, _)| *last >= segment.sequence) {
            return;
        }
        let start = segment.start_time();
        let end = start.saturating_add(segment.play_time());
        self.cues.retain(|cue| cue.end > start);
        if let Some((said, bytes)) = &mut self.said {
            for cue in self.cues.iter().take_while(|cue| cue.start < end) {
                let more = cue.id.len() + cue.settings.len() + cue.text.len() + size_of::<Cue>();
                if *bytes + more <= MAX_SAID && !said.iter().rev().take(LATELY).any(|other| other == cue) {
                    *bytes += more;
                    said.push(cue.clone());
                }
            }
        }
        let mut text = webvtt::begin(&self.head, Some(start));
        for cue in self.cues.iter().take_while(|cue| cue.start < end.saturating_add(ahead)) {
            let before = text.len();
            webvtt::put(&mut text, cue);
            if text.len() > MAX_TEXT {
                text.truncate(before);
                break;
            }
        }
        if self.bytes + text.len() > MAX_TEXTS {
            text = webvtt::begin("", Some(start));
        }
        let text = Bytes::from(sign(&text));
        self.bytes += text.len();
        self.texts.push_back((segment.sequence, text));
    }

    /// Media sequence number of the last text.
    pub fn last(&self) -> Option<u32> {
        self.texts.back().map(|(sequence, _)| *sequence)
    }

    /// The media begins anew: what was to come does not come.
    pub fn restart(&mut self) {
        self.cues.clear();
    }

    /// The text of the segment with this media sequence number.
    pub fn text(&self, sequence: u32) -> Option<Bytes> {
        let at = self.texts.binary_search_by_key(&sequence, |(of, _)| *of).ok()?;
        Some(self.texts[at].1.clone())
    }

    /// What was shown between two times, as the WebVTT of a film that begins at the first; `None` where that is nothing.
    pub fn film(&self, from: Duration, to: Duration) -> Option<String> {
        let (said, _) = self.said.as_ref()?;
        let mut text = webvtt::begin(&self.head, None);
        let shown = said.iter().filter(|cue| cue.end > from && cue.start < to);
        let mut is_empty = true;
        for cue in shown {
            let (start, end) = (cue.start.saturating_sub(from), cue.end.min(to).saturating_sub(from));
            webvtt::put(&mut text, &Cue { start, end, ..cue.clone() });
            is_empty = false;
        }
        (!is_empty).then_some(text)
    }

    /// What was shown, without the texts of segments: for [`film`](Self::film), once nothing more is said.
    pub fn take_said(&mut self) -> Self {
        Self { head: self.head.clone(), said: self.said.take(), ..Self::default() }
    }

    /// Drops the texts of segments before `sequence`.
    pub fn trim(&mut self, sequence: u32) {
        while let Some((_, text)) = self.texts.front().filter(|(of, _)| *of < sequence) {
            self.bytes -= text.len();
            self.texts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cues: &[(u64, u64, &str)]) -> Text {
        let cue = |(start, end, text): &(u64, u64, &str)| Cue {
            start: Duration::from_millis(*start),
            end: Duration::from_millis(*end),
            id: String::new(),
            settings: String::new(),
            text: (*text).to_owned(),
        };
        Text { cues: cues.iter().map(cue).collect(), ..Text::default() }
    }

    /// A segment of two seconds.
    fn segment(sequence: u32) -> Listed {
        Listed {
            sequence,
            start: u64::from(sequence - 1) * 2000,
            duration: 2000,
            timescale: 1000,
            bytes: 1,
            discontinuity: false,
            era: 0,
            init: 1,
            wall: None,
            complete: true,
            marks: Vec::new(),
            first_part: sequence,
            part_count: 1,
            parts: Vec::new(),
        }
    }

    fn unsigned(text: &str) -> Vec<u8> {
        text.into()
    }

    fn said(captions: &Captions, sequence: u32) -> Vec<String> {
        let text = webvtt::read(&captions.text(sequence).unwrap()).unwrap();
        text.cues.into_iter().map(|cue| cue.text).collect()
    }

    #[test]
    fn a_text_has_what_is_shown_meanwhile_and_soon_and_never_changes() {
        let mut captions = Captions::recorded();
        captions.push(text(&[(3500, 6500, "long"), (500, 900, "first"), (4100, 4200, "later")]));
        captions.push(text(&[(500, 900, "first")]));
        let ahead = Duration::from_secs(2);
        captions.close(&segment(1), ahead, unsigned);
        assert_eq!(said(&captions, 1), ["first", "long"]);
        captions.push(text(&[(1000, 1100, "late"), (1900, 2100, "almost")]));
        captions.close(&segment(1), ahead, unsigned);
        captions.close(&segment(2), ahead, unsigned);
        captions.close(&segment(3), ahead, unsigned);
        assert_eq!(said(&captions, 1), ["first", "long"]);
        assert_eq!(said(&captions, 2), ["almost", "long", "later"]);
        assert_eq!(said(&captions, 3), ["long", "later"]);
        captions.restart();
        captions.close(&segment(4), ahead, unsigned);
        assert_eq!(said(&captions, 4), Vec::<String>::new());
        let film = captions.film(Duration::from_secs(1), Duration::from_secs(6)).unwrap();
        assert_eq!(
            film,
            "WEBVTT\n\n00:00:00.900 --> 00:00:01.100\nalmost\n\n00:00:02.500 --> 00:00:05.000\nlong\n\n\
             00:00:03.100 --> 00:00:03.200\nlater\n\n"
        );
        assert_eq!(captions.film(Duration::from_secs(20), Duration::from_secs(30)), None);
        captions.trim(3);
        assert_eq!((captions.text(2), captions.last()), (None, Some(4)));
    }

    #[test]
    fn cues_and_texts_are_bounded() {
        let mut captions = Captions::default();
        let long = "x".repeat(4000);
        let many: Vec<(u64, u64, &str)> = (0..6000).map(|at| (at, 100_000_000, long.as_str())).collect();
        captions.push(text(&many));
        assert_eq!(captions.cues.len(), MAX_CUES);
        for sequence in 1..=400 {
            captions.close(&segment(sequence), Duration::ZERO, unsigned);
        }
        assert!(captions.bytes <= MAX_TEXTS + 400 * 100 && captions.text(1).unwrap().len() <= MAX_TEXT);
        assert_eq!(said(&captions, 400), Vec::<String>::new());
    }
}
