//! Writes the first corpus: valid inputs, small, the same every time. `cargo run --bin seeds` in `fuzz/`; needs ffmpeg for
//! the film seeds. What fuzzing adds is named by its hash and stays.

mod media;
mod peers;
mod signed;
mod trackers;

use braidcast_fuzz::{Film, gate};
use std::fs;
use std::path::Path;

fn main() {
    let film = Film::new();
    signed::seeds(&film);
    peers::seeds(&film);
    trackers::seeds();
    media::seeds();
    for (name, bytes) in gate::seeds() {
        put("access_gate", name, &bytes);
    }
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("the corpus folder can be made");
    fs::write(folder.join(name), bytes).expect("a seed can be written");
}
