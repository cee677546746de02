//! The task that owns the socket and all connections. Invariant: when it waits, every connection has been polled since
//! anything happened to it, and is due among the timers no later than it asked to be.
//!
//! A round: what is due, what is to be polled, what is to be sent; then whatever comes first of a command, a batch of
//! datagrams, room for an event, and the next deadline. While events wait to be taken nothing is received, so that what
//! waits is bounded by what one batch can bring.

use super::connection::Connection;
use super::demux::{Id, Kind, classify};
use super::identity::Identity;
use super::outlet::Outlet;
use super::socket::Socket;
use super::stack::Broken;
use super::stun::{self, Stun};
use super::table::Table;
use super::tcp::{Arrival, Sockets};
use super::timers::Timers;
use super::turn::{Heard, Turn};
use super::{Command, Config, Error, Event, Room, Waiting, addresses};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use str0m::Candidate;
use str0m::config::DtlsCert;
use str0m::net::Protocol;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

/// Inputs of one connection before it is polled: its DTLS layer gives up when about thirty wait.
const UNPOLLED: usize = 8;
/// Batches received before anything else gets its turn.
const BATCHES: usize = 4;
/// Commands taken before anything else gets its turn.
const COMMANDS: usize = 64;
/// Events that wait to be taken; beyond it no command is.
const BACKLOG: usize = 1024;
/// How often what has no timer of its own is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// One socket and its connections.
pub(super) struct Shard {
    pub config: Config,
    pub cert: DtlsCert,
    /// The same for QUIC, if it is spoken.
    pub identity: Option<Identity>,
    pub candidates: Vec<Candidate>,
    pub table: Table,
    socket: Socket,
    tcp: Sockets,
    stun: Stun,
    turn: Turn,
    timers: Timers,
    dirty: Vec<Id>,
    /// What the connection that is being polled reports.
    fresh: Vec<Event>,
    backlog: VecDeque<Event>,
    events: mpsc::Sender<Event>,
    pub waiting: Arc<Waiting>,
    last_link: u32,
    housekeeping: Instant,
    ask_stun: Instant,
}

impl Shard {
    pub async fn open(
        config: Config,
        events: mpsc::Sender<Event>,
        waiting: Arc<Waiting>,
    ) -> Result<Self, Error> {
        let socket = Socket::bind(config.bind).map_err(|error| Error::Bind(config.bind, error))?;
        let tcp = match config.tcp.filter(|_| !config.relay_only) {
            Some(addr) => Sockets::listen(addr, 2 * config.max_connections)
                .await
                .map_err(|error| Error::Listen(addr, error))?,
            None => Sockets::default(),
        };
        let provider = str0m::crypto::from_feature_flags();
        let cert = provider.dtls_provider.generate_certificate().ok_or(Error::Certificate)?;
        // It goes from this host straight to the peer, never by a relay.
        let identity = (config.quic && !config.relay_only).then(|| Identity::new(&cert)).transpose();
        let now = Instant::now();
        let mut shard = Self {
            identity: identity.map_err(|_| Error::Certificate)?,
            // Nobody is to learn what it says.
            stun: Stun::new(if config.relay_only { &[] } else { &config.stun }),
            turn: Turn::new(now, &config.turn),
            cert,
            candidates: Vec::new(),
            table: Table::new(now),
            socket,
            tcp,
            timers: Timers::default(),
            dirty: Vec::new(),
            fresh: Vec::new(),
            backlog: VecDeque::new(),
            events,
            waiting,
            last_link: 0,
            housekeeping: now,
            ask_stun: now + stun::EVERY,
            config,
        };
        shard.stun.gather(&mut shard.socket).await;
        shard.turn.gather(&mut shard.socket).await;
        shard.turn.take_change();
        shard.look_up_addresses();
        Ok(shard)
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    pub async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let now = Instant::now();
            self.fire(now);
            self.poll_dirty(now);
            if self.housekeeping <= now {
                self.keep_house(now);
            }
            self.keep_relay(now);
            self.socket.flush();
            if !self.hand_over() {
                break;
            }
            let due = [self.timers.next(), self.turn.next()];
            let wake = due.into_iter().flatten().fold(self.housekeeping, Instant::min);
            let is_free = self.backlog.is_empty();
            tokio::select! {
                command = commands.recv(), if self.backlog.len() < BACKLOG => match command {
                    Some(command) => self.take_commands(command, &mut commands),
                    None => break,
                },
                readable = self.socket.readable(), if is_free => {
                    if readable.is_ok() {
                        self.receive();
                    }
                }
                arrival = self.tcp.arrival(), if is_free => self.handle_arrival(Instant::now(), arrival),
                // The room stays: nobody else sends there.
                is_over = async { self.events.reserve().await.is_err() }, if !is_free => {
                    if is_over {
                        break;
                    }
                }
                () = sleep_until(wake.into()) => {}
            }
        }
        for id in self.table.ids() {
            self.fail(id);
        }
        self.socket.flush();
        self.turn.release(Instant::now(), &self.socket);
    }

    /// Something is to be reported.
    pub fn report(&mut self, event: Event) {
        self.backlog.push_back(event);
    }

    /// Something happened to a connection: it is to be polled.
    pub fn mark(&mut self, id: Id) {
        if let Some(connection) = self.table.get_mut(id).filter(|connection| !connection.is_dirty) {
            connection.is_dirty = true;
            self.dirty.push(id);
        }
    }

    /// Something happened to a connection, and this came of it.
    pub fn settle(&mut self, id: Id, result: Result<(), Broken>) {
        match result {
            Ok(()) => self.mark(id),
            Err(Broken) => self.fail(id),
        }
    }

    /// A connection ends, whatever it was.
    pub fn fail(&mut self, id: Id) {
        let Some((mut connection, paths)) = self.table.remove(id) else { return };
        let mut outlet = Outlet {
            socket: &mut self.socket,
            tcp: &mut self.tcp,
            turn: &mut self.turn,
            now: Instant::now(),
            events: &mut self.fresh,
            last_link: &mut self.last_link,
        };
        connection.say_farewell(Instant::now(), &mut outlet);
        for (proto, peer) in paths {
            if proto == Protocol::Tcp {
                self.tcp.close(&peer);
            }
        }
        if let Some(link) = connection.link() {
            self.waiting.rooms().remove(&link);
            self.report(Event::Down(link));
        }
        if connection.owes_dial {
            self.report(Event::DialFailed(connection.peer));
        }
    }

    fn take_commands(&mut self, first: Command, more: &mut mpsc::UnboundedReceiver<Command>) {
        let now = Instant::now();
        let mut next = Some(first);
        for _ in 0..COMMANDS {
            let Some(command) = next else { return };
            self.waiting.take(command.cost());
            self.handle_command(now, command);
            next = more.try_recv().ok();
        }
        if let Some(command) = next {
            self.waiting.take(command.cost());
            self.handle_command(now, command);
        }
    }

    fn receive(&mut self) {
        let now = Instant::now();
        for _ in 0..BATCHES {
            match self.socket.receive() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(%error, "cannot receive");
                    return;
                }
            }
            for datagram in self.socket.datagrams() {
                let (source, local, bytes) = self.socket.datagram(datagram);
                let (peer, to, bytes) = match self.turn.handle(now, source, local, bytes) {
                    Heard::Taken => continue,
                    Heard::From(peer, contents) => match self.turn.relayed() {
                        // QUIC is spoken on straight paths only.
                        Some(relayed) if classify(contents) != Some(Kind::Quic) => (peer, relayed, contents),
                        _ => continue,
                    },
                    Heard::Nothing if self.stun.handle(source, local, bytes) => {
                        self.look_up_addresses();
                        continue;
                    }
                    // Whoever comes straight is not answered: that would say who is at the relayed address.
                    Heard::Nothing if self.config.relay_only => continue,
                    Heard::Nothing => (source, local, bytes),
                };
                if let Some((id, taken)) = self.table.deliver(now, (Protocol::Udp, peer), to, bytes) {
                    self.handle_taken(now, id, taken);
                }
            }
        }
    }

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Opened { peer, serial, frames } => self.tcp.add(now, peer, serial, frames),
            Arrival::Closed { peer, serial } => self.tcp.remove(&peer, serial),
            Arrival::Frame { peer, local, datagram } => {
                if let Some((id, taken)) = self.table.deliver(now, (Protocol::Tcp, peer), local, &datagram) {
                    self.handle_taken(now, id, taken);
                }
            }
        }
    }

    fn handle_taken(&mut self, now: Instant, id: Id, taken: Result<(), Broken>) {
        self.settle(id, taken);
        if self.table.get(id).is_some_and(|connection| connection.unpolled >= UNPOLLED) {
            self.poll(now, id);
        }
    }

    fn poll_dirty(&mut self, now: Instant) {
        while let Some(id) = self.dirty.pop() {
            if self.table.get(id).is_some_and(|connection| connection.is_dirty) {
                self.poll(now, id);
            }
        }
    }

    fn poll(&mut self, now: Instant, id: Id) {
        let Some(connection) = self.table.get_mut(id) else { return };
        let was_open = connection.link().is_some();
        let polled = connection.poll(
            now,
            &mut Outlet {
                socket: &mut self.socket,
                tcp: &mut self.tcp,
                turn: &mut self.turn,
                now,
                events: &mut self.fresh,
                last_link: &mut self.last_link,
            },
        );
        self.timers.arm(id, connection.deadline, &mut connection.armed);
        connection.is_dirty = false;
        let transport = connection.transport();
        if let Some(link) = connection.link().filter(|_| !was_open) {
            let displaced = connection.displaces.take();
            self.table.name(link, id);
            // Whoever is at that address now talks to this one: the older one is not heard any more.
            if let Some(older) = displaced {
                self.fail(older);
            }
        }
        for event in self.fresh.drain(..) {
            if let Event::Room(link, room) = event {
                let fresh = || Room { transport, free: 0, coming: 0 };
                self.waiting.rooms().entry(link).or_insert_with(fresh).free = room as usize;
            }
            self.backlog.push_back(event);
        }
        if polled.is_err() {
            self.fail(id);
        }
    }

    fn fire(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.pop_due(now) {
            let Some(connection) = self.table.get_mut(id).filter(|c| c.armed == Some(at)) else { continue };
            connection.armed = None;
            if connection.deadline > now {
                self.timers.arm(id, connection.deadline, &mut connection.armed);
                continue;
            }
            let fired = connection.handle_timeout(now);
            self.settle(id, fired);
        }
    }

    /// Gives out the events there is room for; whether anybody wants them at all.
    fn hand_over(&mut self) -> bool {
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    break;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
        }
        !self.events.is_closed()
    }

    fn keep_house(&mut self, now: Instant) {
        self.housekeeping = now + HOUSEKEEPING;
        let table = &self.table;
        self.tcp.expire(now, |peer| table.is_bound(&(Protocol::Tcp, *peer)));
        self.timers.trim(table.len(), |at, id| table.get(id).is_some_and(|c| c.armed == Some(at)));
        let relayed = self.turn.relayed().map_or(0, |relayed| table.from(relayed));
        self.waiting.relayed.store(relayed, Ordering::Relaxed);
        if self.ask_stun <= now {
            self.ask_stun = now + stun::EVERY;
            self.stun.ask(now, &self.socket);
            self.look_up_addresses();
        }
    }

    /// Sees to the address at the TURN server. Links over one that is gone are gone, too.
    fn keep_relay(&mut self, now: Instant) {
        if self.turn.next().is_some_and(|next| next <= now) {
            self.turn.fire(now);
        }
        self.turn.flush(&self.socket);
        if self.turn.take_change() {
            self.look_up_addresses();
            let relayed = self.turn.relayed();
            for id in self.table.ids() {
                let source = self.table.get(id).and_then(Connection::source);
                if source.is_some_and(|source| !self.socket.is_own(source) && relayed != Some(source)) {
                    self.fail(id);
                }
            }
        }
    }

    /// What is offered from now on.
    fn look_up_addresses(&mut self) {
        let relayed = self.turn.candidate().and_then(addresses::relayed);
        if self.config.relay_only {
            self.candidates = relayed.into_iter().collect();
            return;
        }
        let udp = addresses::of_interfaces(self.socket.local_addr());
        let tcp = self.tcp.local_addr().map(addresses::of_interfaces).unwrap_or_default();
        let mut reflexive = self.stun.reflexive();
        reflexive.extend(self.turn.reflexive().filter(|seen| !reflexive.contains(seen)));
        self.candidates = addresses::candidates(&udp, &reflexive, &self.config.external, &tcp);
        self.candidates.extend(relayed);
    }
}
