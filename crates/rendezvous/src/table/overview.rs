//! What an operator may see of the swarms, a page at a time, and close. No address is in it.

use std::{ops::Bound, time::Duration};

use super::Table;
use crate::{
    ConnId, Counts, InfoHash, Outgoing, PeerId,
    member::{Member, Role},
    refusal::Refusal,
};

/// A swarm, counted by what its members say they are and by where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Complete, incomplete and downloaded.
    pub counts: Counts,
    /// Members that say they are viewers, or nothing.
    pub viewers: usize,
    /// Members that say they are seeds.
    pub seeds: usize,
    /// Members that say they are edges.
    pub edges: usize,
    /// Members outside all sites, and by VPNs.
    pub elsewhere: usize,
    /// Members of each of the operator's sites, in the order of the settings.
    pub sites: Vec<SiteCount>,
}

impl Overview {
    /// The same with another part of the swarm; both are by the same settings.
    pub fn with(mut self, other: Self) -> Self {
        self.counts = self.counts + other.counts;
        self.viewers += other.viewers;
        self.seeds += other.seeds;
        self.edges += other.edges;
        self.elsewhere += other.elsewhere;
        for (site, more) in self.sites.iter_mut().zip(other.sites) {
            site.members += more.members;
            site.complete += more.complete;
        }
        self
    }
}

/// How many of a site are in a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCount {
    /// What people call it.
    pub name: String,
    /// Members from there.
    pub members: usize,
    /// Of these, who has everything.
    pub complete: usize,
}

/// One member, as an operator may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, by which it can be closed.
    pub peer: PeerId,
    /// Whether it has everything.
    pub complete: bool,
    /// What it says it is for: `viewer`, `seed` or `edge`.
    pub role: &'static str,
    /// The operator's site that it comes from.
    pub site: Option<String>,
    /// How long it has been a member.
    pub age: Duration,
}

impl Table {
    /// Up to `most` swarms in the order of their names, those behind `after`.
    pub fn swarms_after(&self, after: Option<InfoHash>, most: usize) -> Vec<(InfoHash, Counts)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let swarms = self.swarms.range((from, Bound::Unbounded)).take(most);
        swarms.map(|(&info_hash, swarm)| (info_hash, swarm.counts())).collect()
    }

    /// A swarm, looked at whole. `None` if nobody is in it.
    pub fn overview(&self, info_hash: InfoHash) -> Option<Overview> {
        let swarm = self.swarms.get(&info_hash)?;
        let sites = self.config.sites.iter();
        let none = |name: &String| SiteCount { name: name.clone(), members: 0, complete: 0 };
        let sites = sites.map(|site| none(&site.name)).collect();
        let mut all = Overview { counts: swarm.counts(), sites, ..Overview::default() };
        for member in swarm.members() {
            match member.claims.role {
                Role::Viewer => all.viewers += 1,
                Role::Seed => all.seeds += 1,
                Role::Edge => all.edges += 1,
            }
            match member.standing.site().and_then(|site| all.sites.get_mut(site.place())) {
                Some(site) => {
                    site.members += 1;
                    site.complete += usize::from(member.claims.complete);
                }
                None => all.elsewhere += 1,
            }
        }
        Some(all)
    }

    /// Up to `most` members of a swarm in the order of their names, those behind `after`.
    pub fn members_after(
        &self,
        now: Duration,
        info_hash: InfoHash,
        after: Option<PeerId>,
        most: usize,
    ) -> Vec<Seen> {
        let swarm = self.swarms.get(&info_hash);
        let seen = |member: &Member| Seen {
            peer: member.peer,
            complete: member.claims.complete,
            role: match member.claims.role {
                Role::Viewer => "viewer",
                Role::Seed => "seed",
                Role::Edge => "edge",
            },
            site: member
                .standing
                .site()
                .and_then(|site| Some(self.config.sites.get(site.place())?.name.clone())),
            age: now.saturating_sub(member.since),
        };
        swarm.map_or(Vec::new(), |swarm| swarm.after(after).take(most).map(seen).collect())
    }

    /// The connection of a member.
    pub fn connection_of(&self, info_hash: InfoHash, peer: PeerId) -> Option<ConnId> {
        Some(self.swarms.get(&info_hash)?.get(peer)?.conn)
    }

    /// Ends all memberships of a swarm and tells each of it; says how many. Who announces again is a member again.
    pub fn close_swarm(&mut self, info_hash: InfoHash, out: &mut Vec<Outgoing>) -> usize {
        self.dismiss_all(info_hash, &Refusal::Closed { retry: self.config.interval }, out)
    }
}
