#![no_main]
//! libFuzzer on `tracker_frames`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::tracker_frames(bytes));
