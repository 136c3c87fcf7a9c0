//! The machine that this process runs on.

use nix::sys::utsname::{UtsName, uname};

/// Returns the release of the kernel, such as `4.9.0-8-amd64`.
pub fn kernel_release() -> Option<String> {
    let names = uname().ok()?;
    Some(names.release().to_string_lossy().into_owned())
}

/// Returns a text that differs between machines that share a home directory, and between releases of their kernel.
///
/// One system call: a prompt compares it.
pub fn identity() -> String {
    let text = |names: UtsName| {
        let parts = [names.nodename(), names.release()];
        parts
            .map(|part| part.to_string_lossy().into_owned())
            .join(" ")
    };
    uname().map(text).unwrap_or_default()
}
