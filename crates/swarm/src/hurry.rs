//! How soon plans are to be made after an input: plans are dear, and most inputs change little.

use crate::io::{Input, Source, Verdict};
use crate::peer::Peer;
use manifest::SegmentId;
use wire::{Have, Message, Run};

/// How soon plans are to be made after an input.
pub(crate) enum Hurry {
    /// At once.
    Now,
    /// When [`PAUSE`] is over: many small things happen in a moment, and plans are dear.
    Soon,
    /// It changes little that plans rest on: the next ones, within [`WATCH`] while something is missing, see it.
    No,
}

impl Peer {
    pub(crate) fn hurry(&self, input: &Input<'_>) -> Hurry {
        match input {
            Input::Wake
            | Input::Film(_)
            | Input::Live { .. }
            | Input::Head { .. }
            | Input::Player(_)
            | Input::Want(_)
            | Input::LinkDown(_)
            | Input::Lost(_)
            | Input::FetchEnded { .. } => Hurry::Now,
            // Somebody to keep for.
            Input::Message(link, Message::Playing(_))
                if self.keeps() && self.links.get(link).is_some_and(|n| n.playing.is_none()) =>
            {
                Hurry::Soon
            }
            Input::LinkRoom { .. }
            | Input::Message(
                _,
                Message::Request { .. }
                | Message::Cancel { .. }
                | Message::Playing(_)
                | Message::Seats(_)
                | Message::Follow { .. },
            ) => Hurry::No,
            // It was pushed: nothing is free for another.
            Input::Arrived { from: Source::Peer(link), verdict: Verdict::Verified, .. }
                if self.is_live() && self.links.get(link).is_some_and(|n| n.asked.is_empty()) =>
            {
                Hurry::No
            }
            Input::Message(_, Message::Have(have)) if !self.is_of_use(have) => Hurry::No,
            _ => Hurry::Soon,
        }
    }

    /// Whether a report speaks of something that was missing when plans were last made.
    fn is_of_use(&self, have: &Have) -> bool {
        let in_run = |run: &Run, segment: SegmentId| {
            run.first.rendition == segment.rendition
                && segment.sequence.checked_sub(run.first.sequence).is_some_and(|place| place < run.count)
        };
        self.missing.iter().any(|&segment| {
            have.whole.iter().any(|run| in_run(run, segment))
                || have.partial.iter().any(|partial| partial.segment == segment)
                || have.fetching.contains(&segment)
        })
    }
}
