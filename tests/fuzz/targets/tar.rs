//! Fuzz target: see `tar` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("tar").expect("it is listed")(bytes));
