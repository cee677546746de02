#![no_main]
//! libFuzzer on `origin_names`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::origin_names(bytes));
