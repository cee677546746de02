//! What a node has to know of a client's message to pass it on: whom it is about. All else is for the owner to judge.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{InfoHash, PeerId};

/// Longest presence that is kept, bytes.
const PRESENCE_BYTES: usize = 2048;

/// A client's message, on the outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    Announce {
        info_hash: InfoHash,
        peer: PeerId,
        stops: bool,
        /// What it shows to be let in, as far as that is text.
        token: Option<String>,
        proof: Option<String>,
        /// An announce of the same member that asks for nothing and offers nothing.
        presence: String,
    },
    /// An offer to one peer, or an answer.
    Signal {
        info_hash: InfoHash,
        peer: PeerId,
        is_answer: bool,
    },
    Scrape(Vec<InfoHash>),
    /// It is about no swarm, or cannot be read: any table will say so.
    Other,
}

/// An announce that ends a membership.
pub(crate) fn stopped(info_hash: InfoHash, peer: PeerId) -> String {
    let mut text = String::from(r#"{"action":"announce","event":"stopped","info_hash":"#);
    info_hash.push_json(&mut text);
    text.push_str(r#","peer_id":"#);
    peer.push_json(&mut text);
    text.push('}');
    text
}

pub(crate) fn scrape(hashes: &[InfoHash]) -> String {
    let mut text = String::from(r#"{"action":"scrape","info_hash":["#);
    for (index, hash) in hashes.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        hash.push_json(&mut text);
    }
    text.push_str("]}");
    text
}

/// Looks at a message of no more than `most` bytes.
pub(crate) fn peek(text: &[u8], most: usize) -> Peek {
    if text.len() > most {
        return Peek::Other;
    }
    match serde_json::from_slice::<Outside<'_>>(text) {
        Ok(outside) => outside.peek().unwrap_or(Peek::Other),
        Err(_) => Peek::Other,
    }
}

#[derive(Default)]
struct Outside<'a> {
    action: Option<&'a RawValue>,
    info_hash: Option<&'a RawValue>,
    peer_id: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    token: Option<&'a RawValue>,
    proof: Option<&'a RawValue>,
    has_offer: bool,
    has_answer: bool,
    presence: String,
}

impl Outside<'_> {
    fn peek(self) -> Option<Peek> {
        let action = text(self.action)?;
        if action == "scrape" {
            let raw = self.info_hash?.get();
            let one = || serde_json::from_str(raw).ok().map(|one| vec![one]);
            return one().or_else(|| serde_json::from_str(raw).ok()).map(Peek::Scrape);
        }
        let info_hash = serde_json::from_str(self.info_hash?.get()).ok()?;
        let peer = serde_json::from_str(self.peer_id?.get()).ok()?;
        if action != "announce" {
            return None;
        }
        if self.has_answer || self.has_offer {
            return Some(Peek::Signal { info_hash, peer, is_answer: self.has_answer });
        }
        let event = text(self.event);
        let mut presence = String::from(r#"{"action":"announce""#);
        if self.presence.len() <= PRESENCE_BYTES {
            presence.push_str(&self.presence);
        }
        for (field, name) in [("info_hash", self.info_hash?), ("peer_id", self.peer_id?)] {
            presence.push_str(&format!(r#","{field}":{}"#, name.get()));
        }
        if event.as_deref() == Some("completed") {
            presence.push_str(r#","left":0"#);
        }
        presence.push('}');
        let stops = event.as_deref() == Some("stopped");
        let [token, proof] = [self.token, self.proof].map(|raw| text(raw).map(Cow::into_owned));
        Some(Peek::Announce { info_hash, peer, stops, token, proof, presence })
    }
}

fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

impl<'de> Deserialize<'de> for Outside<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(OutsideVisitor)
    }
}

struct OutsideVisitor;

impl<'de> Visitor<'de> for OutsideVisitor {
    type Value = Outside<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outside<'de>, A::Error> {
        let mut outside = Outside::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let value = map.next_value::<&'de RawValue>()?;
            let there = (value.get() != "null").then_some(value);
            match &*key {
                "action" => outside.action = there,
                "info_hash" => outside.info_hash = there,
                "peer_id" => outside.peer_id = there,
                "event" => outside.event = there,
                "token" => outside.token = there,
                "proof" => outside.proof = there,
                "offer" => outside.has_offer = there.is_some(),
                "answer" => outside.has_answer = there.is_some(),
                // What is asked for, and what is true for a moment only.
                "offers" | "want" | "numwant" | "position_ms" | "to_peer_id" | "offer_id" => {}
                // What classic clients count and nobody looks at.
                "uploaded" | "downloaded" => {}
                other if outside.presence.len() <= PRESENCE_BYTES => {
                    let key = serde_json::Value::from(other);
                    outside.presence.push_str(&format!(",{key}:{}", value.get()));
                }
                _ => {}
            }
        }
        Ok(outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILM: &str = "film----------------";
    const ANN: &str = "-BC0001-000000000001";

    fn look(text: &str) -> Peek {
        peek(text.as_bytes(), 64 * 1024)
    }

    #[test]
    fn of_an_announce_the_presence_is_kept_without_what_it_asks_for() {
        let text = format!(
            r#"{{"action":"announce","info_hash":"{FILM}","peer_id":"{ANN}","event":"completed","want":5,"left":3,
            "offers":[{{"offer":{{"sdp":"..."}}}}],"role":"seed","pass":"a\"b","uploaded":7}}"#
        );
        let Peek::Announce { presence, stops: false, .. } = look(&text) else { panic!("{text}") };
        let read: serde_json::Value = serde_json::from_str(&presence).unwrap();
        let wanted = serde_json::json!({
            "action": "announce", "info_hash": FILM, "peer_id": ANN, "left": 0, "role": "seed", "pass": "a\"b"
        });
        assert_eq!(read, wanted);
        assert!(
            matches!(look(&presence), Peek::Announce { presence: again, .. } if again.len() == presence.len())
        );
        assert!(matches!(
            look(&stopped(InfoHash(*b"film----------------"), PeerId([0xff; 20]))),
            Peek::Announce { stops: true, peer: PeerId([0xff, ..]), .. }
        ));
    }

    #[test]
    fn a_presence_is_not_made_long_by_fields_that_nobody_knows() {
        let text = format!(
            r#"{{"action":"announce","info_hash":"{FILM}","peer_id":"{ANN}","more":"{}"}}"#,
            "x".repeat(50_000)
        );
        let Peek::Announce { presence, .. } = look(&text) else { panic!() };
        assert!(presence.len() < 200, "{presence}");
    }

    #[test]
    fn signals_and_scrapes_are_told_apart_and_all_else_is_for_any_table() {
        let signal = |what: &str| {
            look(&format!(
                r#"{{"action":"announce","info_hash":"{FILM}","peer_id":"{ANN}","{what}":{{"type":"{what}"}}}}"#
            ))
        };
        assert!(matches!(signal("offer"), Peek::Signal { is_answer: false, .. }));
        assert!(matches!(signal("answer"), Peek::Signal { is_answer: true, .. }));
        let hashes = [InfoHash([1; 20]), InfoHash([2; 20])];
        assert_eq!(look(&scrape(&hashes)), Peek::Scrape(hashes.to_vec()));
        assert_eq!(
            look(&format!(r#"{{"action":"scrape","info_hash":"{FILM}"}}"#)),
            Peek::Scrape(vec![InfoHash(*b"film----------------")])
        );
        for text in
            ["", "7", "[]", "{", r#"{"action":"scrape"}"#, r#"{"action":"announce","info_hash":"short"}"#]
        {
            assert_eq!(look(text), Peek::Other, "{text}");
        }
        assert_eq!(peek(b"{}", 1), Peek::Other);
    }
}
