#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| skep_hive_fuzz::bounded(data, skep_hive::fuzzing::sasl));
