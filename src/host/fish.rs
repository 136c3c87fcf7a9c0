//! Statements for fish.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::{Freshness, Statement};
use crate::env::{VarName, pathlist};

/// Appends `value` in single quotes, inside which fish knows only `\\` and `\'`.
pub(super) fn quote(value: &OsStr, code: &mut Vec<u8>) {
    code.push(b'\'');
    for byte in value.as_bytes() {
        if matches!(byte, b'\'' | b'\\') {
            code.push(b'\\');
        }
        code.push(*byte);
    }
    code.push(b'\'');
}

/// Appends one statement.
pub(super) fn render(statement: &Statement, code: &mut Vec<u8>) {
    match statement {
        Statement::Export(name, value) => export(name, value, code),
        Statement::Unset(name) => {
            // A universal variable is everybody's: it is hidden, not erased.
            code.extend_from_slice(
                format!(
                    "builtin set -eg {name}; builtin set -q {name}; and builtin set -g --unexport {name}"
                )
                .as_bytes(),
            );
        }
        Statement::Hold(names) => hold(names, code),
        Statement::Release(names) => {
            code.extend_from_slice(b"builtin set -q __devsh_held; and __devsh_release");
            words(names, code);
        }
        Statement::Drop(names) => {
            code.extend_from_slice(b"builtin set -q __devsh_held; and __devsh_drop");
            words(names, code);
        }
        Statement::Forget => code.extend_from_slice(b"__devsh_forget"),
        Statement::LeaveOnExit(leaves) => {
            let answer = if *leaves { "yes" } else { "no" };
            code.extend_from_slice(format!("builtin set -g __devsh_leaves {answer}").as_bytes());
        }
        Statement::RestoreAliases => code.extend_from_slice(b"__devsh_restore_aliases"),
        Statement::Alias(name, value) => {
            code.extend_from_slice(format!("__devsh_alias {name} ").as_bytes());
            quote(OsStr::new(value), code);
        }
        Statement::Loaded(id) => {
            code.extend_from_slice(b"builtin set -g __devsh_loaded ");
            quote(OsStr::new(id), code);
        }
        Statement::Fresh(freshness) => fresh(freshness, code),
    }
    code.push(b'\n');
}

/// Fish keeps variables whose names end in `PATH` as lists and joins them with `:` for others.
fn export(name: &VarName, value: &OsStr, code: &mut Vec<u8>) {
    code.extend_from_slice(format!("builtin set -gx {name}").as_bytes());
    if name.is_path_list() && !value.is_empty() {
        for entry in pathlist::split(value) {
            code.push(b' ');
            quote(entry, code);
        }
    } else {
        code.push(b' ');
        quote(value, code);
    }
}

/// Fish tells by one status how many of the names are not set.
fn hold(names: &[VarName], code: &mut Vec<u8>) {
    code.extend_from_slice(b"builtin set -q");
    words(names, code);
    code.extend_from_slice(
        format!(
            "; builtin test $status -eq {}; or __devsh_hold",
            names.len().min(255)
        )
        .as_bytes(),
    );
    words(names, code);
}

fn words(names: &[VarName], code: &mut Vec<u8>) {
    for name in names {
        code.push(b' ');
        code.extend_from_slice(name.as_str().as_bytes());
    }
}

/// One `test` for all comparisons and one `path` for all absences: each builtin call has its price.
fn fresh(freshness: &Freshness, code: &mut Vec<u8>) {
    code.extend_from_slice(b"function __devsh_fresh; builtin test \"$PWD\" = \"$__devsh_pwd\"");
    for (file, stamp) in &freshness.present {
        for operator in [" -nt ", " -ot "] {
            code.extend_from_slice(b" -a ! ");
            quote(file.as_os_str(), code);
            code.extend_from_slice(operator.as_bytes());
            quote(stamp.as_os_str(), code);
        }
    }
    // One builtin looks at all of them, so their directories need no look.
    let sheltered = freshness.sheltered.iter().flat_map(|one| &one.absent);
    let absent: Vec<_> = freshness.absent.iter().chain(sheltered).collect();
    if !absent.is_empty() {
        code.extend_from_slice(b"; and not builtin path is --");
        for file in absent {
            code.push(b' ');
            quote(file.as_os_str(), code);
        }
    }
    for name in &freshness.unset {
        code.extend_from_slice(format!("; and not builtin set -q {name}").as_bytes());
    }
    code.extend_from_slice(b"; end");
}
