//! From the text of a description to what it says.

use std::ops::RangeInclusive;

use super::{
    CANDIDATES_READ, Candidate, Description, Error, FINGERPRINTS, Fingerprint, Form, Hash, LINES, Setup,
};

/// Where SCTP is if nothing says otherwise.
const SCTP_PORT: u16 = 5000;

/// What was read so far. Of an attribute that is repeated the last counts, so that one of the section goes before one of the
/// whole session.
#[derive(Default)]
struct Draft<'a> {
    session: u64,
    bundle: bool,
    lite: bool,
    form: Option<Form>,
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    trickle: bool,
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    mid: Option<&'a str>,
    sctp_port: Option<u16>,
    max_message_bytes: Option<u64>,
    candidates: Vec<Candidate>,
    end_of_candidates: bool,
    quic: bool,
}

pub(super) fn description(text: &str) -> Result<Description, Error> {
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines.next() != Some("v=0") {
        return Err(Error::NotSdp);
    }
    let mut draft = Draft::default();
    for (count, line) in lines.enumerate() {
        if count >= LINES {
            return Err(Error::ManyLines);
        }
        match line.split_at_checked(2) {
            Some(("a=", attribute)) => draft.attribute(attribute)?,
            Some(("m=", section)) => draft.section(section)?,
            Some(("o=", origin)) => draft.origin(origin),
            _ => {}
        }
    }
    draft.finish()
}

impl<'a> Draft<'a> {
    /// `<username> <session> <version> IN IP4 <address>`. Names and addresses are nobody's business, and one description of a
    /// session is all there is: who has no number gets one.
    fn origin(&mut self, origin: &str) {
        let number = origin.split(' ').nth(1).and_then(|number| number.parse::<u64>().ok());
        // JSEP (RFC 9429, 5.2.1) has 63 bits of it.
        self.session = number.unwrap_or(1) & (u64::MAX >> 1);
    }

    /// `application <port> <protocol> <format>`
    fn section(&mut self, section: &str) -> Result<(), Error> {
        if self.form.is_some() {
            return Err(Error::NotData);
        }
        let mut fields = section.split(' ');
        let mut next = || fields.next().ok_or(Error::NotData);
        let (media, port, protocol, format) = (next()?, next()?, next()?, next()?);
        let port: u16 = port.parse().map_err(|_| Error::NotData)?;
        // Port 0 is a section that is turned down (RFC 3264, 6).
        if media != "application" || port == 0 || fields.next().is_some() {
            return Err(Error::NotData);
        }
        self.form = Some(match (protocol, format) {
            ("UDP/DTLS/SCTP" | "TCP/DTLS/SCTP", "webrtc-datachannel") => Form::Current,
            ("DTLS/SCTP", port) => {
                self.sctp_port = Some(number(port, "the port of SCTP")?);
                Form::Sctpmap
            }
            _ => return Err(Error::NotData),
        });
        Ok(())
    }

    fn attribute(&mut self, attribute: &'a str) -> Result<(), Error> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "candidate" => self.candidate(value),
            "end-of-candidates" => self.end_of_candidates = true,
            "ice-ufrag" => self.ufrag = Some(ice_chars(value, 4..=256).ok_or(Error::Bad("ice-ufrag"))?),
            "ice-pwd" => self.pwd = Some(ice_chars(value, 22..=256).ok_or(Error::Bad("ice-pwd"))?),
            "ice-options" => self.trickle = value.split([' ', ',']).any(|option| option == "trickle"),
            "ice-lite" => self.lite = true,
            "fingerprint" => self.fingerprint(value)?,
            "setup" => {
                self.setup = Some(match value {
                    "actpass" => Setup::Actpass,
                    "active" => Setup::Active,
                    "passive" => Setup::Passive,
                    _ => return Err(Error::Bad("setup")),
                });
            }
            "mid" => self.mid = Some(token(value, 16).ok_or(Error::Bad("mid"))?),
            "group" => self.bundle |= value.starts_with("BUNDLE"),
            "sctp-port" => self.sctp_port = Some(number(value, "sctp-port")?),
            "max-message-size" => {
                self.max_message_bytes = Some(value.parse().map_err(|_| Error::Bad("max-message-size"))?);
            }
            "braidcast-quic" => self.quic = value == "1",
            _ => {}
        }
        Ok(())
    }

    /// Keeps it among those of the highest priority. What cannot be read is passed over, as RFC 8839 has it.
    fn candidate(&mut self, value: &str) {
        let Some(candidate) = Candidate::parse(value).filter(|one| !self.candidates.contains(one)) else {
            return;
        };
        let place = self.candidates.partition_point(|other| other.priority >= candidate.priority);
        if place < CANDIDATES_READ {
            self.candidates.truncate(CANDIDATES_READ - 1);
            self.candidates.insert(place, candidate);
        }
    }

    fn fingerprint(&mut self, value: &str) -> Result<(), Error> {
        let bad = Error::Bad("fingerprint");
        let (name, digest) = value.split_once(' ').ok_or(bad.clone())?;
        let Some(hash) = Hash::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name)) else {
            return Ok(());
        };
        let digest = digest_of(digest, hash.digest_bytes()).ok_or(bad.clone())?;
        let fingerprint = Fingerprint { hash, digest };
        if !self.fingerprints.contains(&fingerprint) {
            if self.fingerprints.len() >= FINGERPRINTS {
                return Err(bad);
            }
            self.fingerprints.push(fingerprint);
        }
        Ok(())
    }

    fn finish(self) -> Result<Description, Error> {
        let form = self.form.ok_or(Error::NotData)?;
        if self.fingerprints.is_empty() {
            return Err(Error::Missing("a fingerprint by sha-256, sha-384 or sha-512"));
        }
        Ok(Description {
            session: self.session,
            bundle: self.bundle,
            lite: self.lite,
            form,
            ufrag: self.ufrag.ok_or(Error::Missing("ice-ufrag"))?.into(),
            pwd: self.pwd.ok_or(Error::Missing("ice-pwd"))?.into(),
            trickle: self.trickle,
            fingerprints: self.fingerprints,
            setup: self.setup.ok_or(Error::Missing("setup"))?,
            mid: self.mid.ok_or(Error::Missing("mid"))?.into(),
            sctp_port: self.sctp_port.unwrap_or(SCTP_PORT),
            max_message_bytes: self.max_message_bytes,
            candidates: self.candidates,
            end_of_candidates: self.end_of_candidates,
            quic: self.quic,
        })
    }
}

/// The text if it is of letters, digits, `+` and `/`, and so long (RFC 8839, 5.1).
pub(super) fn ice_chars(text: &str, length: RangeInclusive<usize>) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (length.contains(&text.len()) && text.bytes().all(fits)).then_some(text)
}

/// The text if it is a token of RFC 8866, section 9: neither blanks nor quotes nor backslashes are.
fn token(text: &str, longest: usize) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    ((1..=longest).contains(&text.len()) && text.bytes().all(fits)).then_some(text)
}

fn number(text: &str, what: &'static str) -> Result<u16, Error> {
    text.parse().ok().filter(|&number| number > 0).ok_or(Error::Bad(what))
}

/// Two hexadecimal digits for each byte, with colons between them.
fn digest_of(text: &str, bytes: usize) -> Option<Box<[u8]>> {
    if text.len() != bytes * 3 - 1 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let each = text.as_bytes().chunks(3).map(|chunk| match *chunk {
        [high, low] | [high, low, b':'] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    each.collect()
}
