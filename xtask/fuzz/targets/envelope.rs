//! Envelopes
#![no_main]

libfuzzer_sys::fuzz_target!(|input: fuzz::envelope::Input<'_>| fuzz::envelope::run(input));
