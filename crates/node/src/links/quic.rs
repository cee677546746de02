//! QUIC (RFC 9000) as one of the transports of a connection: one stream of messages, each with its length in four bytes
//! before it, after a first byte that says that this is the link. Invariant: it speaks on the one path that ICE has found
//! and with the one peer whose certificate the descriptions named; what the stack does wrong ends here, as [`Broken`].
//!
//! An endpoint of its own for each connection costs little, and nothing of one peer can touch another.

use super::identity::Identity;
use super::outlet::Outlet;
use super::sdp::Fingerprint;
use super::stack::{Broken, guard};
use super::transport::Said;
use bytes::{Buf, Bytes, BytesMut};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, Event, ReadError, StreamEvent,
    StreamId, VarInt, WriteError,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};
use wire::MAX_MESSAGE_BYTES;

/// The first byte of the stream: the version of what follows.
const CHOSEN: u8 = 1;
/// Before each message.
const LENGTH_BYTES: usize = 4;
/// The name that TLS asks for; certificates here have none.
const NAME: &str = "braidcast";
/// Datagrams the stack makes at once.
const TRAIN: usize = 10;
/// What a side sends last, at most.
const FAREWELL: usize = 4;
const DONE: VarInt = VarInt::from_u32(0);

/// How far a stack is.
enum State {
    /// It dials as soon as there is a path.
    Ready(ClientConfig),
    /// It waits to be dialled.
    Awaiting,
    /// It speaks, from this address of ours.
    Speaking(IpAddr, ConnectionHandle, Box<Connection>),
}

/// What says that this is the link.
enum Greeting {
    /// It is yet to come, or to be sent.
    Awaited,
    /// It was sent just now.
    Sent,
    /// Both sides know.
    Done,
}

/// The stack of one connection.
pub(super) struct Quic {
    endpoint: Endpoint,
    state: State,
    stream: Option<StreamId>,
    is_readable: bool,
    greeting: Greeting,
    received: BytesMut,
    codec: LengthDelimitedCodec,
    /// The message that the stack has taken in part.
    unwritten: [Bytes; 2],
    ledger: Ledger,
    datagrams: Vec<u8>,
}

/// What the stack has and the other side has not acknowledged. The stack does not say; but it tells when that is less than
/// its window, which can be moved. So this is what it has at most, by steps.
struct Ledger {
    /// Bytes.
    most: usize,
    step: usize,
    window: u64,
}

impl Quic {
    /// The side that dials, once it knows where to.
    pub fn client(identity: &Identity, pin: Fingerprint, send_buffer: usize) -> Result<Self, Broken> {
        let config = identity.client(pin)?;
        let endpoint = guard(|| Ok::<_, Broken>(Endpoint::new(identity.endpoint(), None, true, None)))?;
        Ok(Self::new(endpoint, State::Ready(config), send_buffer))
    }

    /// The side that is dialled.
    pub fn server(identity: &Identity, pin: Fingerprint, send_buffer: usize) -> Result<Self, Broken> {
        let config = Some(Arc::new(identity.server(pin)?));
        let endpoint = guard(|| Ok::<_, Broken>(Endpoint::new(identity.endpoint(), config, true, None)))?;
        Ok(Self::new(endpoint, State::Awaiting, send_buffer))
    }

    fn new(endpoint: Endpoint, state: State, send_buffer: usize) -> Self {
        let codec = LengthDelimitedCodec::builder()
            .length_field_length(LENGTH_BYTES)
            .max_frame_length(MAX_MESSAGE_BYTES)
            .new_codec();
        Self {
            endpoint,
            state,
            stream: None,
            is_readable: false,
            greeting: Greeting::Awaited,
            received: BytesMut::new(),
            codec,
            unwritten: Default::default(),
            ledger: Ledger {
                most: 0,
                step: (send_buffer / 8).max(1),
                // One message beyond the buffer, for those that go alone.
                window: (send_buffer + MAX_MESSAGE_BYTES + LENGTH_BYTES + 1) as u64,
            },
            datagrams: Vec::new(),
        }
    }

    /// Dials, if it is the side that does.
    pub fn dial(&mut self, now: Instant, source: IpAddr, peer: SocketAddr) -> Result<(), Broken> {
        let State::Ready(config) = &self.state else { return Ok(()) };
        let config = config.clone();
        let (handle, connection) = guard(|| self.endpoint.connect(now, config, peer, NAME))?;
        self.state = State::Speaking(source, handle, Box::new(connection));
        Ok(())
    }

    /// A datagram that came on a path of the connection, from `peer` to `local`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        local: IpAddr,
        datagram: &[u8],
    ) -> Result<(), Broken> {
        let mut unsent = Vec::new();
        let taken = guard(|| {
            let event = self.endpoint.handle(now, peer, Some(local), None, datagram.into(), &mut unsent);
            Ok::<_, Broken>(event)
        })?;
        match (taken, &mut self.state) {
            (Some(DatagramEvent::ConnectionEvent(_, event)), State::Speaking(_, _, connection)) => {
                guard(|| {
                    connection.handle_event(event);
                    Ok::<_, Broken>(())
                })
            }
            (Some(DatagramEvent::NewConnection(incoming)), State::Awaiting) => {
                let accepted = guard(|| {
                    let accepted = self.endpoint.accept(incoming, now, &mut unsent, None);
                    accepted.map_err(|error| error.cause)
                })?;
                // One peer, one attempt.
                self.endpoint.set_server_config(None);
                self.state = State::Speaking(local, accepted.0, Box::new(accepted.1));
                Ok(())
            }
            (Some(DatagramEvent::NewConnection(incoming)), _) => {
                self.endpoint.ignore(incoming);
                Ok(())
            }
            // What is not of this connection is not answered.
            _ => Ok(()),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Broken> {
        match &mut self.state {
            State::Speaking(_, _, connection) => guard(|| {
                if connection.poll_timeout().is_some_and(|at| at <= now) {
                    connection.handle_timeout(now);
                }
                Ok::<_, Broken>(())
            }),
            _ => Ok(()),
        }
    }

    /// When it wants to be woken.
    pub fn deadline(&mut self) -> Option<Instant> {
        match &mut self.state {
            State::Speaking(_, _, connection) => guard(|| Ok::<_, Broken>(connection.poll_timeout())).ok()?,
            _ => None,
        }
    }

    /// Gives out what the stack has to send once it has nothing more to say; `None` then.
    pub fn step(&mut self, now: Instant, out: &mut Outlet<'_>) -> Result<Option<Said>, Broken> {
        guard(|| {
            loop {
                if let Some(said) = self.next_said()? {
                    return Ok(Some(said));
                }
                if self.is_readable {
                    self.read()?;
                } else if !self.heed()? {
                    break;
                }
            }
            while self.transmit(now, out) {}
            self.exchange();
            Ok::<_, Broken>(None)
        })
    }

    /// What the bytes that were read say.
    fn next_said(&mut self) -> Result<Option<Said>, Broken> {
        match self.greeting {
            Greeting::Awaited if self.received.is_empty() => return Ok(None),
            Greeting::Awaited if self.received.get_u8() != CHOSEN => return Err(Broken),
            Greeting::Awaited | Greeting::Sent => {
                self.greeting = Greeting::Done;
                return Ok(Some(Said::Open));
            }
            Greeting::Done => {}
        }
        match self.codec.decode(&mut self.received) {
            Ok(Some(message)) if message.is_empty() => Err(Broken),
            Ok(message) => Ok(message.map(|message| Said::Message(message.freeze()))),
            Err(_) => Err(Broken),
        }
    }

    /// Takes one chunk of the stream.
    fn read(&mut self) -> Result<(), Broken> {
        let (State::Speaking(_, _, connection), Some(stream)) = (&mut self.state, self.stream) else {
            self.is_readable = false;
            return Ok(());
        };
        let mut stream = connection.recv_stream(stream);
        let mut chunks = stream.read(true).map_err(|_| Broken)?;
        match chunks.next(usize::MAX) {
            Ok(Some(chunk)) => self.received.extend_from_slice(&chunk.bytes),
            Err(ReadError::Blocked) => self.is_readable = false,
            Ok(None) | Err(ReadError::Reset(_)) => return Err(Broken),
        }
        // Whether there is anything to send for that, the stack is asked in any case.
        let _ = chunks.finalize();
        Ok(())
    }

    /// Takes one event of the stack; whether there was any.
    fn heed(&mut self) -> Result<bool, Broken> {
        self.exchange();
        let State::Speaking(_, _, connection) = &mut self.state else { return Ok(false) };
        let Some(event) = connection.poll() else { return Ok(false) };
        match event {
            Event::Connected if connection.side().is_client() => {
                let stream = connection.streams().open(Dir::Bi).ok_or(Broken)?;
                self.stream = Some(stream);
                self.greeting = Greeting::Sent;
                self.unwritten[0] = Bytes::from_static(&[CHOSEN]);
                self.write_rest()?;
            }
            Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) if connection.side().is_server() => {
                self.stream = connection.streams().accept(Dir::Bi);
                self.is_readable = true;
            }
            Event::Stream(StreamEvent::Readable { .. }) => self.is_readable = true,
            Event::Stream(StreamEvent::Writable { .. }) => {
                self.ledger.most = self.ledger.mark() - 1;
                self.write_rest()?;
            }
            Event::Stream(StreamEvent::Finished { .. } | StreamEvent::Stopped { .. }) => return Err(Broken),
            Event::ConnectionLost { reason } => {
                tracing::debug!(%reason, "a QUIC connection ended");
                return Err(Broken);
            }
            _ => {}
        }
        Ok(true)
    }

    /// What endpoint and connection have to say to each other.
    fn exchange(&mut self) {
        let State::Speaking(_, handle, connection) = &mut self.state else { return };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
    }

    /// Sends what the stack makes in one go; whether there was any.
    fn transmit(&mut self, now: Instant, out: &mut Outlet<'_>) -> bool {
        let State::Speaking(source, _, connection) = &mut self.state else { return false };
        self.datagrams.clear();
        let Some(transmit) = connection.poll_transmit(now, TRAIN, &mut self.datagrams) else { return false };
        let segment = transmit.segment_size.unwrap_or(transmit.size).max(1);
        for datagram in self.datagrams[..transmit.size].chunks(segment) {
            out.socket.push(*source, transmit.destination, datagram);
        }
        true
    }

    /// Gives the stack a message, if it takes it; whether it did. What it takes in part, it takes in full later.
    pub fn write(&mut self, message: &Bytes) -> Result<bool, Broken> {
        let Ok(length) = u32::try_from(message.len()) else { return Err(Broken) };
        if self.stream.is_none() || self.unwritten_bytes() > 0 {
            return Ok(false);
        }
        self.unwritten = [Bytes::copy_from_slice(&length.to_be_bytes()), message.clone()];
        guard(|| self.write_rest())?;
        Ok(true)
    }

    fn write_rest(&mut self) -> Result<(), Broken> {
        let (State::Speaking(_, _, connection), Some(stream)) = (&mut self.state, self.stream) else {
            return Ok(());
        };
        if self.unwritten.iter().any(|part| !part.is_empty()) {
            connection.set_send_window(self.ledger.window);
            match connection.send_stream(stream).write_chunks(&mut self.unwritten) {
                Ok(written) => self.ledger.most += written.bytes,
                Err(WriteError::Blocked) => {}
                Err(_) => return Err(Broken),
            }
        }
        if self.ledger.most > 0 {
            // A stream that is told to wait is also told when to go on: as soon as less than the window is left.
            connection.set_send_window(0);
            let _ = connection.send_stream(stream).write(&[0]);
            connection.set_send_window(self.ledger.mark() as u64);
        }
        Ok(())
    }

    fn unwritten_bytes(&self) -> usize {
        self.unwritten.iter().map(Bytes::len).sum()
    }

    /// Bytes that the stack has and the other side has not acknowledged, or a few more.
    pub fn buffered(&self) -> usize {
        self.ledger.most + self.unwritten_bytes()
    }

    /// Begins to close.
    pub fn close(&mut self, now: Instant) -> Result<(), Broken> {
        let State::Speaking(_, _, connection) = &mut self.state else { return Ok(()) };
        guard(|| {
            if !connection.is_closed() {
                connection.close(now, DONE, Bytes::new());
            }
            Ok::<_, Broken>(())
        })
    }

    /// Tells the other side that it is over, as far as the stack still can.
    pub fn say_farewell(&mut self, now: Instant, out: &mut Outlet<'_>) {
        let _ = guard(|| {
            self.close(now)?;
            for _ in 0..FAREWELL {
                if !self.transmit(now, out) {
                    break;
                }
            }
            Ok::<_, Broken>(())
        });
    }
}

impl Ledger {
    /// What the stack shall have less than, to say so.
    fn mark(&self) -> usize {
        self.most.saturating_sub(self.step).max(1)
    }
}
