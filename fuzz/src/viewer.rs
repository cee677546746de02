//! The peer's state machine and the part of its drivers that checks, under any sequence of inputs.

use crate::{Film, live};
use manifest::{Kind, SegmentId};
use session::{Options, Order, Place, Said, Session, Signal};
use std::time::Duration;
use swarm::{Config, Input, Link, Output, Part, Peer, PeerId, Player, Source, Time, trace};
use wire::{Bytes, MAX_PATH, Message};

/// Inputs as `swarm::trace` writes them, to a peer that watches a film, or keeps it for others, and has neighbours. It stays within its limits, and
/// two peers that are told the same do the same.
pub fn swarm_operations(bytes: &[u8]) {
    let film = Film::new();
    for config in [Config::default(), Config::keeper()] {
        run_twice(&config, &[Input::Film(&film.index)], bytes, |segment| film.segment(segment).is_some());
    }
}

/// The same for a peer that watches a live stream, of which a second has been heard.
pub fn swarm_live(bytes: &[u8]) {
    let begin = Input::Live { swarm: live::STREAM, piece_len: 16 * 1024, kinds: &[Kind::Video, Kind::Audio] };
    let parts = live_parts(1..=5);
    let head = Input::Head { from: Source::Origin, number: 5, parts: &parts };
    // What it has heard of is for it to say.
    run_twice(&Config::default(), &[begin, head], bytes, |_| true);
}

/// Parts of a live stream with these numbers, pictures and sound.
pub fn live_parts(numbers: std::ops::RangeInclusive<u32>) -> Vec<Part> {
    let part = |number, rendition, size| Part {
        id: SegmentId::new(rendition, number),
        start_ms: (number - 1) * 200,
        duration_ms: 200,
        size,
    };
    numbers.flat_map(|number| [part(number, 0, 100_000), part(number, 1, 3000)]).collect()
}

/// A peer with three neighbours, and whatever else it is told, two times over.
fn run_twice(config: &Config, begin: &[Input<'_>], bytes: &[u8], is_known: impl Fn(SegmentId) -> bool) {
    let mut input = Vec::new();
    let mut tell = |what: &Input<'_>| {
        wire::put_varint(&mut input, 1);
        trace::put_input(&mut input, what);
    };
    begin.iter().for_each(&mut tell);
    tell(&Input::Player(Player {
        position: Duration::ZERO,
        buffered: Duration::ZERO,
        playing: true,
        rate_permille: 1000,
    }));
    for link in 0..3u8 {
        tell(&Input::LinkUp {
            link: Link(u32::from(link)),
            peer: PeerId([b'a' + link; 20]),
            dialled: link == 0,
        });
    }
    input.extend_from_slice(bytes);

    let run = || {
        let mut peer = Peer::new(PeerId([b'm'; 20]), config.clone(), 7);
        let mut did = Vec::new();
        trace::drive(&mut peer, &input, |peer, outputs| {
            let snapshot = peer.snapshot();
            assert!(snapshot.links.len() <= config.links_max, "more links than its limit");
            assert!(snapshot.fetching <= config.fetches_max + snapshot.wants, "more fetches than its limit");
            for output in outputs {
                if let Output::Deliver(segment) | Output::Fetch { segment, .. } = output {
                    assert!(is_known(*segment), "a segment that the film has not");
                }
                if let Output::Send(_, Message::Seats(seats)) = output {
                    assert!(seats.iter().all(|seat| seat.path.len() <= MAX_PATH), "a path that nobody reads");
                }
                trace::put_output(&mut did, output);
            }
        });
        did
    };
    assert_eq!(run(), run(), "the same inputs gave other outputs");
}

/// A trace of any bytes is replayed or refused.
pub fn swarm_trace(bytes: &[u8]) {
    let _ = trace::replay(bytes);
}

/// What a driver may call, with any arguments: messages from neighbours, pieces from the origin. Whatever is to be stored is a
/// piece of the film, byte for byte.
pub fn session_calls(bytes: &[u8]) {
    let film = Film::new();
    let config = Config { upload: 1_000_000, ..Config::default() };
    let options = Options { me: PeerId([b'm'; 20]), seed: 7, config, record: false };
    let mut session = Session::open(Time(0), &film.index.seal_unsigned(), None, options)
        .expect("the film's index is valid");
    let mut bytes = Bytes(bytes);
    let mut now = Time(0);
    while call(&film, &mut session, &mut now, &mut bytes).is_some() {}
}

/// One call; `None` when the bytes are used up.
fn call(film: &Film, session: &mut Session, now: &mut Time, bytes: &mut Bytes<'_>) -> Option<()> {
    let what = bytes.u8().ok()?;
    *now = *now + Duration::from_millis(u64::from(bytes.u8().ok()?) * 8);
    let now = *now;
    let link = |bytes: &mut Bytes<'_>| Some(Link(u32::from(bytes.u8().ok()? % 8)));
    let segment = |bytes: &mut Bytes<'_>| Some(SegmentId::new(bytes.u8().ok()?, u32::from(bytes.u8().ok()?)));
    match what % 15 {
        // What a neighbour may be asked to carry.
        _ if what >= 240 => {
            let (peer, sdp) = (bytes.u8().ok()?, usize::from(bytes.u8().ok()?) * 64);
            let sdp = "s".repeat(sdp);
            let what = if what & 1 == 0 { Said::Offer(sdp) } else { Said::Answer(sdp) };
            let _ = session.signal(now, Signal { peer: [peer; 20], offer_id: [bytes.u8().ok()?; 20], what });
        }
        0 => session.wake(now),
        1 => {
            let link = link(bytes)?;
            session.link_up(now, link, PeerId([link.0 as u8; 20]), bytes.u8().ok()? & 1 == 1);
        }
        2 => session.link_down(now, link(bytes)?),
        3 => session.link_room(now, link(bytes)?, bytes.varint().ok()?),
        4 => session.want(now, segment(bytes)?),
        5 => session.unwant(now, segment(bytes)?),
        6 => {
            let link = link(bytes)?;
            let length = bytes.varint().ok()? as usize;
            let message = bytes.take(length.min(bytes.0.len())).ok()?;
            session.message(now, link, message);
            stored(film, session, message);
        }
        // A real piece in a real frame, which bytes alone would hardly find.
        7 => {
            let link = link(bytes)?;
            let (segment, piece) = (segment(bytes)?, u32::from(bytes.u8().ok()?));
            let (id, spoil) = (bytes.varint().ok()?, bytes.u8().ok()?);
            let mut payload = film.piece(segment, piece)?.to_vec();
            payload[0] ^= spoil;
            let mut message = Vec::new();
            if let Some(whole) = film.segment(segment) {
                wire::put_leaves(
                    &mut message,
                    segment,
                    &manifest::digest::leaves(whole, film.index.piece_len),
                );
            }
            wire::put_piece(&mut message, id, segment, piece, &payload);
            session.message(now, link, &message);
            stored(film, session, &message);
        }
        8 => {
            let (segment, piece) = (segment(bytes)?, u32::from(bytes.u8().ok()?));
            let mut payload = film.piece(segment, piece)?.to_vec();
            payload[0] ^= bytes.u8().ok()?;
            let _ = session.origin_piece(now, segment, piece, &payload);
        }
        9 => session.origin_end(now, segment(bytes)?, bytes.u8().ok()? & 1 == 1, bytes.u8().ok()? & 1 == 1),
        // What it held before, with its leaves or others.
        11 => {
            let (segment, spoil) = (segment(bytes)?, bytes.u8().ok()?);
            let mut leaves = manifest::digest::leaves(film.segment(segment)?, film.index.piece_len);
            leaves[0].0[0] ^= spoil;
            assert_eq!(session.held(now, segment, leaves), spoil == 0, "only what the index vouches for");
        }
        12 => session.lost(now, segment(bytes)?),
        13 => session.absent(now, link(bytes)?, bytes.varint().ok()?),
        10 => session.sharing(now, Some(bytes.varint().ok()?)),
        _ => {
            let (position, buffered) = (bytes.u8().ok()?, bytes.u8().ok()?);
            session.player(
                now,
                Player {
                    position: Duration::from_millis(u64::from(position) * 100),
                    buffered: Duration::from_millis(u64::from(buffered) * 100),
                    playing: true,
                    rate_permille: 1000,
                },
            );
        }
    }
    Some(())
}

/// Looks at every piece of `message` that is to be stored.
fn stored(film: &Film, session: &Session, message: &[u8]) {
    for order in session.orders() {
        if let Order::Keep { segment, piece, place: Place::Message(at), len } = *order {
            let bytes = &message[at as usize..][..len as usize];
            assert_eq!(
                Some(bytes),
                film.piece(segment, piece),
                "a piece to be stored that is not the film's"
            );
        }
    }
}
