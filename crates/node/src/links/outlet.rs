//! Where what connections have to say goes: datagrams to their transport, events to a list. Invariant: a link is named once.

use super::Event;
use super::socket::Socket;
use super::tcp::Sockets;
use str0m::net::{Protocol, Transmit};
use swarm::Link;

/// What a connection is polled into.
pub(super) struct Outlet<'a> {
    pub socket: &'a mut Socket,
    pub tcp: &'a mut Sockets,
    pub events: &'a mut Vec<Event>,
    pub last_link: &'a mut u32,
}

impl Outlet<'_> {
    /// Sends a datagram, if its transport takes it now.
    pub fn transmit(&mut self, datagram: Transmit) {
        match datagram.proto {
            Protocol::Udp => {
                self.socket.push(datagram.source.ip(), datagram.destination, &datagram.contents);
            }
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
