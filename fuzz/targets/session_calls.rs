#![no_main]
//! libFuzzer on `session_calls`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::session_calls(bytes));
