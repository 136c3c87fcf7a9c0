//! Fuzz target: see `state` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("state").expect("it is listed")(bytes));
