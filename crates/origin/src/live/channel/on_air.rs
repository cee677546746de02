//! A stream that is on offer, at the side that makes it. The invariant: renditions begin anew together, and what is pending when one does is
//! told of before.

use super::teller::Teller;
use crate::live::feed::{Beginning, RenditionId};
use cmaf::live::{CutError, Cutter};
use cmaf::webvtt::Text;
use cmaf::{Sample, Track};

/// A rendition on its way into parts.
pub(super) struct Cut {
    pub id: RenditionId,
    pub cutter: Cutter,
    pub track: Track,
}

/// A stream that is on offer.
pub(super) struct OnAir {
    pub teller: Teller,
    pub cuts: Vec<Cut>,
    pub born_ms: u64,
}

impl OnAir {
    /// Whether these are its renditions and captions.
    pub fn has(&self, beginning: &Beginning) -> bool {
        beginning.renditions.len() == self.cuts.len()
            && self.cuts.iter().all(|cut| beginning.renditions.contains(&cut.id))
            && self.teller.channel.state().subtitles == beginning.captions
    }

    pub async fn push(&mut self, id: &RenditionId, sample: Sample) {
        let Some(line) = self.cuts.iter().position(|cut| cut.id == *id) else { return };
        match self.cuts[line].cutter.push(sample.clone()) {
            Ok(parts) => self.teller.born(line, parts),
            Err(CutError::NotRising { .. } | CutError::Overlap(_)) => {} // it is late, and there is no place for it
            Err(why) => {
                tracing::warn!(stream = %self.teller.channel.slug, rendition = %id, %why, "the stream begins anew");
                self.finish().await;
                for at in 0..self.cuts.len() {
                    let track = self.cuts[at].track.clone();
                    self.follow(at, track);
                }
                match self.cuts[line].cutter.push(sample) {
                    Ok(parts) => self.teller.born(line, parts),
                    Err(why) => tracing::debug!(%why, "a sample has no place"),
                }
            }
        }
    }

    /// A line for the playlist, with the next segment of a rendition.
    pub async fn mark(&mut self, id: &RenditionId, mark: &str) {
        let Some(line) = self.cuts.iter().position(|cut| cut.id == *id) else { return };
        // What is born already is before it.
        self.teller.flush_pending().await;
        self.teller.channel.mark(line, mark);
    }

    /// Cues of the captions with this number.
    pub fn say(&mut self, captions: usize, text: Text) {
        self.teller.channel.state().say(captions, text);
    }

    /// A rendition goes on in `track`; `false` where the stream cannot.
    pub async fn restart(&mut self, id: &RenditionId, track: Track) -> bool {
        let Some(line) = self.cuts.iter().position(|cut| cut.id == *id) else { return true };
        if self.cuts[line].track.kind != track.kind {
            return false;
        }
        self.teller.flush_pending().await;
        self.follow(line, track)
    }

    fn follow(&mut self, line: usize, track: Track) -> bool {
        let Some(cut) = self.cuts.get_mut(line) else { return true };
        let rest = cut.cutter.restart(&track);
        let goes_on = self.teller.channel.state().restart(line, &track, cut.cutter.init());
        cut.track = track;
        self.teller.born(line, rest);
        goes_on
    }

    /// Gives out all that there is, and ends the segments.
    pub async fn finish(&mut self) {
        for line in 0..self.cuts.len() {
            let rest = self.cuts[line].cutter.finish();
            self.teller.born(line, rest);
        }
        self.teller.flush_pending().await;
    }
}
