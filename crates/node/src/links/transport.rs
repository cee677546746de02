//! What a connection hears from its transports, and which of them a link has.

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// What carries a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A WebRTC data channel: everybody speaks that.
    WebRtc,
    /// A QUIC stream, between two peers without a browser.
    Quic,
}

/// Open links, by what carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transports {
    /// WebRTC data channels.
    pub webrtc: usize,
    /// QUIC streams.
    pub quic: usize,
}

/// What a transport says.
#[derive(Debug)]
pub(super) enum Said {
    /// The way to the peer is known: from this address of ours to that one. Said once, by WebRTC.
    Path { source: IpAddr, peer: SocketAddr },
    /// It could carry the link. Of QUIC: it does, both sides agree.
    Open,
    /// The side that offered has chosen this one. Said by WebRTC.
    Chosen,
    /// A message came.
    Message(Bytes),
    /// Whether the peer is not heard any more. It may come back.
    Lost(bool),
    /// The peer has ended it.
    Over,
}
