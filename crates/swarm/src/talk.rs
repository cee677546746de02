//! What neighbours are told and given: greetings, holdings, the playhead, pieces.

use crate::io::{Link, Output};
use crate::peer::Peer;
use crate::time::Time;
use crate::uploads::Waiting;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::Kind;
use wire::{Have, Hello, Message, Playing, Refusal, VERSION};

impl Peer {
    pub(crate) fn set_sharing(&mut self, limit: Option<u32>, out: &mut Vec<Output>) {
        let before = self.uploads.is_sharing();
        self.uploads.set_limit(limit);
        let sharing = self.uploads.is_sharing();
        if !sharing {
            for w in self.uploads.drain().into_iter().filter(|w| w.id != wire::PUSHED) {
                out.push(Output::Send(w.link, Message::Refuse { id: w.id, why: Refusal::NotSharing }));
            }
        }
        let links: Vec<Link> = self.links.keys().copied().collect();
        for link in links {
            out.push(Output::Send(link, self.hello()));
            if sharing && !before {
                out.push(Output::Send(link, Message::Have(self.full_report())));
            }
        }
    }

    pub(crate) fn hello(&self) -> Message {
        let swarm = self.film.as_ref().map_or([0; 20], |film| film.swarm);
        Message::Hello(Hello {
            version: VERSION,
            swarm,
            upload_kbps: self.uploads.kbps(),
            keeps: self.keeps(),
        })
    }

    pub(crate) fn full_report(&self) -> Have {
        Have { fetching: self.origin.fetches.keys().copied().collect(), ..self.store.report_all() }
    }

    pub(crate) fn serve(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.is_live() {
            self.drop_stale_pushes(now);
        }
        let in_flight_max = self.config.serve_in_flight_max;
        self.renew_slots(now);
        loop {
            let links = &self.links;
            // What is stuck in one link is no reason to keep the others waiting.
            let moving = links.values().filter(|n| n.stuck_for(now) < STUCK);
            let in_flight: u32 = moving.map(|n| LINK_ROOM.saturating_sub(n.room)).sum();
            if in_flight >= in_flight_max {
                return;
            }
            let takes = |w: &Waiting| links.get(&w.link).is_some_and(|n| n.room >= w.bytes);
            let Some(w) = self.uploads.next(now, takes, |link| self.slots.behind(link)) else { return };
            if let Some(neighbour) = self.links.get_mut(&w.link) {
                neighbour.given(now, w.bytes);
                neighbour.bytes_out += u64::from(w.bytes);
                neighbour.took_at = Some(now);
            }
            let Waiting { link, id, segment, piece, leaves, .. } = w;
            out.push(Output::SendPiece { link, id, segment, piece, leaves });
        }
    }

    fn playing(&self) -> Playing {
        // Whatever is wanted of one that keeps for others, it is nobody's rival.
        if self.keeps() {
            let video = self.offers().unwrap_or(255);
            return Playing { position_ms: 0, window_end_ms: self.line_kbps(), video, audio: 255 };
        }
        Playing {
            position_ms: millis(self.viewer.player.position),
            window_end_ms: millis(self.viewer.window_end(&self.config)),
            video: self.viewer.rendition(Kind::Video).unwrap_or(255),
            audio: self.viewer.rendition(Kind::Audio).unwrap_or(255),
        }
    }

    /// Tells neighbours what has changed: holdings, fetches, playhead.
    pub(crate) fn report(&mut self, now: Time, out: &mut Vec<Output>) {
        // What comes down the trees is seldom asked for.
        let every = if self.is_live() && self.config.topology.push {
            self.config.have_every * 2
        } else {
            self.config.have_every
        };
        let due = now.since(self.reported) >= every;
        // Nobody waits for what a top of a live stream fetches: it is pushed.
        self.fetching_changed &= !self.is_live();
        if self.uploads.is_sharing() && (due || self.fetching_changed) {
            let changes = self.store.report_changes();
            if changes.is_some() || self.fetching_changed {
                let fetching = self.origin.fetches.keys().copied().collect();
                let have = Have { fetching, ..changes.unwrap_or_default() };
                out.extend(self.links.keys().map(|&link| Output::Send(link, Message::Have(have.clone()))));
            }
            self.fetching_changed = false;
            self.reported = now;
        }
        let playing = self.playing();
        let stale = match &self.told {
            None => true,
            Some((_, told)) if (told.video, told.audio) != (playing.video, playing.audio) => true,
            Some((_, told)) if told.position_ms.abs_diff(playing.position_ms) > 5000 => true,
            // Of a live stream everybody sees nearly the same.
            Some((at, told)) => {
                let every = Duration::from_secs(if self.is_live() { 4 } else { 1 });
                now.since(*at) >= every && told != &playing
            }
        };
        if stale {
            self.told = Some((now, playing));
            out.extend(self.links.keys().map(|&link| Output::Send(link, Message::Playing(playing))));
        }
    }
}

/// Room of a link that has nothing queued; drivers report room up to this.
pub(crate) const LINK_ROOM: u32 = 128 * 1024;

/// A link whose queue has not moved for so long is stuck.
const STUCK: Duration = Duration::from_secs(2);

fn millis(span: Duration) -> u32 {
    span.as_millis().min(u128::from(u32::MAX)) as u32
}
