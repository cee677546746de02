//! Connections: taken up, spoken to by neighbours, given up.

use crate::io::{Hangup, Link, Output, PeerId};
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::stripes;
use crate::time::Time;
use crate::trust::Trust;
use crate::uploads::Waiting;
use alloc::vec::Vec;
use core::time::Duration;
use wire::{Message, Refusal, VERSION};

/// A link that has stood for so long is not replaced by a second one to the same peer.
const SETTLED: Duration = Duration::from_secs(5);
/// How long a new link may say nothing.
const GREETS_WITHIN: Duration = Duration::from_secs(8);
/// How long a link may leave untouched what was given to it.
const STUCK_AT_MOST: Duration = Duration::from_secs(15);
/// A piece of a live stream that would have to wait longer than this is refused.
const LIVE_WAITS: Duration = Duration::from_secs(1);

impl Peer {
    pub(crate) fn link_up(
        &mut self,
        now: Time,
        link: Link,
        peer: PeerId,
        dialled: bool,
        out: &mut Vec<Output>,
    ) {
        let by = self.meet.dial_ended(&peer).or_else(|| self.brought_by(&peer).filter(|_| !dialled));
        let twin = self.links.iter().find(|(_, n)| n.peer == peer).map(|(&link, n)| (link, n.dialled));
        if let Some((other, other_dialled)) = twin {
            // Both dialled: both sides keep the connection that the smaller id began.
            let mine = self.me < peer;
            // A newcomer never replaces a link that has stood or brought something: names are not proven.
            let settled =
                self.links.get(&other).is_some_and(|n| n.bytes_in > 0 || now.since(n.since) > SETTLED);
            if dialled == other_dialled || other_dialled == mine || settled {
                out.push(Output::Hangup(link, Hangup::Duplicate));
                return;
            }
            self.link_down(now, other);
            out.push(Output::Hangup(other, Hangup::Duplicate));
        }
        let refusal = match () {
            () if self.film.is_none() || peer == self.me => Some(Hangup::Stranger),
            () if self.links.len() >= self.places(dialled) => Some(Hangup::Full),
            () => self.meet.shunned(now, &peer),
        };
        if let Some(why) = refusal {
            out.push(Output::Hangup(link, why));
            return;
        }
        let trust = Trust::new(now, self.meet.has_failed(&peer));
        let mut neighbour = Neighbour::new(now, peer, dialled, self.config.credit_start, trust);
        neighbour.dealings.by = by;
        self.links.insert(link, neighbour);
        self.meet.met(&peer);
        out.push(Output::Send(link, self.hello()));
        if self.uploads.is_sharing() {
            out.push(Output::Send(link, Message::Have(self.full_report())));
        }
        if let Some((_, seats)) = &self.live.trees.told {
            out.push(Output::Send(link, Message::Seats(seats.clone())));
        }
        if let Some((_, playing)) = self.told {
            out.push(Output::Send(link, Message::Playing(playing)));
        }
    }

    pub(crate) fn places(&self, dialled: bool) -> usize {
        let kept = if dialled { 0 } else { self.config.links_kept };
        self.config.links_max.saturating_sub(kept).max(1)
    }

    /// How many connections there are as far as more are wanted: those of use, or all when there is no place for another.
    pub(crate) fn useful_links(&self, now: Time) -> usize {
        let useful = self.links.len() - self.idle_links(now).count();
        let spare = self.config.links_max - self.config.links_wanted.min(self.config.links_max);
        useful.max(self.links.len().saturating_sub(spare))
    }

    /// Connections that have stood for a while and are of no use: nothing goes either way, or nobody at all gives anything.
    fn idle_links(&self, now: Time) -> impl Iterator<Item = Link> + '_ {
        // Who keeps for others is not there to be given anything.
        let given_to = self.keeps() || self.links.values().any(|n| n.gave.by(now) > 0);
        self.links
            .iter()
            .filter(move |(_, n)| {
                let exchanges = n.gave.by(now) > 0 || n.bytes_out > 0 && given_to;
                now.since(n.since) > self.config.idle_max && !exchanges
            })
            .map(|(&link, _)| link)
    }

    /// When every place is taken, an idle connection makes room now and then: others may be better neighbours.
    pub(crate) fn make_room(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.links.len() < self.places(true) || now.since(self.room_made) < self.config.announce_every {
            return;
        }
        self.room_made = now;
        let trust = |link: &Link| self.links.get(link).map_or(0, |n| n.trust.permille());
        if let Some(link) = self.idle_links(now).min_by_key(|link| (trust(link), *link)) {
            self.hang_up(now, link, Hangup::Full, out);
        }
    }

    pub(crate) fn link_down(&mut self, now: Time, link: Link) {
        if let Some(gone) = self.links.remove(&link) {
            let me = stripes::short(&self.me);
            self.live
                .trees
                .lose(now, link, |stripe| gone.standing.path(stripe, stripes::short(&gone.peer), me));
            self.exchange.drop_link(link);
            self.uploads.drop_link(link);
            self.slots.drop_link(link);
        }
    }

    pub(crate) fn hang_up(&mut self, now: Time, link: Link, why: Hangup, out: &mut Vec<Output>) {
        self.link_down(now, link);
        out.push(Output::Hangup(link, why));
    }

    pub(crate) fn drop_forger(&mut self, now: Time, link: Link, out: &mut Vec<Output>) {
        if let Some(neighbour) = self.links.get(&link) {
            let by = neighbour.dealings.by;
            self.meet.shun(neighbour.peer, None);
            self.hang_up(now, link, Hangup::Forger, out);
            by.into_iter().for_each(|by| self.blame(now, by));
        }
    }

    pub(crate) fn message(&mut self, now: Time, link: Link, message: Message, out: &mut Vec<Output>) {
        let (Some(film), Some(neighbour)) = (&self.film, self.links.get_mut(&link)) else { return };
        if !neighbour.greeted && !matches!(message, Message::Hello(_) | Message::Goodbye) {
            self.hang_up(now, link, Hangup::Stranger, out);
            return;
        }
        neighbour.heard = now;
        match message {
            Message::Hello(hello) => {
                if hello.version != VERSION || hello.swarm != film.swarm {
                    self.meet.shun(neighbour.peer, Some(now + Duration::from_secs(600)));
                    self.hang_up(now, link, Hangup::Stranger, out);
                    return;
                }
                neighbour.greeted = true;
                neighbour.upload_kbps = hello.upload_kbps;
                neighbour.keeps = hello.keeps;
            }
            Message::Have(have) => {
                if neighbour.learn(film, now, &have) {
                    self.consider_behind(now, link, &have, out);
                } else {
                    self.drop_forger(now, link, out);
                }
            }
            Message::Playing(playing) => neighbour.plays(now, playing),
            Message::Request { id, segment, piece, within_ms, leaves } => {
                let due = now + Duration::from_millis(u64::from(within_ms.min(600_000)));
                let why = match () {
                    () if !self.uploads.is_sharing() => Some(Refusal::NotSharing),
                    () if !self.store.has(film, segment, piece) => Some(Refusal::Absent),
                    () if self.spares_nothing_for(now, Duration::from_millis(u64::from(within_ms))) => {
                        Some(Refusal::Busy)
                    }
                    // Others can still bring it in time, if they are asked at once.
                    () if film.is_live()
                        && self.uploads.wait(due, link, |link| self.slots.behind(link)) > LIVE_WAITS =>
                    {
                        Some(Refusal::Busy)
                    }
                    () if self.uploads.waiting(link) >= self.config.serve_queue_max => Some(Refusal::Busy),
                    () => None,
                };
                match why {
                    Some(why) => out.push(Output::Send(link, Message::Refuse { id, why })),
                    None => self.uploads.push(Waiting {
                        link,
                        id,
                        segment,
                        piece,
                        leaves,
                        bytes: film.piece_size(segment, piece)
                            + if leaves { 32 * film.pieces(segment) } else { 0 },
                        due,
                    }),
                }
            }
            Message::Seats(_) | Message::Follow { .. } | Message::Feed { .. } | Message::Behind { .. }
                if !film.is_live() => {}
            Message::Seats(seats) => neighbour.standing.seats = seats,
            Message::Follow { stripes } => self.followed_by(now, link, stripes, out),
            Message::Feed { stripes } => self.fed_by(now, link, stripes, out),
            Message::Behind { head } => self.behind(now, link, head, out),
            Message::Cancel { id } => self.uploads.cancel(link, id),
            Message::Refuse { id, why } => {
                let Some(asked) = neighbour.forget(id) else { return };
                match why {
                    Refusal::Absent => neighbour.refused(now, asked.segment, asked.piece),
                    Refusal::Busy => self.was_busy(now, link, asked.segment),
                    Refusal::NotSharing => neighbour.upload_kbps = 0,
                }
                self.drop_if_useless(now, link, out);
            }
            Message::Meet { want } => self.asked_for_peers(now, link, want, out),
            Message::Peers(peers) => self.named(now, link, peers, out),
            Message::Carry(signal) => self.pass_on(now, link, signal, out),
            Message::Carried(signal) => self.carried(now, link, signal, out),
            Message::Goodbye => self.hang_up(now, link, Hangup::Full, out),
        }
    }

    /// Closes links that have not greeted, and those that take nothing of what waits for them.
    pub(crate) fn drop_silent(&mut self, now: Time, out: &mut Vec<Output>) {
        let silent: Vec<Link> = self
            .links
            .iter()
            .filter(|(_, n)| {
                !n.greeted && now.since(n.since) > GREETS_WITHIN || n.stuck_for(now) > STUCK_AT_MOST
            })
            .map(|(&link, _)| link)
            .collect();
        for link in silent {
            self.hang_up(now, link, Hangup::Unresponsive, out);
        }
    }

    /// Closes a link that has failed too often in a row; its peer may come back after a minute.
    pub(crate) fn drop_if_useless(&mut self, now: Time, link: Link, out: &mut Vec<Output>) {
        if let Some(neighbour) = self.links.get(&link)
            && neighbour.strikes >= self.config.strikes_max
        {
            self.meet.shun(neighbour.peer, Some(now + Duration::from_secs(60)));
            self.hang_up(now, link, Hangup::Unresponsive, out);
        }
    }
}
