//! From what a description says to its one canonical text.

use std::fmt::Write;

use super::{Candidate, Description, Fingerprint, Form, Setup};

/// The end of a line, as it is in a JSON string.
const END: &str = r"\r\n";

pub(super) fn description<'a>(
    of: &Description,
    candidates: impl Iterator<Item = &'a Candidate>,
    json: &mut String,
) {
    // Writing to a string cannot fail, here and below.
    let _ = write!(json, r#""v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"#, of.session);
    if of.bundle {
        line(json, "a=group:BUNDLE ", &of.mid);
    }
    if of.lite {
        line(json, "a=ice-lite", "");
    }
    let _ = match of.form {
        Form::Current => write!(json, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel{END}"),
        Form::Sctpmap => write!(json, "m=application 9 DTLS/SCTP {}{END}", of.sctp_port),
    };
    line(json, "c=IN IP4 0.0.0.0", "");
    let mut any = false;
    for candidate in candidates {
        candidate.write(json);
        json.push_str(END);
        any = true;
    }
    // Without a candidate the end would have some peers give up at once, though the other side may make the first check.
    if of.end_of_candidates && any {
        line(json, "a=end-of-candidates", "");
    }
    line(json, "a=ice-ufrag:", &of.ufrag);
    line(json, "a=ice-pwd:", &of.pwd);
    if of.trickle {
        line(json, "a=ice-options:trickle", "");
    }
    for fingerprint in &of.fingerprints {
        write_fingerprint(fingerprint, json);
    }
    let setup = match of.setup {
        Setup::Actpass => "actpass",
        Setup::Active => "active",
        Setup::Passive => "passive",
    };
    line(json, "a=setup:", setup);
    line(json, "a=mid:", &of.mid);
    let _ = match of.form {
        Form::Current => write!(json, "a=sctp-port:{}{END}", of.sctp_port),
        Form::Sctpmap => write!(json, "a=sctpmap:{} webrtc-datachannel 1024{END}", of.sctp_port),
    };
    if let Some(bytes) = of.max_message_bytes {
        let _ = write!(json, "a=max-message-size:{bytes}{END}");
    }
    if of.quic {
        line(json, "a=braidcast-quic:1", "");
    }
    json.push('"');
}

fn line(json: &mut String, name: &str, value: &str) {
    json.push_str(name);
    json.push_str(value);
    json.push_str(END);
}

fn write_fingerprint(Fingerprint { hash, digest }: &Fingerprint, json: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    json.push_str("a=fingerprint:");
    json.push_str(hash.name());
    for (at, byte) in digest.iter().enumerate() {
        json.push(if at == 0 { ' ' } else { ':' });
        json.push(char::from(HEX[usize::from(byte >> 4)]));
        json.push(char::from(HEX[usize::from(byte & 15)]));
    }
    json.push_str(END);
}
