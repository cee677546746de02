//! RTMP: the door for OBS and whoever else knows `rtmp://HOST/live` and a stream key.
//!
//! The invariant: a stranger costs one connection for a few seconds, and little memory. So the protocol is our own: the libraries that
//! exist reserve what is announced, or follow references without end, or tell the key to the log.

mod amf;
mod chunks;
mod session;

use super::desk::{Desk, Seat};
use super::flv::TagReader;
use session::{Event, Session, SessionError};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) use session::fuzz;

/// Bytes read at once.
const READ: usize = 64 << 10;

/// How long a wrong key is thought about.
const WRONG_KEY: Duration = Duration::from_millis(500);

/// How long a publisher that was sent away may take to hear why.
const FAREWELL: Duration = Duration::from_secs(2);

/// Limits of the RTMP door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtmpLimits {
    /// Connections that have not shown a key yet.
    pub strangers: usize,
    /// Of these, from one address.
    pub strangers_per_address: usize,
    /// Within this time a publisher must have shown its key.
    pub handshake_time: Duration,
    /// A publisher that sends nothing for so long is cut off.
    pub idle_time: Duration,
    /// Bytes of one picture.
    pub max_picture: usize,
}

impl Default for RtmpLimits {
    fn default() -> Self {
        Self {
            strangers: 64,
            strangers_per_address: 8,
            handshake_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(20),
            max_picture: 4 << 20,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Error)]
enum Close {
    #[error("it hung up")]
    HungUp,
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("it sent nothing for too long")]
    Idle,
    #[error("{0}")]
    Session(#[from] SessionError),
    #[error("{0}")]
    Tag(#[from] super::flv::TagError),
    #[error("a newer connection with its key took over, or nobody wants the stream")]
    Over,
}

/// Takes publishers in, until dropped.
pub(super) async fn serve(listener: TcpListener, desk: Desk, limits: RtmpLimits) {
    let strangers = Strangers::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((socket, peer)) = accepted else {
            // Out of descriptors, most likely: the next moment may be better.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(stranger) = strangers.admit(peer.ip(), &limits) else {
            tracing::debug!(%peer, "too many RTMP connections without a key");
            continue;
        };
        let desk = desk.clone();
        connections.spawn(async move { connection(socket, peer, &desk, limits, stranger).await });
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    desk: &Desk,
    limits: RtmpLimits,
    stranger: Stranger,
) {
    socket.set_nodelay(true).ok(); // it is only slower without
    let mut random = [0; 8];
    getrandom::fill(&mut random).ok(); // nobody relies on it
    let session = Session::new(limits.max_picture, u64::from_le_bytes(random));
    let mut line = Line { socket, session, limits, chunk: vec![0; READ] };
    let seat = match timeout(limits.handshake_time, line.introduction(desk)).await {
        Ok(Ok(Some(seat))) => seat,
        Ok(Ok(None)) => {
            tracing::warn!(%peer, "an RTMP publisher with a wrong stream key");
            return line.send_away("Wrong stream key.").await;
        }
        Ok(Err(why)) => {
            tracing::debug!(%peer, %why, "an RTMP connection that did not publish");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "an RTMP connection that showed no key in time");
            return;
        }
    };
    drop(stranger);
    let stream = seat.stream().to_owned();
    tracing::info!(%stream, %peer, "publishing over RTMP");
    match line.publish(seat).await {
        Ok(()) => {
            tracing::info!(%stream, %peer, "the RTMP publisher is done");
            // It may still be saying so: there is more than one way, and some use several.
            line.farewell().await;
        }
        Err(why) => {
            tracing::warn!(%stream, %peer, %why, "the RTMP publisher was cut off");
            line.session.dismiss(&why.to_string());
            line.farewell().await;
        }
    }
}

struct Line {
    socket: TcpStream,
    session: Session,
    limits: RtmpLimits,
    chunk: Vec<u8>,
}

impl Line {
    /// Waits for the key; `None` for a wrong one.
    async fn introduction(&mut self, desk: &Desk) -> Result<Option<Seat>, Close> {
        loop {
            let event = self.session.next();
            self.flush().await?;
            match event? {
                Some(Event::Publish(key)) => return Ok(desk.admit(&key)),
                Some(_) => {}
                None => self.read().await?,
            }
        }
    }

    async fn publish(&mut self, seat: Seat) -> Result<(), Close> {
        let mut publisher = seat.open("RTMP", 2).await.map_err(|_| Close::Over)?;
        self.session.accept();
        let mut tags = TagReader::default();
        let ended = loop {
            let event = self.session.next();
            if let Err(error) = self.flush().await {
                break Err(error);
            }
            match event {
                Ok(Some(Event::Tag(tag))) => match tags.tag(tag) {
                    Ok(media) => {
                        for media in media {
                            publisher.send(media).await.map_err(|_| Close::Over)?;
                        }
                    }
                    Err(error) => break Err(error.into()),
                },
                Ok(Some(Event::FrameRate(rate))) => tags.set_frame_rate(rate),
                Ok(Some(Event::End)) => break Ok(()),
                Ok(Some(Event::Publish(_))) => {}
                Ok(None) => {
                    let idle = self.limits.idle_time;
                    let read = tokio::select! {
                        read = timeout(idle, self.read()) => read.unwrap_or(Err(Close::Idle)),
                        () = publisher.replaced() => return Err(Close::Over),
                    };
                    if let Err(error) = read {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error.into()),
            }
        };
        if let Some(last) = tags.flush() {
            publisher.send(last).await.map_err(|_| Close::Over)?;
        }
        if ended.is_ok() {
            publisher.end().await;
        }
        ended
    }

    async fn read(&mut self) -> Result<(), Close> {
        match self.socket.read(&mut self.chunk).await? {
            0 => Err(Close::HungUp),
            n => Ok(self.session.push(&self.chunk[..n])?),
        }
    }

    async fn flush(&mut self) -> Result<(), Close> {
        let out = self.session.take_output();
        if !out.is_empty() {
            timeout(self.limits.idle_time, self.socket.write_all(&out)).await.map_err(|_| Close::Idle)??;
        }
        Ok(())
    }

    async fn send_away(mut self, why: &str) {
        tokio::time::sleep(WRONG_KEY).await;
        self.session.refuse(why);
        self.farewell().await;
    }

    /// Lets the publisher read the last words: what it still sends would otherwise wipe them out.
    async fn farewell(&mut self) {
        let words = async {
            let out = self.session.take_output();
            if self.socket.write_all(&out).await.is_ok() && self.socket.shutdown().await.is_ok() {
                while let Ok(1..) = self.socket.read(&mut self.chunk).await {}
            }
        };
        timeout(FAREWELL, words).await.ok(); // it need not listen
    }
}

/// Counts connections without a key.
#[derive(Clone, Debug, Default)]
struct Strangers(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

#[derive(Debug)]
struct Stranger {
    all: Strangers,
    address: IpAddr,
}

impl Strangers {
    fn admit(&self, address: IpAddr, limits: &RtmpLimits) -> Option<Stranger> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, here) = (counts.values().sum::<usize>(), counts.get(&address).copied().unwrap_or(0));
        if all >= limits.strangers || here >= limits.strangers_per_address {
            return None;
        }
        counts.insert(address, here + 1);
        Some(Stranger { all: self.clone(), address })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = counts.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
