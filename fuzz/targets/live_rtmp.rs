#![no_main]
//! libFuzzer on `live_rtmp`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::live_rtmp(bytes));
