//! Fuzz target: see `version` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("version").expect("it is listed")(bytes));
