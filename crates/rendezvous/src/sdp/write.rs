//! From what a description says to its one canonical text.

use itoa::Integer;

use super::{Description, Fingerprint, Form, Line, Parts, Setup};

/// The end of a line, as it is in a JSON string.
pub(super) const END: &str = r"\r\n";
/// The line that stands behind the candidates, if there will be no more.
pub(super) const END_OF_CANDIDATES: &str = r"a=end-of-candidates\r\n";

/// `room` is about as long as the text may become, in bytes.
pub(super) fn description(of: &Parts<'_>, room: usize) -> Description {
    let mut text = String::with_capacity(room);
    text.push_str(r"v=0\r\no=- ");
    number(&mut text, of.session);
    text.push_str(r" 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    if of.bundle {
        line(&mut text, "a=group:BUNDLE ", of.mid);
    }
    if of.lite {
        line(&mut text, "a=ice-lite", "");
    }
    match of.form {
        Form::Current => line(&mut text, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", ""),
        Form::Sctpmap => numbered(&mut text, "m=application 9 DTLS/SCTP ", of.sctp_port, ""),
    }
    line(&mut text, "c=IN IP4 0.0.0.0", "");
    let head = text.len();
    behind_candidates(of, &mut text);
    let tail = text.len();
    let mut candidates = Vec::with_capacity(of.candidates.len());
    for candidate in &of.candidates {
        candidate.write(&mut text);
        text.push_str(END);
        candidates.push(Line { kind: candidate.kind, ip: candidate.address.ip(), end: text.len() });
    }
    Description { text, head, tail, candidates, end_of_candidates: of.end_of_candidates }
}

fn behind_candidates(of: &Parts<'_>, text: &mut String) {
    line(text, "a=ice-ufrag:", of.ufrag);
    line(text, "a=ice-pwd:", of.pwd);
    if of.trickle {
        line(text, "a=ice-options:trickle", "");
    }
    for Fingerprint { hash, digest } in &of.fingerprints {
        text.push_str("a=fingerprint:");
        text.push_str(hash.name());
        text.push(' ');
        let begin = text.len();
        text.push_str(digest);
        text[begin..].make_ascii_uppercase();
        text.push_str(END);
    }
    let setup = match of.setup {
        Setup::Actpass => "actpass",
        Setup::Active => "active",
        Setup::Passive => "passive",
    };
    line(text, "a=setup:", setup);
    line(text, "a=mid:", of.mid);
    match of.form {
        Form::Current => numbered(text, "a=sctp-port:", of.sctp_port, ""),
        Form::Sctpmap => numbered(text, "a=sctpmap:", of.sctp_port, " webrtc-datachannel 1024"),
    }
    if let Some(bytes) = of.max_message_bytes {
        numbered(text, "a=max-message-size:", bytes, "");
    }
    if of.quic {
        line(text, "a=braidcast-quic:1", "");
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(value);
    text.push_str(END);
}

fn numbered(text: &mut String, name: &str, value: impl Integer, rest: &str) {
    text.push_str(name);
    number(text, value);
    line(text, rest, "");
}

pub(super) fn number(text: &mut String, number: impl Integer) {
    text.push_str(itoa::Buffer::new().format(number));
}
