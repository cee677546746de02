#![no_main]
//! libFuzzer on `web_session`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::web_session(bytes));
