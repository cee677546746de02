//! Has the player's bundle built in anew when it changed.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo watches only what exists, and takes a watched path that is missing for a change at every build.
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../player/dist");
    if std::fs::create_dir_all(dist).is_ok() {
        println!("cargo::rerun-if-changed={dist}");
    }
}
