//! One connection: the transports it may have, and what waits to be sent. Invariant: whatever its peer sends, the worst that
//! happens is that this connection is [`Broken`]; and it is open on one transport, for good, the same one on both sides.
//!
//! WebRTC is always there; it finds the path. If both peers speak QUIC, the side that offered dials it on that path, and
//! decides: its first bytes on one of the two transports say that this is the link. Until then the other side waits.

use super::Event;
use super::demux::Id;
use super::outlet::Outlet;
use super::queue::Queue;
use super::quic::Quic;
use super::stack::{Broken, Common};
use super::transport::{Said, Transport};
use super::webrtc::WebRtc;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use str0m::Input;
use str0m::change::SdpPendingOffer;
use swarm::{Link, PeerId};

/// When a message that did not fit is tried again, should nothing else happen.
const RETRY: Duration = Duration::from_millis(100);
/// A path that fails may come back within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what is queued may still go out when a link is hung up.
const LINGER: Duration = Duration::from_millis(100);
/// What a peer may send before the channel is confirmed to be open, bytes.
const EARLY_BYTES: usize = 256 * 1024;
/// How long a data channel that could be the link waits for QUIC.
const GRACE: Duration = Duration::from_millis(500);

/// How far a connection is.
pub(super) enum Stage {
    /// An offer of ours waits for its answer.
    Offered(SdpPendingOffer),
    /// Both descriptions are known: a path is looked for.
    Connecting,
    /// Open, under this name.
    Open(Link),
    /// Hung up: what is queued may still go out.
    Leaving,
    /// What is left is the farewell.
    Closing,
}

/// A connection that is being made, open, or being closed.
pub(super) struct Connection {
    /// Who is at the other end, as far as the tracker says.
    pub peer: PeerId,
    /// The offer that began it.
    pub offer_id: String,
    /// Whether that offer was ours.
    pub dialled: bool,
    /// Whether a dial to this peer ends with it.
    pub owes_dial: bool,
    /// How far it is.
    pub stage: Stage,
    /// When it ends by itself: not open in time, disconnected for too long, or hung up.
    pub until: Option<Instant>,
    /// An older connection on the same path, which cannot have it any more once this one is open.
    pub displaces: Option<Id>,
    /// When it wants to be woken, as of the last time it was polled.
    pub deadline: Instant,
    /// Its earliest entry among the timers.
    pub armed: Option<Instant>,
    /// Datagrams taken in since it was last polled.
    pub unpolled: usize,
    /// Whether it is among those to be polled.
    pub is_dirty: bool,
    ufrag: String,
    webrtc: Option<WebRtc>,
    quic: Option<Quic>,
    /// Whether both peers said that they speak QUIC: then what carries the link is to be said.
    is_raced: bool,
    /// When WebRTC, which could be the link, is chosen.
    grace: Option<Instant>,
    queue: Queue,
    early: Vec<Bytes>,
    is_over: bool,
}

impl Connection {
    /// A connection that begins with an offer of ours; and the offer.
    pub fn dial(
        now: Instant,
        common: &Common<'_>,
        peer: PeerId,
        offer_id: String,
    ) -> Result<(Self, String), Broken> {
        let (webrtc, ufrag, offer, pending) = WebRtc::dial(now, common, offer_id.clone())?;
        let mut connection = Self::new(now, common, webrtc, ufrag, peer, offer_id, Stage::Offered(pending));
        connection.dialled = true;
        connection.owes_dial = true;
        Ok((connection, offer))
    }

    /// A connection that begins with a stranger's offer, and with QUIC if that peer has it; and the answer.
    pub fn accept(
        now: Instant,
        common: &Common<'_>,
        peer: PeerId,
        offer_id: String,
        sdp: &str,
        quic: Option<Quic>,
    ) -> Result<(Self, String), Broken> {
        let (webrtc, ufrag, answer) = WebRtc::accept(now, common, sdp)?;
        let mut connection = Self::new(now, common, webrtc, ufrag, peer, offer_id, Stage::Connecting);
        connection.is_raced = quic.is_some();
        connection.quic = quic;
        Ok((connection, answer))
    }

    fn new(
        now: Instant,
        common: &Common<'_>,
        webrtc: WebRtc,
        ufrag: String,
        peer: PeerId,
        offer_id: String,
        stage: Stage,
    ) -> Self {
        Self {
            peer,
            offer_id,
            dialled: false,
            owes_dial: false,
            stage,
            until: None,
            displaces: None,
            deadline: now,
            armed: None,
            unpolled: 0,
            is_dirty: false,
            ufrag,
            webrtc: Some(webrtc),
            quic: None,
            is_raced: false,
            grace: None,
            queue: Queue::new(common.send_buffer),
            early: Vec::new(),
            is_over: false,
        }
    }

    /// The fragment by which requests name it.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// Its name, if it is open.
    pub fn link(&self) -> Option<Link> {
        match self.stage {
            Stage::Open(link) => Some(link),
            _ => None,
        }
    }

    /// What carries the link, once it is open.
    pub fn transport(&self) -> Transport {
        if self.webrtc.is_some() { Transport::WebRtc } else { Transport::Quic }
    }

    /// Where its data goes out by WebRTC, if any does.
    pub fn source(&self) -> Option<SocketAddr> {
        self.webrtc.as_ref().and_then(WebRtc::source)
    }

    /// Whether it is not open yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Offered(_) | Stage::Connecting)
    }

    /// Whether its credentials verify this input.
    pub fn accepts(&self, input: &Input<'_>) -> bool {
        self.webrtc.as_ref().is_some_and(|webrtc| webrtc.accepts(input))
    }

    /// The answer to the offer that began it, which waits for one; and QUIC if that peer has it.
    pub fn handle_answer(&mut self, now: Instant, sdp: &str, quic: Option<Quic>) -> Result<(), Broken> {
        let stage = std::mem::replace(&mut self.stage, Stage::Connecting);
        let (Stage::Offered(pending), Some(webrtc)) = (stage, &mut self.webrtc) else { return Err(Broken) };
        self.is_raced = quic.is_some();
        self.quic = quic;
        webrtc.handle_answer(now, pending, sdp)
    }

    /// A datagram of WebRTC that is its own. Poll it within a few.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Broken> {
        self.unpolled += 1;
        self.webrtc.as_mut().map_or(Ok(()), |webrtc| webrtc.handle_input(input))
    }

    /// A datagram of QUIC that came on a path of its own. Poll it within a few.
    pub fn handle_quic(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        local: IpAddr,
        datagram: &[u8],
    ) -> Result<(), Broken> {
        self.unpolled += 1;
        let Some(quic) = &mut self.quic else { return Ok(()) };
        quic.handle_datagram(now, peer, local, datagram).or_else(|Broken| self.lose_quic(now))
    }

    /// Its deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Broken> {
        if self.until.is_some_and(|until| until <= now) {
            match self.stage {
                Stage::Leaving => self.close(now)?,
                _ => return Err(Broken),
            }
        }
        if let Some(quic) = &mut self.quic {
            quic.handle_timeout(now).or_else(|Broken| self.lose_quic(now))?;
        }
        self.webrtc.as_mut().map_or(Ok(()), |webrtc| webrtc.handle_timeout(now))
    }

    /// Queues a message, which goes out when it is polled.
    pub fn send(&mut self, message: Bytes) -> Result<(), Broken> {
        self.queue.push(message)
    }

    /// Reports nothing any more, and closes once what is queued has gone or a moment has passed.
    pub fn leave(&mut self, now: Instant) {
        self.stage = Stage::Leaving;
        self.until = Some(now + LINGER);
        self.owes_dial = false;
    }

    /// Gives out all that the transports have to send and to report.
    pub fn poll(&mut self, now: Instant, out: &mut Outlet<'_>) -> Result<(), Broken> {
        self.unpolled = 0;
        self.drain(now, out)?;
        if self.grace.is_some_and(|at| at <= now) {
            // The other side waits to be told.
            self.webrtc.as_mut().map_or(Err(Broken), WebRtc::choose)?;
            self.open(now, Transport::WebRtc, out)?;
            self.drain(now, out)?;
        }
        while self.write_next()? {
            self.drain(now, out)?;
        }
        if let Stage::Open(link) = self.stage {
            let buffered = self.buffered();
            let room = self.queue.room_to_tell(buffered);
            out.events.extend(room.map(|room| Event::Room(link, room)));
        }
        if matches!(self.stage, Stage::Leaving) && self.queue.is_empty() && self.buffered() == 0 {
            self.close(now)?;
            self.drain(now, out)?;
        }
        let retry = (!self.queue.is_empty()).then(|| now + RETRY);
        let webrtc = self.webrtc.as_ref().map(WebRtc::deadline);
        let quic = self.quic.as_mut().and_then(Quic::deadline);
        let wishes = [self.until, self.grace, retry, webrtc, quic];
        self.deadline = wishes.into_iter().flatten().min().unwrap_or(now + PATIENCE);
        let is_alive = self.webrtc.as_ref().is_none_or(WebRtc::is_alive);
        if is_alive && !self.is_over { Ok(()) } else { Err(Broken) }
    }

    /// Tells the other side that it is over, as far as the transports still can.
    pub fn say_farewell(&mut self, now: Instant, out: &mut Outlet<'_>) {
        if let Some(webrtc) = &mut self.webrtc {
            webrtc.say_farewell(out);
        }
        if let Some(quic) = &mut self.quic {
            quic.say_farewell(now, out);
        }
    }

    /// Polls the transports until they have nothing more.
    fn drain(&mut self, now: Instant, out: &mut Outlet<'_>) -> Result<(), Broken> {
        while let Some(webrtc) = &mut self.webrtc {
            let Some(said) = webrtc.step(out)? else { break };
            self.heed_webrtc(now, said, out)?;
        }
        while let Some(quic) = &mut self.quic {
            match quic.step(now, out) {
                Ok(None) => break,
                Ok(Some(Said::Open)) => self.open(now, Transport::Quic, out)?,
                Ok(Some(Said::Message(message))) => self.handle_message(message, out)?,
                Ok(Some(_)) => {}
                Err(Broken) => self.lose_quic(now)?,
            }
        }
        Ok(())
    }

    fn heed_webrtc(&mut self, now: Instant, said: Said, out: &mut Outlet<'_>) -> Result<(), Broken> {
        match said {
            Said::Path { source, peer } if self.dialled => {
                if let Some(quic) = &mut self.quic {
                    quic.dial(now, source, peer).or_else(|Broken| self.lose_quic(now))?;
                }
            }
            Said::Open if self.is_pending() => match (self.is_raced, self.dialled) {
                (false, _) => self.open(now, Transport::WebRtc, out)?,
                (true, true) => self.grace = Some(if self.quic.is_some() { now + GRACE } else { now }),
                (true, false) => {}
            },
            Said::Chosen if self.is_raced && !self.dialled && self.is_pending() => {
                self.open(now, Transport::WebRtc, out)?
            }
            Said::Message(message) => self.handle_message(message, out)?,
            Said::Lost(is_lost) if matches!(self.stage, Stage::Open(_)) => {
                self.until = is_lost.then(|| now + PATIENCE);
            }
            Said::Over => self.is_over = true,
            Said::Path { .. } | Said::Open | Said::Chosen | Said::Lost(_) => {}
        }
        Ok(())
    }

    /// QUIC is no good. That is the end of it if it was the link; if not, WebRTC has nothing to wait for.
    fn lose_quic(&mut self, now: Instant) -> Result<(), Broken> {
        self.quic = None;
        self.grace = self.grace.map(|_| now);
        if self.webrtc.is_some() { Ok(()) } else { Err(Broken) }
    }

    /// It is open, on this transport. Of the other nothing is left.
    fn open(&mut self, now: Instant, on: Transport, out: &mut Outlet<'_>) -> Result<(), Broken> {
        match on {
            Transport::WebRtc => {
                let low = self.queue.low_water();
                self.webrtc.as_mut().map_or(Err(Broken), |webrtc| webrtc.tell_below(low))?;
                if let Some(mut quic) = self.quic.take() {
                    quic.say_farewell(now, out);
                }
            }
            // Without a farewell, which could come before the news.
            Transport::Quic => self.webrtc = None,
        }
        let link = out.new_link();
        self.stage = Stage::Open(link);
        (self.until, self.grace) = (None, None);
        self.owes_dial = false;
        let offer_id = self.offer_id.clone();
        out.event(Event::Up { link, peer: self.peer, dialled: self.dialled, offer_id });
        for message in std::mem::take(&mut self.early).into_iter().filter(|_| on == Transport::WebRtc) {
            out.event(Event::Message(link, message));
        }
        Ok(())
    }

    fn handle_message(&mut self, message: Bytes, out: &mut Outlet<'_>) -> Result<(), Broken> {
        if let Stage::Open(link) = self.stage {
            out.event(Event::Message(link, message));
        } else if self.is_pending() {
            // Of the side that did not open the channel, this may come before the confirmation.
            let held: usize = self.early.iter().map(Bytes::len).sum();
            if held + message.len() > EARLY_BYTES {
                return Err(Broken);
            }
            self.early.push(message);
        }
        Ok(())
    }

    /// Gives the transport the next message, if it takes it; whether it did.
    fn write_next(&mut self) -> Result<bool, Broken> {
        if self.is_pending() || self.queue.is_empty() {
            return Ok(false);
        }
        let buffered = self.buffered();
        let Some(message) = self.queue.next(buffered) else { return Ok(false) };
        let is_taken = match (&mut self.webrtc, &mut self.quic) {
            (Some(webrtc), _) => webrtc.write(message)?,
            (None, Some(quic)) => quic.write(message)?,
            (None, None) => false,
        };
        if is_taken {
            self.queue.pop();
        }
        Ok(is_taken)
    }

    fn close(&mut self, now: Instant) -> Result<(), Broken> {
        self.stage = Stage::Closing;
        self.until = Some(now + LINGER);
        self.queue.clear();
        if let Some(quic) = &mut self.quic {
            quic.close(now)?;
        }
        self.webrtc.as_mut().map_or(Ok(()), WebRtc::close)
    }

    /// Bytes that the transport has and the other side has not acknowledged.
    fn buffered(&mut self) -> usize {
        match (&mut self.webrtc, &self.quic) {
            (Some(webrtc), _) => webrtc.buffered(),
            (None, Some(quic)) => quic.buffered(),
            (None, None) => 0,
        }
    }
}
