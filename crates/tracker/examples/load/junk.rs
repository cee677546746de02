//! What no client sends: messages that are no announces, and bytes that are no frames.

use crate::frame::{Opcode, frame};

/// One kind of nonsense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Junk {
    RandomBytes,
    CutJson,
    DeepNesting,
    WrongTypes,
    HugeString,
    NotUtf8,
    ReservedBits,
    UnknownOpcode,
    Unmasked,
    HugeClaim,
    EndlessFragments,
    TinyFragments,
    DeflateBomb,
    StrayContinuation,
    LongPing,
}

/// All kinds.
pub const ALL: [Junk; 15] = [
    Junk::RandomBytes,
    Junk::CutJson,
    Junk::DeepNesting,
    Junk::WrongTypes,
    Junk::HugeString,
    Junk::NotUtf8,
    Junk::ReservedBits,
    Junk::UnknownOpcode,
    Junk::Unmasked,
    Junk::HugeClaim,
    Junk::EndlessFragments,
    Junk::TinyFragments,
    Junk::DeflateBomb,
    Junk::StrayContinuation,
    Junk::LongPing,
];

const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];

const ANNOUNCE: &str = r#"{"action":"announce","info_hash":"lgswarm-900000000000","peer_id":"-LG0001-700000000000","offers":[{"offer_id":"lgo-0000000000000000","offer":{"type":"offer","sdp":"v=0"}}]}"#;

/// Values that are wrong nearly everywhere.
const VALUES: [&str; 8] = ["null", "true", "-1e999", "[]", "{}", "\"\\ud800\"", "[[[[]]]]", "\"\""];

const FIELDS: [&str; 8] =
    ["action", "info_hash", "peer_id", "event", "left", "numwant", "offers", "to_peer_id"];

impl Junk {
    /// Its bytes as they go out after the handshake; `number` makes them differ.
    pub fn bytes(self, number: u64) -> Vec<u8> {
        let text = |text: &[u8]| frame(Opcode::Text, text, MASK);
        let at = number as usize;
        match self {
            Self::RandomBytes => {
                let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                let mut random = || {
                    bits ^= bits << 13;
                    bits ^= bits >> 7;
                    bits ^= bits << 17;
                    bits as u8
                };
                (0..512).map(|_| random()).collect()
            }
            Self::CutJson => text(&ANNOUNCE.as_bytes()[..at % ANNOUNCE.len()]),
            Self::DeepNesting => text(&b"[{\"a\":".repeat(10_000)),
            Self::WrongTypes => {
                let (field, value) = (FIELDS[at % FIELDS.len()], VALUES[at / FIELDS.len() % VALUES.len()]);
                // Of a repeated field the last counts.
                text(format!("{},\"{field}\":{value}}}", &ANNOUNCE[..ANNOUNCE.len() - 1]).as_bytes())
            }
            Self::HugeString => {
                let long = "\\u0041".repeat(10_000);
                text(format!("{{\"action\":\"announce\",\"info_hash\":\"{long}\"}}").as_bytes())
            }
            Self::NotUtf8 => text(&[b'"', 0xff, 0xfe, 0xc0, 0x80, b'"']),
            Self::ReservedBits => altered(text(b"{}"), 0x70),
            Self::UnknownOpcode => altered(text(b"{}"), 0x02),
            Self::Unmasked => b"\x81\x02{}".to_vec(),
            Self::HugeClaim => [&[0x81, 0xff], &u64::MAX.to_be_bytes()[..], &MASK, b"{}"].concat(),
            Self::EndlessFragments => {
                let first = altered(text(&[b' '; 1000]), 0x80);
                let next = altered(frame(Opcode::Continuation, &[b' '; 1000], MASK), 0x80);
                [first, next.repeat(100)].concat()
            }
            Self::TinyFragments => {
                let first = altered(text(b" "), 0x80);
                let next = altered(frame(Opcode::Continuation, b" ", MASK), 0x80);
                [first, next.repeat(10_000)].concat()
            }
            // A block of DEFLATE that says "again" all the time, in a frame that says it is compressed (RFC 7692).
            Self::DeflateBomb => altered(text(&[&[0xec, 0xc1][..], &[0; 4000]].concat()), 0x40),
            Self::StrayContinuation => frame(Opcode::Continuation, b"{}", MASK),
            Self::LongPing => frame(Opcode::Ping, &[0; 126], MASK),
        }
    }
}

/// With some bits of the first byte turned.
fn altered(mut frame: Vec<u8>, bits: u8) -> Vec<u8> {
    frame[0] ^= bits;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_makes_bytes_and_the_changing_ones_change() {
        for junk in ALL {
            assert!(!junk.bytes(1).is_empty(), "{junk:?}");
        }
        for junk in [Junk::RandomBytes, Junk::CutJson, Junk::WrongTypes] {
            assert_ne!(junk.bytes(1), junk.bytes(2), "{junk:?}");
        }
    }

    #[test]
    fn wrong_types_are_json_all_the_same() {
        for number in 0..64 {
            let frame = Junk::WrongTypes.bytes(number);
            let text: Vec<u8> =
                frame[8..].iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            let json = serde_json::from_slice::<serde::de::IgnoredAny>(&text);
            assert!(json.is_ok(), "{}", String::from_utf8_lossy(&text));
        }
    }
}
