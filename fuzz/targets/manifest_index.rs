#![no_main]
//! libFuzzer on `manifest_index`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::manifest_index(bytes));
