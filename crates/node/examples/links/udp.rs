//! The UDP socket of the bare stack, with batches (GSO, GRO, recvmmsg) or without. Invariant: it never waits to send.

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use tokio::io::Interest;
use tokio::net::UdpSocket;

const SYSTEM_BUFFER: usize = 4 * 1024 * 1024;
const BATCH: usize = 16;
const TRAIN_BYTES: usize = 65_535;
const TRAIN_BYTES_OUT: usize = 60_000;

/// The socket, what it has received last, and the train that is to be sent.
pub struct Udp {
    io: UdpSocket,
    state: Option<UdpSocketState>,
    pub local: SocketAddr,
    train: Vec<u8>,
    to: Option<SocketAddr>,
    segment: usize,
    received: Received,
}

/// What one system call has brought.
#[derive(Default)]
pub struct Received {
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH],
    trains: usize,
}

impl Received {
    /// Each datagram, and who sent it.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let trains = self.metas.iter().zip(self.buffers.chunks_exact(TRAIN_BYTES)).take(self.trains);
        trains.flat_map(|(meta, buffer)| {
            buffer[..meta.len].chunks(meta.stride.max(1)).map(|datagram| (meta.addr, datagram))
        })
    }
}

impl Udp {
    pub fn bind(ip: IpAddr, is_batched: bool) -> io::Result<Self> {
        let addr = SocketAddr::new(ip, 0);
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::DGRAM, None)?;
        let _ = socket.set_recv_buffer_size(SYSTEM_BUFFER);
        let _ = socket.set_send_buffer_size(SYSTEM_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = if is_batched { Some(UdpSocketState::new(UdpSockRef::from(&io))?) } else { None };
        Ok(Self {
            local: io.local_addr()?,
            io,
            state,
            train: Vec::new(),
            to: None,
            segment: 0,
            received: Received { buffers: vec![0; BATCH * TRAIN_BYTES], ..Received::default() },
        })
    }

    pub async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Receives what one system call brings; whether there was any. Then [`Udp::take`] it.
    pub fn receive(&mut self) -> io::Result<bool> {
        let received = &mut self.received;
        let read = match &self.state {
            None => self.io.try_recv_from(&mut received.buffers).map(|(length, from)| {
                (received.metas[0].addr, received.metas[0].len, received.metas[0].stride) =
                    (from, length, length);
                1
            }),
            Some(state) => {
                let mut chunks = received.buffers.chunks_exact_mut(TRAIN_BYTES).map(IoSliceMut::new);
                let mut slices: [IoSliceMut<'_>; BATCH] =
                    std::array::from_fn(|_| chunks.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
                self.io.try_io(Interest::READABLE, || {
                    state.recv(UdpSockRef::from(&self.io), &mut slices, &mut received.metas)
                })
            }
        };
        received.trains = match read {
            Ok(trains) => trains,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        Ok(received.trains > 0)
    }

    /// What was received, until it is given back.
    pub fn take(&mut self) -> Received {
        std::mem::take(&mut self.received)
    }

    pub fn give_back(&mut self, received: Received) {
        self.received = received;
    }

    /// Puts a datagram onto the train, after sending one that goes elsewhere or is full.
    pub fn push(&mut self, to: SocketAddr, datagram: &[u8]) {
        let Some(state) = &self.state else {
            let _ = self.io.try_send_to(datagram, to);
            return;
        };
        let fits = self.to == Some(to)
            && datagram.len() <= self.segment
            && self.train.len().is_multiple_of(self.segment)
            && self.train.len() / self.segment < state.max_gso_segments()
            && self.train.len() + datagram.len() <= TRAIN_BYTES_OUT;
        if !fits {
            self.flush();
            self.to = Some(to);
            self.segment = datagram.len();
        }
        self.train.extend_from_slice(datagram);
    }

    /// Sends the train.
    pub fn flush(&mut self) {
        let (Some(state), Some(destination)) = (&self.state, self.to.take()) else { return };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: &self.train,
            segment_size: (self.train.len() > self.segment).then_some(self.segment),
            src_ip: None,
        };
        let _ = self.io.try_io(Interest::WRITABLE, || state.try_send(UdpSockRef::from(&self.io), &transmit));
        self.train.clear();
    }
}
