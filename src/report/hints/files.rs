//! Hints for file operations that failed.

use crate::{report::failure::Failure, util::files};

impl From<&files::Error> for Failure {
    fn from(error: &files::Error) -> Self {
        use std::io::ErrorKind;
        let failure = Self::new(format!("{error}: {}", reason(&error.source)));
        let own = error
            .path
            .components()
            .any(|part| part.as_os_str() == "devsh");
        match error.source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if !own => {
            failure.hint("make it writable, or commit a lockfile and use `--locked`")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => failure.hint(
            "make it writable, or point `XDG_DATA_HOME`, `XDG_STATE_HOME` and `XDG_CACHE_HOME` at \
             directories that are",
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            failure.hint("free space there, then run the command again")
        }
        _ => failure,
    }
    }
}

/// Returns the reason of the operating system, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
