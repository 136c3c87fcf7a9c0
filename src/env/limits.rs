//! Size limits of an environment. Pure.

use std::ffi::OsStr;

/// Longest variable, in bytes as `length` counts them.
///
/// Linux refuses to start a program with a longer string in the environment (`MAX_ARG_STRLEN`).
pub const VARIABLE: usize = 128 << 10;
/// Most bytes that a dev shell may add to an environment.
pub const GROWTH: usize = 256 << 10;

/// Returns the length of a variable: name, `=`, value and a null byte.
pub fn length(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> usize {
    name.as_ref().len() + value.as_ref().len() + 2
}
