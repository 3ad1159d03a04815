//! Files of secrets altered and cut off under our feet.
#![no_main]

libfuzzer_sys::fuzz_target!(|steps: Vec<fuzz::slots::Step>| fuzz::slots::run(steps));
