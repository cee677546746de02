//! Session descriptions (SDP), which come from strangers and go to any tracker. Invariant: what the WebRTC stack gets to
//! read names one data section and no address that nobody could be at, and what goes out can be read by everybody: the one
//! line of our own is an attribute that others pass over (RFC 8866, section 5.13).

use std::net::{IpAddr, SocketAddr};

const MAX_SDP_BYTES: usize = 16 * 1024;
const MAX_CANDIDATES: usize = 24;
/// Says that the peer speaks QUIC, too, on the path that ICE finds and with the certificate it has for DTLS.
const QUIC: &str = "a=braidcast-quic:1";

/// SHA-256 of a certificate, by which it is known.
pub(super) type Fingerprint = [u8; 32];

/// Whether an SDP from a stranger is worth a look: one data section, and no more addresses to try than an honest one has.
pub(super) fn is_sane(sdp: &str) -> bool {
    let lines = || sdp.split(['\r', '\n']);
    let candidates = lines().filter(|line| line.starts_with("a=candidate:")).count();
    let mut sections = lines().filter(|line| line.starts_with("m="));
    let is_data = sections.next().is_some_and(|line| line.starts_with("m=application "));
    sdp.len() <= MAX_SDP_BYTES && is_data && sections.next().is_none() && candidates <= MAX_CANDIDATES
}

/// A stranger's SDP without the addresses that lead nowhere from here: names that only multicast DNS resolves, TCP (there is
/// no active end of it here), and what no peer can have.
pub(super) fn incoming(sdp: &str) -> String {
    keep_lines(sdp, |line| {
        line.strip_prefix("a=candidate:").is_none_or(|candidate| reachable(candidate).is_some())
    })
}

/// An SDP of ours as it goes out: all candidates are in it, so nobody shall wait for more. It tells whether there is QUIC.
pub(super) fn outgoing(sdp: &str, has_quic: bool) -> String {
    let mut out = keep_lines(sdp, |line| line != "a=ice-options:trickle");
    if has_quic {
        out.push_str(QUIC);
        out.push_str("\r\n");
    }
    out
}

/// Of a peer that speaks QUIC, what its certificate is known by: the one fingerprint that the description has.
pub(super) fn quic(sdp: &str) -> Option<Fingerprint> {
    let mut prints = sdp.lines().filter_map(|line| line.strip_prefix("a=fingerprint:"));
    let (algorithm, print) = prints.next()?.trim_end().split_once(' ')?;
    let is_one = prints.next().is_none() && algorithm.eq_ignore_ascii_case("sha-256");
    let is_told = sdp.lines().any(|line| line.trim_end() == QUIC);
    let bytes: Option<Vec<u8>> = print.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok().filter(|_| is_one && is_told)
}

/// Whether who describes itself so makes no checks (RFC 8839, 5.3).
pub(super) fn is_lite(sdp: &str) -> bool {
    sdp.lines().any(|line| line.trim_end() == "a=ice-lite")
}

/// An SDP of ours with more candidates, after those it has.
pub(super) fn with_candidates(sdp: &str, more: impl Iterator<Item = String>) -> String {
    let is_candidate = |line: &str| line.starts_with("a=candidate:");
    let has = sdp.split_inclusive('\n').take_while(|line| !is_candidate(line)).map(str::len).sum::<usize>();
    let (head, rest) = sdp.split_at(has);
    let own = rest.split_inclusive('\n').take_while(|line| is_candidate(line)).map(str::len).sum();
    let (own, tail) = rest.split_at(own);
    let more: String = more.map(|candidate| format!("a={candidate}\r\n")).collect();
    format!("{head}{own}{more}{tail}")
}

/// Whether something may be sent to this address at all.
pub(super) fn is_plausible(addr: SocketAddr) -> bool {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_link_local() && ip.octets()[0] != 0,
        // A link-local address means nothing without the interface.
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && ip.to_ipv4_mapped().is_none(),
    };
    ip && addr.port() != 0 && !addr.ip().is_multicast() && !addr.ip().is_unspecified()
}

/// `foundation component transport priority address port typ ...`
fn reachable(candidate: &str) -> Option<SocketAddr> {
    let mut fields = candidate.split(' ').skip(2);
    let is_udp = fields.next()?.eq_ignore_ascii_case("udp");
    let ip = fields.nth(1)?.parse::<IpAddr>().ok()?;
    let addr = SocketAddr::new(ip, fields.next()?.parse().ok()?);
    (is_udp && is_plausible(addr)).then_some(addr)
}

fn keep_lines(sdp: &str, keep: impl Fn(&str) -> bool) -> String {
    let mut kept = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive('\n') {
        if keep(line.trim_end()) {
            kept.push_str(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";

    #[test]
    fn one_data_section_and_a_few_candidates_are_sane() {
        let with = |n: usize| format!("{HEAD}{}", "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n".repeat(n));
        assert!(is_sane(&with(0)) && is_sane(&with(24)));
        assert!(!is_sane(&with(25)) && !is_sane("") && !is_sane("rubbish"));
        assert!(!is_sane(&format!("{HEAD}m=audio 9 RTP 0\r\n")));
        assert!(!is_sane("v=0\r\nm=audio 9 RTP 0\r\n"));
        assert!(!is_sane(&format!("{HEAD}{}", "a".repeat(16 * 1024))));
    }

    #[test]
    fn addresses_that_lead_nowhere_are_left_out() {
        let keeps = |line: &str| incoming(&format!("{HEAD}{line}\r\na=mid:0\r\n")).contains("candidate");
        assert!(keeps("a=candidate:1 1 udp 1 192.0.2.1 5 typ host"));
        assert!(keeps("a=candidate:1 1 UDP 1 fd00::2 5 typ srflx raddr 0.0.0.0 rport 0"));
        assert!(!keeps("a=candidate:1 1 udp 1 11d4f1a0-5b4c-4d7e-8f8f-0123456789ab.local 5 typ host"));
        assert!(!keeps("a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active"));
        assert!(!keeps("a=candidate:1 1 udp 1 192.0.2.1 0 typ host"));
        assert!(!keeps("a=candidate:1 1 udp 1 255.255.255.255 5 typ host"));
        assert!(!keeps("a=candidate:1 1 udp 1 224.0.0.1 5 typ host"));
        assert!(!keeps("a=candidate:1 1 udp 1 0.0.0.0 5 typ host"));
        assert!(!keeps("a=candidate:"));
    }

    #[test]
    fn nobody_is_told_to_wait_for_more_candidates() {
        let told = outgoing("v=0\r\na=ice-options:trickle\r\na=mid:0\r\n", false);
        assert_eq!(told, "v=0\r\na=mid:0\r\n");
    }

    #[test]
    fn quic_needs_its_line_and_one_fingerprint() {
        let print = |byte: &str| format!("a=fingerprint:sha-256 {}\r\n", [byte; 32].join(":"));
        let good = format!("{HEAD}{}", print("aB"));
        assert_eq!(quic(&good), None);
        assert_eq!(quic(&outgoing(&good, true)), Some([0xab; 32]));
        assert_eq!(quic(&outgoing(HEAD, true)), None);
        assert_eq!(quic(&outgoing(&format!("{good}{}", print("00")), true)), None);
        for bad in [print("x0"), print("100"), print(""), print("00:00"), "a=fingerprint:\r\n".into()] {
            assert_eq!(quic(&outgoing(&format!("{HEAD}{bad}"), true)), None, "{bad}");
        }
        assert_eq!(quic(&outgoing(&good.replace("sha-256", "sha-1"), true)), None);
        assert_eq!(quic(&outgoing(&good, true).replace("quic:1", "quic:2")), None);
    }
}
