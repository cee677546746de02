#![no_main]
//! libFuzzer on `access_gate`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::access_gate(bytes));
