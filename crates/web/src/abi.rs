//! [`Session`] on linear memory: one session per instance of the module, plain functions, numbers only.
//!
//! The page writes what it passes in into the buffer of [`braidcast_input`], and reads what it gets from the pointers
//! given here before it makes the next call. Nothing is unsafe but the export of the names, and every length that the page
//! gives is checked, so the worst a faulty page can do is to confuse itself.
//!
//! Times are milliseconds as `performance.now()` gives them, which never go back.

use crate::batch::Batch;
use core::time::Duration;
use manifest::{MAX_INDEX_BYTES, PublicKey, SegmentId};
use session::{Options, Said, Session, Signal};
use std::cell::RefCell;
use swarm::{Config, Link, PeerId, Player, Time};

/// Most that the page may pass in one call: an index, or a message.
const MAX_INPUT_BYTES: usize = MAX_INDEX_BYTES + 1024;

#[derive(Default)]
pub(crate) struct Instance {
    pub(crate) input: Vec<u8>,
    pub(crate) session: Option<Session>,
    /// What the last call wants done.
    batch: Batch,
    /// Numbers or text for the page to read.
    pub(crate) figures: Vec<f64>,
    pub(crate) text: Vec<u8>,
}

impl Instance {
    /// 0 with the session's first batch, or 1 with the reason why there is none.
    pub(crate) fn opened(&mut self, opened: Result<Session, String>) -> u32 {
        // An index may be large; what comes later is not.
        self.input = Vec::new();
        match opened {
            Ok(session) => {
                self.batch.write(&session);
                self.session = Some(session);
                0
            }
            Err(why) => {
                self.text = why.into_bytes();
                1
            }
        }
    }
}

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::default();
}

pub(crate) fn with<T>(use_it: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with_borrow_mut(use_it)
}

/// Runs `call` on the session, if one is open.
pub(crate) fn session(call: impl FnOnce(&mut Session, &[u8])) {
    with(|instance| {
        if let Some(session) = &mut instance.session {
            call(session, &instance.input);
            instance.batch.write(session);
        }
    });
}

pub(crate) fn time(now_ms: f64) -> Time {
    Time((now_ms * 1000.0) as u64)
}

fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

pub(crate) fn segment(rendition: u32, sequence: u32) -> SegmentId {
    // An impossible rendition stays one: no index has 256.
    SegmentId::new(u8::try_from(rendition).unwrap_or(u8::MAX), sequence)
}

/// A buffer of `len` bytes for the page to write to; null if that is too many.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_input(len: usize) -> *mut u8 {
    with(|instance| {
        if len > MAX_INPUT_BYTES {
            return core::ptr::null_mut();
        }
        if instance.input.len() < len {
            instance.input.resize(len, 0);
        }
        instance.input.as_mut_ptr()
    })
}

/// Opens a session. The input buffer holds our peer id (20 bytes), the publisher's key as text (`key_len` bytes, 0 for
/// none) and the index (`index_len` bytes). 0: open, and the first batch is there. 1: refused; the reason is at
/// [`braidcast_text`](crate::look::braidcast_text).
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_open(
    now_ms: f64,
    key_len: usize,
    index_len: usize,
    seed: f64,
    upload: u32,
    record: u32,
) -> u32 {
    with(|instance| {
        let opened = open(&instance.input, now_ms, key_len, index_len, seed, upload, record != 0);
        instance.opened(opened)
    })
}

fn open(
    input: &[u8],
    now_ms: f64,
    key_len: usize,
    index_len: usize,
    seed: f64,
    upload: u32,
    record: bool,
) -> Result<Session, String> {
    let (me, key, index) = opening(input, key_len, index_len)?;
    let config = Config { upload, ..Config::default() };
    let options = Options { me, seed: seed.to_bits(), config, record };
    Session::open(time(now_ms), index, key.as_ref(), options).map_err(|why| why.to_string())
}

/// Our peer id, the publisher's key and the rest, as the page has laid them into the input buffer.
pub(crate) fn opening(
    input: &[u8],
    key_len: usize,
    len: usize,
) -> Result<(PeerId, Option<PublicKey>, &[u8]), String> {
    let split = |bytes| -> Option<(&[u8; 20], &[u8], &[u8])> {
        let (me, rest) = <[u8]>::split_first_chunk::<20>(bytes)?;
        let (key, rest) = rest.split_at_checked(key_len)?;
        Some((me, key, rest.get(..len)?))
    };
    let (me, key, rest) = split(input).ok_or("the page passed less than it said")?;
    let key = match key {
        [] => None,
        text => Some(PublicKey::parse(&String::from_utf8_lossy(text)).map_err(|why| why.to_string())?),
    };
    Ok((PeerId(*me), key, rest))
}

/// The time has come that [`braidcast_wake_at`] named.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_wake(now_ms: f64) {
    session(|s, _| s.wake(time(now_ms)));
}

/// What the player does: seconds, and a speed of 1 for normal.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_player(now_ms: f64, position_s: f64, buffered_s: f64, playing: u32, rate: f64) {
    let player = Player {
        position: span(position_s),
        buffered: span(buffered_s),
        playing: playing != 0,
        rate_permille: (rate * 1000.0) as u32,
    };
    session(|s, _| s.player(time(now_ms), player));
}

/// The player waits for a segment.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_want(now_ms: f64, rendition: u32, sequence: u32) {
    session(|s, _| s.want(time(now_ms), segment(rendition, sequence)));
}

/// The player no longer waits for it.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_unwant(now_ms: f64, rendition: u32, sequence: u32) {
    session(|s, _| s.unwant(time(now_ms), segment(rendition, sequence)));
}

/// Bytes a second to upload; 0 shares nothing.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_sharing(now_ms: f64, upload: u32) {
    session(|s, _| s.sharing(time(now_ms), (upload > 0).then_some(upload)));
}

/// How many other viewers the tracker knows of.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_audience(now_ms: f64, others: u32) {
    session(|s, _| s.audience(time(now_ms), others));
}

/// What the origin was seen to send, bytes a second.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_origin_rate(now_ms: f64, bytes_per_s: u32) {
    session(|s, _| s.origin_rate(time(now_ms), bytes_per_s));
}

/// Peers the tracker named: `count` ids of 20 bytes in the input buffer.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_strangers(now_ms: f64, count: usize) {
    session(|s, input| {
        let ids = input.chunks_exact(20).take(count);
        let peers: Vec<PeerId> = ids.filter_map(|id| id.try_into().ok().map(PeerId)).collect();
        s.strangers(time(now_ms), &peers);
    });
}

/// A connection is open; the peer's id is in the input buffer.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_link_up(now_ms: f64, link: u32, dialled: u32) {
    session(|s, input| {
        if let Some(id) = input.first_chunk::<20>() {
            s.link_up(time(now_ms), Link(link), PeerId(*id), dialled != 0);
        }
    });
}

/// A connection is gone.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_link_down(now_ms: f64, link: u32) {
    session(|s, _| s.link_down(time(now_ms), Link(link)));
}

/// How many bytes a connection would take.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_link_room(now_ms: f64, link: u32, room: u32) {
    session(|s, _| s.link_room(time(now_ms), Link(link), room));
}

/// A dial led to nothing; the peer's id is in the input buffer.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_dial_failed(now_ms: f64) {
    session(|s, input| {
        if let Some(id) = input.first_chunk::<20>() {
            s.dial_failed(time(now_ms), PeerId(*id));
        }
    });
}

/// Has a neighbour carry what is in the `len` bytes of the input buffer: 20 of the peer to which it goes, 20 of the offer's id, and
/// a description. Kind 0: an offer, 1: an answer. 0: none does, it is for the tracker.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_signal(now_ms: f64, kind: u32, len: usize) -> u32 {
    let mut carried = false;
    session(|s, input| carried = signal(kind, input.get(..len)).is_some_and(|it| s.signal(time(now_ms), it)));
    u32::from(carried)
}

fn signal(kind: u32, input: Option<&[u8]>) -> Option<Signal> {
    let (peer, rest) = input?.split_first_chunk::<20>()?;
    let (offer_id, sdp) = rest.split_first_chunk::<20>()?;
    let sdp = String::from_utf8(sdp.to_vec()).ok()?;
    let what = if kind == 0 { Said::Offer(sdp) } else { Said::Answer(sdp) };
    Some(Signal { peer: *peer, offer_id: *offer_id, what })
}

/// A message of `len` bytes came from a neighbour.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_message(now_ms: f64, link: u32, len: usize) {
    session(|s, input| {
        if let Some(bytes) = input.get(..len) {
            s.message(time(now_ms), Link(link), bytes);
        }
    });
}

/// A piece of `len` bytes came from the origin. 0: it is not the publisher's.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_origin_piece(
    now_ms: f64,
    rendition: u32,
    sequence: u32,
    piece: u32,
    len: usize,
) -> u32 {
    let mut good = false;
    session(|s, input| {
        if let Some(bytes) = input.get(..len) {
            good = s.origin_piece(time(now_ms), segment(rendition, sequence), piece, bytes);
        }
    });
    u32::from(good)
}

/// Nothing of the fetch so far is kept: the origin is asked once more.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_origin_again(rendition: u32, sequence: u32) {
    session(|s, _| s.origin_again(segment(rendition, sequence)));
}

/// A fetch is over.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_origin_end(
    now_ms: f64,
    rendition: u32,
    sequence: u32,
    complete: u32,
    forged: u32,
) {
    session(|s, _| s.origin_end(time(now_ms), segment(rendition, sequence), complete != 0, forged != 0));
}

/// Whether the `len` bytes in the input buffer are a rendition's `init.mp4`.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_is_init(rendition: u32, len: usize) -> u32 {
    let mut good = false;
    session(|s, input| {
        let rendition = u8::try_from(rendition).unwrap_or(u8::MAX);
        good = input.get(..len).is_some_and(|bytes| s.is_init(rendition, bytes));
    });
    u32::from(good)
}

/// Whether the `len` bytes in the input buffer are a segment.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_is_segment(rendition: u32, sequence: u32, len: usize) -> u32 {
    let mut good = false;
    session(|s, input| {
        good = input.get(..len).is_some_and(|bytes| s.is_segment(segment(rendition, sequence), bytes));
    });
    u32::from(good)
}

/// Whether what is in the input buffer is a text beside the media, as the publisher has signed it: `name_len` bytes of its name in
/// the film's folder, then `len` bytes of it.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_is_text(name_len: usize, len: usize) -> u32 {
    let mut good = false;
    session(|s, input| {
        let text = input.split_at_checked(name_len).and_then(|(name, rest)| Some((name, rest.get(..len)?)));
        good = text.is_some_and(|(name, text)| s.is_text(&String::from_utf8_lossy(name), text));
    });
    u32::from(good)
}

/// When to call [`braidcast_wake`]; infinity for never.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_wake_at() -> f64 {
    with(|i| i.session.as_ref().and_then(Session::wake_at).map_or(f64::INFINITY, |t| t.0 as f64 / 1000.0))
}

/// The words of the last batch.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_words() -> *const u32 {
    with(|i| i.batch.words().as_ptr())
}

/// How many words there are.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_words_len() -> usize {
    with(|i| i.batch.words().len())
}

/// The bytes of the last batch.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_bytes() -> *const u8 {
    with(|i| i.batch.bytes().as_ptr())
}

/// How many bytes there are.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_bytes_len() -> usize {
    with(|i| i.batch.bytes().len())
}

/// Runs the trace of `len` bytes in the input buffer through a fresh core: how many calls gave the same as when it was
/// recorded, all of them being the same; -1 less the number of the first call that did not; NaN if it is no trace.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_replay(len: usize) -> f64 {
    with(|instance| match instance.input.get(..len).map(swarm::trace::replay) {
        Some(swarm::trace::Replay::Same { calls }) => f64::from(calls),
        Some(swarm::trace::Replay::Differs { call }) => -1.0 - f64::from(call),
        Some(swarm::trace::Replay::Malformed) | None => f64::NAN,
    })
}
