#![no_main]
//! libFuzzer on `wire_frames`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::wire_frames(bytes));
