#![no_main]
//! libFuzzer on `cmaf_ingest`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| braidcast_fuzz::cmaf_ingest(bytes));
