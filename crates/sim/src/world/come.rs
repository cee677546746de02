//! How viewers come. Invariant: who comes, when, and on which line does not depend on whether Braidcast is there.

use core::time::Duration;

use swarm::{Config, Input, PeerId, Time, Topology};

use super::viewer::{Manner, Viewer};
use super::{Event, World, player, tracker};
use crate::figures::Seen;
use crate::net::{Capacity, Host, LineId, Nat, Place};
use crate::rng::Rng;
use crate::scenario;

/// A viewer whose picture does not move meets others all the same after this.
const MEETS_WITHIN: Duration = Duration::from_millis(300);

impl World<'_> {
    /// The next viewer comes.
    pub(super) fn come(&mut self) {
        self.await_next();
        let at = self.viewers.len() as u32;
        let mut rng = Rng::stream(self.seed, u64::from(at), "viewer");
        let mut one = self.population.draw(&mut rng);
        let manner = Manner::draw(&self.scenario.faults, &mut rng);
        let site = scenario::site::of_viewer(&self.scenario.sites, at);
        let mut host = match site {
            Some(site) => self.at_site(site, &mut one),
            None => self.population.host(&one, &self.wobbles, &mut rng),
        };
        let settings = &self.scenario.peer;
        let lends = (one.uplink_mbps * settings.use_of_uplink).min(settings.most_upload_mbps) * 125_000.0;
        // Those who mean harm always say that they share.
        let shares = match manner {
            Manner::Honest => one.may_upload,
            Manner::FreeRider => false,
            _ => true,
        };
        if manner == Manner::Drip {
            host.up = Capacity::constant(u64::from(self.scenario.film.piece_kib) * 1024 * 8);
        }
        let mut visits = Rng::stream(self.seed, u64::from(at), "visit");
        let length = self.scenario.film.length();
        let visit = self.catalogue.as_ref().map(|catalogue| catalogue.draw(length, &mut visits));
        let stay = self.scenario.live.as_ref().map(|live| live.stay.draw(&mut visits));
        let film = self.film(visit.as_ref().map_or(0, |visit| visit.film));
        let topology =
            self.scenario.live.as_ref().map_or(Topology::default(), |live| live.topology.setting());
        let upload = if shares { lends as u32 } else { 0 };
        let mut config = Config { upload, topology, ..Config::default() };
        if let Some(links) = settings.links {
            config.links_wanted = links;
            config.links_max = links * 2;
        }
        let eclipse = self.scenario.faults.eclipse.filter(|_| manner == Manner::Honest);
        let victim = eclipse.filter(|e| Rng::stream(self.seed, u64::from(at), "eclipse").chance(e.share));
        let mut player = player::Player::new(&self.film, self.scenario.audience.choose, self.now);
        if let (Some(stream), Some(live)) = (&self.stream, &self.scenario.live) {
            let further_s = if live.apart_s > 0.0 { visits.uniform(0.0, live.apart_s) } else { 0.0 };
            player.go_live(
                stream.edge(Time::default()),
                Duration::from_secs_f64(live.buffer_s + further_s),
                live.parts(&self.film),
                live.from_segment,
            );
        }
        let mut viewer = Viewer::new(peer_id(at, 0), self.net.join(host), film, config, player);
        if let Some(site) = site {
            self.net.put_behind(LineId(site as u32), viewer.host);
        }
        (viewer.manner, viewer.site) = (manner, site);
        viewer.victim = victim.is_some();
        viewer.abrupt =
            visit.as_ref().is_some_and(|visit| visit.abrupt) || stay.is_some_and(|stay| stay.abrupt);
        (viewer.came, viewer.went) = (self.now, self.end);
        viewer.seen = Seen {
            uplink_mbps: one.uplink_mbps,
            class: one.class as u32,
            honest: manner == Manner::Honest,
            rides_free: manner == Manner::FreeRider,
            victim: victim.is_some(),
            ..Seen::default()
        };
        self.viewers.push(viewer);
        if let Some(stay) = stay {
            self.after(stay.stays, Event::Go(at));
        }
        if let Some(visit) = visit {
            self.after(visit.stays, Event::Go(at));
            for (after, to) in visit.seeks {
                self.after(after, Event::Seek(at, to));
            }
        }
        self.load(at);
    }

    /// A viewer's page is loaded, if it takes anything; then playlists and index: two round trips, with and without Braidcast.
    pub(super) fn load(&mut self, at: u32) {
        let settings = &self.scenario.origin;
        let bytes = (settings.page_kb * 1000.0) as u32;
        let page = if bytes > 0 { self.origin.request(self.now, vec![bytes]) } else { None };
        match page {
            Some(request) => {
                self.pages.insert(request, at);
                self.await_origin();
            }
            None => self.after(Duration::from_secs_f64(settings.rtt_ms / 500.0), Event::Begin(at)),
        }
    }

    /// An edge is there before anybody comes. With the origin alone it has a number too, so that all others are the same.
    pub(super) fn set_up(&mut self, edge: &scenario::Edge) {
        let line = Capacity::mbps(edge.mbps);
        let host = Host { up: line.clone(), down: line, place: Place::default(), nat: Nat::Open, loss: 0.0 };
        let at = self.viewers.len() as u32;
        let film = self.film(0);
        let player = player::Player::new(&self.film, self.scenario.audience.choose, self.now);
        let mut viewer = Viewer::new(peer_id(at, 0), self.net.join(host), film, Config::keeper(), player);
        viewer.went = self.end;
        self.viewers.push(viewer);
        self.wheel.push(self.now, Event::Begin(at));
    }

    /// A viewer has the film's index, and begins.
    pub(super) fn begin(&mut self, at: u32) {
        let viewer = &mut self.viewers[at as usize];
        if viewer.gone {
            return;
        }
        let watches = !viewer.keeps();
        if !self.alone {
            viewer.core = Some(viewer.new_core(self.seed));
            let (film, manner) = (viewer.film.clone(), viewer.manner);
            if self.stream.is_some() {
                self.begin_live(at);
            } else {
                self.feed(at, Input::Film(&film.index));
            }
            self.after(MEETS_WITHIN, Event::Meet(at));
            self.after(tracker::INTERVAL, Event::Renew(at));
            if manner == Manner::Whitewasher {
                self.after(self.whitewashes_every(), Event::Rename(at));
            }
        }
        if watches {
            self.look(at);
        }
    }
}

/// A viewer's peer is named by its number, and by how often it has changed its name.
pub(super) fn peer_id(viewer: u32, life: u32) -> PeerId {
    let mut id = *b"-BC0000-000000000000";
    let mut write = |place: core::ops::Range<usize>, number: u32| {
        let mut rest = number;
        for digit in id[place].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    };
    write(3..7, life + 1);
    write(8..20, viewer);
    PeerId(id)
}
