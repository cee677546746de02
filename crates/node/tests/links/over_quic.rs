//! What has to be true of a link whatever carries it, between peers that speak QUIC.

use crate::hub::local;

#[path = "data.rs"]
mod data;
#[path = "ends.rs"]
mod ends;
#[path = "paths.rs"]
mod paths;
