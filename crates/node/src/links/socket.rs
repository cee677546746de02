//! The UDP socket of all connections, by whole batches where the system can (GSO, GRO, recvmmsg). Invariant: it never waits
//! to send: what the socket does not take is lost, as it could be on the way, and the layers above send it again.

use super::sdp::is_plausible;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Bytes the system may hold for the socket in either direction: a burst of many peers, until this task is scheduled.
const SYSTEM_BUFFER: usize = 4 * 1024 * 1024;
/// Datagrams, or trains of them, received by one system call.
const BATCH: usize = 16;
/// What one train may hold.
const TRAIN_BYTES: usize = 65_535;
/// Segments the system takes in one train, at most.
const TRAIN_BYTES_OUT: usize = 60_000;

/// The socket, and the train of datagrams that is being put together.
pub(super) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    train: Train,
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH],
    received: usize,
}

/// Datagrams of one length, but for the last, from one address to another.
#[derive(Default)]
struct Train {
    route: Option<(IpAddr, SocketAddr)>,
    bytes: Vec<u8>,
    segment: usize,
    segments: usize,
}

impl Socket {
    /// Binds.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(addr),
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        if addr.is_ipv6() {
            // Both families by one socket, where the system agrees.
            let _ = socket.set_only_v6(false);
        }
        // Less is granted where the system's own limit is lower.
        let _ = socket.set_recv_buffer_size(SYSTEM_BUFFER);
        let _ = socket.set_send_buffer_size(SYSTEM_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        Ok(Self {
            local: io.local_addr()?,
            io,
            state,
            train: Train::default(),
            buffers: vec![0; BATCH * TRAIN_BYTES],
            metas: [RecvMeta::default(); BATCH],
            received: 0,
        })
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether this can be an address of the socket.
    pub fn is_own(&self, addr: SocketAddr) -> bool {
        let ip = self.local.ip();
        addr.port() == self.local.port() && (ip.is_unspecified() || ip == addr.ip())
    }

    /// Waits until there may be something to receive.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Receives one batch; whether there was any. Look at it by [`Socket::datagram`].
    pub fn receive(&mut self) -> io::Result<bool> {
        let mut chunks = self.buffers.chunks_exact_mut(TRAIN_BYTES).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| chunks.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        let read = self.io.try_io(Interest::READABLE, || {
            self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut self.metas)
        });
        self.received = match read {
            Ok(trains) => trains,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        Ok(self.received > 0)
    }

    /// Where the datagrams of the last batch are; look at each by [`Socket::datagram`].
    pub fn datagrams(&self) -> Vec<(usize, usize)> {
        let trains = self.metas[..self.received].iter().enumerate();
        let parts = trains.flat_map(|(train, meta)| {
            let stride = meta.stride.max(1);
            (0..meta.len.div_ceil(stride)).map(move |n| (train, n * stride))
        });
        parts.collect()
    }

    /// One datagram of the last batch: from where, to which address of this host, and what.
    pub fn datagram(&self, (train, start): (usize, usize)) -> (SocketAddr, SocketAddr, &[u8]) {
        let meta = &self.metas[train];
        let end = (start + meta.stride.max(1)).min(meta.len);
        let ip = match meta.dst_ip {
            Some(ip) if self.local.ip().is_unspecified() => ip.to_canonical(),
            _ => self.local.ip(),
        };
        let first = train * TRAIN_BYTES;
        let bytes = &self.buffers[first + start..first + end];
        (canonical(meta.addr), SocketAddr::new(ip, self.local.port()), bytes)
    }

    /// Puts a datagram onto the train; sends the train before it if it goes elsewhere or is full.
    pub fn push(&mut self, source: IpAddr, destination: SocketAddr, bytes: &[u8]) {
        // What the system would refuse as invalid would make it give up trains for everybody.
        if !is_plausible(destination) || source.is_loopback() != destination.ip().is_loopback() {
            return;
        }
        let train = &self.train;
        let fits = train.route == Some((source, destination))
            && bytes.len() <= train.segment
            && train.bytes.len() == train.segment * train.segments
            && train.segments < self.state.max_gso_segments()
            && train.bytes.len() + bytes.len() <= TRAIN_BYTES_OUT;
        if !fits {
            self.flush();
            self.train.route = Some((source, destination));
            self.train.segment = bytes.len();
        }
        self.train.bytes.extend_from_slice(bytes);
        self.train.segments += 1;
    }

    /// Sends the train.
    pub fn flush(&mut self) {
        let Some((source, destination)) = self.train.route.take() else { return };
        let transmit = Transmit {
            destination: self.mapped(destination),
            ecn: None,
            contents: &self.train.bytes,
            segment_size: (self.train.segments > 1).then_some(self.train.segment),
            src_ip: self.local.ip().is_unspecified().then_some(source),
        };
        let sent =
            self.io.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.io), &transmit));
        if let Err(error) = sent {
            tracing::trace!(%destination, %error, segments = self.train.segments, "not sent");
        }
        self.train.bytes.clear();
        self.train.segments = 0;
    }

    /// Sends one datagram at once, from whichever address of this host the system chooses.
    pub fn send_now(&self, destination: SocketAddr, contents: &[u8]) {
        if is_plausible(destination) {
            let destination = self.mapped(destination);
            let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
            let _ = self
                .io
                .try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.io), &transmit));
        }
    }

    /// An IPv4 address as a socket of both families wants it.
    fn mapped(&self, addr: SocketAddr) -> SocketAddr {
        match addr.ip() {
            IpAddr::V4(ip) if self.local.is_ipv6() => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port())
            }
            _ => addr,
        }
    }
}

/// The address without the clothes that a socket of both families gives it.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
