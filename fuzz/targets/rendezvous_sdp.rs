#![no_main]
//! libFuzzer on `rendezvous_sdp`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::rendezvous_sdp(bytes));
