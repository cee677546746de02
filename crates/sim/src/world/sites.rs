//! Viewers in offices and schools. Invariant: what is between them and the rest of the world is the line of their site, and the tracker
//! sees them all at its address.

use std::collections::BTreeSet;

use rendezvous::Locality;

use super::World;
use crate::figures::{Place, Sites};
use crate::net::{self, Capacity, Host, Line, Nat};
use crate::population;
use crate::rng::Rng;
use crate::scenario::{self, Mode};

impl World<'_> {
    /// Lays the sites' lines, in the order of the scenario's list.
    pub(super) fn lay_lines(&mut self) {
        for site in &self.scenario.sites {
            let (up, down) = (Capacity::mbps(site.up_mbps), Capacity::mbps(site.down_mbps));
            self.net.lay(Line { up, down });
        }
    }

    /// A viewer's machine, where it is at a site: on a wire that others pay for.
    pub(super) fn at_site(&self, site: usize, viewer: &mut population::Viewer) -> Host {
        let lan_mbps = self.scenario.sites[site].lan_mbps;
        let mut rng = Rng::stream(self.seed, site as u64, "site");
        let mut across = || self.population.spread_ms * rng.normal();
        let place = net::Place { x_ms: across(), y_ms: across(), height_ms: HEIGHT_MS };
        *viewer = population::Viewer {
            uplink_mbps: lan_mbps,
            downlink_mbps: lan_mbps,
            nat: Nat::PortRestricted,
            place,
            may_upload: true,
            ..*viewer
        };
        let wire = Capacity::mbps(lan_mbps);
        Host { up: wire.clone(), down: wire, place, nat: viewer.nat, loss: 0.0 }
    }

    /// Where the tracker sees a viewer. Of those at no site it knows nothing.
    pub(super) fn seen_at(&self, viewer: u32) -> Locality {
        let site = self.viewers[viewer as usize].site;
        site.map_or_else(Locality::default, |site| self.scenario.sites[site].network.network().into())
    }

    /// Whether the tracker carries an offer from one viewer to another.
    pub(super) fn may_call(&self, from: u32, to: u32) -> bool {
        let site = |at: u32| self.viewers[at as usize].site;
        let mode = |at: u32| site(at).map(|site| self.scenario.sites[site].mode);
        let (home, away) = (mode(from), mode(to));
        let at_home = site(from).is_some() && site(from) == site(to) && home.is_some_and(Mode::meets_at_home);
        at_home || Mode::may_call(home, away)
    }

    /// What went between the sites of the scenario, if it has any.
    pub(super) fn sites(&self) -> Option<Sites> {
        let sites = &self.scenario.sites;
        let mut places: Vec<Place> = sites.iter().map(place).collect();
        places.push(Place { name: "elsewhere".to_owned(), ..Place::default() });
        let mut watched = vec![BTreeSet::new(); places.len()];
        for viewer in self.watching() {
            let at = viewer.site.unwrap_or(sites.len());
            places[at].viewers += 1;
            places[at].from_origin += self.net.traffic(viewer.host).from_origin;
            watched[at].extend(viewer.given.iter().map(|&segment| (viewer.film.number, segment)));
        }
        for (place, watched) in places.iter_mut().zip(watched) {
            let size =
                |&(film, segment): &(usize, _)| self.films[&film].index.segment(segment).map(|s| s.size);
            place.watched = watched.iter().filter_map(size).map(u64::from).sum();
        }
        let mut all = Sites { sent: vec![vec![0; places.len()]; places.len()], places, between_apart: 0 };
        for (&(from, to), &bytes) in self.net.crossings() {
            let [from, to] = [from, to].map(|line| line.map_or(sites.len(), |line| line.0 as usize));
            let [home, away] = [from, to].map(|at| sites.get(at).map(|site| site.mode));
            let may = if from == to && from < sites.len() {
                home.is_some_and(Mode::meets_at_home)
            } else {
                Mode::may_exchange(home, away)
            };
            all.sent[from][to] = bytes;
            all.between_apart += if may { 0 } else { bytes };
        }
        (!sites.is_empty()).then_some(all)
    }
}

fn place(site: &scenario::Site) -> Place {
    let mode = site.mode;
    let (name, is_closed) = (site.name.clone(), mode == Mode::On);
    Place { name, mode: mode.name().to_owned(), is_closed, ..Place::default() }
}

/// One way from a site to the network.
const HEIGHT_MS: f64 = 2.0;
