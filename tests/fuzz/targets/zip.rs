//! Fuzz target: see `zip` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("zip").expect("it is listed")(bytes));
