//! Why a message is refused: the texts clients find under `failure reason`.

use std::time::Duration;

use crate::{Denial, NotBinary, sdp};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("message of {bytes} bytes, at most {limit} are taken")]
    TooLong { bytes: usize, limit: usize },
    #[error("message is not UTF-8")]
    NotUtf8,
    #[error("message is not a JSON object: {0}")]
    NotJson(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} {NotBinary}")]
    NotBinary(&'static str),
    #[error("{field} must be {must}")]
    Field { field: &'static str, must: &'static str },
    #[error("offers[{index}]: {why}")]
    Offer { index: usize, why: Box<Refusal> },
    #[error("want must be an integer from 0 to {limit}")]
    Want { limit: usize },
    #[error("action must be \"announce\" or \"scrape\"")]
    Action,
    #[error("event must be \"started\", \"completed\", \"stopped\", or left out")]
    Event,
    #[error("too many messages")]
    TooManyMessages,
    #[error("too many messages from your network: try again in {} s", .retry.as_secs())]
    BusyNetwork { retry: Duration },
    #[error("too many announces: on average one every {} s is taken", .every.as_secs_f64())]
    TooManyAnnounces { every: Duration },
    #[error("too many directed offers: on average one every {} s is taken", .every.as_secs_f64())]
    TooManyDirected { every: Duration },
    #[error("sdp is longer than {limit} bytes")]
    LongSdp { limit: usize },
    #[error("sdp: {0}")]
    Sdp(#[from] sdp::Error),
    #[error("that peer has too much waiting for it: try again later")]
    Busy,
    #[error("this connection is in {limit} swarms already")]
    TooManySwarms { limit: usize },
    #[error("the swarm is full: try again in {} s", .retry.as_secs())]
    SwarmFull { retry: Duration },
    #[error("{limit} members of the swarm come from this address already: try again in {} s", .retry.as_secs())]
    AddressFull { limit: usize, retry: Duration },
    #[error("the swarm was closed: try again in {} s", .retry.as_secs())]
    Closed { retry: Duration },
    #[error("peer_id belongs to another connection")]
    Taken,
    #[error("this connection is in the swarm under another peer_id")]
    OtherPeerId,
    #[error("announce yourself in this swarm first")]
    NotMember,
    #[error("no such peer in this swarm")]
    NoSuchPeer,
    #[error("whether you may join this swarm is being asked: wait for the answer")]
    Asked,
    #[error("{}", .0.reason)]
    Denied(Box<Denial>),
    #[error("scrape without info_hash is not open here")]
    ScrapeAll,
    #[error("too many swarms to list: more than {limit}")]
    ScrapeTooMany { limit: usize },
}

impl Refusal {
    /// When there may be room, if what is refused is for want of room.
    pub(crate) fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::BusyNetwork { retry }
            | Self::SwarmFull { retry }
            | Self::Closed { retry }
            | Self::AddressFull { retry, .. } => Some(*retry),
            Self::Denied(why) => why.retry,
            _ => None,
        }
    }

    /// For want of right.
    pub(crate) fn denial(&self) -> Option<&Denial> {
        if let Self::Denied(why) = self { Some(why) } else { None }
    }
}
