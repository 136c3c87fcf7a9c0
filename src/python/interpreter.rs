//! The Python interpreter that packages are installed for.

use std::{ffi::OsString, path::PathBuf};

use crate::package::Version;

/// A Python interpreter.
#[derive(Debug, Clone)]
pub struct Interpreter {
    pub program: PathBuf,
    pub version: Version,
    /// True if its own packages belong to environments on top of it.
    pub packages_visible: bool,
    /// Further variables for builds of packages, such as the places of libraries.
    pub build_variables: Vec<(OsString, OsString)>,
    /// Identifies it; the same on every machine if it is from the store.
    pub identity: Vec<u8>,
}

/// Returns `3.12` of `3.12.4`.
pub fn minor_version(version: &Version) -> String {
    let numbers = version.release().iter().take(2);
    let numbers: Vec<String> = numbers.map(u64::to_string).collect();
    numbers.join(".")
}
