#![no_main]
//! libFuzzer on `live_flv`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::live_flv(bytes));
