//! What rules are judged in: a viewer whose segments come one after the other over a link that replays a recorded or a
//! made-up trace, as in the environment of Pensieve (Mao, Netravali and Alizadeh 2017).
//!
//! Its invariant: media is conserved. What was fetched is either played or in the buffer, and every second that passes is
//! spent playing or stalled.

mod link;
mod session;
mod synthetic;
mod video;

pub use link::Trace;
pub use session::{Report, Session, Step, watch};
pub use synthetic::Preset;
pub use video::Video;
