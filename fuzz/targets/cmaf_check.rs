#![no_main]
//! libFuzzer on `cmaf_check`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::cmaf_check(bytes));
