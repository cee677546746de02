//! What the page may look up between calls, as text and as numbers: why there is no session, the index, the trace, and what the core
//! knows. Looking changes nothing in the session.

use crate::abi::with;
use manifest::Kind;
use session::Session;

/// Puts text for the page at [`braidcast_text`] and says how long it is. 0: why the session was refused. 1: the index as
/// lines, `piece_len swarm_id_hex` and then `id kind bandwidth_bps segment_count` for each rendition. 2: the trace.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_read(what: u32) -> usize {
    with(|instance| {
        if let Some(session) = &instance.session {
            match what {
                1 => instance.text = describe(session).into_bytes(),
                2 => instance.text = session.trace().to_vec(),
                _ => {}
            }
        }
        instance.text.len()
    })
}

/// What [`braidcast_read`] put there.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_text() -> *const u8 {
    with(|instance| instance.text.as_ptr())
}

/// Sizes in bytes and durations in seconds of a rendition's segments, alternating, at [`braidcast_figures`]; says how
/// many numbers there are.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_segments(rendition: u32) -> usize {
    with(|instance| {
        let rendition = instance.session.as_ref().and_then(|s| s.index().renditions.get(rendition as usize));
        instance.figures = rendition.map_or_else(Vec::new, |r| {
            r.segments.iter().flat_map(|s| [f64::from(s.size), f64::from(s.duration_ms) / 1000.0]).collect()
        });
        instance.figures.len()
    })
}

/// What the core knows, as numbers at [`braidcast_figures`]; says how many. Path bits a second (NaN: unknown), bytes held,
/// duplicate bytes, refused pieces, wants, fetches, the rendition that is offered (NaN: none), whether it is chosen for all; then for each neighbour: link, bytes in, bytes out, response in
/// milliseconds, segments it holds, what it would upload in kbit/s.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_snapshot() -> usize {
    with(|instance| {
        let Some(session) = &instance.session else { return 0 };
        let snapshot = session.snapshot();
        instance.figures.clear();
        instance.figures.extend([
            snapshot.path_bps.map_or(f64::NAN, |bps| bps as f64),
            snapshot.held_bytes as f64,
            snapshot.duplicate_bytes as f64,
            snapshot.refused as f64,
            snapshot.wants as f64,
            snapshot.fetching as f64,
            snapshot.offered.map_or(f64::NAN, |offered| f64::from(offered.rendition)),
            f64::from(u8::from(snapshot.offered.is_some_and(|offered| offered.for_all))),
        ]);
        for link in &snapshot.links {
            instance.figures.extend([
                f64::from(link.link.0),
                link.bytes_in as f64,
                link.bytes_out as f64,
                link.response.as_micros() as f64 / 1000.0,
                link.held_segments as f64,
                f64::from(link.upload_kbps),
            ]);
        }
        instance.figures.len()
    })
}

/// Numbers for the page.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_figures() -> *const f64 {
    with(|instance| instance.figures.as_ptr())
}

fn describe(session: &Session) -> String {
    let index = session.index();
    let of = |swarm: [u8; 20], lines: &[String]| {
        let swarm: String = swarm.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {swarm}\n{}", index.piece_len, lines.concat())
    };
    let line = |id: &str, kind: Kind, bandwidth_bps: u32, segments: usize| {
        let kind = if kind == Kind::Video { "video" } else { "audio" };
        format!("{id} {kind} {bandwidth_bps} {segments}\n")
    };
    #[cfg(feature = "live")]
    if let Some(live) = session.description() {
        let lines = live.renditions.iter().map(|r| line(&r.id, r.kind, r.bandwidth_bps, 0));
        return of(live.stream(), &lines.collect::<Vec<_>>());
    }
    let lines = index.renditions.iter().map(|r| line(&r.id, r.kind, r.bandwidth_bps, r.segments.len()));
    of(index.swarm_id(), &lines.collect::<Vec<_>>())
}
