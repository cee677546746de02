//! One connection: its WebRTC stack, and what waits to be sent. Invariant: whatever its peer sends, the worst that happens is
//! that this connection is [`Broken`]; errors and panics of the stack end here.

use super::Event;
use super::demux::Id;
use super::outlet::Outlet;
use super::queue::Queue;
use super::stack::{Broken, Common, guard};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::{IceConnectionState, Input, Output, Rtc};
use swarm::{Link, PeerId};

/// When a message that did not fit is tried again, should nothing else happen.
const RETRY: Duration = Duration::from_millis(100);
/// A path that fails may come back within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what is queued may still go out when a link is hung up.
const LINGER: Duration = Duration::from_millis(100);
/// What a peer may send before the channel is confirmed to be open, bytes.
const EARLY_BYTES: usize = 256 * 1024;
/// What the stack may say after it was closed: datagrams and events.
const FAREWELL_STEPS: usize = 256;
/// Data channels a peer may open, although only the first is used.
const CHANNELS: usize = 4;

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
    /// Where the data goes out that it sends now.
    pub source: Option<SocketAddr>,
    rtc: Box<Rtc>,
    ufrag: String,
    channel: Option<ChannelId>,
    channels: usize,
    stack_deadline: Instant,
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
        let (mut rtc, ufrag) = common.stack(now)?;
        let (offer, pending, channel) = guard(|| {
            let mut api = rtc.sdp_api();
            let channel = api.add_channel(offer_id.clone());
            let (offer, pending) = api.apply().ok_or("no offer")?;
            Ok::<_, &str>((offer.to_sdp_string(), pending, channel))
        })?;
        let mut connection = Self::new(now, common, rtc, ufrag, peer, offer_id, Stage::Offered(pending));
        connection.channel = Some(channel);
        connection.dialled = true;
        connection.owes_dial = true;
        connection.handle_timeout(now)?;
        Ok((connection, offer))
    }

    /// A connection that begins with a stranger's offer; and the answer.
    pub fn accept(
        now: Instant,
        common: &Common<'_>,
        peer: PeerId,
        offer_id: String,
        sdp: &str,
    ) -> Result<(Self, String), Broken> {
        let offer = guard(|| SdpOffer::from_sdp_string(sdp))?;
        let (mut rtc, ufrag) = common.stack(now)?;
        let answer = guard(|| Ok::<_, str0m::RtcError>(rtc.sdp_api().accept_offer(offer)?.to_sdp_string()))?;
        let mut connection = Self::new(now, common, rtc, ufrag, peer, offer_id, Stage::Connecting);
        // The stack has no clock before: it would not send the first check, nor ask to be woken for it.
        connection.handle_timeout(now)?;
        Ok((connection, answer))
    }

    fn new(
        now: Instant,
        common: &Common<'_>,
        rtc: Box<Rtc>,
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
            source: None,
            rtc,
            ufrag,
            channel: None,
            channels: 0,
            stack_deadline: now,
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

    /// Whether it is not open yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Offered(_) | Stage::Connecting)
    }

    /// Whether its credentials verify this input.
    pub fn accepts(&self, input: &Input<'_>) -> bool {
        guard(|| Ok::<_, Broken>(self.rtc.accepts(input))).unwrap_or(false)
    }

    /// The answer to the offer that began it.
    pub fn handle_answer(&mut self, now: Instant, sdp: &str) -> Result<(), Broken> {
        match std::mem::replace(&mut self.stage, Stage::Connecting) {
            Stage::Offered(pending) => {
                let answer = guard(|| SdpAnswer::from_sdp_string(sdp))?;
                guard(|| self.rtc.sdp_api().accept_answer(pending, answer))?;
                self.handle_timeout(now)
            }
            other => {
                self.stage = other;
                Ok(())
            }
        }
    }

    /// A datagram that is its own. Poll it within a few.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Broken> {
        self.unpolled += 1;
        guard(|| self.rtc.handle_input(input))
    }

    /// Its deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Broken> {
        if self.until.is_some_and(|until| until <= now) {
            match self.stage {
                Stage::Leaving => self.close(now)?,
                _ => return Err(Broken),
            }
        }
        guard(|| self.rtc.handle_input(Input::Timeout(now)))
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

    /// Gives out all that the stack has to send and to report.
    pub fn poll(&mut self, now: Instant, out: &mut Outlet<'_>) -> Result<(), Broken> {
        self.unpolled = 0;
        self.drain(now, out)?;
        while self.write_next()? {
            self.drain(now, out)?;
        }
        if let Stage::Open(link) = self.stage {
            let buffered = self.buffered();
            if let Some(room) = self.queue.room_to_tell(buffered) {
                out.event(Event::Room(link, room));
            }
        }
        if matches!(self.stage, Stage::Leaving) && self.queue.is_empty() && self.buffered() == 0 {
            self.close(now)?;
            self.drain(now, out)?;
        }
        let retry = (!self.queue.is_empty()).then(|| now + RETRY);
        self.deadline = [self.until, retry].into_iter().flatten().fold(self.stack_deadline, Instant::min);
        let is_alive = guard(|| Ok::<_, Broken>(self.rtc.is_alive()))?;
        if is_alive && !self.is_over { Ok(()) } else { Err(Broken) }
    }

    /// Tells the other side that it is over, as far as the stack still can.
    pub fn say_farewell(&mut self, out: &mut Outlet<'_>) {
        let _ = guard(|| {
            self.rtc.close()?;
            for _ in 0..FAREWELL_STEPS {
                match self.rtc.poll_output()? {
                    Output::Timeout(_) => break,
                    Output::Transmit(datagram) => out.transmit(datagram),
                    Output::Event(_) => {}
                }
            }
            Ok::<_, str0m::RtcError>(())
        });
    }

    /// Polls the stack until it has nothing more.
    fn drain(&mut self, now: Instant, out: &mut Outlet<'_>) -> Result<(), Broken> {
        loop {
            match guard(|| self.rtc.poll_output())? {
                Output::Timeout(at) => {
                    self.stack_deadline = at;
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    if datagram.contents.first().is_some_and(|first| *first >= 20) {
                        self.source = Some(datagram.source);
                    }
                    out.transmit(datagram);
                }
                Output::Event(event) => self.handle_event(now, event, out)?,
            }
        }
    }

    fn handle_event(
        &mut self,
        now: Instant,
        event: str0m::Event,
        out: &mut Outlet<'_>,
    ) -> Result<(), Broken> {
        use str0m::Event as Stack;
        match event {
            Stack::ChannelOpen(id, _) => {
                self.channels += 1;
                if self.channels > CHANNELS {
                    return Err(Broken);
                }
                if *self.channel.get_or_insert(id) == id && self.is_pending() {
                    self.handle_open(id, out)?;
                }
            }
            Stack::ChannelData(data) if self.channel == Some(data.id) && data.binary => {
                self.handle_message(data.data.into(), out)?;
            }
            Stack::ChannelClose(id) if self.channel == Some(id) => self.is_over = true,
            Stack::IceConnectionStateChange(state) if matches!(self.stage, Stage::Open(_)) => {
                let is_lost = state == IceConnectionState::Disconnected;
                self.until = is_lost.then(|| now + PATIENCE);
            }
            // The stack says farewell by itself: what it has to send for that, it gives out next.
            Stack::Closed => self.is_over = true,
            _ => {}
        }
        Ok(())
    }

    fn handle_open(&mut self, channel: ChannelId, out: &mut Outlet<'_>) -> Result<(), Broken> {
        let low = self.queue.low_water();
        guard(|| {
            if let Some(mut channel) = self.rtc.channel(channel) {
                channel.set_buffered_amount_low_threshold(low);
            }
            Ok::<_, Broken>(())
        })?;
        let link = out.new_link();
        self.stage = Stage::Open(link);
        self.until = None;
        self.owes_dial = false;
        let offer_id = self.offer_id.clone();
        out.event(Event::Up { link, peer: self.peer, dialled: self.dialled, offer_id });
        for message in std::mem::take(&mut self.early) {
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

    /// Gives the stack the next message, if it takes it; whether it did.
    fn write_next(&mut self) -> Result<bool, Broken> {
        let Some(id) = self.channel.filter(|_| !self.is_pending() && !self.queue.is_empty()) else {
            return Ok(false);
        };
        let is_taken = guard(|| match self.rtc.channel(id) {
            // The stack is about to close.
            None => Ok(false),
            Some(mut channel) => match self.queue.next(channel.buffered_amount()) {
                None => Ok(false),
                Some(message) => channel.write(true, message),
            },
        })?;
        if is_taken {
            self.queue.pop();
        }
        Ok(is_taken)
    }

    fn close(&mut self, now: Instant) -> Result<(), Broken> {
        self.stage = Stage::Closing;
        self.until = Some(now + LINGER);
        self.queue.clear();
        guard(|| self.rtc.close())
    }

    /// Bytes that the stack has and the other side has not acknowledged.
    fn buffered(&mut self) -> usize {
        let Some(id) = self.channel else { return 0 };
        guard(|| Ok::<_, Broken>(self.rtc.channel(id).map_or(0, |mut channel| channel.buffered_amount())))
            .unwrap_or(0)
    }
}
