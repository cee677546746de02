#![no_main]
//! libFuzzer on `manifest_head`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::manifest_head(bytes));
