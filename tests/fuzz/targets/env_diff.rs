//! Fuzz target: see `env_diff` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("env_diff").expect("it is listed")(bytes));
