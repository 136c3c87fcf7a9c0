//! Fuzz target: see `manifest` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("manifest").expect("it is listed")(bytes));
