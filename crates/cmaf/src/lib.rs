//! Samples in, CMAF bytes and HLS and DASH text out.
//!
//! The crate turns films and encoder output into one set of segments that HLS and DASH viewers share:
//!
//! - [`demux`] reads a progressive MP4 or MOV film, [`ingest`] the fragmented MP4 an encoder sends. Both give a
//!   [`Track`] and its [`Sample`]s.
//! - [`init_segment`] and [`Segmenter`] write the CMAF header and the segments.
//! - [`hls`] and [`dash`] write the playlists of a [`Presentation`].
//! - [`live`] does the same for a stream that has no end yet, part by part.
//! - [`progressive`] lays out a package as one file that any player can open and seek in.
//! - [`mpd`] reads the MPD of somebody else's live stream, [`webvtt`] its captions.
//! - [`check`] judges a finished package, ours or another's.
//!
//! It lacks: encoders and decoders, sockets, files (the demuxer reads through a `Read + Seek` it is given),
//! clocks, encryption, and any codec but H.264 and AAC. It works at the level of samples, never passing a
//! source's fragments through: that is what gives exact segment boundaries, byte ranges for every I-frame and a
//! presentation that starts at zero.
//!
//! The invariant: every byte read is hostile. Counts and sizes have bounds, sums are checked, and a malformed
//! input is an error with a name, never a panic. What is written depends on nothing but the samples, so the same
//! film gives the same bytes everywhere.

mod codec;
mod config;
mod fragment;
mod language;
mod moov;
mod read;
mod track;

pub mod demux;
pub mod ingest;

mod init;
mod presentation;
mod segment;
mod write;

pub mod check;
pub mod dash;
pub mod hls;
pub mod live;
pub mod mpd;
pub mod progressive;
pub mod webvtt;

pub use init::init_segment;
pub use presentation::{Presentation, Rendition, SegmentInfo, Subtitle, Thumbnails};
pub use read::{FourCc, Malformed};
pub use segment::{Iframe, Segment, SegmentError, Segmenter};
pub use track::{Kind, Sample, Track, duration_to_ticks, ticks_to_duration};
