//! Which connection a datagram belongs to. Invariant: an address is bound to a connection only by a STUN message that the
//! connection's credentials verify, and taken from one that has it only by the answer to a check sent to that very address:
//! a sender's address can be forged in a request, but who forges it does not see the check.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::net::Protocol;

/// Names a connection inside a shard; never used twice, and younger connections have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub u64);

/// One end of a path: UDP and TCP have ports of their own.
pub(super) type Path = (Protocol, SocketAddr);

/// What a datagram is, as far as the way to its connection goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A STUN binding request: for whom, by the ICE user name fragment of the receiver.
    Request(&'a str),
    /// Any other STUN message: found by its transaction, which only its connection knows.
    Stun,
    /// DTLS and whatever else of WebRTC flows once there is a path.
    Data,
    /// QUIC: the first bit after the form is always set here, so that nothing else begins so (RFC 9443).
    Quic,
}

/// Unknown senders whose datagrams are tried on every connection, a second.
const SCANS_PER_SECOND: u32 = 500;
/// Addresses a connection may have at a time: both families, a path or two that changed.
const PATHS_PER_CONNECTION: usize = 8;
const BINDING_REQUEST: u16 = 0x0001;
const USERNAME: u16 = 0x0006;

/// Looks at a datagram; `None` if it is nothing that is spoken here.
pub(super) fn classify(datagram: &[u8]) -> Option<Kind<'_>> {
    match *datagram.first()? {
        0..=1 if u16::from_be_bytes([datagram[0], *datagram.get(1)?]) == BINDING_REQUEST => {
            let name = attribute(datagram, USERNAME)?;
            Some(Kind::Request(str::from_utf8(name).ok()?.split(':').next()?))
        }
        0..=1 => Some(Kind::Stun),
        20..=63 => Some(Kind::Data),
        64..=127 | 192..=255 => Some(Kind::Quic),
        _ => None,
    }
}

/// The first attribute of this type in a STUN message.
pub(super) fn attribute(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = message.get(20..)?;
    loop {
        let (head, body) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = body.get(..length)?;
        if u16::from_be_bytes([head[0], head[1]]) == wanted {
            return Some(value);
        }
        rest = body.get(length.next_multiple_of(4)..)?;
    }
}

/// The two ways to a connection.
pub(super) struct Demux {
    by_ufrag: HashMap<String, Id>,
    by_path: HashMap<Path, Id>,
    /// Scans left in the second that began then.
    scans: (Instant, u32),
}

impl Demux {
    pub fn new(now: Instant) -> Self {
        Self { by_ufrag: HashMap::new(), by_path: HashMap::new(), scans: (now, SCANS_PER_SECOND) }
    }

    /// A connection begins: requests find it by its user name fragment.
    pub fn add(&mut self, ufrag: String, id: Id) {
        self.by_ufrag.insert(ufrag, id);
    }

    /// Forgets a connection; gives the paths it had.
    pub fn remove(&mut self, ufrag: &str, id: Id) -> Vec<Path> {
        self.by_ufrag.remove(ufrag);
        let gone = self.by_path.iter().filter(|(_, owner)| **owner == id).map(|(path, _)| *path);
        let gone: Vec<Path> = gone.collect();
        for path in &gone {
            self.by_path.remove(path);
        }
        gone
    }

    /// The connection that this fragment names.
    pub fn by_ufrag(&self, ufrag: &str) -> Option<Id> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// The connection that this path is bound to.
    pub fn by_path(&self, path: &Path) -> Option<Id> {
        self.by_path.get(path).copied()
    }

    /// A verified request of `id` came this way: the path is its own unless it is another's.
    pub fn claim(&mut self, path: Path, id: Id) {
        let has = self.by_path.values().filter(|owner| **owner == id).count();
        if has < PATHS_PER_CONNECTION {
            self.by_path.entry(path).or_insert(id);
        }
    }

    /// The answer to a check of `id` came this way: whoever is there talks to `id`. Of two connections that both can prove it,
    /// the younger has it. Gives the connection that loses the path.
    pub fn prove(&mut self, path: Path, id: Id) -> Option<Id> {
        match self.by_path.get(&path) {
            Some(&owner) if owner >= id => None,
            owner => {
                let loser = owner.copied();
                self.by_path.insert(path, id);
                loser
            }
        }
    }

    /// Whether one more datagram of an unknown sender may be tried on every connection.
    pub fn may_scan(&mut self, now: Instant) -> bool {
        if now.duration_since(self.scans.0) >= Duration::from_secs(1) {
            self.scans = (now, SCANS_PER_SECOND);
        }
        let left = self.scans.1;
        self.scans.1 = left.saturating_sub(1);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_known_by_the_receivers_fragment() {
        let mut request = vec![0, 1, 0, 12, 0x21, 0x12, 0xA4, 0x42];
        request.extend([7; 12]);
        request.extend([0, 6, 0, 7]);
        request.extend(b"ab:cdef\0");
        assert_eq!(classify(&request), Some(Kind::Request("ab")));
        assert_eq!(classify(&request[..25]), None);
        assert_eq!(classify(&[1, 1, 0, 0]), Some(Kind::Stun));
        assert_eq!(classify(&[22, 254, 253]), Some(Kind::Data));
        assert_eq!(classify(&[64]), Some(Kind::Quic));
        assert_eq!(classify(&[200]), Some(Kind::Quic));
        assert_eq!(classify(&[130]), None);
        assert_eq!(classify(&[0]), None);
        assert_eq!(classify(&[]), None);
    }

    #[test]
    fn only_an_answer_takes_a_path_from_another() {
        let path = (Protocol::Udp, "192.0.2.1:5".parse().expect("an address"));
        let (old, young) = (Id(1), Id(2));
        let mut demux = Demux::new(Instant::now());
        demux.claim(path, old);
        demux.claim(path, young);
        assert_eq!(demux.by_path(&path), Some(old));
        assert_eq!(demux.prove(path, young), Some(old));
        assert_eq!(demux.prove(path, old), None);
        assert_eq!(demux.by_path(&path), Some(young));
        assert_eq!(demux.remove("none", young), [path]);
        demux.claim(path, old);
        assert_eq!(demux.by_path(&path), Some(old));
    }

    #[test]
    fn strangers_cannot_make_it_scan_without_end() {
        let now = Instant::now();
        let mut demux = Demux::new(now);
        assert_eq!((0..1000).filter(|_| demux.may_scan(now)).count(), 500);
        assert!(demux.may_scan(now + Duration::from_secs(1)));
    }
}
