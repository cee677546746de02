#![no_main]
//! libFuzzer on `cmaf_demux`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::cmaf_demux(bytes));
