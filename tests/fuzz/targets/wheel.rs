//! Fuzz target: see `wheel` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("wheel").expect("it is listed")(bytes));
