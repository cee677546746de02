//! Which peers a TURN server passes datagrams from and to: its permissions and channels (RFC 8656, 9 and 12). Invariant: both
//! are made when something is to be sent, kept while that goes on, and bounded; a number stands for no other peer before the
//! server has forgotten the first.

use super::message::Request;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// The numbers that may stand for peers.
pub(super) const NUMBERS: RangeInclusive<u16> = 0x4000..=0x4FFF;
/// Addresses that are let through at a time. More than that are not tried.
const PERMISSIONS: usize = 1024;
/// Peers with a number at a time. Others are named in full, at some more bytes a datagram.
const CHANNELS: usize = 1024;
/// A permission that is used is asked for again after this; the server keeps it for 5 minutes.
const RENEW_PERMISSION: Duration = Duration::from_secs(200);
/// The same for a channel, which the server keeps for 10 minutes.
const RENEW_CHANNEL: Duration = Duration::from_secs(480);
/// What of a channel's time counts.
const CHANNEL_LASTS: Duration = Duration::from_secs(590);
/// Until then a number that was a peer's is no other's: its time, and the 5 minutes after it that the server refuses others.
const NUMBER_RESTS: Duration = Duration::from_secs(960);
/// A request without an outcome is forgotten after this.
const ASK_AGAIN: Duration = Duration::from_secs(20);
/// How long a refusal counts.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// A permission that was not used for so long gives way to another.
const IDLE: Duration = Duration::from_secs(30);

/// How a datagram gets to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all.
    Closed,
    /// With its address.
    Named,
    /// By a number.
    Channel(u16),
}

struct Permission {
    asked: Instant,
    used: Instant,
    is_granted: bool,
    refused_until: Option<Instant>,
}

struct Channel {
    number: u16,
    asked: Instant,
    /// Until when the server knows the number.
    until: Option<Instant>,
    refused_until: Option<Instant>,
}

/// The permissions and channels of one allocation.
pub(super) struct Routes {
    permissions: HashMap<IpAddr, Permission>,
    channels: HashMap<SocketAddr, Channel>,
    peers: HashMap<u16, SocketAddr>,
    last: u16,
}

impl Routes {
    pub fn new() -> Self {
        Self {
            permissions: HashMap::new(),
            channels: HashMap::new(),
            peers: HashMap::new(),
            last: *NUMBERS.end(),
        }
    }

    /// The way to a peer. What has to be asked before is put into `wanted`; the datagram may follow at once, for the server
    /// takes one after the other. What is bulky gets a number.
    pub fn to(&mut self, now: Instant, peer: SocketAddr, is_bulky: bool, wanted: &mut Vec<Request>) -> Way {
        if !self.permit(now, peer.ip(), wanted) {
            return Way::Closed;
        }
        if is_bulky && !self.channels.contains_key(&peer) {
            self.number(now, peer);
        }
        let Some(channel) = self.channels.get_mut(&peer) else { return Way::Named };
        let is_bound = channel.until.is_some_and(|until| now < until);
        let pause = if is_bound { RENEW_CHANNEL } else { ASK_AGAIN };
        let is_refused = channel.refused_until.is_some_and(|until| now < until);
        if !is_refused && now.duration_since(channel.asked) >= pause {
            channel.asked = now;
            wanted.push(Request::Channel(channel.number, peer));
        }
        if is_bound { Way::Channel(channel.number) } else { Way::Named }
    }

    /// Whether this address may be spoken to, as far as is known.
    fn permit(&mut self, now: Instant, ip: IpAddr, wanted: &mut Vec<Request>) -> bool {
        if let Some(permission) = self.permissions.get_mut(&ip) {
            permission.used = now;
            if permission.refused_until.is_some_and(|until| now < until) {
                return false;
            }
            let pause = if permission.is_granted { RENEW_PERMISSION } else { ASK_AGAIN };
            if now.duration_since(permission.asked) >= pause {
                permission.asked = now;
                wanted.push(Request::Permission(ip));
            }
            return true;
        }
        if self.permissions.len() >= PERMISSIONS {
            let idlest = self.permissions.iter().min_by_key(|(_, permission)| permission.used);
            let idlest = idlest.filter(|(_, permission)| now.duration_since(permission.used) >= IDLE);
            let Some(idlest) = idlest.map(|(ip, _)| *ip) else { return false };
            self.permissions.remove(&idlest);
        }
        let fresh = Permission { asked: now, used: now, is_granted: false, refused_until: None };
        self.permissions.insert(ip, fresh);
        wanted.push(Request::Permission(ip));
        true
    }

    /// Gives a peer a number, if there is one. It is asked for right away.
    fn number(&mut self, now: Instant, peer: SocketAddr) {
        if self.channels.len() >= CHANNELS {
            let oldest = self.channels.iter().min_by_key(|(_, channel)| channel.asked);
            let oldest = oldest.filter(|(_, channel)| now.duration_since(channel.asked) >= NUMBER_RESTS);
            let Some((oldest, number)) = oldest.map(|(peer, channel)| (*peer, channel.number)) else {
                return;
            };
            self.channels.remove(&oldest);
            self.peers.remove(&number);
        }
        let mut number = self.last;
        loop {
            number = if number >= *NUMBERS.end() { *NUMBERS.start() } else { number + 1 };
            // There are four times as many as may be taken.
            if !self.peers.contains_key(&number) {
                break;
            }
        }
        self.last = number;
        self.peers.insert(number, peer);
        let asked = now.checked_sub(ASK_AGAIN).unwrap_or(now);
        self.channels.insert(peer, Channel { number, asked, until: None, refused_until: None });
    }

    /// The server has granted this.
    pub fn granted(&mut self, now: Instant, what: Request) {
        match what {
            Request::Permission(ip) => {
                if let Some(permission) = self.permissions.get_mut(&ip) {
                    permission.is_granted = true;
                    permission.refused_until = None;
                }
            }
            Request::Channel(number, peer) => {
                if let Some(channel) = self.channels.get_mut(&peer).filter(|c| c.number == number) {
                    channel.until = Some(now + CHANNEL_LASTS);
                    channel.refused_until = None;
                }
            }
            Request::Allocate | Request::Refresh(_) => {}
        }
    }

    /// The server has refused this: such addresses, or more of them.
    pub fn refused(&mut self, now: Instant, what: Request) {
        match what {
            Request::Permission(ip) => {
                if let Some(permission) = self.permissions.get_mut(&ip) {
                    permission.is_granted = false;
                    permission.refused_until = Some(now + REFUSED_FOR);
                }
            }
            Request::Channel(number, peer) => {
                if let Some(channel) = self.channels.get_mut(&peer).filter(|c| c.number == number) {
                    channel.refused_until = Some(now + REFUSED_FOR);
                }
            }
            Request::Allocate | Request::Refresh(_) => {}
        }
    }

    /// Whom a number stands for.
    pub fn peer(&self, number: u16) -> Option<SocketAddr> {
        self.peers.get(&number).copied()
    }

    /// Whether this address was spoken to: others the server lets nothing through from.
    pub fn knows(&self, ip: &IpAddr) -> bool {
        self.permissions.contains_key(ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u32) -> SocketAddr {
        SocketAddr::from((n.to_be_bytes(), 5))
    }

    #[test]
    fn a_peer_is_let_through_once_and_numbered_when_it_is_bulky() {
        let now = Instant::now() + ASK_AGAIN;
        let mut routes = Routes::new();
        let mut wanted = Vec::new();
        assert_eq!(routes.to(now, peer(1), false, &mut wanted), Way::Named);
        assert_eq!(std::mem::take(&mut wanted), [Request::Permission(peer(1).ip())]);
        assert_eq!(routes.to(now, peer(1), true, &mut wanted), Way::Named);
        assert_eq!(std::mem::take(&mut wanted), [Request::Channel(0x4000, peer(1))]);
        routes.granted(now, Request::Permission(peer(1).ip()));
        routes.granted(now, Request::Channel(0x4000, peer(1)));
        assert_eq!(routes.to(now, peer(1), false, &mut wanted), Way::Channel(0x4000));
        assert!(wanted.is_empty());
        assert_eq!(routes.peer(0x4000), Some(peer(1)));
        let later = now + RENEW_CHANNEL;
        assert_eq!(routes.to(later, peer(1), false, &mut wanted), Way::Channel(0x4000));
        assert_eq!(wanted, [Request::Permission(peer(1).ip()), Request::Channel(0x4000, peer(1))]);
        // Nobody answers any more: the server has forgotten the number by then.
        assert_eq!(routes.to(now + CHANNEL_LASTS, peer(1), false, &mut wanted), Way::Named);
    }

    #[test]
    fn what_is_refused_is_let_alone_for_a_while() {
        let now = Instant::now() + ASK_AGAIN;
        let mut routes = Routes::new();
        let mut wanted = Vec::new();
        routes.to(now, peer(1), false, &mut wanted);
        routes.refused(now, Request::Permission(peer(1).ip()));
        wanted.clear();
        assert_eq!(routes.to(now, peer(1), true, &mut wanted), Way::Closed);
        assert!(wanted.is_empty());
        assert_eq!(routes.to(now + REFUSED_FOR, peer(1), false, &mut wanted), Way::Named);
        assert_eq!(wanted, [Request::Permission(peer(1).ip())]);
    }

    #[test]
    fn strangers_cannot_make_it_remember_without_end() {
        let now = Instant::now() + ASK_AGAIN;
        let mut routes = Routes::new();
        let mut wanted = Vec::new();
        let open = |routes: &mut Routes, at, range: std::ops::Range<u32>, wanted: &mut Vec<Request>| {
            range.filter(|n| routes.to(at, peer(*n), true, wanted) != Way::Closed).count()
        };
        assert_eq!(open(&mut routes, now, 1..3000, &mut wanted), PERMISSIONS);
        assert_eq!(open(&mut routes, now + IDLE, 5000..9000, &mut wanted), PERMISSIONS);
        assert!(routes.permissions.len() == PERMISSIONS && routes.channels.len() == CHANNELS);
        let asked = wanted.iter().filter(|what| matches!(what, Request::Channel(..))).count();
        assert_eq!(asked, CHANNELS, "no number is given away while the server may still know it");
        open(&mut routes, now + NUMBER_RESTS, 10_000..10_010, &mut wanted);
        assert_eq!(routes.channels.len(), CHANNELS);
        assert_eq!(routes.peer(0x4400), Some(peer(10_000)));
    }
}
