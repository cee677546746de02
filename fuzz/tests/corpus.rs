//! Every target over its committed corpus: what once broke, and what reaches deep.

use braidcast_fuzz::TARGETS;
use std::fs;
use std::path::Path;

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("the list of targets has it");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a corpus folder can be listed").path();
        println!("{}", path.display());
        target(&fs::read(&path).expect("a corpus file can be read"));
        files += 1;
    }
    assert!(files > 0, "{name} has no corpus: run `cargo run --bin seeds` in fuzz/");
}

macro_rules! replays {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() { replay(stringify!($name)); }
    )*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($name)),*];
            assert!(TARGETS.iter().all(|(name, _)| replayed.contains(name)));
            assert_eq!(TARGETS.len(), replayed.len());
        }
    }
}

replays! {
    access_gate cmaf_check cmaf_demux cmaf_ingest cmaf_live cmaf_progressive live_flv live_pull live_rtmp manifest_head manifest_index
    manifest_text origin_names rendezvous_sdp rendezvous_table session_calls swarm_live swarm_operations swarm_trace tracker_frames wire_frames
}
