//! What the page calls for a live stream only: left out of the module that plays films.

use crate::abi::{opening, segment, session, time, with};
use session::{Options, Session, Signed};
use swarm::Config;

/// Opens a session of a live stream. The input buffer is as for `braidcast_open`, with the stream's signed description for the index;
/// `wall_ms` is what the calendar says, milliseconds since 1970 UTC. 0: open. 1: refused; the reason is at `braidcast_text`.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_open_live(
    now_ms: f64,
    wall_ms: f64,
    key_len: usize,
    len: usize,
    seed: f64,
    upload: u32,
) -> u32 {
    with(|instance| {
        let opened = opening(&instance.input, key_len, len).and_then(|(me, key, description)| {
            let config = Config { upload, ..Config::default() };
            let options = Options { me, seed: seed.to_bits(), config, record: false };
            Session::open_live(time(now_ms), wall_ms as u64, description, key.as_ref(), options)
                .map_err(|why| why.to_string())
        });
        instance.opened(opened)
    })
}

/// The origin's answer to `ASK_HEADS`, `len` bytes of the input buffer: delegations and heads, oldest first, each after its length as a
/// `u32` in little-endian order. 0: all were taken, or known. 1: the reason why one was not is at `braidcast_text`.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_heads(now_ms: f64, len: usize) -> u32 {
    let mut refused = None;
    session(|s, input| {
        let signed = input.get(..len).map(Signed).into_iter().flatten();
        refused = s.heads(time(now_ms), signed).err();
    });
    let Some(why) = refused else { return 0 };
    with(|instance| instance.text = why.to_string().into_bytes());
    1
}

/// The stream has a new description: `len` bytes of the input buffer. 0: they are none.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_describe(len: usize) -> u32 {
    let mut taken = false;
    session(|s, input| taken = input.get(..len).is_some_and(|bytes| s.describe(bytes)));
    u32::from(taken)
}

/// Bytes of a part that a head has told of; 0 for any other.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_part_size(rendition: u32, sequence: u32) -> u32 {
    with(|i| i.session.as_ref().map_or(0, |s| s.part_size(segment(rendition, sequence))))
}

/// Whether nothing new has come for three times `target_ms`, or what is known has expired: somebody may be holding it back.
#[unsafe(no_mangle)]
pub extern "C" fn braidcast_is_frozen(now_ms: f64, target_ms: f64) -> u32 {
    with(|i| u32::from(i.session.as_ref().is_some_and(|s| s.is_frozen(time(now_ms), target_ms as u64))))
}
