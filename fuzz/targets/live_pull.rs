#![no_main]
//! libFuzzer on `live_pull`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::live_pull(bytes));
