//! Fuzz target: see `lock` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("lock").expect("it is listed")(bytes));
