//! One connection, from its first message to its close.
//!
//! The invariant: a connection that waits holds no buffer. What comes is read into a buffer of its thread, and what
//! goes out is gathered in one; only what is not whole yet, or not taken by the other side, is the connection's own.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use rendezvous::Verdict;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

use crate::{
    Hold,
    budget::Holding,
    frame::{self, Broken, Event, Reader},
    hub::{Guest, Membership},
    outbox,
    turns::Newcomer,
};

/// What a thread reads at a time, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// So often a connection is read from, then it is the others' turn.
const READS: usize = 4;
/// What a connection writes at a time, in bytes, about.
const WRITE_BYTES: usize = 64 * 1024;

thread_local! {
    /// What the connections of a thread read into, and what they write from: one at a time, and never across a wait.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It broke.
    Gone,
    /// The other side closes it.
    Left,
    GoingAway,
    Restarts(Duration),
    /// By the operator.
    Closed,
    TooBig,
    Fragments,
    /// It holds more than its share of too little.
    Overload,
    Broken,
    Flood,
    Slow,
    Silent,
    Idle,
}

impl End {
    /// Nothing that comes afterwards is read.
    fn is_deaf(self) -> bool {
        matches!(self, Self::TooBig | Self::Fragments | Self::Broken | Self::Overload)
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Frame => Self::Broken,
            Broken::TooBig => Self::TooBig,
            Broken::Fragments => Self::Fragments,
        }
    }
}

impl From<outbox::End> for End {
    fn from(end: outbox::End) -> Self {
        match end {
            outbox::End::Overflown => Self::Slow,
            outbox::End::GoingAway => Self::GoingAway,
            outbox::End::Restarts(retry) => Self::Restarts(retry),
            outbox::End::Closed => Self::Closed,
        }
    }
}

/// Serves a connection after its handshake. There are as many of these futures as connections, so that each is small:
/// it has no second place for what it is called with, and what is needed once, at the end, is made then.
pub(crate) fn serve<S>(socket: S, guest: Guest, hold: Option<Hold>) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Guest { membership, place } = guest;
    let now = Instant::now();
    let config = membership.config();
    let mut connection = Connection {
        socket,
        newcomer: membership.newcomer(),
        reader: Reader::new(config.table.message_bytes, config.fragments),
        holding: membership.holding(),
        unsent: Unsent::default(),
        control: Vec::new(),
        heard: now,
        spoken: now,
        tick: now + config.ping_every,
    };
    async move {
        let end = {
            let mut timer = pin!(sleep_until(connection.tick));
            poll_fn(|cx| connection.poll(cx, &membership, timer.as_mut())).await
        };
        tracing::debug!(?end, "connection ends");
        Box::pin(connection.end(end, membership)).await;
        // Those who came together end together, and to close a socket is more work than to read from it.
        connection.newcomer.come_again();
        poll_fn(|cx| connection.newcomer.poll_turn(cx)).await;
        drop((place, hold));
    }
}

struct Connection<S> {
    socket: S,
    newcomer: Newcomer,
    reader: Reader,
    /// What the reader holds, as it is counted.
    holding: Holding,
    unsent: Unsent,
    /// Of pings and pongs the frames that go out before the next texts.
    control: Vec<u8>,
    heard: Instant,
    spoken: Instant,
    /// When it is pinged next.
    tick: Instant,
}

/// What was taken out of the outbox and is not written.
#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    at: usize,
    /// Bytes of texts in it.
    texts: usize,
    /// Since when the other side takes nothing of it.
    since: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn poll(&mut self, cx: &mut Context<'_>, membership: &Membership, timer: Pin<&mut Sleep>) -> Poll<End> {
        ready!(self.newcomer.poll_turn(cx));
        match self.converse(cx, membership, timer) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does all that can be done without waiting.
    fn converse(
        &mut self,
        cx: &mut Context<'_>,
        membership: &Membership,
        mut timer: Pin<&mut Sleep>,
    ) -> Result<(), End> {
        loop {
            let mut reads = 0;
            // Who does not take its replies is not heard either.
            while self.poll_write(cx, membership)?.is_ready() && self.poll_read(cx, membership)?.is_ready() {
                reads += 1;
                if reads == READS {
                    cx.waker().wake_by_ref();
                    break;
                }
            }
            let config = membership.config();
            let slow_at = self.unsent.since.map(|since| since + config.write_within);
            let due = slow_at.map_or(self.tick, |at| at.min(self.tick));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            let now = Instant::now();
            if slow_at.is_some_and(|at| at <= now) {
                return Err(End::Slow);
            }
            if self.tick <= now {
                self.tick = now + config.ping_every;
                membership.expire();
                if now - self.heard >= config.silent_after {
                    return Err(End::Silent);
                }
                // Its memberships are over by then, and a client that still wants something announces in time.
                if now - self.spoken >= config.table.lifetime() {
                    return Err(End::Idle);
                }
                if self.control.is_empty() {
                    frame::push_ping(&mut self.control);
                }
            }
        }
    }

    /// Ready once there was something, and it is dealt with.
    fn poll_read(&mut self, cx: &mut Context<'_>, membership: &Membership) -> Result<Poll<()>, End> {
        READ.with_borrow_mut(|buffer| {
            let Poll::Ready(read) = poll_read(&mut self.socket, cx, buffer) else { return Ok(Poll::Pending) };
            let Self { newcomer, reader, holding, control, heard, spoken, .. } = self;
            let bytes = read.map_err(|_| End::Gone)?;
            *heard = Instant::now();
            if bytes.len() == READ_BYTES {
                // More than announces are: it takes turns, so that the others do not wait for all that it sends.
                newcomer.come_again();
            }
            reader.take(bytes, |event| {
                let verdict = match event {
                    Event::Message(message) => {
                        *spoken = *heard;
                        membership.handle(message)
                    }
                    Event::Ping(ping) => {
                        // Of several pings the last may be answered for all (5.5.3).
                        control.clear();
                        frame::push_pong(control, ping);
                        membership.charge()
                    }
                    Event::Pong => membership.charge(),
                    Event::Close => return Err(End::Left),
                };
                if verdict == Verdict::Close { Err(End::Flood) } else { Ok(()) }
            })?;
            holding.set(reader.held());
            if holding.is_too_much(READ_BYTES) {
                return Err(End::Overload);
            }
            Ok(Poll::Ready(()))
        })
    }

    /// Writes what waits, in as few writes as it takes. Ready when nothing is left.
    fn poll_write(&mut self, cx: &mut Context<'_>, membership: &Membership) -> Result<Poll<()>, End> {
        let Self { socket, unsent, control, .. } = self;
        let outbox = membership.outbox();
        loop {
            if unsent.poll(socket, cx)?.is_pending() {
                return match outbox.poll_end(cx) {
                    Poll::Ready(end) => Err(end.into()),
                    Poll::Pending => Ok(Poll::Pending),
                };
            }
            let more = WRITE.with_borrow_mut(|buffer| {
                buffer.clear();
                buffer.append(control);
                let written = std::mem::take(&mut unsent.texts);
                if let Poll::Ready(taken) = outbox.poll_take(cx, written, WRITE_BYTES, buffer) {
                    unsent.texts = taken?;
                }
                if buffer.is_empty() {
                    return Ok(false);
                }
                let at = match Pin::new(&mut *socket).poll_write(cx, buffer) {
                    Poll::Ready(Err(_) | Ok(0)) => return Err(End::Gone),
                    Poll::Ready(Ok(count)) => count,
                    Poll::Pending => 0,
                };
                if at < buffer.len() {
                    (unsent.bytes, unsent.since) = (buffer[at..].to_vec(), Some(Instant::now()));
                }
                Ok(true)
            })?;
            if !more {
                return Ok(Poll::Ready(()));
            }
        }
    }

    /// Leaves the swarms, and says why if somebody is there to read it.
    async fn end(&mut self, end: End, membership: Membership) {
        let Unsent { mut bytes, at, .. } = std::mem::take(&mut self.unsent);
        let mut last = bytes.split_off(at);
        if end == End::Flood {
            // The reason, if it can still be read.
            membership.outbox().take_all(&mut last);
        }
        let close_within = membership.config().close_within;
        let farewell = match end {
            End::Restarts(retry) => membership.farewell(retry),
            _ => String::new(),
        };
        drop(membership);
        if end.is_deaf() {
            // What did not come whole is not held for as long as the reason takes.
            self.reader = Reader::new(0, 0);
            self.holding.set(0);
        }
        if push_end(&mut last, end, &farewell) {
            let _ = timeout(close_within, self.close(&last, end)).await;
        }
        if end.is_deaf() {
            // What was not read makes the system reset the connection, and the reset can overtake the reason.
            sleep(close_within).await;
        }
    }

    /// Says the last, then waits for the other side to close as well.
    async fn close(&mut self, last: &[u8], end: End) {
        if self.socket.write_all(last).await.is_err() || end == End::Left || end.is_deaf() {
            return;
        }
        while poll_fn(|cx| {
            READ.with_borrow_mut(|buffer| {
                let read = ready!(poll_read(&mut self.socket, cx, buffer));
                let Ok(bytes) = read else { return Poll::Ready(false) };
                let event = |event: Event<'_>| if event == Event::Close { Err(End::Left) } else { Ok(()) };
                Poll::Ready(self.reader.take(bytes, event).is_ok())
            })
        })
        .await
        {}
    }
}

impl Unsent {
    /// Ready when all is written.
    fn poll<S: AsyncWrite + Unpin>(&mut self, socket: &mut S, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        while self.at < self.bytes.len() {
            match Pin::new(&mut *socket).poll_write(cx, &self.bytes[self.at..]) {
                Poll::Ready(Err(_) | Ok(0)) => return Err(End::Gone),
                Poll::Ready(Ok(count)) => self.at += count,
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        (self.bytes, self.at, self.since) = (Vec::new(), 0, None);
        Ok(Poll::Ready(()))
    }
}

/// What came, an error if that is the end.
fn poll_read<'a, S: AsyncRead + Unpin>(
    socket: &mut S,
    cx: &mut Context<'_>,
    buffer: &'a mut [u8],
) -> Poll<io::Result<&'a mut [u8]>> {
    let mut read = ReadBuf::new(buffer);
    ready!(Pin::new(socket).poll_read(cx, &mut read))?;
    let count = read.filled().len();
    Poll::Ready(if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(&mut buffer[..count]) })
}

/// Appends the close frame to `last`, unless nobody is there to read it.
fn push_end(last: &mut Vec<u8>, end: End, farewell: &str) -> bool {
    let (code, reason) = match end {
        End::Gone => return false,
        End::Left => {
            frame::push_close(last, None);
            return true;
        }
        End::GoingAway => (1001, "the tracker is going away"),
        // "Service restart", in IANA's registry.
        End::Restarts(_) => (1012, farewell),
        End::Closed => (1008, "closed by the tracker's operator"),
        End::TooBig => (1009, "message too long"),
        End::Fragments => (1008, "message in too many frames"),
        End::Overload => (1013, "too much to do: try again later"),
        End::Broken => (1002, "not a WebSocket frame"),
        End::Flood => (1008, "too many messages"),
        End::Slow => (1008, "reads too slowly"),
        End::Silent => (1001, "no answer to pings"),
        End::Idle => (1001, "no announce for too long"),
    };
    frame::push_close(last, Some((code, reason)));
    true
}
