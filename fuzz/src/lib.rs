//! What is fuzzed: one function for each decoder and each state machine that strangers' bytes reach.
//!
//! libFuzzer calls these (`targets/`), and so does a plain test over the committed corpus (`tests/corpus.rs`). A function
//! returns whatever it is given; it panics when an invariant is broken, and only then.

mod doors;
mod film;
pub mod gate;
pub mod live;
mod table;
mod viewer;

pub use doors::{live_flv, live_pull, live_rtmp, rtmp_story};
pub use film::Film;
pub use gate::access_gate;
pub use live::manifest_head;
pub use table::{rendezvous_sdp, rendezvous_table};
pub use viewer::{live_parts, session_calls, swarm_live, swarm_operations, swarm_trace};

use manifest::{Index, SegmentId, text};
use std::path::{Component, Path};

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; its corpus is in `corpus/<name>`.
pub const TARGETS: &[Target] = &[
    ("access_gate", access_gate),
    ("cmaf_check", cmaf_check),
    ("cmaf_demux", cmaf_demux),
    ("cmaf_ingest", cmaf_ingest),
    ("cmaf_live", cmaf_live),
    ("cmaf_progressive", cmaf_progressive),
    ("live_flv", live_flv),
    ("live_pull", live_pull),
    ("live_rtmp", live_rtmp),
    ("manifest_head", manifest_head),
    ("manifest_index", manifest_index),
    ("manifest_text", manifest_text),
    ("origin_names", origin_names),
    ("rendezvous_sdp", rendezvous_sdp),
    ("rendezvous_table", rendezvous_table),
    ("swarm_live", swarm_live),
    ("swarm_operations", swarm_operations),
    ("swarm_trace", swarm_trace),
    ("session_calls", session_calls),
    ("tracker_frames", tracker_frames),
    ("wire_frames", wire_frames),
];

/// An index that is taken is valid, says the same when it is written again, and names every piece once.
pub fn manifest_index(bytes: &[u8]) {
    let Ok(index) = Index::open(bytes, None) else { return };
    index.validate().expect("what was opened is valid");
    let again = Index::open(&index.seal_unsigned(), None).expect("what was written can be read");
    assert_eq!(again, index);
    assert_eq!(again.swarm_id(), index.swarm_id());
    for (rendition, what) in index.renditions.iter().enumerate() {
        let sequences = [1, what.segments.len() as u32, what.segments.len() as u32 + 1, 0];
        for id in sequences.map(|sequence| SegmentId::new(rendition as u8, sequence)) {
            let count = index.piece_count(id);
            assert_eq!(count == 0, index.segment(id).is_none());
            assert_eq!(index.piece_range(id, count), None);
            let end =
                count.checked_sub(1).and_then(|last| index.piece_range(id, last)).map(|range| range.end);
            assert_eq!(end, index.segment(id).map(|segment| segment.size));
        }
    }
}

/// What is taken as a text is what its publisher made of it, and what is left of any bytes is taken once it is signed, under that name only.
pub fn manifest_text(bytes: &[u8]) {
    let (key, stream) = (live::publisher(), live::STREAM);
    if let Ok(text) = text::open(bytes, &stream, "t0/1.vtt", &key.public()) {
        assert_eq!(text::seal(text, &stream, "t0/1.vtt", &key), bytes);
    }
    let bare = text::strip(bytes);
    let sealed = text::seal(bare, &stream, "t0/1.vtt", &key);
    let open = |name| text::open(&sealed, &stream, name, &key.public());
    assert!(bytes.starts_with(bare) && open("t0/1.vtt").is_ok_and(|text| text.starts_with(bare)));
    assert!(open("t0/2.vtt").is_err());
}

/// Frames that are taken say the same when they are written again, in no more bytes.
pub fn wire_frames(bytes: &[u8]) {
    let frames: Vec<_> = wire::Frames::new(bytes).map_while(Result::ok).collect();
    let mut written = Vec::new();
    for frame in &frames {
        match frame {
            wire::Frame::Message(message) => wire::put_message(&mut written, message),
            wire::Frame::Leaves { segment, leaves } => wire::put_leaves(&mut written, *segment, leaves),
            wire::Frame::Piece { id, segment, piece, payload } => {
                wire::put_piece(&mut written, *id, *segment, *piece, payload);
            }
            wire::Frame::Head(head) => wire::put_head(&mut written, head),
        }
    }
    assert!(written.len() <= bytes.len());
    let again: Vec<_> =
        wire::Frames::new(&written).collect::<Result<_, _>>().expect("what was written can be read");
    assert_eq!(again, frames);
}

/// What a client sends over its WebSocket says the same however it is cut, and little of it is held.
pub fn tracker_frames(bytes: &[u8]) {
    tracker::fuzz_frames(bytes);
}

/// A film of any bytes is demuxed or refused.
pub fn cmaf_demux(bytes: &[u8]) {
    cmaf::demux::fuzz(bytes);
}

/// An encoder's stream of any bytes is taken in or refused.
pub fn cmaf_ingest(bytes: &[u8]) {
    cmaf::ingest::fuzz(bytes);
}

/// The answers of a live stream, whatever they are, are judged.
pub fn cmaf_live(bytes: &[u8]) {
    cmaf::check::live::fuzz(bytes);
}

/// A package of any bytes is made into one file or refused.
pub fn cmaf_progressive(bytes: &[u8]) {
    cmaf::progressive::fuzz(bytes);
}

/// Playlists, manifests and segments of any bytes are judged.
pub fn cmaf_check(bytes: &[u8]) {
    cmaf::check::fuzz(bytes);
}

/// A name that is taken is written in exactly one way, and stays inside the package.
pub fn origin_names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(name) = origin::http::Name::parse(text) else { return };
    assert_eq!(name.to_string(), text);
    let path = name.path(Path::new("package"));
    assert!(
        path.starts_with("package") && path.components().all(|part| matches!(part, Component::Normal(_)))
    );
}
