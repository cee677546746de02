//! From the text of a description to what it says.

use std::{iter::from_fn, ops::RangeInclusive};

use memchr::memchr;

use super::{
    CANDIDATES_READ, Candidate, Error, FINGERPRINTS, Fingerprint, Form, Hash, LINES, Parts, Setup, write::END,
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
    fingerprints: Vec<Fingerprint<'a>>,
    setup: Option<Setup>,
    mid: Option<&'a str>,
    sctp_port: Option<u16>,
    max_message_bytes: Option<u64>,
    candidates: Vec<Candidate<'a>>,
    end_of_candidates: bool,
    quic: bool,
}

/// What a description begins with.
const FIRST: &str = "v=0";

/// Lines that end as lines do in the JSON of any honest description, up to the first that does not.
pub(super) struct PlainLines<'a>(&'a str);

impl PlainLines<'_> {
    /// Whether there was no line that ends otherwise.
    pub(super) fn were_all(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for PlainLines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (line, rest) = self.0.split_at(memchr(b'\\', self.0.as_bytes())?);
        self.0 = rest.strip_prefix(END)?;
        Some(line)
    }
}

/// The lines behind the first of a description that is a JSON string, quotes included, for as long as it has no escapes but those of
/// line ends. `None` for what begins otherwise, or is no such string.
pub(super) fn plain_lines(json: &str) -> Option<PlainLines<'_>> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(FIRST)?.strip_prefix(END)?;
    all(text, |byte| byte >= b' ' && byte != b'"').then_some(PlainLines(text))
}

/// The lines behind the first of any description.
pub(super) fn lines(text: &str) -> Result<impl Iterator<Item = &str>, Error> {
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines.next() == Some(FIRST) { Ok(lines) } else { Err(Error::NotSdp) }
}

/// What the lines behind the first say.
pub(super) fn parts<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Parts<'a>, Error> {
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
        let number = fields(origin).nth(1).and_then(|number| number.parse::<u64>().ok());
        // JSEP (RFC 9429, 5.2.1) has 63 bits of it.
        self.session = number.unwrap_or(1) & (u64::MAX >> 1);
    }

    /// `application <port> <protocol> <format>`
    fn section(&mut self, section: &str) -> Result<(), Error> {
        if self.form.is_some() {
            return Err(Error::NotData);
        }
        let mut fields = fields(section);
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
        let (name, value) = cut(attribute, b':').unwrap_or((attribute, ""));
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
    fn candidate(&mut self, value: &'a str) {
        let Some(candidate) = Candidate::parse(value).filter(|one| !self.candidates.contains(one)) else {
            return;
        };
        let place = self.candidates.partition_point(|other| other.priority >= candidate.priority);
        if place < CANDIDATES_READ {
            self.candidates.truncate(CANDIDATES_READ - 1);
            self.candidates.insert(place, candidate);
        }
    }

    fn fingerprint(&mut self, value: &'a str) -> Result<(), Error> {
        const BAD: Error = Error::Bad("fingerprint");
        let (name, digest) = cut(value, b' ').ok_or(BAD)?;
        let Some(hash) = Hash::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name)) else {
            return Ok(());
        };
        if !is_digest(digest, hash.digest_bytes()) {
            return Err(BAD);
        }
        let fingerprint = Fingerprint { hash, digest };
        if !self.fingerprints.contains(&fingerprint) {
            if self.fingerprints.len() >= FINGERPRINTS {
                return Err(BAD);
            }
            self.fingerprints.push(fingerprint);
        }
        Ok(())
    }

    fn finish(self) -> Result<Parts<'a>, Error> {
        let form = self.form.ok_or(Error::NotData)?;
        if self.fingerprints.is_empty() {
            return Err(Error::Missing("a fingerprint by sha-256, sha-384 or sha-512"));
        }
        Ok(Parts {
            session: self.session,
            bundle: self.bundle,
            lite: self.lite,
            form,
            ufrag: self.ufrag.ok_or(Error::Missing("ice-ufrag"))?,
            pwd: self.pwd.ok_or(Error::Missing("ice-pwd"))?,
            trickle: self.trickle,
            fingerprints: self.fingerprints,
            setup: self.setup.ok_or(Error::Missing("setup"))?,
            mid: self.mid.ok_or(Error::Missing("mid"))?,
            sctp_port: self.sctp_port.unwrap_or(SCTP_PORT),
            max_message_bytes: self.max_message_bytes,
            candidates: self.candidates,
            end_of_candidates: self.end_of_candidates,
            quic: self.quic,
        })
    }
}

/// What is before and behind the first of these bytes, which is one of ASCII. Names and values are short: looking at one byte after
/// the other is the fastest.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|byte| byte == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// What is between blanks.
pub(super) fn fields(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    from_fn(move || {
        let text = rest?;
        let (field, behind) = cut(text, b' ').map_or((text, None), |(field, behind)| (field, Some(behind)));
        rest = behind;
        Some(field)
    })
}

/// The text if it is of letters, digits, `+` and `/`, and so long (RFC 8839, 5.1).
pub(super) fn ice_chars(text: &str, length: RangeInclusive<usize>) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (length.contains(&text.len()) && all(text, fits)).then_some(text)
}

/// Whether all bytes are so. It looks at each, for then many are looked at at a time.
fn all(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & fits(byte))
}

/// The text if it is a token of RFC 8866, section 9: neither blanks nor quotes nor backslashes are.
fn token(text: &str, longest: usize) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    ((1..=longest).contains(&text.len()) && text.bytes().all(fits)).then_some(text)
}

fn number(text: &str, what: &'static str) -> Result<u16, Error> {
    text.parse().ok().filter(|&number| number > 0).ok_or(Error::Bad(what))
}

/// Whether it is two hexadecimal digits for each byte, with colons between them.
fn is_digest(text: &str, bytes: usize) -> bool {
    let (pairs, last) = text.as_bytes().as_chunks();
    let is_pair =
        |[high, low, colon]: [u8; 3]| high.is_ascii_hexdigit() & low.is_ascii_hexdigit() & (colon == b':');
    text.len() == bytes * 3 - 1
        && pairs.iter().fold(true, |all, &pair| all & is_pair(pair))
        && last.iter().all(u8::is_ascii_hexdigit)
}
