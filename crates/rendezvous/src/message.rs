//! What clients send: one JSON object per message, read once; of the SDPs only what they mean is kept.
//!
//! Fields nobody knows are skipped, of a repeated field the last counts (as in a browser's `JSON.parse`), and `null`
//! is the same as absent.

mod offers;

use std::{borrow::Cow, fmt, time::Duration};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{error::Category, value::RawValue};

use self::offers::{Offers, RawDescription, RawOffer};
use crate::{Config, InfoHash, OfferId, PeerId, member::Role, refusal::Refusal, sdp::Description};

/// Longest raw JSON string taken for a name, or echoed in an error: 20 escaped code points and the quotes fit, 122 bytes.
const ECHO_BYTES: usize = 128;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Action {
    #[default]
    Announce,
    Scrape,
}

/// What an error repeats, so that the client knows what it is about: raw JSON strings as they came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    pub(crate) action: Action,
    pub(crate) info_hash: Option<&'a str>,
    pub(crate) to_peer_id: Option<&'a str>,
    pub(crate) offer_id: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) enum Request {
    Announce(Announce),
    Directed(Signal),
    Answer(Signal),
    /// `None` asks for all swarms.
    Scrape(Option<Vec<InfoHash>>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Announce {
    pub(crate) info_hash: InfoHash,
    pub(crate) peer_id: PeerId,
    pub(crate) event: Event,
    pub(crate) said: Said,
    pub(crate) want: usize,
    pub(crate) offers: Vec<Offer>,
    /// These two are read where somebody asks for them.
    pub(crate) token: Option<String>,
    pub(crate) proof: Option<String>,
}

/// What a client says of itself, as far as it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whether nothing is left to fetch.
    pub(crate) complete: Option<bool>,
    pub(crate) role: Option<Role>,
    pub(crate) upload_kbps: Option<u32>,
    /// Where in the film it is.
    pub(crate) position: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    None,
    Started,
    Completed,
    Stopped,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) id: OfferId,
    pub(crate) sdp: Description,
}

/// An offer or an answer for one peer.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) info_hash: InfoHash,
    pub(crate) from: PeerId,
    pub(crate) to: PeerId,
    pub(crate) offer: Offer,
}

/// Reads a message. What it is about is given even if it is refused, as far as it could be read.
pub(crate) fn parse<'a>(text: &'a [u8], config: &Config) -> (About<'a>, Result<Request, Refusal>) {
    if text.len() > config.message_bytes {
        let refusal = Refusal::TooLong { bytes: text.len(), limit: config.message_bytes };
        return (About::default(), Err(refusal));
    }
    let Ok(text) = std::str::from_utf8(text) else { return (About::default(), Err(Refusal::NotUtf8)) };
    match serde_json::from_str::<Fields<'a>>(text) {
        Ok(fields) => (fields.about(), fields.request(config)),
        // Only descriptions are typed in the first pass: without them the rest can still be read.
        Err(error) => match serde_json::from_str::<Heading<'a>>(text) {
            Ok(Heading(fields)) if error.classify() == Category::Data => {
                let (field, must) = match fields.mistyped {
                    Some(field) => (field, "an object {type, sdp}"),
                    None => ("offers", "an array of {offer, offer_id}"),
                };
                (fields.about(), Err(Refusal::Field { field, must }))
            }
            _ => (About::default(), Err(Refusal::NotJson(error.to_string()))),
        },
    }
}

#[derive(Default)]
struct Fields<'a> {
    action: Option<&'a RawValue>,
    info_hash: Option<&'a RawValue>,
    peer_id: Option<&'a RawValue>,
    to_peer_id: Option<&'a RawValue>,
    offer_id: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    left: Option<&'a RawValue>,
    numwant: Option<&'a RawValue>,
    want: Option<&'a RawValue>,
    role: Option<&'a RawValue>,
    upload_kbps: Option<&'a RawValue>,
    position_ms: Option<&'a RawValue>,
    offer: Option<RawDescription<'a>>,
    answer: Option<RawDescription<'a>>,
    token: Option<&'a RawValue>,
    proof: Option<&'a RawValue>,
    offers: Option<Offers<'a>>,
    /// Of a heading alone: which of these two could not be read.
    mistyped: Option<&'static str>,
}

/// The same fields without the descriptions.
struct Heading<'a>(Fields<'a>);

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Action,
    InfoHash,
    PeerId,
    ToPeerId,
    OfferId,
    Event,
    Left,
    Numwant,
    Want,
    Role,
    UploadKbps,
    PositionMs,
    Offer,
    Answer,
    Token,
    Proof,
    Offers,
    #[serde(other)]
    Unknown,
}

struct FieldsVisitor {
    descriptions: bool,
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Action => fields.action = map.next_value()?,
                Key::InfoHash => fields.info_hash = map.next_value()?,
                Key::PeerId => fields.peer_id = map.next_value()?,
                Key::ToPeerId => fields.to_peer_id = map.next_value()?,
                Key::OfferId => fields.offer_id = map.next_value()?,
                Key::Event => fields.event = map.next_value()?,
                Key::Left => fields.left = map.next_value()?,
                Key::Numwant => fields.numwant = map.next_value()?,
                Key::Want => fields.want = map.next_value()?,
                Key::Role => fields.role = map.next_value()?,
                Key::UploadKbps => fields.upload_kbps = map.next_value()?,
                Key::PositionMs => fields.position_ms = map.next_value()?,
                Key::Offer if self.descriptions => fields.offer = map.next_value()?,
                Key::Answer if self.descriptions => fields.answer = map.next_value()?,
                Key::Offer | Key::Answer => {
                    let raw: &RawValue = map.next_value()?;
                    if serde_json::from_str::<Option<RawDescription<'_>>>(raw.get()).is_err() {
                        fields.mistyped = Some(if matches!(key, Key::Offer) { "offer" } else { "answer" });
                    }
                }
                Key::Token => fields.token = map.next_value()?,
                Key::Proof => fields.proof = map.next_value()?,
                Key::Offers if self.descriptions => fields.offers = map.next_value()?,
                Key::Offers | Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(FieldsVisitor { descriptions: true })
    }
}

impl<'de> Deserialize<'de> for Heading<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(FieldsVisitor { descriptions: false }).map(Heading)
    }
}

impl<'a> Fields<'a> {
    fn about(&self) -> About<'a> {
        let action =
            if text(self.action).as_deref() == Some("scrape") { Action::Scrape } else { Action::Announce };
        let echo = |raw: Option<&'a RawValue>| {
            let raw = raw.filter(|raw| raw.get().len() <= ECHO_BYTES && text(Some(raw)).is_some());
            raw.map(RawValue::get)
        };
        About {
            action,
            info_hash: echo(self.info_hash),
            to_peer_id: echo(self.to_peer_id),
            offer_id: echo(self.offer_id),
        }
    }

    fn request(self, config: &Config) -> Result<Request, Refusal> {
        match text(self.action).as_deref() {
            Some("announce") if self.answer.is_some() => {
                self.signal(self.answer, "answer", config).map(Request::Answer)
            }
            Some("announce") if self.offer.is_some() => {
                self.signal(self.offer, "offer", config).map(Request::Directed)
            }
            Some("announce") => self.announce(config).map(Request::Announce),
            Some("scrape") => self.scrape(config).map(Request::Scrape),
            _ => Err(Refusal::Action),
        }
    }

    fn announce(self, config: &Config) -> Result<Announce, Refusal> {
        let info_hash = InfoHash(binary("info_hash", self.info_hash)?);
        let peer_id = PeerId(binary("peer_id", self.peer_id)?);
        let event = match (self.event, text(self.event).as_deref()) {
            (None, _) | (_, Some("" | "update" | "paused" | "empty")) => Event::None,
            (_, Some("started")) => Event::Started,
            (_, Some("completed")) => Event::Completed,
            (_, Some("stopped")) => Event::Stopped,
            _ => return Err(Refusal::Event),
        };
        let said = self.said()?;
        let (token, proof) = match config.asks {
            true => (string("token", self.token)?, string("proof", self.proof)?),
            false => (None, None),
        };
        let limit = config.candidates_per_announce;
        let want = self.want.map_or(Some(0), integer).filter(|&want| want <= limit);
        let want = want.ok_or(Refusal::Want { limit })?;
        let offers = self.offers.map_or(Vec::new(), |offers| offers.0);
        let count = self.numwant.and_then(integer).unwrap_or(offers.len()).min(config.offers_per_announce);
        let offers = offers.into_iter().take(count).enumerate().map(|(index, raw)| {
            offer(raw, config).map_err(|why| Refusal::Offer { index, why: Box::new(why) })
        });
        let offers = offers.collect::<Result<_, _>>()?;
        Ok(Announce { info_hash, peer_id, event, said, want, offers, token, proof })
    }

    fn said(&self) -> Result<Said, Refusal> {
        let role = match (self.role, text(self.role).as_deref()) {
            (None, _) => None,
            (_, Some("viewer")) => Some(Role::Viewer),
            (_, Some("seed")) => Some(Role::Seed),
            (_, Some("edge")) => Some(Role::Edge),
            _ => {
                return Err(Refusal::Field { field: "role", must: "\"viewer\", \"seed\" or \"edge\"" });
            }
        };
        let whole = |raw: Option<&RawValue>, field| match raw.map(integer) {
            Some(None) => Err(Refusal::Field { field, must: "a whole number" }),
            number => Ok(number.flatten()),
        };
        let kbps = whole(self.upload_kbps, "upload_kbps")?;
        let position_ms = whole(self.position_ms, "position_ms")?;
        Ok(Said {
            complete: self.left.and_then(|left| left.get().parse::<f64>().ok()).map(|left| left == 0.0),
            role,
            upload_kbps: kbps.map(|kbps| u32::try_from(kbps).unwrap_or(u32::MAX)),
            position: position_ms.map(|millis| Duration::from_millis(millis as u64)),
        })
    }

    fn signal(
        &self,
        raw: Option<RawDescription<'_>>,
        field: &'static str,
        config: &Config,
    ) -> Result<Signal, Refusal> {
        let info_hash = InfoHash(binary("info_hash", self.info_hash)?);
        let from = PeerId(binary("peer_id", self.peer_id)?);
        let to = PeerId(binary("to_peer_id", self.to_peer_id)?);
        let id = OfferId(binary("offer_id", self.offer_id)?);
        let raw = raw.ok_or(Refusal::Missing(field))?;
        Ok(Signal { info_hash, from, to, offer: Offer { id, sdp: sdp(raw, field, config)? } })
    }

    fn scrape(self, config: &Config) -> Result<Option<Vec<InfoHash>>, Refusal> {
        let Some(raw) = self.info_hash else { return Ok(None) };
        if !raw.get().starts_with('[') {
            return Ok(Some(vec![InfoHash(binary("info_hash", Some(raw))?)]));
        }
        let hashes: Vec<InfoHash> =
            serde_json::from_str(raw.get()).map_err(|_| Refusal::NotBinary("info_hash: each"))?;
        let limit = config.hashes_per_scrape;
        if hashes.len() > limit { Err(Refusal::ScrapeTooMany { limit }) } else { Ok(Some(hashes)) }
    }
}

fn offer(raw: RawOffer<'_>, config: &Config) -> Result<Offer, Refusal> {
    let id = OfferId(binary("offer_id", raw.offer_id)?);
    Ok(Offer { id, sdp: sdp(raw.offer.ok_or(Refusal::Missing("offer"))?, "offer", config)? })
}

/// What the SDP says, if it is one and not too long.
fn sdp(raw: RawDescription<'_>, kind: &'static str, config: &Config) -> Result<Description, Refusal> {
    if text(raw.kind).as_deref() != Some(kind) {
        let must = if kind == "offer" { "\"offer\"" } else { "\"answer\"" };
        return Err(Refusal::Field { field: "type", must });
    }
    let sdp = raw.sdp.map(RawValue::get).filter(|sdp| sdp.starts_with('"'));
    let sdp = sdp.ok_or(Refusal::Field { field: "sdp", must: "a string" })?;
    let limit = config.sdp_bytes;
    if sdp.len() > limit { Err(Refusal::LongSdp { limit }) } else { Ok(Description::parse(sdp)?) }
}

fn binary(field: &'static str, raw: Option<&RawValue>) -> Result<[u8; 20], Refusal> {
    let raw = raw.ok_or(Refusal::Missing(field))?;
    // A long one is none, and unescaping it would be work.
    let short = Some(raw).filter(|raw| raw.get().len() <= ECHO_BYTES);
    let id = text(short).and_then(|text| PeerId::from_binary(&text).ok());
    id.map(|id| id.0).ok_or(Refusal::NotBinary(field))
}

/// What a JSON string says, if it is one.
fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let json = raw?.get();
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<Text<'_>>(json).ok().map(|text| text.0)
}

fn string(field: &'static str, raw: Option<&RawValue>) -> Result<Option<String>, Refusal> {
    let read = |raw| text(Some(raw)).map(Cow::into_owned).ok_or(Refusal::Field { field, must: "a string" });
    raw.map(read).transpose()
}

/// A whole number not below 0, also one written as `5.0`.
fn integer(raw: &RawValue) -> Option<usize> {
    let number = raw.get().parse::<f64>().ok()?;
    (number >= 0.0 && number.fract() == 0.0).then_some(number as usize)
}
