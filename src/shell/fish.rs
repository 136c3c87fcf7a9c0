//! Code for fish.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use super::{Freshness, ShellStatement};
use crate::env::{VarName, pathlist};

/// Appends `value` as one word without a newline: the hook reads the code by lines.
///
/// A plain word has no quotes, because fish parses slowly. Inside quotes fish knows only the escapes `\\\\` and `\\'`.
pub(super) fn quote(value: &OsStr, code: &mut Vec<u8>) {
    let value = value.as_bytes();
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    if !value.is_empty() && value.iter().all(plain) {
        code.extend_from_slice(value);
        return;
    }
    code.push(b'\'');
    for byte in value {
        match byte {
            b'\'' | b'\\' => code.extend_from_slice(&[b'\\', *byte]),
            b'\n' => code.extend_from_slice(br"'\n'"),
            _ => code.push(*byte),
        }
    }
    code.push(b'\'');
}

/// Appends statements in one line. Fish reserves `set`, `test` and other words. A builtin that the user's functions
/// can replace is called through `builtin`.
pub(super) fn render(statements: &[ShellStatement], code: &mut Vec<u8>) {
    for same in statements.chunk_by(|one, next| one.is_unset() && next.is_unset()) {
        match same {
            [statement] => render_one(statement, code),
            unsets => unset(unsets, code),
        }
        code.push(b';');
    }
}

fn render_one(statement: &ShellStatement, code: &mut Vec<u8>) {
    match statement {
        ShellStatement::Export(name, value) => export(name, value, code),
        ShellStatement::Unset(name) => {
            // A universal variable belongs to all sessions: it is hidden, not erased.
            code.extend_from_slice(
                format!("set -eg {name};set -qU {name};and set -gu {name}").as_bytes(),
            );
        }
        ShellStatement::Extend {
            name,
            value,
            front,
            back,
        } => extend(name, value, [front, back], code),
        ShellStatement::SaveVariables(names) => hold(names, code),
        ShellStatement::RestoreVariables(names) => {
            code.extend_from_slice(b"set -q __devsh_held;and __devsh_release");
            words(names, code);
        }
        ShellStatement::DiscardSaved(names) => {
            code.extend_from_slice(b"set -q __devsh_held;and __devsh_drop");
            words(names, code);
        }
        ShellStatement::RestoreAllVariables => {
            code.extend_from_slice(b"set -q __devsh_held;and __devsh_forget");
        }
        ShellStatement::LeaveOnExit(leaves) => {
            let answer = if *leaves { "yes" } else { "no" };
            code.extend_from_slice(format!("set -g __devsh_leaves {answer}").as_bytes());
        }
        ShellStatement::RestoreAliases => {
            code.extend_from_slice(b"set -q __devsh_alias_names[1];and __devsh_restore_aliases");
        }
        ShellStatement::Source(script, files) => {
            code.extend_from_slice(b"builtin printf %s ");
            quote(OsStr::from_bytes(script), code);
            code.extend_from_slice(b"|builtin source;__devsh_source");
            for file in files {
                code.push(b' ');
                quote(file.as_os_str(), code);
            }
        }
        ShellStatement::Unsource => {
            code.extend_from_slice(b"set -q __devsh_sourced;and __devsh_unsource");
        }
        ShellStatement::Aliases(aliases) => {
            for (index, (name, value)) in aliases.iter().enumerate() {
                if index > 0 {
                    code.push(b';');
                }
                code.extend_from_slice(format!("__devsh_alias {name} ").as_bytes());
                quote(OsStr::new(value), code);
            }
        }
        ShellStatement::SetLoaded(id) => {
            code.extend_from_slice(b"set -g __devsh_loaded ");
            quote(OsStr::new(id), code);
        }
        ShellStatement::SetFormerEntries(entries) => {
            code.extend_from_slice(b"set -g __devsh_gone ");
            quote(entries, code);
        }
        ShellStatement::SetFormerValues { memory, compared } => {
            code.extend_from_slice(b"set -g __devsh_former ");
            quote(memory, code);
            if !compared.is_empty() {
                code.extend_from_slice(b";__devsh_watch");
                words(compared, code);
            }
        }
        ShellStatement::Check { name, code: check } => {
            if let Some(check) = check {
                code.extend_from_slice(format!("function __devsh_fresh_{name};").as_bytes());
                code.extend_from_slice(check);
                code.extend_from_slice(format!(";end;set -ga __devsh_checks {name};").as_bytes());
            }
            code.extend_from_slice(
                format!("function __devsh_fresh;__devsh_fresh_{name};end").as_bytes(),
            );
        }
        ShellStatement::RemoveChecks => code.extend_from_slice(b"__devsh_forget_checks"),
    }
}

/// Unsets variables with one `set`, because each call costs time. Its status is the number of names that are not set.
fn unset(statements: &[ShellStatement], code: &mut Vec<u8>) {
    code.extend_from_slice(b"set -l __devsh_names");
    for statement in statements {
        if let ShellStatement::Unset(name) = statement {
            code.push(b' ');
            code.extend_from_slice(name.as_str().as_bytes());
        }
    }
    code.extend_from_slice(
        format!(
            ";set -eg $__devsh_names;set -qU $__devsh_names;test $status -eq {};or for __devsh_name in \
             $__devsh_names;set -qU $__devsh_name;and set -gu $__devsh_name;end",
            statements.len().min(255)
        )
        .as_bytes(),
    );
}

/// Fish keeps variables whose names end in `PATH` as lists and joins them with `:` for other programs.
fn export(name: &VarName, value: &OsStr, code: &mut Vec<u8>) {
    code.extend_from_slice(format!("set -gx {name}").as_bytes());
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

/// A list of the user that is not exported is extended, and only unexported later.
fn extend(name: &VarName, value: &OsStr, [front, back]: [&OsString; 2], code: &mut Vec<u8>) {
    let is_list = if name.is_path_list() {
        format!("set -qg {name}[1];and not set -qgx {name}")
    } else {
        format!("set -qg {name}[1];and not set -q {name}[2];and not set -qgx {name}")
    };
    code.extend_from_slice(
        format!("if {is_list};__devsh_extend {name};set -gx {name} ").as_bytes(),
    );
    if name.is_path_list() {
        for entry in pathlist::split(front) {
            quote(entry, code);
            code.push(b' ');
        }
        code.extend_from_slice(format!("${name}").as_bytes());
        for entry in pathlist::split(back) {
            code.push(b' ');
            quote(entry, code);
        }
    } else {
        if !front.is_empty() {
            quote(front, code);
            code.push(b':');
        }
        code.extend_from_slice(format!("\"${name}\"").as_bytes());
        if !back.is_empty() {
            code.push(b':');
            quote(back, code);
        }
    }
    code.extend_from_slice(b";else;");
    hold(std::slice::from_ref(name), code);
    code.push(b';');
    export(name, value, code);
    code.extend_from_slice(b";end");
}

/// The status of `set -q` is the number of names that are not set.
fn hold(names: &[VarName], code: &mut Vec<u8>) {
    code.extend_from_slice(b"set -q");
    words(names, code);
    code.extend_from_slice(
        format!(";test $status -eq {};or __devsh_hold", names.len().min(255)).as_bytes(),
    );
    words(names, code);
}

fn words(names: &[VarName], code: &mut Vec<u8>) {
    for name in names {
        code.push(b' ');
        code.extend_from_slice(name.as_str().as_bytes());
    }
}

/// Appends a check: one `test` for all comparisons and one `path` for all absent files, because each builtin call
/// costs time.
pub(super) fn fresh(freshness: &Freshness, code: &mut Vec<u8>) {
    // One comparison costs less than two. A path has no `//`, so the texts are equal only if both parts are.
    code.extend_from_slice(b"test \"$PWD//$PATH\" = \"$__devsh_pwd//$__devsh_path\"");
    for (name, place) in &freshness.same {
        code.extend_from_slice(b" -a ");
        quote(name.as_os_str(), code);
        code.extend_from_slice(b" -ef ");
        quote(place.as_os_str(), code);
    }
    for (file, stamp) in &freshness.present {
        for operator in [" -nt ", " -ot "] {
            code.extend_from_slice(b" -a ! ");
            quote(file.as_os_str(), code);
            code.extend_from_slice(operator.as_bytes());
            quote(stamp.as_os_str(), code);
        }
    }
    for file in &freshness.existing {
        code.extend_from_slice(b" -a -e ");
        quote(file.as_os_str(), code);
    }
    // One call checks all files, so a check of their directories would save nothing.
    let groups = freshness.absent_groups.iter().flat_map(|one| &one.absent);
    let absent: Vec<_> = freshness.absent.iter().chain(groups).collect();
    if !absent.is_empty() {
        code.extend_from_slice(b";and not builtin path is --");
        for file in absent {
            code.push(b' ');
            quote(file.as_os_str(), code);
        }
    }
    for name in &freshness.unexported {
        code.extend_from_slice(format!(";and not set -qx {name}").as_bytes());
    }
    if !freshness.seconds.is_empty() {
        code.extend_from_slice(b";and set -l __devsh_times (builtin path mtime --");
        for (file, _) in &freshness.seconds {
            code.push(b' ');
            quote(file.as_os_str(), code);
        }
        let seconds = freshness.all_seconds();
        code.extend_from_slice(format!(");and test \"$__devsh_times\" = '{seconds}'").as_bytes());
    }
}
