//! Addresses at TURN servers (RFC 8656), for peers whom no other way leads to: the servers are spoken to by the very socket
//! that the connections use. Invariant: at most one server's address is offered at a time, that of the first that gave one;
//! servers that give none cost nothing but their absence.

mod message;
mod routes;
mod session;

use super::sdp::is_plausible;
use super::socket::Socket;
use session::{Allocation, Session};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Servers that are asked at all.
const SERVERS: usize = 4;
/// How long opening waits for the first server to give an address.
const GATHER: Duration = Duration::from_secs(2);

/// A TURN server, and who we are there. The long-term credentials of RFC 8489; an empty user name is none.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnServer {
    /// Where it listens for UDP.
    pub address: SocketAddr,
    /// The user name.
    pub user: String,
    /// The password, which is never sent nor logged.
    pub password: String,
}

impl fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What a datagram from a server was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// Nothing that concerns this.
    Nothing,
    /// Something of the server's own.
    Taken,
    /// A peer's datagram.
    From(SocketAddr, &'a [u8]),
}

/// The servers.
pub(super) struct Turn {
    sessions: Vec<Session>,
    chosen: Option<usize>,
    has_changed: bool,
    frame: Vec<u8>,
}

impl Turn {
    /// Asks these servers, or the first few of them.
    pub fn new(now: Instant, servers: &[TurnServer]) -> Self {
        let mut sessions: Vec<Session> = Vec::new();
        for server in servers {
            // A server tells us by our address, and so we tell it: two users of one server are one.
            let is_new = !sessions.iter().any(|session| session.address() == server.address);
            if is_new && sessions.len() < SERVERS && is_plausible(server.address) {
                sessions.push(Session::new(now, server.clone()));
            }
        }
        Self { sessions, chosen: None, has_changed: false, frame: Vec::new() }
    }

    /// Waits until a server has given an address or all have refused, or for as long as is worth it. What else comes
    /// meanwhile is lost.
    pub async fn gather(&mut self, socket: &mut Socket) {
        let end = Instant::now() + GATHER;
        loop {
            let now = Instant::now();
            self.fire(now);
            self.flush(socket);
            let is_hopeless = self.sessions.iter().all(|session| session.failure.is_some());
            if self.chosen.is_some() || is_hopeless || now >= end {
                return;
            }
            let wake = self.next().map_or(end, |next| next.min(end));
            if timeout_at(wake.into(), socket.readable()).await.is_ok() && socket.receive().unwrap_or(false) {
                for datagram in socket.datagrams() {
                    let (source, local, bytes) = socket.datagram(datagram);
                    self.handle(Instant::now(), source, local, bytes);
                }
            }
        }
    }

    /// The address that is offered.
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.allocation().map(|allocation| allocation.relayed)
    }

    /// The address that is offered, and that of this host which leads to it.
    pub fn candidate(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.allocation().map(|allocation| (allocation.relayed, allocation.local))
    }

    /// How this host looks from outside, as the server says, and the address of this host behind that.
    pub fn reflexive(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.allocation().and_then(|allocation| Some((allocation.mapped?, allocation.local)))
    }

    /// Whether another address is to be offered than when this was last asked, or none.
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// When it wants to be woken.
    pub fn next(&self) -> Option<Instant> {
        let is_needed = self.chosen.is_none();
        self.sessions.iter().filter_map(|session| session.next(is_needed)).min()
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Instant) {
        let is_needed = self.chosen.is_none();
        for session in &mut self.sessions {
            if session.next(is_needed).is_some_and(|next| next <= now) {
                session.fire(now, is_needed);
            }
        }
        self.choose(now);
    }

    /// Looks at a datagram. `local` is where it came to.
    pub fn handle<'a>(
        &mut self,
        now: Instant,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &'a [u8],
    ) -> Heard<'a> {
        let of_source = self.sessions.iter_mut().enumerate().find(|(_, s)| s.address() == source);
        let Some((at, session)) = of_source else { return Heard::Nothing };
        match session.handle(now, local, datagram) {
            Heard::From(..) if self.chosen != Some(at) => Heard::Taken,
            Heard::Taken => {
                self.choose(now);
                Heard::Taken
            }
            heard => heard,
        }
    }

    /// Sends a datagram to a peer from the address that is offered, if there is a way.
    pub fn send(&mut self, now: Instant, socket: &mut Socket, peer: SocketAddr, contents: &[u8]) {
        let Some(session) = self.chosen.and_then(|chosen| self.sessions.get_mut(chosen)) else { return };
        let Some(local) = session.allocation().map(|allocation| allocation.local) else { return };
        let server = session.address();
        let is_wrapped = is_plausible(peer) && session.wrap(now, peer, contents, &mut self.frame);
        // Whatever is asked for the sake of this datagram goes before it.
        self.flush(socket);
        if is_wrapped {
            socket.push(local.ip(), server, &self.frame);
        }
    }

    /// Sends what there is for the servers.
    pub fn flush(&mut self, socket: &Socket) {
        for session in &mut self.sessions {
            let server = session.address();
            for datagram in session.out.drain(..) {
                socket.send_now(server, &datagram);
            }
        }
    }

    /// Gives the addresses back.
    pub fn release(&mut self, now: Instant, socket: &Socket) {
        self.sessions.iter_mut().for_each(|session| session.release(now));
        self.flush(socket);
    }

    fn allocation(&self) -> Option<&Allocation> {
        self.sessions.get(self.chosen?)?.allocation()
    }

    fn choose(&mut self, now: Instant) {
        if self.chosen.is_some() && self.allocation().is_none() {
            self.chosen = None;
            self.has_changed = true;
        }
        for (at, session) in self.sessions.iter_mut().enumerate() {
            match self.chosen {
                _ if session.allocation().is_none() => {}
                None => {
                    self.chosen = Some(at);
                    self.has_changed = true;
                }
                // Another was faster.
                Some(chosen) if chosen != at => session.release(now),
                Some(_) => {}
            }
        }
    }
}
