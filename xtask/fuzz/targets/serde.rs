//! JSON and bincode input into every type.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::serde::run(input));
