//! Where what connections have to say goes: datagrams to their transport, events to a list. Invariant: a link is named once, and
//! what is to come from a relayed address comes from there or not at all.

use super::Event;
use super::socket::Socket;
use super::tcp::Sockets;
use super::turn::Turn;
use std::time::Instant;
use str0m::net::{Protocol, Transmit};
use swarm::Link;

/// What a connection is polled into.
pub(super) struct Outlet<'a> {
    pub socket: &'a mut Socket,
    pub tcp: &'a mut Sockets,
    pub turn: &'a mut Turn,
    pub now: Instant,
    pub events: &'a mut Vec<Event>,
    pub last_link: &'a mut u32,
}

impl Outlet<'_> {
    /// Sends a datagram, if its transport takes it now.
    pub fn transmit(&mut self, datagram: Transmit) {
        match datagram.proto {
            Protocol::Udp if self.turn.relayed() == Some(datagram.source) => {
                self.turn.send(self.now, self.socket, datagram.destination, &datagram.contents);
            }
            Protocol::Udp if self.socket.is_own(datagram.source) => {
                self.socket.push(datagram.source.ip(), datagram.destination, &datagram.contents);
            }
            // From a relayed address that is gone.
            Protocol::Udp => {}
            _ => self.tcp.send(datagram.destination, &datagram.contents),
        }
    }

    /// Reports something.
    pub fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// A name for a connection that has opened.
    pub fn new_link(&mut self) -> Link {
        *self.last_link += 1;
        Link(*self.last_link)
    }
}
