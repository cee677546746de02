#![no_main]
//! libFuzzer on `swarm_live`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::swarm_live(bytes));
