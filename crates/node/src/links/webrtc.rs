//! WebRTC as one of the transports of a connection: one reliable, ordered data channel. Invariant: what the stack does wrong
//! ends here, as [`Broken`].

use super::outlet::Outlet;
use super::stack::{Broken, Common, guard};
use super::transport::Said;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Transmit};
use str0m::{IceConnectionState, Input, Output, Rtc};

/// What the stack may say after it was closed: datagrams and events.
const FAREWELL_STEPS: usize = 256;
/// Data channels a peer may open, although only the first is used.
const CHANNELS: usize = 4;
/// What says that the link is this channel and not QUIC: the first message of the side that offered, and the only text.
const CHOSEN: &[u8] = b"webrtc";

/// The stack of one connection.
pub(super) struct WebRtc {
    rtc: Box<Rtc>,
    channel: Option<ChannelId>,
    channels: usize,
    deadline: Instant,
    has_path: bool,
    /// Where the data goes out that it sends now.
    source: Option<SocketAddr>,
}

impl WebRtc {
    /// One that begins with an offer of ours; its name among requests, the offer, and what waits for the answer.
    pub fn dial(
        now: Instant,
        common: &Common<'_>,
        label: String,
    ) -> Result<(Self, String, String, SdpPendingOffer), Broken> {
        let (mut rtc, ufrag) = common.stack(now)?;
        let (offer, pending, channel) = guard(|| {
            let mut api = rtc.sdp_api();
            let channel = api.add_channel(label);
            let (offer, pending) = api.apply().ok_or("no offer")?;
            Ok::<_, &str>((offer.to_sdp_string(), pending, channel))
        })?;
        let mut webrtc = Self::new(now, rtc);
        webrtc.channel = Some(channel);
        webrtc.handle_timeout(now)?;
        Ok((webrtc, ufrag, offer, pending))
    }

    /// One that begins with a stranger's offer; its name among requests, and the answer.
    pub fn accept(now: Instant, common: &Common<'_>, sdp: &str) -> Result<(Self, String, String), Broken> {
        let offer = guard(|| SdpOffer::from_sdp_string(sdp))?;
        let (mut rtc, ufrag) = common.stack(now)?;
        let answer = guard(|| Ok::<_, str0m::RtcError>(rtc.sdp_api().accept_offer(offer)?.to_sdp_string()))?;
        let mut webrtc = Self::new(now, rtc);
        // The stack has no clock before: it would not send the first check, nor ask to be woken for it.
        webrtc.handle_timeout(now)?;
        Ok((webrtc, ufrag, answer))
    }

    fn new(now: Instant, rtc: Box<Rtc>) -> Self {
        Self { rtc, channel: None, channels: 0, deadline: now, has_path: false, source: None }
    }

    /// The answer to the offer that began it.
    pub fn handle_answer(&mut self, now: Instant, pending: SdpPendingOffer, sdp: &str) -> Result<(), Broken> {
        let answer = guard(|| SdpAnswer::from_sdp_string(sdp))?;
        guard(|| self.rtc.sdp_api().accept_answer(pending, answer))?;
        self.handle_timeout(now)
    }

    /// Whether its credentials verify this input.
    pub fn accepts(&self, input: &Input<'_>) -> bool {
        guard(|| Ok::<_, Broken>(self.rtc.accepts(input))).unwrap_or(false)
    }

    /// A datagram that is its own.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Broken> {
        guard(|| self.rtc.handle_input(input))
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Broken> {
        guard(|| self.rtc.handle_input(Input::Timeout(now)))
    }

    /// When it wants to be woken, as of the last step.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Where the data goes out that it sends now; `None` before there is any.
    pub fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    /// Whether the stack runs at all.
    pub fn is_alive(&self) -> bool {
        guard(|| Ok::<_, Broken>(self.rtc.is_alive())).unwrap_or(false)
    }

    /// Sends all that the stack has to send until it says something; `None` when it has nothing more.
    pub fn step(&mut self, out: &mut Outlet<'_>) -> Result<Option<Said>, Broken> {
        loop {
            match guard(|| self.rtc.poll_output())? {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(None);
                }
                Output::Transmit(datagram) => {
                    if datagram.contents.first().is_some_and(|first| *first >= 20) {
                        self.source = Some(datagram.source);
                    }
                    let is_own = out.socket.is_own(datagram.source);
                    let path = self.first_path(&datagram).filter(|_| is_own);
                    out.transmit(datagram);
                    if let Some((source, peer)) = path {
                        return Ok(Some(Said::Path { source, peer }));
                    }
                }
                Output::Event(event) => {
                    if let Some(said) = self.heed(event)? {
                        return Ok(Some(said));
                    }
                }
            }
        }
    }

    /// The way that ICE has found, as soon as it is used: DTLS goes nowhere else.
    fn first_path(&mut self, datagram: &Transmit) -> Option<(IpAddr, SocketAddr)> {
        let is_dtls = matches!(datagram.contents.first(), Some(20..=63));
        if self.has_path || !is_dtls || datagram.proto != Protocol::Udp {
            return None;
        }
        self.has_path = true;
        Some((datagram.source.ip(), datagram.destination))
    }

    fn heed(&mut self, event: str0m::Event) -> Result<Option<Said>, Broken> {
        use str0m::Event as Stack;
        let said = match event {
            Stack::ChannelOpen(id, _) => {
                self.channels += 1;
                if self.channels > CHANNELS {
                    return Err(Broken);
                }
                (*self.channel.get_or_insert(id) == id).then_some(Said::Open)
            }
            Stack::ChannelData(data) if self.channel == Some(data.id) => match data.binary {
                true => Some(Said::Message(data.data.into())),
                false => (data.data == CHOSEN).then_some(Said::Chosen),
            },
            Stack::ChannelClose(id) if self.channel == Some(id) => Some(Said::Over),
            Stack::IceConnectionStateChange(state) => {
                Some(Said::Lost(state == IceConnectionState::Disconnected))
            }
            // The stack says farewell by itself: what it has to send for that, it gives out next.
            Stack::Closed => Some(Said::Over),
            _ => None,
        };
        Ok(said)
    }

    /// Below so many bytes under way the stack shall say so.
    pub fn tell_below(&mut self, bytes: usize) -> Result<(), Broken> {
        let Some(id) = self.channel else { return Ok(()) };
        guard(|| {
            if let Some(mut channel) = self.rtc.channel(id) {
                channel.set_buffered_amount_low_threshold(bytes);
            }
            Ok::<_, Broken>(())
        })
    }

    /// Tells the other side that this is the link.
    pub fn choose(&mut self) -> Result<(), Broken> {
        match self.put(false, CHOSEN)? {
            true => Ok(()),
            false => Err(Broken),
        }
    }

    /// Gives the stack a message, if it takes it; whether it did.
    pub fn write(&mut self, message: &[u8]) -> Result<bool, Broken> {
        self.put(true, message)
    }

    fn put(&mut self, is_binary: bool, message: &[u8]) -> Result<bool, Broken> {
        let Some(id) = self.channel else { return Ok(false) };
        guard(|| match self.rtc.channel(id) {
            // The stack is about to close.
            None => Ok(false),
            Some(mut channel) => channel.write(is_binary, message),
        })
    }

    /// Bytes that the stack has and the other side has not acknowledged.
    pub fn buffered(&mut self) -> usize {
        let Some(id) = self.channel else { return 0 };
        guard(|| Ok::<_, Broken>(self.rtc.channel(id).map_or(0, |mut channel| channel.buffered_amount())))
            .unwrap_or(0)
    }

    /// Begins to close.
    pub fn close(&mut self) -> Result<(), Broken> {
        guard(|| self.rtc.close())
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
}
