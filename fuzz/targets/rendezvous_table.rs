#![no_main]
//! libFuzzer on `rendezvous_table`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::rendezvous_table(bytes));
