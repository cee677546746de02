#![no_main]
//! libFuzzer on `swarm_trace`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::swarm_trace(bytes));
