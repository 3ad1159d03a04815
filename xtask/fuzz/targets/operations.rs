//! Random sequences of operations over all memories, beside a model of plain bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|steps: Vec<fuzz::operations::Step>| fuzz::operations::run(steps));
