#![no_main]
//! libFuzzer on `manifest_text`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::manifest_text(bytes));
