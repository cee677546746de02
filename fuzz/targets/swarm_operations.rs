#![no_main]
//! libFuzzer on `swarm_operations`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::swarm_operations(bytes));
