//! Where this host can be reached: what is offered to peers as ICE candidates. Invariant: every candidate's base is an
//! address that the socket can send from.

use super::sdp::is_plausible;
use std::net::{IpAddr, SocketAddr};
use str0m::Candidate;
use str0m::net::TcpType;

/// Candidates of one description: more than a peer would try are not offered.
const MAX_OFFERED: usize = 16;

/// The addresses of this host that a socket bound to `bound` hears, with its port. Loopback only if there is no other, or if
/// it is bound to nothing else.
pub(super) fn of_interfaces(bound: SocketAddr) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut up: Vec<SocketAddr> = interfaces
        .iter()
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(|ip| ip.is_ipv4() || bound.is_ipv6())
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .filter(|addr| is_plausible(*addr))
        .collect();
    up.sort();
    up.dedup();
    if up.iter().any(|addr| !addr.ip().is_loopback()) {
        up.retain(|addr| !addr.ip().is_loopback());
    }
    up
}

/// The candidate that leads here by a TURN server.
pub(super) fn relayed((relayed, base): (SocketAddr, SocketAddr)) -> Option<Candidate> {
    Candidate::relayed(relayed, base, "udp").ok()
}

/// The candidates of this host: its own addresses, those it is known by outside, and those where it listens for TCP.
pub(super) fn candidates(
    udp: &[SocketAddr],
    reflexive: &[(SocketAddr, SocketAddr)],
    external: &[IpAddr],
    tcp: &[SocketAddr],
) -> Vec<Candidate> {
    let hosts = udp.iter().filter_map(|addr| Candidate::host(*addr, "udp").ok());
    let seen = reflexive
        .iter()
        .filter(|(mapped, base)| mapped != base && udp.contains(base))
        .filter_map(|(mapped, base)| Candidate::server_reflexive(*mapped, *base, "udp").ok());
    let told =
        outside(external, udp).filter_map(|(addr, base)| Candidate::server_reflexive(addr, base, "udp").ok());
    let listening = tcp
        .iter()
        .filter_map(|addr| Candidate::builder().tcp().host(*addr).tcptype(TcpType::Passive).build().ok());
    let told_tcp = outside(external, tcp).filter_map(|(addr, base)| {
        let candidate = Candidate::builder().tcp().server_reflexive(addr, base);
        candidate.tcptype(TcpType::Passive).build().ok()
    });
    hosts.chain(told).chain(seen).chain(listening).chain(told_tcp).take(MAX_OFFERED).collect()
}

/// Public addresses that are forwarded to this host, and the address of its own that they lead to.
fn outside(external: &[IpAddr], own: &[SocketAddr]) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
    let foreign = external.iter().filter(|ip| !own.iter().any(|addr| addr.ip() == **ip));
    foreign.filter_map(|ip| {
        let base = own.iter().find(|addr| addr.is_ipv4() == ip.is_ipv4())?;
        Some((SocketAddr::new(*ip, base.port()), *base))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_on_one_address_is_reached_there() {
        let bound = "127.0.0.1:5".parse().expect("an address");
        assert_eq!(of_interfaces(bound), [bound]);
    }

    #[test]
    fn a_socket_on_all_addresses_is_reached_by_one_at_least() {
        let found = of_interfaces("0.0.0.0:5".parse().expect("an address"));
        assert!(!found.is_empty() && found.iter().all(|addr| addr.is_ipv4() && addr.port() == 5));
        let local = found.iter().filter(|addr| addr.ip().is_loopback()).count();
        assert!(local == 0 || local == found.len());
    }

    #[test]
    fn a_public_address_leads_to_one_of_the_same_family() {
        let own: Vec<SocketAddr> = vec!["10.0.0.2:5".parse().expect("an address")];
        let external = ["192.0.2.7", "2001:db8::7", "10.0.0.2"].map(|ip| ip.parse().expect("an address"));
        let told = candidates(&own, &[], &external, &[]);
        let lines: Vec<String> = told.iter().map(Candidate::to_sdp_string).collect();
        assert_eq!(told.len(), 2, "{lines:?}");
        assert!(lines[1].contains("192.0.2.7 5 typ srflx"), "{lines:?}");
    }
}
