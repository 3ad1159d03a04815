//! Policies, limits and sizes, each in a forked child.
#![no_main]

libfuzzer_sys::fuzz_target!(|case: fuzz::policy::Case| fuzz::policy::run(case));
