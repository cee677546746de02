//! IPv4 packets as a NAT sees them: who sends to whom, and the same with another address. Invariant: what a host sends may be
//! anything; what is not understood is `None`.

use crate::nat::Protocol;
use smoltcp::wire::{Icmpv4Message, Icmpv4Packet, IpAddress, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};
use std::net::{Ipv4Addr, SocketAddrV4};

/// From where to where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub protocol: Protocol,
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
}

/// The flow of a packet that is whole and of a protocol with ports, or an ICMP echo.
pub(crate) fn flow(bytes: &[u8]) -> Option<Flow> {
    let packet = Ipv4Packet::new_checked(bytes).ok().filter(|packet| packet.version() == 4)?;
    if packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let (protocol, source, destination) = match packet.next_header() {
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(packet.payload()).ok()?;
            (Protocol::Udp, udp.src_port(), udp.dst_port())
        }
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(packet.payload()).ok()?;
            (Protocol::Tcp, tcp.src_port(), tcp.dst_port())
        }
        IpProtocol::Icmp => {
            let icmp = Icmpv4Packet::new_checked(packet.payload()).ok()?;
            match icmp.msg_type() {
                Icmpv4Message::EchoRequest => (Protocol::Echo, icmp.echo_ident(), 0),
                Icmpv4Message::EchoReply => (Protocol::Echo, 0, icmp.echo_ident()),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Flow {
        protocol,
        source: SocketAddrV4::new(packet.src_addr(), source),
        destination: SocketAddrV4::new(packet.dst_addr(), destination),
    })
}

/// Where a packet is for, whatever it is.
pub(crate) fn destination(bytes: &[u8]) -> Option<Ipv4Addr> {
    let packet = Ipv4Packet::new_checked(bytes).ok().filter(|packet| packet.version() == 4)?;
    Some(packet.dst_addr())
}

/// Gives a packet another source.
pub(crate) fn set_source(bytes: &mut [u8], source: SocketAddrV4) {
    rewrite(bytes, source, true);
}

/// Gives a packet another destination.
pub(crate) fn set_destination(bytes: &mut [u8], destination: SocketAddrV4) {
    rewrite(bytes, destination, false);
}

/// `bytes` have a flow.
fn rewrite(bytes: &mut [u8], to: SocketAddrV4, is_source: bool) {
    let Ok(mut packet) = Ipv4Packet::new_checked(bytes) else { return };
    match is_source {
        true => packet.set_src_addr(*to.ip()),
        false => packet.set_dst_addr(*to.ip()),
    }
    packet.fill_checksum();
    let (source, destination) = (IpAddress::Ipv4(packet.src_addr()), IpAddress::Ipv4(packet.dst_addr()));
    match packet.next_header() {
        IpProtocol::Udp => {
            let Ok(mut udp) = UdpPacket::new_checked(packet.payload_mut()) else { return };
            match is_source {
                true => udp.set_src_port(to.port()),
                false => udp.set_dst_port(to.port()),
            }
            udp.fill_checksum(&source, &destination);
        }
        IpProtocol::Tcp => {
            let Ok(mut tcp) = TcpPacket::new_checked(packet.payload_mut()) else { return };
            match is_source {
                true => tcp.set_src_port(to.port()),
                false => tcp.set_dst_port(to.port()),
            }
            tcp.fill_checksum(&source, &destination);
        }
        IpProtocol::Icmp => {
            let Ok(mut icmp) = Icmpv4Packet::new_checked(packet.payload_mut()) else { return };
            // A request is named by where it comes from, a reply by where it goes to.
            if is_source == (icmp.msg_type() == Icmpv4Message::EchoRequest) {
                icmp.set_echo_ident(to.port());
            }
            icmp.fill_checksum();
        }
        _ => {}
    }
}

/// Packets for tests.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A UDP packet with so many bytes of payload.
    pub(crate) fn udp(from: &str, to: &str, payload: usize) -> Vec<u8> {
        let (from, to): (SocketAddrV4, SocketAddrV4) = (from.parse().expect("one"), to.parse().expect("one"));
        let mut bytes = vec![0; 28 + payload];
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
        packet.set_version(4);
        packet.set_header_len(20);
        packet.set_total_len(28 + payload as u16);
        packet.set_hop_limit(64);
        packet.set_next_header(IpProtocol::Udp);
        packet.set_src_addr(*from.ip());
        packet.set_dst_addr(*to.ip());
        let mut udp = UdpPacket::new_unchecked(packet.payload_mut());
        udp.set_len(8 + payload as u16);
        set_source(&mut bytes, from);
        set_destination(&mut bytes, to);
        bytes
    }

    #[test]
    fn a_packet_with_another_address_is_sound() {
        let mut bytes = udp("10.0.0.2:5", "198.18.0.1:6", 3);
        set_source(&mut bytes, "198.18.0.2:7".parse().expect("an address"));
        let found = flow(&bytes).expect("a flow");
        assert_eq!((found.source.to_string().as_str(), found.destination.port()), ("198.18.0.2:7", 6));
        let packet = Ipv4Packet::new_checked(&bytes).expect("a packet");
        assert!(packet.verify_checksum());
        let udp = UdpPacket::new_checked(packet.payload()).expect("a datagram");
        assert!(udp.verify_checksum(&packet.src_addr().into(), &packet.dst_addr().into()));
    }

    #[test]
    fn what_is_no_packet_has_no_flow() {
        let good = udp("10.0.0.2:5", "198.18.0.1:6", 3);
        for length in 0..good.len() {
            assert_eq!(flow(&good[..length]), None);
        }
        let mut fragment = good.clone();
        fragment[6] = 0x20;
        let mut other = good;
        other[9] = 47;
        assert_eq!((flow(&fragment), flow(&other)), (None, None));
    }
}
