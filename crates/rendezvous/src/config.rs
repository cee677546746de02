//! Every figure the table keeps to. All that a stranger can make it hold has its bound here.

use std::time::Duration;

use ipnet::IpNet;

use crate::{Rate, Site};

/// Limits and intervals of a [`crate::Table`]. The defaults suit one server for public streams.
#[derive(Clone, Debug)]
pub struct Config {
    /// How often clients are told to announce again.
    pub interval: Duration,
    /// How long a silent member stays beyond twice the interval.
    pub slack: Duration,
    /// How long an answer to a relayed offer is waited for.
    pub answer_within: Duration,
    /// Longest message taken in, in bytes.
    pub message_bytes: usize,
    /// Longest session description taken in, in bytes of the JSON string it comes as.
    pub sdp_bytes: usize,
    /// Most connections at a time.
    pub connections: usize,
    /// Most swarms one connection may be in.
    pub swarms_per_connection: usize,
    /// Most members of one swarm. Who is in it stays; who comes later is told when to try again.
    pub members_per_swarm: usize,
    /// Most members of one swarm that are seen at one public address (of IPv6: in one /64), so that nobody fills a swarm alone. It is
    /// far above what is behind a home's line. Of a site, whose people all come from one address, there may be any number; and so
    /// there may from loopback and private addresses, since a proxy may be there.
    pub members_per_address: usize,
    /// Most offers of one announce that are relayed; the rest is ignored.
    pub offers_per_announce: usize,
    /// Most candidates one announce may ask for.
    pub candidates_per_announce: usize,
    /// Most offers of one member that wait for an answer; the oldest is forgotten first.
    pub outstanding_offers: usize,
    /// Most info hashes in one scrape.
    pub hashes_per_scrape: usize,
    /// Whether a scrape without info hash lists every swarm. It is refused when there are more swarms than this, and
    /// always at `None`: who watches what is not for everybody.
    pub scrape_all: Option<usize>,
    /// Messages of any kind from one connection. A connection beyond it is to be closed.
    pub messages: Rate,
    /// Messages of any kind from all connections of one network (IPv4 /24, IPv6 /48) together. Beyond it they are refused with an error, and
    /// the connections stay. Sites, loopback and private addresses are exempt, as with [`Config::members_per_address`].
    pub network_messages: Rate,
    /// Most networks of which it is known what they sent; those beyond share one allowance.
    pub networks: usize,
    /// Announces and scrapes from one connection. Beyond it they are refused with an error.
    pub announces: Rate,
    /// Directed offers from one connection. Beyond it they are refused with an error.
    pub directed: Rate,
    /// Whether the table's owner is asked before somebody joins, and when a member sends another token.
    pub asks: bool,
    /// Networks whose people meet each other, or nobody. Of several that have an address the first counts.
    pub sites: Vec<Site>,
    /// Addresses from which the people of a VPN come. They meet nobody, whatever site they are of.
    pub vpn: Vec<IpNet>,
    /// The TURN servers that peers may be reached through, by the addresses from which these relay. A relay is nobody's own
    /// address, so one that is not here could be anybody a peer wants others to send to, and is not passed on: at first none is.
    /// Who runs a TURN server names it here; `0.0.0.0/0` and `::/0` let any pass, for swarms in which everybody is known.
    /// Peers with a relay that is not here can still make the first check from it.
    pub relays: Vec<IpNet>,
    /// Whether a peer that was seen by IPv6 may name any public address of IPv4, and the other way round.
    ///
    /// Off, because the tracker cannot check it: with two families anybody could have a whole swarm send to any address of the
    /// one by which he did not come. The price is paid by peers that came by IPv6 and want to meet one that has IPv4 alone:
    /// they open a connection only where the NAT of that one lets them. A tracker whose name has IPv4 addresses alone
    /// does not pay it, since everybody is seen by IPv4 there.
    pub other_family: bool,
    /// Whether peers that are seen on loopback or in a private network may name any public address, and meet each other on
    /// private ones.
    ///
    /// On, because from there come the server's own host and network, such as a seed beside the tracker, and behind a
    /// proxy that does not tell whom it stands for everybody does: otherwise nobody would be reached there through a NAT.
    /// Turn it off where proxies do tell and nothing within the network is to be met.
    pub trust_inside: bool,
}

impl Config {
    /// How long a member lives without a word from it.
    pub fn lifetime(&self) -> Duration {
        self.interval * 2 + self.slack
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(120),
            slack: Duration::from_secs(15),
            answer_within: Duration::from_secs(120),
            message_bytes: 64 * 1024,
            sdp_bytes: 16 * 1024,
            connections: 20_000,
            swarms_per_connection: 32,
            members_per_swarm: 20_000,
            members_per_address: 256,
            offers_per_announce: 20,
            candidates_per_announce: 20,
            outstanding_offers: 64,
            hashes_per_scrape: 64,
            scrape_all: None,
            messages: Rate { burst: 200, every: Duration::from_millis(50) },
            network_messages: Rate { burst: 20_000, every: Duration::from_millis(2) },
            networks: 65_536,
            announces: Rate { burst: 40, every: Duration::from_secs(2) },
            directed: Rate { burst: 20, every: Duration::from_millis(500) },
            asks: false,
            sites: Vec::new(),
            vpn: Vec::new(),
            relays: Vec::new(),
            other_family: false,
            trust_inside: true,
        }
    }
}
