//! Who may watch: tokens that a site's own backend signs, the keys that it signs with, the gate of a tracker, and takedowns.
//!
//! There is no I/O here, no clock (the caller says what time it is) and no randomness (the caller draws challenges and token
//! ids). What is missing on purpose: sockets, the tracker's messages, fetching of key sets, any knowledge of media. The
//! formats are written down in `docs/spec/access.md`; `docs/guides/tokens.md` is for those who run a site.
//!
//! A [`Token`] is a JSON Web Token (RFC 7519) signed with Ed25519 (RFC 8037), and with nothing else. It is bound to a key that
//! the viewer's page has made (RFC 7800), and whoever shows it proves to have that key, by signing what the tracker has just
//! drawn: a [`Challenge`]. A stolen token is of no use without the key, and a recorded proof is of none on another connection.
//!
//! The invariant: a [`Gate`] changes only by what its owner calls and by tokens that it has admitted. Whatever is refused
//! leaves no trace in it.
//!
//! ```
//! use access::{Challenge, Claims, Config, Gate, KeySet, Pattern, PeerId, Policy, Proof, Request, SwarmId, Timestamp, Token};
//! use access::{Stream, proof::Occasion};
//! use manifest::SecretKey;
//! use std::time::Duration;
//!
//! // The site's backend, which has a secret key, and has been told the viewer's public one.
//! let (backend, viewer) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
//! let now = Timestamp(1_800_000_000);
//! let claims = Claims::new(Pattern::parse("film").unwrap(), viewer.public(), "a1", now, Duration::from_secs(300));
//! let token = Token::mint(&backend, Some("2026-11"), &claims);
//!
//! // The viewer, to whom the tracker has sent a challenge.
//! let stream = Stream { swarm: SwarmId([7; 20]), name: Some("film") };
//! let (peer, challenge) = (PeerId(*b"-BC0001-abcdefghijkl"), Challenge([9; 32]));
//! let occasion = Occasion { challenge: &challenge, swarm: stream.swarm, peer, token: token.as_str() };
//! let proof = Proof::sign(&viewer, &occasion).to_string();
//!
//! // The tracker.
//! let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"2026-11","x":"{}"}}]}}"#, backend.public());
//! let mut gate = Gate::new(Config::default(), Policy::Tokens(KeySet::parse(&keys).unwrap()));
//! let request = Request { stream, peer, challenge, site: None, token: Some(token.as_str()), proof: Some(&proof) };
//! assert!(gate.admit(now, &request).is_ok());
//! assert_eq!(gate.admit(now, &request).unwrap_err().code(), "spent");
//! ```
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod claims;
mod config;
mod denied;
mod field;
mod gate;
mod jwk;
mod keys;
pub mod proof;
pub mod revocations;
mod spent;
mod stream;
mod time;
mod token;

pub use claims::Claims;
pub use config::Config;
pub use denied::Denied;
pub use gate::{Gate, Grant, Holder, Noted, Policy, Request, TooMany};
pub use keys::{KeySet, KeySetError, MAX_KEY_SET_BYTES, MAX_KEYS};
pub use proof::{Challenge, PeerId, Proof};
pub use revocations::{Authority, Revocations};
pub use spent::{Spent, Use};
pub use stream::{
    MAX_NAME_LEN, MAX_PREFIXES, MAX_STREAMS, Pattern, PatternError, Stream, Streams, SwarmId, is_name,
};
pub use time::Timestamp;
pub use token::Token;

/// The guide's Rust compiles. (`tests/guide.rs` runs the rest.)
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/tokens.md")]
struct Guide;
