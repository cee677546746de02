//! What the admin API answers.

use std::time::Duration;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use rendezvous::{Counts, InfoHash, Overview, PeerId, Rate, Seen};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Config, listener::Limits};

/// Why something was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// For people.
    error: String,
}

impl Problem {
    pub(super) fn new(error: impl Into<String>) -> Self {
        Self { error: error.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// How the tracker is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    pub(super) version: String,
    pub(super) uptime_seconds: u64,
    /// Whether newcomers are sent away.
    pub(super) draining: bool,
    /// Open WebSockets.
    pub(super) connections: usize,
    /// Members of all swarms together.
    pub(super) members: usize,
    pub(super) swarms: usize,
}

/// Some of the swarms, in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Swarms {
    pub(super) swarms: Vec<SwarmCounts>,
    /// For `after`, where there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A swarm in figures.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwarmCounts {
    /// 40 hexadecimal digits.
    pub(super) info_hash: String,
    /// Members that have everything.
    complete: usize,
    incomplete: usize,
    /// Members that told of having become complete, since somebody was first here without a break.
    downloaded: u64,
}

impl SwarmCounts {
    pub(super) fn new(info_hash: InfoHash, counts: Counts) -> Self {
        let Counts { complete, incomplete, downloaded } = counts;
        Self { info_hash: hex(info_hash.0), complete, incomplete, downloaded }
    }
}

/// A swarm by what its members say they are, and by where they are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Swarm {
    #[serde(flatten)]
    counts: SwarmCounts,
    viewers: usize,
    seeds: usize,
    edges: usize,
    /// Members outside all sites, and by VPNs.
    elsewhere: usize,
    sites: Vec<Site>,
}

/// How many are of a site.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Site {
    name: String,
    members: usize,
    complete: usize,
}

impl Swarm {
    pub(super) fn new(info_hash: InfoHash, overview: Overview) -> Self {
        let Overview { counts, viewers, seeds, edges, elsewhere, sites } = overview;
        let site = |site: rendezvous::SiteCount| Site {
            name: site.name,
            members: site.members,
            complete: site.complete,
        };
        let sites = sites.into_iter().map(site).collect();
        Self { counts: SwarmCounts::new(info_hash, counts), viewers, seeds, edges, elsewhere, sites }
    }
}

/// Some of a swarm's members, in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Peers {
    pub(super) peers: Vec<Peer>,
    /// For `after`, where there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A member of a swarm.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Peer {
    /// 40 hexadecimal digits.
    pub(super) peer_id: String,
    complete: bool,
    /// `viewer`, `seed` or `edge`, as it says.
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// How long it has been a member.
    seconds: u64,
}

impl From<Seen> for Peer {
    fn from(seen: Seen) -> Self {
        let Seen { peer, complete, role, site, age } = seen;
        Self { peer_id: hex(peer.0), complete, role: role.to_owned(), site, seconds: age.as_secs() }
    }
}

/// How many memberships ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Closed {
    pub(super) members: usize,
}

/// So many at once, then one so often.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Allowed {
    burst: u32,
    per_second: f64,
}

impl From<Rate> for Allowed {
    fn from(rate: Rate) -> Self {
        Self { burst: rate.burst, per_second: 1.0 / rate.every.as_secs_f64().max(1e-9) }
    }
}

/// The settings that hold: flags, environment, file and what the system allows, together. Times are in seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Settings {
    connections: usize,
    http_connections: usize,
    connections_per_network: usize,
    newcomers_per_network: Allowed,
    header_seconds: f64,
    interval_seconds: f64,
    answer_within_seconds: f64,
    ping_every_seconds: f64,
    silent_after_seconds: f64,
    write_within_seconds: f64,
    message_bytes: usize,
    sdp_bytes: usize,
    queue_bytes: usize,
    memory_bytes: usize,
    fragments: usize,
    handshake_bytes: usize,
    swarms_per_connection: usize,
    members_per_swarm: usize,
    members_per_address: usize,
    offers_per_announce: usize,
    candidates_per_announce: usize,
    outstanding_offers: usize,
    hashes_per_scrape: usize,
    messages: Allowed,
    /// Of all connections of one network together.
    network_messages: Allowed,
    networks: usize,
    announces: Allowed,
    directed: Allowed,
    /// Networks of the operator's own, by their names, with what their people may do.
    sites: Vec<SiteSettings>,
    vpn: Vec<String>,
    relays: Vec<String>,
    trusted_proxies: Vec<String>,
    autonomous_systems: bool,
    other_family: bool,
    trust_inside: bool,
}

/// A site as it is set.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SiteSettings {
    name: String,
    networks: Vec<String>,
    mode: String,
}

impl Settings {
    pub(super) fn new(config: &Config, limits: &Limits) -> Self {
        let table = &config.table;
        let secs = |time: Duration| time.as_secs_f64();
        let site = |site: &rendezvous::Site| SiteSettings {
            name: site.name.clone(),
            networks: texts(&site.networks),
            mode: match site.mode {
                rendezvous::SiteMode::On => "on",
                rendezvous::SiteMode::Off => "off",
                rendezvous::SiteMode::LeechOnly => "leech-only",
                rendezvous::SiteMode::Wan => "wan",
            }
            .to_owned(),
        };
        Self {
            connections: table.connections,
            http_connections: limits.connections,
            connections_per_network: limits.sockets_per_neighbourhood,
            newcomers_per_network: limits.newcomers.into(),
            header_seconds: secs(limits.header_time),
            interval_seconds: secs(table.interval),
            answer_within_seconds: secs(table.answer_within),
            ping_every_seconds: secs(config.ping_every),
            silent_after_seconds: secs(config.silent_after),
            write_within_seconds: secs(config.write_within),
            message_bytes: table.message_bytes,
            sdp_bytes: table.sdp_bytes,
            queue_bytes: config.queue_bytes,
            memory_bytes: config.memory_bytes,
            fragments: config.fragments,
            handshake_bytes: config.handshake_bytes,
            swarms_per_connection: table.swarms_per_connection,
            members_per_swarm: table.members_per_swarm,
            members_per_address: table.members_per_address,
            offers_per_announce: table.offers_per_announce,
            candidates_per_announce: table.candidates_per_announce,
            outstanding_offers: table.outstanding_offers,
            hashes_per_scrape: table.hashes_per_scrape,
            messages: table.messages.into(),
            network_messages: table.network_messages.into(),
            networks: table.networks,
            announces: table.announces.into(),
            directed: table.directed.into(),
            sites: table.sites.iter().map(site).collect(),
            vpn: texts(&table.vpn),
            relays: texts(&table.relays),
            trusted_proxies: texts(config.whereabouts.proxies()),
            autonomous_systems: config.whereabouts.asns().is_some(),
            other_family: table.other_family,
            trust_inside: table.trust_inside,
        }
    }
}

fn texts(networks: &[ipnet::IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

/// A name as 40 hexadecimal digits.
pub(super) fn hex(name: [u8; 20]) -> String {
    name.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The name that 40 hexadecimal digits are.
pub(super) fn unhex(text: &str) -> Option<[u8; 20]> {
    let digits: Vec<u8> = text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().ok()
}

/// The name of a peer; see [`unhex`].
pub(super) fn peer(text: &str) -> Option<PeerId> {
    unhex(text).map(PeerId)
}

/// The name of a swarm; see [`unhex`].
pub(super) fn swarm(text: &str) -> Option<InfoHash> {
    unhex(text).map(InfoHash)
}
