//! The offers of an announce, as they come: most of a message, and the only list in it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Most offers read of one message; a smaller limit may apply later.
const OFFERS_READ: usize = 64;

#[derive(serde::Deserialize)]
pub(super) struct RawOffer<'a> {
    #[serde(borrow, default)]
    pub(super) offer: Option<RawDescription<'a>>,
    #[serde(borrow, default)]
    pub(super) offer_id: Option<&'a RawValue>,
}

/// `{type, sdp}`: what a browser calls a session description. Other fields are not passed on.
#[derive(Clone, Copy, serde::Deserialize)]
pub(super) struct RawDescription<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) sdp: Option<&'a RawValue>,
}

pub(super) struct Offers<'a>(pub(super) Vec<RawOffer<'a>>);

struct OffersVisitor;

impl<'de> Visitor<'de> for OffersVisitor {
    type Value = Offers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of offers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Offers<'de>, A::Error> {
        let mut offers = Vec::new();
        while offers.len() < OFFERS_READ {
            match seq.next_element()? {
                Some(offer) => offers.push(offer),
                None => return Ok(Offers(offers)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Offers(offers))
    }
}

impl<'de> Deserialize<'de> for Offers<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_seq(OffersVisitor)
    }
}
