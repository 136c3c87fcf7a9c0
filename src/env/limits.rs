//! How large an environment may become. Pure.

use std::ffi::OsStr;

/// The longest variable that a program can be given, as `length` counts, in bytes.
///
/// That is Linux' limit for one string; with a longer one in the environment no program starts any more.
pub const VARIABLE: usize = 128 << 10;
/// The most that a dev shell may add to an environment, in bytes.
pub const GROWTH: usize = 256 << 10;

/// Returns how long a variable is: its name, `=`, its value and an end of one byte.
pub fn length(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> usize {
    name.as_ref().len() + value.as_ref().len() + 2
}
