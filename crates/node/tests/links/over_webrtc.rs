//! What has to be true of a link whatever carries it, between peers that speak no QUIC.

use node::links::Config;

fn local() -> Config {
    Config { quic: false, ..crate::hub::local() }
}

#[path = "data.rs"]
mod data;
#[path = "ends.rs"]
mod ends;
#[path = "paths.rs"]
pub mod paths;
