#![no_main]
//! libFuzzer on `cmaf_progressive`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::cmaf_progressive(bytes));
