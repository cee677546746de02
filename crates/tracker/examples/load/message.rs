//! What clients say, appended to a frame, and what the tracker says, looked at without decoding it.

use memchr::{memchr, memchr2};

/// An offer's id and a peer's id as they are in JSON: 20 letters, digits and dashes.
pub const NAME: usize = 20;

const PEER: &[u8; 8] = b"-LG0001-";
const OFFER: &[u8; 4] = b"lgo-";
const SWARM: &[u8; 8] = b"lgswarm-";

fn push_name(out: &mut Vec<u8>, prefix: &[u8], number: u64) {
    let start = out.len();
    out.extend(prefix);
    out.resize(start + NAME, b'0');
    let mut left = number;
    for digit in out[start + prefix.len()..].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

fn number(prefix: &[u8], name: &[u8]) -> Option<u64> {
    let digits = name.strip_prefix(prefix).filter(|_| name.len() == NAME)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The connection that a peer's id is of.
pub fn peer_of(name: &[u8]) -> Option<usize> {
    number(PEER, name).and_then(|number| usize::try_from(number).ok())
}

/// The number of an offer's id.
pub fn offer_of(name: &[u8]) -> Option<u64> {
    number(OFFER, name)
}

fn push_head(out: &mut Vec<u8>, swarm: usize, peer: usize) {
    out.extend(br#"{"action":"announce","info_hash":""#);
    push_name(out, SWARM, swarm as u64);
    out.extend(br#"","peer_id":""#);
    push_name(out, PEER, peer as u64);
    out.push(b'"');
}

/// An announce with these offers, as the field's clients write it.
pub fn announce<'a>(
    out: &mut Vec<u8>,
    (swarm, peer): (usize, usize),
    event: Option<&str>,
    offers: impl ExactSizeIterator<Item = (u64, &'a str)>,
) {
    push_head(out, swarm, peer);
    if let Some(event) = event {
        out.extend(br#","event":""#);
        out.extend(event.as_bytes());
        out.push(b'"');
    }
    out.extend(br#","uploaded":0,"downloaded":0,"left":1,"numwant":"#);
    out.extend(offers.len().to_string().as_bytes());
    out.extend(br#","offers":["#);
    for (index, (number, sdp)) in offers.enumerate() {
        out.extend(if index > 0 { &b",{"[..] } else { b"{" });
        out.extend(br#""offer":{"type":"offer","sdp":"#);
        out.extend(sdp.as_bytes());
        out.extend(br#"},"offer_id":""#);
        push_name(out, OFFER, number);
        out.extend(b"\"}");
    }
    out.extend(b"]}");
}

/// An answer to an offer that came. `to` and `offer` are names as they came.
pub fn answer(out: &mut Vec<u8>, (swarm, peer): (usize, usize), to: &[u8], offer: &[u8], sdp: &str) {
    push_head(out, swarm, peer);
    for (field, name) in [(&br#","to_peer_id":""#[..], to), (br#"","offer_id":""#, offer)] {
        out.extend(field);
        out.extend(name);
    }
    out.extend(br#"","answer":{"type":"answer","sdp":"#);
    out.extend(sdp.as_bytes());
    out.extend(b"}}");
}

/// What a tracker said. Names are the inside of their JSON strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    Offer { from: &'a [u8], offer: &'a [u8] },
    Answer { from: &'a [u8], offer: &'a [u8] },
    Reply,
    Refused(&'a [u8]),
    Strange,
}

/// Tells what a message is by its top-level fields.
pub fn hear(json: &[u8]) -> Heard<'_> {
    let (mut from, mut id, mut refused) = (None, None, None);
    let (mut offer, mut answer, mut interval) = (false, false, false);
    let whole = fields(json, |key, value| {
        let inside = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        match key {
            b"peer_id" => from = inside,
            b"offer_id" => id = inside,
            b"failure reason" => refused = inside,
            b"offer" => offer = value.starts_with(b"{"),
            b"answer" => answer = value.starts_with(b"{"),
            b"interval" => interval = true,
            _ => {}
        }
    });
    match (from, id, refused) {
        _ if whole.is_none() => Heard::Strange,
        (_, _, Some(reason)) => Heard::Refused(reason),
        (Some(from), Some(id), None) if answer => Heard::Answer { from, offer: id },
        (Some(from), Some(id), None) if offer => Heard::Offer { from, offer: id },
        _ if interval => Heard::Reply,
        _ => Heard::Strange,
    }
}

/// Calls `field` with each key and raw value of an object. `None` if it is none.
fn fields<'a>(json: &'a [u8], mut field: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
    let mut at = space(json, 0);
    if json.get(at) != Some(&b'{') {
        return None;
    }
    at = space(json, at + 1);
    while json.get(at)? != &b'}' {
        let key = at;
        at = value(json, at)?;
        let key = json.get(key + 1..at - 1)?;
        at = space(json, at);
        if json.get(at)? != &b':' {
            return None;
        }
        let from = space(json, at + 1);
        at = value(json, from)?;
        field(key, &json[from..at]);
        at = space(json, at);
        if json.get(at)? == &b',' {
            at = space(json, at + 1);
        }
    }
    Some(())
}

fn space(json: &[u8], from: usize) -> usize {
    let rest = json.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value that starts at `from` ends.
fn value(json: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut depth) = (from, 0_usize);
    loop {
        match json.get(at)? {
            b'"' => at = string(json, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let rest = &json[at..];
                let len =
                    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
                at += Some(len.count()).filter(|&len| len > 0)?;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn string(json: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        at += memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Whether what came of an answer to an HTTP request is its whole head, and where that ends.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr(b'\r', bytes.get(at..)?)?;
        if bytes[at..].starts_with(b"\r\n\r\n") {
            return Some(at + 4);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn an_announce_and_an_answer_are_the_json_that_they_should_be() {
        let mut out = Vec::new();
        announce(&mut out, (3, 7), Some("started"), [(5, "\"v=0\\r\\n\""), (6, "\"x\"")].into_iter());
        let read: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["info_hash"], "lgswarm-000000000003");
        assert_eq!(read["peer_id"], "-LG0001-000000000007");
        assert_eq!((&read["event"], &read["numwant"]), (&json!("started"), &json!(2)));
        assert_eq!(
            read["offers"][0],
            json!({"offer": {"type": "offer", "sdp": "v=0\r\n"}, "offer_id": "lgo-0000000000000005"})
        );
        let mut out = Vec::new();
        answer(&mut out, (3, 8), b"-LG0001-000000000007", b"lgo-0000000000000005", "\"y\"");
        let read: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["to_peer_id"], "-LG0001-000000000007");
        assert_eq!(
            (&read["offer_id"], &read["answer"]["sdp"]),
            (&json!("lgo-0000000000000005"), &json!("y"))
        );
    }

    #[test]
    fn names_tell_whose_they_are_and_strange_ones_nothing() {
        let mut out = Vec::new();
        push_name(&mut out, OFFER, 123_456);
        assert_eq!((offer_of(&out), peer_of(&out)), (Some(123_456), None));
        for strange in [&b"lgo-12"[..], b"lgo-00000000000000x5", b"-LG0001--00000000001", b""] {
            assert_eq!((offer_of(strange), peer_of(strange)), (None, None));
        }
    }

    #[test]
    fn a_message_is_told_by_its_fields_in_any_order_and_never_by_what_is_in_a_string() {
        let (from, offer) = (&b"-LG0001-000000000007"[..], &b"lgo-0000000000000005"[..]);
        let relayed = |kind: &str| {
            let sdp = r#"{"type":"K","sdp":"v=0\r\n\"answer\":{\"offer_id\":\"\\"}"#.replace('K', kind);
            let names = r#""peer_id":"-LG0001-000000000007","offer_id":"lgo-0000000000000005""#;
            [
                format!(r#"{{"action":"announce","{kind}":{sdp},{names}}}"#),
                format!("{{ {names} , \"{kind}\" : {sdp} }}"),
            ]
        };
        for text in relayed("offer") {
            assert_eq!(hear(text.as_bytes()), Heard::Offer { from, offer }, "{text}");
        }
        for text in relayed("answer") {
            assert_eq!(hear(text.as_bytes()), Heard::Answer { from, offer }, "{text}");
        }
        let reply = r#"{"complete":0,"incomplete":1,"action":"announce","interval":120,"x":[1,{"a":null}],"peers":[]}"#;
        assert_eq!(hear(reply.as_bytes()), Heard::Reply);
        let refused = r#"{"action":"announce","info_hash":"","failure reason":"too many"}"#;
        assert_eq!(hear(refused.as_bytes()), Heard::Refused(b"too many"));
        for strange in [
            "",
            "{",
            "[]",
            "{}",
            "null",
            r#"{"a"}"#,
            r#"{"a":"#,
            r#"{"a":}"#,
            r#"{"interval":"#,
            r#"{"a":"\"#,
        ] {
            assert_eq!(hear(strange.as_bytes()), Heard::Strange, "{strange}");
        }
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        assert_eq!(head_end(b"HTTP/1.1 101 S\r\na: b\r\n\r\nrest"), Some(24));
        for short in ["", "HTTP/1.1 101 S\r\na: b\r\n\r", "\r", "\r\r\n"] {
            assert_eq!(head_end(short.as_bytes()), None);
        }
    }
}
