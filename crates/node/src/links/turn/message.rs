//! What is said to a TURN server and what it answers (RFC 8656), in the words of the libraries that know STUN. Invariant: a
//! message is read in full only if it answers a request of ours; of others, no more than where a peer's datagram lies in them.

use super::super::demux::attribute;
use super::super::stun::xor_address;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stun_proto::auth::{LongTermClientAuth, LongTermClientValidation};
use stun_proto::types::attribute::{ErrorCode, XorMappedAddress};
use stun_proto::types::message::{Message, MessageClass, MessageWriteVec};
use stun_proto::types::prelude::{MessageWrite, MessageWriteExt};
use turn_types::attribute::{
    ChannelNumber, Data, Lifetime, RequestedTransport, XorPeerAddress, XorRelayedAddress,
};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};

/// The credentials are missing or wrong.
pub(super) const UNAUTHORIZED: u16 = 401;
/// There is no such allocation, or one already.
pub(super) const ALLOCATION_MISMATCH: u16 = 437;
/// This user has as many allocations as it may.
pub(super) const QUOTA_REACHED: u16 = 486;
/// The server has as many as it can.
pub(super) const CAPACITY: u16 = 508;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];
const DATA: u16 = 0x0013;
const XOR_PEER_ADDRESS: u16 = 0x0012;

/// Names a request; its answer bears the same.
pub(super) type Transaction = [u8; 12];

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// An address that it receives at for us.
    Allocate,
    /// To keep the allocation for so long, or to give it up now.
    Refresh(Duration),
    /// To let through what comes from this address.
    Permission(IpAddr),
    /// To let this number stand for this peer.
    Channel(u16, SocketAddr),
}

/// What a request came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To be asked again, signed with what the server said.
    Again,
    /// Granted. What else it says depends on the request.
    Granted { relayed: Option<SocketAddr>, mapped: Option<SocketAddr>, lifetime: Option<Duration> },
    /// Refused, with an error code.
    Refused(u16),
}

/// A request as it is sent, and its name. Nothing if what the server wants us to sign with cannot be put into a message.
pub(super) fn request(auth: &mut LongTermClientAuth, what: Request) -> Option<(Transaction, Vec<u8>)> {
    let method = match what {
        Request::Allocate => ALLOCATE,
        Request::Refresh(_) => REFRESH,
        Request::Permission(_) => CREATE_PERMISSION,
        Request::Channel(..) => CHANNEL_BIND,
    };
    let mut message = Message::builder_request(method, MessageWriteVec::with_capacity(256));
    let id = message.transaction_id();
    match what {
        Request::Allocate => {
            message.add_attribute(&RequestedTransport::new(RequestedTransport::UDP)).ok()?;
        }
        Request::Refresh(span) => {
            let seconds = u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
            message.add_attribute(&Lifetime::new(seconds)).ok()?;
        }
        Request::Permission(ip) => {
            message.add_attribute(&XorPeerAddress::new(SocketAddr::new(ip, 0), id)).ok()?;
        }
        Request::Channel(number, peer) => {
            message.add_attribute(&ChannelNumber::new(number)).ok()?;
            message.add_attribute(&XorPeerAddress::new(peer, id)).ok()?;
        }
    }
    let bytes = auth.sign_outgoing_message(message).ok()?.finish();
    let transaction = bytes.get(8..20)?.try_into().ok()?;
    Some((transaction, bytes))
}

/// The request that a datagram answers, if it is an answer at all.
pub(super) fn answers(datagram: &[u8]) -> Option<Transaction> {
    // The first bits of the methods that are used are none, and an answer has this one in its class.
    let is_answer = datagram.first() == Some(&1) && datagram.get(4..8) == Some(&COOKIE);
    datagram.get(8..20)?.try_into().ok().filter(|_| is_answer)
}

/// Reads the answer to a request of ours. Nothing if it is none, or if it had to be signed and is not: then it is not from
/// the server.
pub(super) fn answer(auth: &mut LongTermClientAuth, was_signed: bool, datagram: &[u8]) -> Option<Answer> {
    let message = Message::from_bytes(datagram).ok().filter(Message::is_response)?;
    let validated = auth.validate_incoming_message(&message);
    if matches!(validated, Ok(LongTermClientValidation::ResendRequest(_))) {
        return Some(Answer::Again);
    }
    let is_proven = validated.is_ok() || !was_signed;
    let id = message.transaction_id();
    match message.class() {
        MessageClass::Error => {
            let code = message.attribute::<ErrorCode>().ok()?.code();
            // Whoever does not know us cannot sign what it says to us.
            (is_proven || code == UNAUTHORIZED).then_some(Answer::Refused(code))
        }
        MessageClass::Success if is_proven => Some(Answer::Granted {
            relayed: message.attribute::<XorRelayedAddress>().ok().map(|value| value.addr(id)),
            mapped: message.attribute::<XorMappedAddress>().ok().map(|value| value.addr(id)),
            lifetime: message
                .attribute::<Lifetime>()
                .ok()
                .map(|value| Duration::from_secs(value.seconds().into())),
        }),
        _ => None,
    }
}

/// A datagram for a peer without a channel, as the server wants it.
pub(super) fn indication(peer: SocketAddr, contents: &[u8]) -> Option<Vec<u8>> {
    let mut message = Message::builder_indication(SEND, MessageWriteVec::with_capacity(64 + contents.len()));
    let id = message.transaction_id();
    message.add_attribute(&XorPeerAddress::new(peer, id)).ok()?;
    message.add_attribute(&Data::new(contents)).ok()?;
    Some(message.finish())
}

/// The peer's datagram in what the server passes on without a channel.
pub(super) fn indicated(datagram: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let is_one = datagram.get(..2) == Some(&DATA_INDICATION) && datagram.get(4..8) == Some(&COOKIE);
    let contents = is_one.then(|| attribute(datagram, DATA)).flatten()?;
    Some((xor_address(datagram, XOR_PEER_ADDRESS)?, contents))
}

/// Puts a datagram for a channel into `frame`. Nothing if it is too long.
pub(super) fn frame(number: u16, contents: &[u8], frame: &mut Vec<u8>) -> Option<()> {
    let length = u16::try_from(contents.len()).ok()?;
    frame.clear();
    frame.extend(number.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame.extend(contents);
    Some(())
}

/// The channel and the peer's datagram in what the server passes on by a channel (RFC 8656, 12.4). It may be padded.
pub(super) fn framed(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = datagram.split_first_chunk::<4>()?;
    let number = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    Some((number, rest.get(..length)?)).filter(|_| super::routes::NUMBERS.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_framed_is_read_again() {
        let mut bytes = Vec::new();
        frame(0x4001, b"abc", &mut bytes).expect("it is short");
        assert_eq!(framed(&bytes), Some((0x4001, &b"abc"[..])));
        bytes.push(0);
        assert_eq!(framed(&bytes), Some((0x4001, &b"abc"[..])), "padded");
        assert_eq!(framed(&bytes[..6]), None);
        assert_eq!(framed(&[0x50, 0, 0, 0]), None, "no number of a channel");
        assert!(frame(0x4001, &[0; 65_536], &mut bytes).is_none());
    }

    #[test]
    fn what_is_indicated_is_read_again() {
        for peer in ["192.0.2.7:4660", "[2001:db8::7]:4660"] {
            let peer = peer.parse().expect("an address");
            let mut bytes = indication(peer, b"abcde").expect("it is short");
            assert_eq!(indicated(&bytes), None, "ours are not theirs");
            bytes[1] = 0x17;
            assert_eq!(indicated(&bytes), Some((peer, &b"abcde"[..])));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..4_usize) {
            let mut bytes = bytes;
            let heads: [&[u8]; 4] = [&[], &[0x01, 0x03, 0, 100], &[0x01, 0x13, 0, 40], &[0x00, 0x17, 0, 60]];
            for (at, byte) in heads[kind].iter().enumerate().filter(|(at, _)| *at < 200) {
                if at < bytes.len() {
                    bytes[at] = *byte;
                }
            }
            if kind > 0 && bytes.len() >= 8 {
                bytes[4..8].copy_from_slice(&COOKIE);
            }
            let mut auth = LongTermClientAuth::new();
            let _ = answer(&mut auth, true, &bytes);
            let _ = answer(&mut auth, false, &bytes);
            let _ = (answers(&bytes), indicated(&bytes), framed(&bytes));
        }
    }
}
