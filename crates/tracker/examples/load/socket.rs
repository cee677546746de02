//! One WebSocket of a client: without waiting, without a copy where none is needed, and with no memory while it is idle.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use mio::{Interest, Registry, Token, net::TcpStream};
use socket2::{Domain, SockAddr, Type};

use crate::{
    frame::{self, Frame, Opcode},
    message,
};

/// Most that waits because the server does not read, in bytes. Beyond it nothing more is taken.
const UNSENT: usize = 256 * 1024;

/// How far a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The connection or the answer to the handshake is waited for.
    Opening,
    Open,
    /// With the code of the server's close frame, if there was one.
    Closed(Option<u16>),
}

#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    stage: Stage,
    greeted: bool,
    /// Read, but no whole frame.
    rest: Vec<u8>,
    unsent: Vec<u8>,
}

/// Where connections go, and what they ask for.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    greeting: Vec<u8>,
    /// The /24 of this machine that connections come from.
    network: Ipv4Addr,
}

impl Target {
    /// Takes `ws://ADDRESS:PORT/PATH`; to loopback it is gone from `network`.
    pub fn new(url: &str, network: Ipv4Addr) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("ws://").ok_or_else(|| anyhow::anyhow!("{url} is no ws:// address"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let greeting = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: http://{host}\r\nUser-Agent: braidcast-load\r\n\r\n"
        );
        Ok(Self { address: host.parse()?, greeting: greeting.into_bytes(), network })
    }

    /// The request that opens a WebSocket.
    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }
}

/// The second address of a network and on: as many as it takes for no port to run out.
fn source(network: Ipv4Addr, number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits((network.to_bits() & !0xff) + number as u32 % 250 + 2)
}

impl Socket {
    /// Begins to connect. `window` is the receive buffer in bytes, as the system has it if `None`; `greet` says whether
    /// the WebSocket is asked for, or whatever follows is the caller's.
    pub fn connect(
        registry: &Registry,
        number: usize,
        target: &Target,
        window: Option<usize>,
        greet: bool,
    ) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(target.address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(window) = window {
            socket.set_recv_buffer_size(window)?;
        }
        if target.address.ip().is_loopback() && target.address.is_ipv4() {
            socket.bind(&SockAddr::from(SocketAddrV4::new(source(target.network, number), 0)))?;
        }
        match socket.connect(&target.address.into()) {
            Err(error) if error.raw_os_error() != Some(EINPROGRESS) => return Err(error),
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        registry.register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        let unsent = if greet { target.greeting.clone() } else { Vec::new() };
        Ok(Self { stream, stage: Stage::Opening, greeted: !greet, rest: Vec::new(), unsent })
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether the server takes no more at this moment.
    pub fn stuck(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Ends it without a word.
    pub fn close(&mut self, code: Option<u16>) {
        self.stage = Stage::Closed(code);
        // The other side is gone, or learns of it now.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        (self.rest, self.unsent) = (Vec::new(), Vec::new());
    }

    /// Sends bytes, whatever they are. `false` if too much waits already.
    pub fn send(&mut self, mut bytes: &[u8]) -> bool {
        if matches!(self.stage, Stage::Closed(_)) || self.unsent.len() + bytes.len() > UNSENT {
            return false;
        }
        if self.unsent.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if waits(&error) => {}
                Err(_) => {
                    self.close(None);
                    return false;
                }
            }
        }
        self.unsent.extend(bytes);
        true
    }

    /// The system says that the socket can be written to.
    pub fn writable(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if waits(&error) => return,
                Err(_) => return self.close(None),
            }
        }
        self.unsent = Vec::new();
    }

    /// The system says that there is something to read, and whether the server has `ended` it: `heard` gets the payload of
    /// each text. Pings are answered.
    pub fn readable(&mut self, ended: bool, scratch: &mut [u8], mut heard: impl FnMut(&[u8])) {
        while !matches!(self.stage, Stage::Closed(_)) {
            let held = self.rest.len();
            scratch[..held].copy_from_slice(&self.rest);
            match self.stream.read(&mut scratch[held..]) {
                Ok(0) => return self.close(None),
                Ok(read) => {
                    self.rest.clear();
                    let all = held + read < scratch.len();
                    let used = self.take(&scratch[..held + read], &mut heard);
                    match scratch.get(used..held + read) {
                        Some([]) => self.rest = Vec::new(),
                        Some(rest) if rest.len() < scratch.len() / 2 => self.rest.extend(rest),
                        _ => return self.close(None),
                    }
                    // More than this is told of anew, except the end.
                    if all && !ended {
                        return;
                    }
                }
                Err(error) if waits(&error) => return,
                Err(_) => return self.close(None),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], heard: &mut impl FnMut(&[u8])) -> usize {
        let mut at = 0;
        if !self.greeted {
            match message::head_end(bytes) {
                Some(end) if bytes.starts_with(b"HTTP/1.1 101 ") => at = end,
                Some(_) => {
                    self.close(None);
                    return bytes.len();
                }
                None => return 0,
            }
            self.greeted = true;
            self.stage = Stage::Open;
        }
        loop {
            match frame::read(&bytes[at..]) {
                Ok(None) => return at,
                Ok(Some(Frame { last: true, opcode, payload, used })) => {
                    at += used;
                    match opcode {
                        Opcode::Text | Opcode::Binary => heard(payload),
                        Opcode::Ping => drop(self.send(&frame::frame(Opcode::Pong, payload, [0; 4]))),
                        Opcode::Pong => {}
                        Opcode::Close => {
                            self.close(Some(frame::close_code(payload)));
                            return bytes.len();
                        }
                        Opcode::Continuation => {
                            self.close(None);
                            return bytes.len();
                        }
                    }
                }
                // Trackers send no message in parts.
                Ok(Some(_)) | Err(frame::Broken) => {
                    self.close(None);
                    return bytes.len();
                }
            }
        }
    }
}

/// A buffer to read with, for all sockets together.
pub fn scratch() -> Vec<u8> {
    vec![0; 256 * 1024]
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}

/// What `connect` says without waiting on Linux.
const EINPROGRESS: i32 = 115;

/// So long for the system to wake us: timers of epoll count milliseconds.
pub const GRAIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_tracker_is_taken_apart() {
        let new = |url| Target::new(url, Ipv4Addr::LOCALHOST);
        let target = new("ws://127.0.0.1:8000/tracker").unwrap();
        assert_eq!(target.address, "127.0.0.1:8000".parse().unwrap());
        assert!(target.greeting().starts_with(b"GET /tracker HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"));
        assert!(new("ws://127.0.0.1:8000").unwrap().greeting().starts_with(b"GET / HTTP/1.1\r\n"));
        for wrong in ["http://127.0.0.1:8000", "ws://tracker.example/", "ws://127.0.0.1"] {
            assert!(new(wrong).is_err());
        }
    }

    #[test]
    fn connections_come_from_addresses_of_this_machine_other_than_its_first() {
        for number in 0..1000 {
            let [home, strange] =
                [[127, 0, 0, 1], [127, 0, 1, 0]].map(|network| source(network.into(), number).octets());
            assert!(home[..3] == [127, 0, 0] && home[3] > 1, "{home:?}");
            assert!(strange[..3] == [127, 0, 1] && strange[3] > 1, "{strange:?}");
        }
    }
}
