//! How this host looks from outside: binding requests to STUN servers (RFC 8489) from the very socket that the connections
//! use. Invariant: only the answer to a request that was sent, from the server it was sent to, says anything.

use super::demux::attribute;
use super::socket::Socket;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// How often the address is asked for again. That also keeps the way in open.
pub(super) const EVERY: Duration = Duration::from_secs(30);
/// How long a request may remain without an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Servers that are asked at all.
const SERVERS: usize = 4;
/// How long opening waits for the first server to answer, and how often it asks.
const GATHER: Duration = Duration::from_secs(1);
const GATHER_AGAIN: Duration = Duration::from_millis(250);
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const MAPPED_ADDRESS: u16 = 0x0001;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// The servers, and what they said.
pub(super) struct Stun {
    servers: Vec<SocketAddr>,
    asked: Vec<([u8; 12], SocketAddr, Instant)>,
    /// The address outside, and the address of this host behind it; by the server that said so.
    seen: Vec<(SocketAddr, SocketAddr, SocketAddr)>,
}

impl Stun {
    /// Asks these servers, or the first few of them.
    pub fn new(servers: &[SocketAddr]) -> Self {
        Self { servers: servers.iter().copied().take(SERVERS).collect(), asked: Vec::new(), seen: Vec::new() }
    }

    /// Waits until a server has answered, or for as long as is worth it. What else comes meanwhile is lost.
    pub async fn gather(&mut self, socket: &mut Socket) {
        let end = Instant::now() + GATHER;
        while !self.servers.is_empty() && self.seen.is_empty() && Instant::now() < end {
            self.ask(Instant::now(), socket);
            let again = Instant::now() + GATHER_AGAIN;
            while self.seen.is_empty() && timeout_at(again.into(), socket.readable()).await.is_ok() {
                if socket.receive().unwrap_or(false) {
                    for datagram in socket.datagrams() {
                        let (source, local, bytes) = socket.datagram(datagram);
                        self.handle(source, local, bytes);
                    }
                }
            }
        }
    }

    /// Asks every server.
    pub fn ask(&mut self, now: Instant, socket: &Socket) {
        for (server, request) in self.requests(now) {
            socket.send_now(server, &request);
        }
    }

    fn requests(&mut self, now: Instant) -> Vec<(SocketAddr, [u8; 20])> {
        self.asked.retain(|(_, _, at)| now.duration_since(*at) < ANSWER_WITHIN);
        let mut requests = Vec::new();
        for &server in &self.servers {
            let mut transaction = [0; 12];
            if getrandom::fill(&mut transaction).is_err() {
                break;
            }
            let mut request = [0; 20];
            request[1] = 1;
            request[4..8].copy_from_slice(&COOKIE);
            request[8..].copy_from_slice(&transaction);
            self.asked.push((transaction, server, now));
            requests.push((server, request));
        }
        requests
    }

    /// Whether a datagram is the answer to a request; if so it is taken in. `local` is where it came to.
    pub fn handle(&mut self, server: SocketAddr, local: SocketAddr, datagram: &[u8]) -> bool {
        let is_answer = datagram.get(..2) == Some(&BINDING_SUCCESS) && datagram.get(4..8) == Some(&COOKIE);
        let Some(transaction) = datagram.get(8..20).filter(|_| is_answer) else { return false };
        let known = self.asked.iter().position(|(id, to, _)| id == transaction && *to == server);
        let Some(known) = known else { return false };
        self.asked.swap_remove(known);
        if let Some(mapped) = mapped_address(datagram) {
            self.seen.retain(|(_, _, by)| *by != server);
            self.seen.push((mapped, local, server));
        }
        true
    }

    /// The addresses outside, each with the address of this host behind it.
    pub fn reflexive(&self) -> Vec<(SocketAddr, SocketAddr)> {
        let mut all: Vec<_> = self.seen.iter().map(|(mapped, local, _)| (*mapped, *local)).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn mapped_address(message: &[u8]) -> Option<SocketAddr> {
    xor_address(message, XOR_MAPPED_ADDRESS).or_else(|| address(attribute(message, MAPPED_ADDRESS)?))
}

/// The first masked address of this type in a STUN message.
pub(super) fn xor_address(message: &[u8], kind: u16) -> Option<SocketAddr> {
    let value = attribute(message, kind)?;
    let mut plain = value.get(..20.min(value.len()))?.to_vec();
    // The port is masked by the cookie, the address by the cookie and the transaction that follows it.
    plain.iter_mut().skip(2).take(2).zip(&COOKIE).for_each(|(byte, mask)| *byte ^= mask);
    plain.iter_mut().skip(4).zip(message.get(4..20)?).for_each(|(byte, mask)| *byte ^= mask);
    address(&plain)
}

fn address(value: &[u8]) -> Option<SocketAddr> {
    let (head, ip) = value.split_first_chunk::<4>()?;
    let ip: IpAddr = match head[1] {
        1 => Ipv4Addr::from(*ip.first_chunk::<4>()?).into(),
        2 => Ipv6Addr::from(*ip.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([head[2], head[3]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_that_was_asked_is_believed() {
        let server: SocketAddr = "192.0.2.9:3478".parse().expect("an address");
        let local: SocketAddr = "10.0.0.2:5".parse().expect("an address");
        let mut stun = Stun::new(&[server]);
        let (_, request) = stun.requests(Instant::now())[0];
        let mut answer = vec![1, 1, 0, 12];
        answer.extend(&request[4..]);
        answer.extend([0, 0x20, 0, 8, 0, 1, 0x12 ^ 0x21, 0x34 ^ 0x12]);
        answer.extend([192 ^ 0x21, 0x12, 2 ^ 0xA4, 7 ^ 0x42]);
        let mut forged = answer.clone();
        forged[19] ^= 1;
        assert!(!stun.handle(server, local, &forged));
        assert!(!stun.handle(local, local, &answer));
        assert!(!stun.handle(server, local, &answer[..15]));
        assert!(stun.handle(server, local, &answer));
        assert!(!stun.handle(server, local, &answer), "it was answered before");
        assert_eq!(stun.reflexive(), [("192.0.2.7:4660".parse().expect("an address"), local)]);
    }
}
