//! Code for bash and zsh.

use std::{collections::BTreeSet, ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use super::{AbsentGroup, Freshness, HostShell, ShellStatement};
use crate::env::VarName;

/// Appends `value` in single quotes, the only form in which both shells keep every byte.
pub(super) fn quote(value: &OsStr, code: &mut Vec<u8>) {
    code.push(b'\'');
    for byte in value.as_bytes() {
        match byte {
            b'\'' => code.extend_from_slice(br"'\''"),
            _ => code.push(*byte),
        }
    }
    code.push(b'\'');
}

/// Appends statements.
///
/// The backslash and `builtin` bypass the user's aliases and functions. Variables share one command, because bash parses slowly.
pub(super) fn render(shell: HostShell, statements: &[ShellStatement], code: &mut Vec<u8>) {
    let alike = |one: &ShellStatement, next: &ShellStatement| {
        one.is_unset() && next.is_unset() || one.is_export() && next.is_export()
    };
    for same in statements.chunk_by(|one, next| alike(one, next)) {
        match same {
            [ShellStatement::Export(..), ..] => code.extend_from_slice(b"\\builtin export"),
            [ShellStatement::Unset(..), ..] if shell == HostShell::Zsh => {
                // Special variables lose their meaning when they are unset.
                code.extend_from_slice(b"if [[ -n ${__devsh_held_names+x} ]]; then __devsh_unset");
                for statement in same {
                    render_one(shell, statement, code);
                }
                code.extend_from_slice(b"; else \\builtin unset -v");
            }
            [ShellStatement::Unset(..), ..] => code.extend_from_slice(b"\\builtin unset -v"),
            _ => {}
        }
        for statement in same {
            render_one(shell, statement, code);
        }
        if shell == HostShell::Zsh && same[0].is_unset() {
            code.extend_from_slice(b"; fi");
        }
        code.push(b'\n');
    }
}

/// Appends one statement, or its part of a command that `render` has begun.
fn render_one(shell: HostShell, statement: &ShellStatement, code: &mut Vec<u8>) {
    match statement {
        ShellStatement::Export(name, value) => {
            code.extend_from_slice(format!(" {name}=").as_bytes());
            quote(value, code);
        }
        ShellStatement::Unset(name) => code.extend_from_slice(format!(" {name}").as_bytes()),
        ShellStatement::Extend {
            name,
            value,
            front,
            back,
        } => {
            code.extend_from_slice(format!("__devsh_extend {name}").as_bytes());
            for word in [value, front, back] {
                code.push(b' ');
                quote(word, code);
            }
        }
        ShellStatement::SaveVariables(names) => hold(shell, names, code),
        ShellStatement::RestoreVariables(names) => {
            code.extend_from_slice(b"[[ -z ${__devsh_held_names+x} ]] || __devsh_release");
            words(names, code);
        }
        ShellStatement::DiscardSaved(names) => {
            code.extend_from_slice(b"[[ -z ${__devsh_held_names+x} ]] || __devsh_drop");
            words(names, code);
        }
        ShellStatement::RestoreAllVariables => {
            code.extend_from_slice(b"[[ -z ${__devsh_held_names+x} ]] || __devsh_forget");
        }
        ShellStatement::LeaveOnExit(leaves) => {
            code.extend_from_slice(if *leaves {
                b"__devsh_leave_on_exit yes"
            } else {
                b"[[ -z ${__devsh_trap+x} ]] || __devsh_leave_on_exit no"
            });
        }
        ShellStatement::RestoreAliases => {
            // In bash an empty array counts as unset. In zsh it has the length 0.
            code.extend_from_slice(if shell == HostShell::Bash {
                b"[[ -z ${__devsh_alias_names+x} ]] || __devsh_restore_aliases".as_slice()
            } else {
                b"[[ ${#__devsh_alias_news} == 0 ]] || __devsh_restore_aliases"
            });
        }
        ShellStatement::Source(script, files) => source(shell, script, files, code),
        ShellStatement::Unsource => {
            code.extend_from_slice(if shell == HostShell::Bash {
                b"[[ -z ${__devsh_sourced+x} ]] || __devsh_unsource || :".as_slice()
            } else {
                b"[[ -z ${__devsh_sourced+x} ]] || { __devsh_unsource; __devsh_then='__devsh_restore_options;' }"
            });
        }
        ShellStatement::Aliases(aliases) => {
            code.extend_from_slice(b"__devsh_find_prompt_commands");
            for (name, _) in aliases {
                code.extend_from_slice(format!(" {name}").as_bytes());
            }
            for (name, value) in aliases {
                code.extend_from_slice(format!("\n__devsh_alias {name} ").as_bytes());
                quote(OsStr::new(value), code);
            }
        }
        ShellStatement::SetLoaded(id) => {
            code.extend_from_slice(b"__devsh_loaded=");
            quote(OsStr::new(id), code);
        }
        ShellStatement::SetFormerEntries(entries) => {
            code.extend_from_slice(b"__devsh_gone=");
            quote(entries, code);
        }
        ShellStatement::SetFormerValues { memory, compared } => {
            code.extend_from_slice(b"__devsh_former=");
            quote(memory, code);
            if !compared.is_empty() {
                code.extend_from_slice(b"\n__devsh_watch");
                words(compared, code);
            }
        }
        ShellStatement::Check { name, code: check } => {
            if let Some(check) = check {
                code.extend_from_slice(format!("__devsh_fresh_{name}() {{ ").as_bytes());
                code.extend_from_slice(check);
                code.extend_from_slice(format!("; }}\n__devsh_checks+=' {name}'\n").as_bytes());
            }
            code.extend_from_slice(
                format!("__devsh_fresh() {{ __devsh_fresh_{name}; }}").as_bytes(),
            );
        }
        ShellStatement::RemoveChecks => code.extend_from_slice(b"__devsh_forget_checks"),
    }
}

/// Most names are unset in the host shell: one test for all of them saves the call.
fn hold(shell: HostShell, names: &[VarName], code: &mut Vec<u8>) {
    // Without an index bash tests only the first entry of an array.
    let any = if shell == HostShell::Bash { "[@]" } else { "" };
    code.extend_from_slice(b"[[ -z ");
    for name in names {
        code.extend_from_slice(format!("${{{name}{any}+x}}").as_bytes());
    }
    if shell == HostShell::Bash {
        // `@A` finds arrays without entries and variables without a value. Bash before 5.0 does not have it.
        code.extend_from_slice(b" && ( BASH_VERSINFO -lt 5 || -z ");
        for name in names {
            code.extend_from_slice(format!("${{{name}[@]@A}}").as_bytes());
        }
        code.extend_from_slice(b" )");
    }
    code.extend_from_slice(b" ]] || __devsh_hold");
    words(names, code);
    if shell == HostShell::Bash {
        // A nameref to a variable that is not set looks unset itself.
        code.extend_from_slice(b"\n__devsh_detach");
        words(names, code);
    }
}

/// In zsh the user's options are in effect only after this code, so the scripts run later, from `__devsh_then`.
fn source(shell: HostShell, script: &[u8], files: &[PathBuf], code: &mut Vec<u8>) {
    let quoted = |text: &[u8]| {
        let mut word = Vec::new();
        quote(OsStr::from_bytes(text), &mut word);
        word
    };
    let mut words = Vec::new();
    for file in files {
        words.push(b' ');
        words.extend(quoted(file.as_os_str().as_bytes()));
    }
    if shell == HostShell::Bash {
        // A session may be lost while its scripts are still in effect.
        code.extend_from_slice(b"[[ -z ${__devsh_sourced+x} ]] || __devsh_unsource || :\n");
        code.extend_from_slice(script);
        code.extend_from_slice(b"\n__devsh_source");
        code.extend(words);
        // Inside `builtin eval` bash obeys `set -e` even after `||` outside of it.
        code.extend_from_slice(b" || :");
    } else {
        code.extend_from_slice(b"__devsh_define ");
        code.extend(quoted(script));
        code.extend_from_slice(b"\n__devsh_then+=__devsh_source");
        code.extend(quoted(&words));
    }
}

fn words(names: &[VarName], code: &mut Vec<u8>) {
    for name in names {
        code.push(b' ');
        code.extend_from_slice(name.as_str().as_bytes());
    }
}

/// Appends a check: one `[[` with literal words is the fastest one in both shells.
pub(super) fn fresh(shell: HostShell, freshness: &Freshness, code: &mut Vec<u8>) {
    code.extend_from_slice(b"[[ $PWD == \"$__devsh_pwd\"");
    if shell == HostShell::Bash {
        // Under `shopt -s nocasematch` the comparison ignores case, but this expansion does not.
        code.extend_from_slice(b" && -z ${PWD##\"$__devsh_pwd\"}");
    }
    code.extend_from_slice(b" && ${PATH-} == \"$__devsh_path\"");
    if shell == HostShell::Bash {
        code.extend_from_slice(b" && -z ${PATH+${PATH##\"$__devsh_path\"}}");
    }
    same(&freshness.same, code);
    for (file, stamp) in &freshness.present {
        if shell == HostShell::Zsh {
            // For a missing file `-nt` and `-ot` are both false in zsh. In bash it counts as the oldest.
            test(code, " && -e ", file.as_os_str(), None);
        }
        test(
            code,
            " && ! ",
            file.as_os_str(),
            Some(("-nt", stamp.as_os_str())),
        );
        test(
            code,
            " && ! ",
            file.as_os_str(),
            Some(("-ot", stamp.as_os_str())),
        );
    }
    if shell == HostShell::Zsh {
        // A missing stamp file would hide changes for the same reason.
        let stamps: BTreeSet<&PathBuf> = freshness.present.iter().map(|(_, stamp)| stamp).collect();
        for stamp in stamps {
            test(code, " && -e ", stamp.as_os_str(), None);
        }
    }
    for file in &freshness.existing {
        test(code, " && -e ", file.as_os_str(), None);
    }
    for file in &freshness.absent {
        test(code, " && ! -e ", file.as_os_str(), None);
    }
    absent_groups(shell, &freshness.absent_groups, code);
    if shell == HostShell::Zsh {
        for name in &freshness.unexported {
            code.extend_from_slice(format!(" && ${{(t){name}}} != *export*").as_bytes());
        }
    }
    code.extend_from_slice(b" ]]");
    if shell == HostShell::Bash {
        for name in &freshness.unexported {
            let check = format!(" && {{ [[ -z ${{{name}+x}} ]] || __devsh_unexported {name}; }}");
            code.extend_from_slice(check.as_bytes());
        }
    }
    if !freshness.seconds.is_empty() {
        code.extend_from_slice(b" && __devsh_times '");
        code.extend_from_slice(freshness.all_seconds().as_bytes());
        code.push(b'\'');
        for (file, _) in &freshness.seconds {
            code.push(b' ');
            quote(file.as_os_str(), code);
        }
    }
}

fn same(names: &[(PathBuf, PathBuf)], code: &mut Vec<u8>) {
    for (name, place) in names {
        let same = ("-ef", place.as_os_str());
        test(code, " && ", name.as_os_str(), Some(same));
    }
}

/// Mostly the check of the directory is enough for all of its files.
fn absent_groups(shell: HostShell, groups: &[AbsentGroup], code: &mut Vec<u8>) {
    for group in groups {
        let (directory, stamp) = (group.directory.as_os_str(), group.stamp.as_os_str());
        code.extend_from_slice(b" && (");
        if shell == HostShell::Zsh {
            test(code, " -e ", directory, None);
            code.extend_from_slice(b" &&");
        }
        test(code, " ! ", directory, Some(("-nt", stamp)));
        test(code, " && ! ", directory, Some(("-ot", stamp)));
        let mut before = " || ! -e ";
        for file in &group.absent {
            test(code, before, file.as_os_str(), None);
            before = " && ! -e ";
        }
        code.extend_from_slice(b" )");
    }
}

fn test(code: &mut Vec<u8>, before: &str, file: &OsStr, comparison: Option<(&str, &OsStr)>) {
    code.extend_from_slice(before.as_bytes());
    quote(file, code);
    if let Some((operator, other)) = comparison {
        code.extend_from_slice(format!(" {operator} ").as_bytes());
        quote(other, code);
    }
}
