//! Fuzz target: see `codec` in `src/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devsh::fuzz::target("codec").expect("it is listed")(bytes));
