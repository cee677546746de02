//! Networks that go on coming after many from there were turned away are not even answered for a moment: the system drops what opens
//! connections from there, by a filter on the listener (classic BPF, Linux), and their flood costs not so much as an accept.
//!
//! The invariant: at most [`MOST_SHUT`] networks are shut, none for longer than two periods at a time, and what is known of the others ends
//! with the period.

use crate::neighbourhoods::prefix;
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, TcpListener},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// So many turned away within a [`PERIOD`] are a flood.
const FLOOD: u32 = 100;
/// A network is shut for as long at least. It is less than clients wait before they try again.
const PERIOD: Duration = Duration::from_millis(250);
/// Most networks that are shut at a time.
const MOST_SHUT: usize = 64;
/// Most networks whose attempts are counted in a period.
const MOST: usize = 4096;

/// Who floods a listener.
pub(crate) struct Floods {
    turned_away: BTreeMap<IpAddr, u32>,
    /// Since when each is shut.
    shut: Vec<(IpAddr, Instant)>,
    periods: Interval,
}

impl Floods {
    pub(crate) fn new() -> Self {
        let mut periods = interval(PERIOD);
        periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { turned_away: BTreeMap::new(), shut: Vec::new(), periods }
    }

    /// Somebody was turned away.
    pub(crate) fn count(&mut self, now: Instant, address: IpAddr, listener: &TcpListener) {
        let network = prefix(address);
        if self.turned_away.len() >= MOST && !self.turned_away.contains_key(&network) {
            return;
        }
        let count = self.turned_away.entry(network).or_default();
        *count += 1;
        // Those who were there already are still to be accepted.
        if *count == FLOOD
            && self.shut.len() < MOST_SHUT
            && self.shut.iter().all(|(shut, _)| *shut != network)
        {
            self.shut.push((network, now));
            self.apply(listener);
        }
    }

    /// Resolves when a period is over, never while there is nothing to be looked at.
    pub(crate) async fn period(&mut self) -> Instant {
        if self.turned_away.is_empty() && self.shut.is_empty() {
            std::future::pending().await
        }
        self.periods.tick().await;
        Instant::now()
    }

    /// Opens to those who have been shut for long enough.
    pub(crate) fn look(&mut self, now: Instant, listener: &TcpListener) {
        self.turned_away.clear();
        let before = self.shut.len();
        self.shut.retain(|(_, since)| now - *since < PERIOD);
        if self.shut.len() < before {
            self.apply(listener);
        }
    }

    fn apply(&self, listener: &TcpListener) {
        let networks: Vec<_> = self.shut.iter().map(|(network, _)| *network).collect();
        if let Err(error) = filter::shut(listener, &networks) {
            tracing::debug!(%error, "no filter");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod filter {
    pub(super) fn shut(_: &super::TcpListener, _: &[super::IpAddr]) -> super::io::Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod filter {
    use super::{IpAddr, TcpListener, io};
    use socket2::{SockFilter, SockRef};

    // Of <linux/filter.h>: BPF_LD | BPF_W | BPF_ABS and so on.
    const LOAD_WORD: u16 = 0x20;
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// SKF_NET_OFF: from here on offsets are those of the IP header; below, of the TCP header.
    const IP: u32 = 0xfff0_0000;
    /// How much of a packet passes.
    const ALL: u32 = u32::MAX;
    const NOTHING: u32 = 0;

    /// Drops what opens connections from these networks, and nothing of connections that are there.
    pub(super) fn shut(listener: &TcpListener, networks: &[IpAddr]) -> io::Result<()> {
        let socket = SockRef::from(listener);
        if networks.is_empty() { socket.detach_filter() } else { socket.attach_filter(&program(networks)) }
    }

    fn program(networks: &[IpAddr]) -> Vec<SockFilter> {
        let step = |code, value| SockFilter::new(code, 0, 0, value);
        let unless_skip = |value, skip| SockFilter::new(JUMP_IF_EQUAL, 0, skip, value);
        // Of the flags SYN without ACK.
        let mut program = vec![step(LOAD_BYTE, 13), step(AND, 0x12)];
        program.extend([SockFilter::new(JUMP_IF_EQUAL, 1, 0, 0x02), step(RETURN, ALL)]);
        for network in networks {
            // Offset in the IP header, mask, value: the version, then the source's network.
            let tests = match network {
                IpAddr::V4(v4) => vec![(0, 0xf000_0000, 4 << 28), (12, 0xffff_ff00, v4.to_bits())],
                IpAddr::V6(v6) => {
                    let word = |at: u32| (v6.to_bits() >> (96 - 32 * at)) as u32;
                    vec![(0, 0xf000_0000, 6 << 28), (8, u32::MAX, word(0)), (12, 0xffff_0000, word(1))]
                }
            };
            for (at, (offset, mask, value)) in tests.iter().enumerate() {
                let rest = 3 * (tests.len() - at - 1) + 1;
                program.extend([
                    step(LOAD_WORD, IP + offset),
                    step(AND, *mask),
                    unless_skip(*value, rest as u8),
                ]);
            }
            program.push(step(RETURN, NOTHING));
        }
        program.push(step(RETURN, ALL));
        program
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::SocketAddr;

    const EINPROGRESS: i32 = 115;

    /// Asks for a connection from an address of this machine; the system goes on asking.
    fn knock(from: &str, to: SocketAddr) -> Socket {
        let from = SocketAddr::new(from.parse().unwrap(), 0);
        let socket = Socket::new(Domain::for_address(from), Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let to = if from.is_ipv4() { SocketAddr::from(([127, 0, 0, 1], to.port())) } else { to };
        let begun = socket.connect(&to.into()).expect_err("nobody waits for it");
        assert_eq!(begun.raw_os_error(), Some(EINPROGRESS));
        socket
    }

    fn accepted(listener: &TcpListener) -> String {
        listener.accept().unwrap().1.ip().to_canonical().to_string()
    }

    #[tokio::test]
    async fn a_flood_is_not_heard_until_the_period_is_over_and_others_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut floods, now) = (Floods::new(), Instant::now());
        for host in 1..FLOOD {
            floods.count(now, IpAddr::from([127, 0, 1, host as u8]), &listener);
        }
        let _early = knock("127.0.1.2", address);
        assert_eq!(accepted(&listener), "127.0.1.2", "no flood yet");
        floods.count(now, IpAddr::from([127, 0, 1, 200]), &listener);
        let _late = knock("127.0.1.3", address);
        let _other = knock("127.0.2.2", address);
        assert_eq!(accepted(&listener), "127.0.2.2");
        floods.look(now, &listener);
        let _still = knock("127.0.1.4", address);
        let _other = knock("127.0.2.3", address);
        assert_eq!(accepted(&listener), "127.0.2.3", "the period is not over");
        floods.look(now + PERIOD, &listener);
        let _again = knock("127.0.1.5", address);
        assert_eq!(accepted(&listener), "127.0.1.5", "it is open again");
    }

    #[test]
    fn one_version_of_ip_is_not_taken_for_the_other_and_as_many_as_may_be_fit_in() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let address = SocketAddr::new("::1".parse().unwrap(), listener.local_addr().unwrap().port());
        filter::shut(&listener, &["::".parse().unwrap()]).unwrap();
        let _dropped = knock("::1", address);
        let _passed = knock("127.0.1.2", address);
        assert_eq!(accepted(&listener), "127.0.1.2");
        let mut all: Vec<IpAddr> =
            (1..MOST_SHUT as u16).map(|site| [0x2001, 0xdb8, site, 0, 0, 0, 0, 0].into()).collect();
        all.push("127.0.1.0".parse().unwrap());
        filter::shut(&listener, &all).unwrap();
        let _dropped = knock("127.0.1.2", address);
        let _passed = knock("::1", address);
        assert_eq!(accepted(&listener), "::1");
    }
}
