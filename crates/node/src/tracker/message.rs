//! What is said to a tracker, and what is understood of what it says.
//!
//! The invariant: a message means something only if it is about our swarm, letter by letter, and every name in it is 20
//! bytes. All else is nothing, not an error.

use std::time::Duration;

use access::Challenge;
use rendezvous::{OfferId, PeerId as Name};
use serde_json::{Value, json};
use swarm::PeerId;

use crate::tracker::Role;

/// Longest message taken in, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Most candidates taken from one reply.
const MAX_CANDIDATES: usize = 50;
/// Most characters of a tracker's complaint that are shown.
const MAX_REASON_CHARS: usize = 200;

/// Which of the two session descriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Offer,
    Answer,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
        }
    }
}

/// A session description on its way; `peer` is whom it is for, or whom it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) kind: Kind,
    pub(super) peer: PeerId,
    pub(super) offer_id: OfferId,
    pub(super) sdp: String,
}

/// What a tracker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The answer to an announce.
    Reply {
        /// How often to announce.
        interval: Option<Duration>,
        /// Others in the swarm.
        others: Option<u32>,
        /// Whether we may upload, by the rules of where we are.
        may_upload: bool,
        /// `None`: it names nobody, as classic trackers do.
        candidates: Option<Vec<PeerId>>,
        /// When the membership ends, in seconds since 1970; `None`: it does not.
        until_unix_secs: Option<u64>,
        /// Another tracker of the same cluster, which has the swarm.
        go_to: Option<String>,
    },
    Signal(Signal),
    /// What is to be signed with a token.
    Challenge(Challenge),
    /// Something was refused: an offer or an answer if it has an id, else the announce.
    Refused {
        offer_id: Option<OfferId>,
        reason: String,
        /// The code, where it is for want of right, and the challenge if that came along.
        denied: Option<(String, Option<Challenge>)>,
    },
}

/// What lets us in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) token: String,
    pub(super) proof: String,
}

/// What a tracker says when it lets us go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Farewell {
    /// How long to stay away; a minute or two, whatever it says.
    pub(super) retry: Option<Duration>,
    pub(super) go_to: Option<String>,
}

impl Farewell {
    /// Longest time to stay away.
    const RETRY_MOST: Duration = Duration::from_secs(150);

    /// Reads the reason of a close frame; most trackers have none that means anything here.
    pub(super) fn read(reason: &str) -> Self {
        let Ok(said) = serde_json::from_str::<Value>(reason) else { return Self::default() };
        let retry =
            said["retry ms"].as_u64().map(|millis| Duration::from_millis(millis).min(Self::RETRY_MOST));
        Self { retry, go_to: said["go to"].as_str().map(str::to_owned) }
    }
}

/// Ourselves in our swarm, as it is written in messages.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    info_hash: String,
    peer_id: String,
    peer: PeerId,
    role: Role,
    upload_kbps: u32,
}

impl Identity {
    pub(super) fn new(info_hash: &[u8; 20], peer: PeerId) -> Self {
        let (info_hash, peer_id) = (binary_string(info_hash), binary_string(&peer.0));
        Self { info_hash, peer_id, peer, role: Role::default(), upload_kbps: 0 }
    }

    /// The same, with what it says of itself.
    pub(super) fn with(self, role: Role, upload_kbps: u32) -> Self {
        Self { role, upload_kbps, ..self }
    }

    /// An announce that asks for candidates; `is_first` since the connection is there.
    pub(super) fn announce(&self, is_first: bool, want: u32, ticket: Option<Ticket>) -> String {
        let mut message = self.presence();
        if is_first {
            message["event"] = "started".into();
        }
        message["offers"] = json!([]);
        message["want"] = want.into();
        message["role"] = self.role.name().into();
        if self.upload_kbps > 0 {
            message["upload_kbps"] = self.upload_kbps.into();
        }
        if let Some(Ticket { token, proof }) = ticket {
            (message["token"], message["proof"]) = (token.into(), proof.into());
        }
        message.to_string()
    }

    pub(super) fn stopped(&self) -> String {
        let mut message = self.presence();
        message["event"] = "stopped".into();
        message.to_string()
    }

    pub(super) fn signal(&self, signal: &Signal) -> String {
        let kind = signal.kind.name();
        let mut message = self.own();
        message["to_peer_id"] = binary_string(&signal.peer.0).into();
        message["offer_id"] = binary_string(&signal.offer_id.0).into();
        message[kind] = json!({"type": kind, "sdp": signal.sdp});
        message.to_string()
    }

    fn own(&self) -> Value {
        json!({"action": "announce", "info_hash": self.info_hash, "peer_id": self.peer_id})
    }

    /// What was moved is nobody's business but the viewers': the tracker is told nothing. `left` above 0: a viewer.
    fn presence(&self) -> Value {
        let mut message = self.own();
        for (field, value) in [("uploaded", 0), ("downloaded", 0), ("left", 1), ("numwant", 0)] {
            message[field] = value.into();
        }
        message
    }

    /// What a tracker means, if anything.
    pub(super) fn read(&self, text: &str) -> Option<Message> {
        if text.len() > MAX_MESSAGE_BYTES {
            return None;
        }
        let message: Value = serde_json::from_str(text).ok()?;
        let challenge = message["challenge"].as_str().and_then(Challenge::parse);
        if message["action"] == "challenge" {
            return challenge.map(Message::Challenge);
        }
        if message["action"] != "announce" || message["info_hash"] != self.info_hash.as_str() {
            return None;
        }
        let offer_id = message["offer_id"].as_str().map(OfferId::from_binary);
        if let Some(reason) = message["failure reason"].as_str() {
            let reason = reason.chars().take(MAX_REASON_CHARS).collect();
            let code = message["denied"].as_str().map(|code| code.chars().take(MAX_REASON_CHARS).collect());
            let denied = code.map(|code| (code, challenge));
            return Some(Message::Refused { offer_id: offer_id.transpose().ok()?, reason, denied });
        }
        if is_there(&message["offer"]) || is_there(&message["answer"]) {
            let offer_id = offer_id?.ok()?;
            let peer = self.other(&message["peer_id"])?;
            let signal = |kind: Kind| {
                let description = &message[kind.name()];
                let sdp = description["sdp"].as_str().filter(|sdp| !sdp.is_empty())?.to_owned();
                (description["type"] == kind.name()).then_some(Signal { kind, peer, offer_id, sdp })
            };
            return signal(Kind::Offer).or_else(|| signal(Kind::Answer)).map(Message::Signal);
        }
        Some(self.reply(&message))
    }

    fn reply(&self, message: &Value) -> Message {
        let number = |field: &str| message[field].as_f64();
        let interval = number("interval").filter(|&seconds| seconds > 0.0);
        let others = number("complete").zip(number("incomplete"));
        let candidates = message["candidates"].as_array();
        Message::Reply {
            interval: interval.map(|seconds| Duration::from_secs_f64(seconds.clamp(5.0, 3600.0))),
            // We are counted ourselves. The cast saturates.
            others: others.map(|(complete, incomplete)| (complete + incomplete - 1.0) as u32),
            may_upload: message["upload"] != false,
            candidates: candidates.map(|all| {
                let mut peers = Vec::new();
                for peer in all.iter().filter_map(|name| self.other(name)) {
                    if peers.len() < MAX_CANDIDATES && !peers.contains(&peer) {
                        peers.push(peer);
                    }
                }
                peers
            }),
            until_unix_secs: message["token_until"].as_u64(),
            go_to: message["go to"].as_str().map(str::to_owned),
        }
    }

    /// The name of another peer.
    fn other(&self, name: &Value) -> Option<PeerId> {
        let peer = PeerId(Name::from_binary(name.as_str()?).ok()?.0);
        (peer != self.peer).then_some(peer)
    }
}

/// What JavaScript takes for true, as far as it occurs.
fn is_there(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// One code point for each byte.
pub(super) fn binary_string(bytes: &[u8; 20]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWARM: [u8; 20] = [0, 9, 34, 92, 127, 128, 200, 255, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];

    fn peer(n: u8) -> PeerId {
        PeerId([n; 20])
    }

    fn ours() -> Identity {
        Identity::new(&SWARM, peer(1))
    }

    fn about(fields: Value) -> String {
        let mut message = json!({"action": "announce", "info_hash": binary_string(&SWARM)});
        for (field, value) in fields.as_object().unwrap() {
            message[field] = value.clone();
        }
        message.to_string()
    }

    fn signal(kind: Kind) -> Signal {
        Signal { kind, peer: peer(0xfe), offer_id: OfferId([0xff; 20]), sdp: "v=0\r\n\"".into() }
    }

    #[test]
    fn what_is_sent_is_what_the_other_end_reads_of_it() {
        let other = Identity::new(&SWARM, peer(0xfe));
        for kind in [Kind::Offer, Kind::Answer] {
            // A tracker relays it with the same fields, all but the receiver's.
            let read = other.read(&ours().signal(&signal(kind)));
            assert_eq!(read, Some(Message::Signal(Signal { peer: peer(1), ..signal(kind) })));
            assert_eq!(ours().read(&ours().signal(&signal(kind))), None, "never from ourselves");
        }
    }

    #[test]
    fn an_announce_says_what_we_are_there_for_and_what_we_give_if_that_is_known() {
        let said =
            |identity: Identity| serde_json::from_str::<Value>(&identity.announce(true, 3, None)).unwrap();
        let edge = said(ours().with(Role::Edge, 8000));
        assert_eq!((&edge["role"], &edge["upload_kbps"]), (&json!("edge"), &json!(8000)));
        let viewer = said(ours());
        assert_eq!((&viewer["role"], &viewer["upload_kbps"]), (&json!("viewer"), &Value::Null));
    }

    #[test]
    fn figures_out_of_all_bounds_are_brought_into_them() {
        let read = |fields| match ours().read(&about(fields)) {
            Some(Message::Reply { interval, others, .. }) => (interval.map(|it| it.as_secs()), others),
            other => panic!("{other:?}"),
        };
        assert_eq!(read(json!({"interval": 0.1, "complete": 0, "incomplete": 0})), (Some(5), Some(0)));
        assert_eq!(
            read(json!({"interval": 1e300, "complete": 1e300, "incomplete": 2})),
            (Some(3600), Some(u32::MAX))
        );
        assert_eq!(read(json!({"interval": -1, "complete": -5, "incomplete": 2})), (None, Some(0)));
        assert_eq!(read(json!({"interval": "120", "complete": 3})), (None, None));
    }

    #[test]
    fn only_a_plain_no_keeps_us_from_uploading() {
        let read = |fields| match ours().read(&about(fields)) {
            Some(Message::Reply { may_upload, .. }) => may_upload,
            other => panic!("{other:?}"),
        };
        assert!(!read(json!({"upload": false})));
        for other in [json!({}), json!({"upload": true}), json!({"upload": 0}), json!({"upload": null})] {
            assert!(read(other.clone()), "{other}");
        }
    }

    #[test]
    fn of_the_candidates_fifty_are_taken_each_once_and_never_ourselves() {
        let mut names: Vec<Value> = (0..100u8).map(|n| binary_string(&[n / 2; 20]).into()).collect();
        names.extend([json!(7), json!("short"), json!("\u{100}".repeat(20)), Value::Null]);
        let Some(Message::Reply { candidates: Some(peers), .. }) =
            ours().read(&about(json!({"candidates": names})))
        else {
            panic!()
        };
        assert_eq!(peers, (0..50).filter(|&n| n != 1).map(peer).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_for_us_means_nothing() {
        let id = binary_string(&[2; 20]);
        let offer = json!({"type": "offer", "sdp": "v=0"});
        for fields in [
            json!({"action": "scrape"}),
            json!({"info_hash": binary_string(&[1; 20])}),
            json!({"info_hash": 7}),
            json!({"peer_id": id, "offer_id": "short", "offer": offer}),
            json!({"peer_id": id, "offer": offer}),
            json!({"offer_id": id, "offer": offer}),
            json!({"peer_id": id, "offer_id": id, "offer": "v=0"}),
            json!({"peer_id": id, "offer_id": id, "offer": {"type": "answer", "sdp": "v=0"}}),
            json!({"peer_id": id, "offer_id": id, "answer": {"type": "answer", "sdp": 1}}),
            json!({"failure reason": "no", "offer_id": "short"}),
        ] {
            assert_eq!(ours().read(&about(fields.clone())), None, "{fields}");
        }
        for text in ["", "null", "[]", "7", "{", "\u{0}"] {
            assert_eq!(ours().read(text), None, "{text}");
        }
        assert_eq!(ours().read(&"[".repeat(60_000)), None);
        assert_eq!(ours().read(&about(json!({"more": "x".repeat(70_000)}))), None);
    }

    #[test]
    fn a_farewell_says_when_and_where_and_most_say_nothing() {
        let read = Farewell::read(r#"{"retry ms":1500,"go to":"wss://other.example/"}"#);
        assert_eq!(read.retry, Some(Duration::from_millis(1500)));
        assert_eq!(read.go_to.as_deref(), Some("wss://other.example/"));
        assert_eq!(Farewell::read(r#"{"retry ms":86400000}"#).retry, Some(Farewell::RETRY_MOST));
        for reason in ["", "the tracker is going away", "7", "[]", r#"{"retry ms":-1}"#, r#"{"go to":7}"#] {
            assert_eq!(Farewell::read(reason), Farewell::default(), "{reason}");
        }
    }

    #[test]
    fn a_refusal_says_what_was_refused() {
        let reason = "no such peer ".repeat(100);
        let id = binary_string(&[9; 20]);
        let read = ours().read(&about(json!({"failure reason": reason, "offer_id": id})));
        let Some(Message::Refused { offer_id, reason, .. }) = read else { panic!() };
        assert_eq!((offer_id, reason.len()), (Some(OfferId([9; 20])), 200));
    }
}
