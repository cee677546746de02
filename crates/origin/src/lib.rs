//! Packages films and serves them: ladder, CMAF tree, signed index, HTTP.
//!
//! The origin is where a film enters a swarm. It knows files, ffmpeg and HTTP; it does not know peers, and it lacks
//! decisions about them. Its invariant: what it gives out is what was signed. A segment's hash is taken where the segment is
//! cut, and compared again when it is read from disk, so that a rotten disk is an error and never a picture.
//!
//! - [`package`] makes a package of a source file; [`ladder`], [`probe`] and [`tools`] are about the encoder.
//! - [`library`] is the data directory, [`key`] the publisher's key in it.
//! - [`http`] serves packages, the player and the tracker.
//! - [`check`] judges a package on disk or on the web.

pub mod check;
pub mod http;
pub mod key;
pub mod ladder;
mod language;
pub mod library;
pub mod live;
pub mod package;
pub mod probe;
pub mod slug;
pub mod tools;
