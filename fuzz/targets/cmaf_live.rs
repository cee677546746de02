#![no_main]
//! libFuzzer on `cmaf_live`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::cmaf_live(bytes));
