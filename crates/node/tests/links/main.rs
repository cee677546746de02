//! Links on real sockets: what two or many peers in one process see of each other.

mod coturn;
mod hidden;
mod hostile;
mod hub;
mod lite;
// The same stories twice.
#[allow(clippy::duplicate_mod)]
mod over_quic;
#[allow(clippy::duplicate_mod)]
mod over_webrtc;
mod quic;
mod relay;
mod strangers;
mod turn;
