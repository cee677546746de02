//! ICE-TCP, for peers whose network lets no UDP through: they connect to here (RFC 6544, the passive end), and every datagram
//! has its length in two bytes before it (RFC 4571). Invariant: what a socket may hold is bounded in both directions, their
//! number is, and one that after [`BOUND_WITHIN`] does not lead to a connection is closed.

use super::socket::canonical;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

/// How long a socket may be open before its first STUN request that a connection verifies.
const BOUND_WITHIN: Duration = Duration::from_secs(5);
/// The longest datagram. The stack makes and takes none of 2000 bytes.
const FRAME_BYTES: usize = 2048;
/// Datagrams that wait to be written to one socket; what comes on top is lost, as it could be with UDP.
const FRAMES_OUT: usize = 256;
/// Datagrams of all sockets that wait to be taken in. Then they are not read from.
const FRAMES_IN: usize = 256;
/// How long one datagram may take to be written.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// What comes from the sockets.
pub(super) enum Arrival {
    /// One has connected.
    Opened { peer: SocketAddr, serial: u64, frames: mpsc::Sender<Bytes> },
    /// A datagram, and where it came to.
    Frame { peer: SocketAddr, local: SocketAddr, datagram: Vec<u8> },
    /// One has ended.
    Closed { peer: SocketAddr, serial: u64 },
}

struct Entry {
    frames: mpsc::Sender<Bytes>,
    serial: u64,
    since: Instant,
}

/// The open sockets, by the address of the peer.
#[derive(Default)]
pub(super) struct Sockets {
    entries: HashMap<SocketAddr, Entry>,
    listening: Option<Listening>,
}

struct Listening {
    local: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sockets {
    /// Listens, for at most this many sockets at a time.
    pub async fn listen(addr: SocketAddr, sockets: usize) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let local = listener.local_addr()?;
        let (into, arrivals) = mpsc::channel(FRAMES_IN);
        let task = tokio::spawn(accept(listener, into, Arc::new(Semaphore::new(sockets))));
        Ok(Self { entries: HashMap::new(), listening: Some(Listening { local, arrivals, task }) })
    }

    /// Where it listens, if it does.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listening.as_ref().map(|listening| listening.local)
    }

    /// What comes next. Never, if it does not listen.
    pub async fn arrival(&mut self) -> Arrival {
        if let Some(listening) = &mut self.listening
            && let Some(arrival) = listening.arrivals.recv().await
        {
            return arrival;
        }
        std::future::pending().await
    }

    /// A socket has connected.
    pub fn add(&mut self, now: Instant, peer: SocketAddr, serial: u64, frames: mpsc::Sender<Bytes>) {
        self.entries.insert(peer, Entry { frames, serial, since: now });
    }

    /// A socket has ended by itself.
    pub fn remove(&mut self, peer: &SocketAddr, serial: u64) {
        if self.entries.get(peer).is_some_and(|entry| entry.serial == serial) {
            self.entries.remove(peer);
        }
    }

    /// Closes the socket of this peer.
    pub fn close(&mut self, peer: &SocketAddr) {
        self.entries.remove(peer);
    }

    /// Closes the sockets that have had their time and do not lead to a connection, as `is_bound` knows.
    pub fn expire(&mut self, now: Instant, is_bound: impl Fn(&SocketAddr) -> bool) {
        self.entries.retain(|peer, entry| now.duration_since(entry.since) < BOUND_WITHIN || is_bound(peer));
    }

    /// Sends a datagram, if there is a socket to that peer and it takes it.
    pub fn send(&mut self, peer: SocketAddr, datagram: &[u8]) {
        let Some(entry) = self.entries.get(&peer) else { return };
        let Ok(length) = u16::try_from(datagram.len()) else { return };
        let mut frame = BytesMut::with_capacity(2 + datagram.len());
        frame.put_u16(length);
        frame.put_slice(datagram);
        let _ = entry.frames.try_send(frame.freeze());
    }
}

async fn accept(listener: TcpListener, arrivals: mpsc::Sender<Arrival>, places: Arc<Semaphore>) {
    let mut open = JoinSet::new();
    let mut serial = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        match (accepted, places.clone().try_acquire_owned()) {
            (Ok((stream, peer)), Ok(place)) => {
                serial += 1;
                open.spawn(serve(stream, canonical(peer), serial, arrivals.clone(), place));
            }
            (Ok(_), Err(_)) => {}
            // No descriptors left, say: it may be better in a while.
            (Err(_), _) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    serial: u64,
    arrivals: mpsc::Sender<Arrival>,
    _place: OwnedSemaphorePermit,
) {
    let Ok(local) = stream.local_addr().map(canonical) else { return };
    let _ = stream.set_nodelay(true);
    let (mut read, mut write) = stream.into_split();
    let (frames, mut outgoing) = mpsc::channel::<Bytes>(FRAMES_OUT);
    if arrivals.send(Arrival::Opened { peer, serial, frames }).await.is_err() {
        return;
    }
    let reading = async {
        loop {
            let length = usize::from(read.read_u16().await?);
            if length > FRAME_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut datagram = vec![0; length];
            read.read_exact(&mut datagram).await?;
            if arrivals.send(Arrival::Frame { peer, local, datagram }).await.is_err() {
                return io::Result::Ok(());
            }
        }
    };
    let writing = async {
        while let Some(frame) = outgoing.recv().await {
            match tokio::time::timeout(WRITE_WITHIN, write.write_all(&frame)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
    };
    tokio::select! {
        _ = reading => {}
        () = writing => {}
    }
    let _ = arrivals.send(Arrival::Closed { peer, serial }).await;
}
