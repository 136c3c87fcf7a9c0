//! The hook scripts of `hooks/`, with paths filled in.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use super::HostShell;

/// The placeholder for the quoted path of the program.
const PROGRAM: &str = "@DEVSH@";
/// The placeholder for the quoted path of the directory of requests to load everything again.
const RELOADS: &str = "@RELOADS@";

/// Zsh parses the text that follows as one quoted word: the user's aliases and options do not change it.
const ZSH_BEGIN: &[u8] = br#"__devsh_define() {
  \builtin emulate -L zsh
  \builtin setopt no_aliases
  \builtin eval "$1"
}
__devsh_define "#;

/// The paths that a hook knows.
#[derive(Debug, Clone, Copy)]
pub struct HookPaths<'a> {
    /// The program that it runs.
    pub program: &'a Path,
    /// The directory in which a file named after the host shell makes it run a program that has failed again.
    pub reloads: &'a Path,
}

/// Returns the hook for `shell`.
pub fn script(shell: HostShell, paths: HookPaths<'_>) -> Vec<u8> {
    let text = match shell {
        HostShell::Bash => include_str!("../../hooks/hook.bash"),
        HostShell::Zsh => include_str!("../../hooks/hook.zsh"),
        HostShell::Fish => include_str!("../../hooks/hook.fish"),
    };
    let word = |path: &Path| shell.quote(path.as_os_str());
    let values = [
        (PROGRAM, word(paths.program)),
        (RELOADS, word(paths.reloads)),
    ];
    let script = filled(text, &values);
    if shell != HostShell::Zsh {
        return script;
    }
    let mut whole = ZSH_BEGIN.to_vec();
    whole.extend(shell.quote(OsStr::from_bytes(&script)));
    whole.push(b'\n');
    whole
}

/// Returns the code that runs the scripts of `[hooks] source` in `shell` and undoes their changes.
pub fn source_script(shell: HostShell, program: &Path) -> Vec<u8> {
    let text = match shell {
        HostShell::Bash => include_str!("../../hooks/source.bash"),
        HostShell::Zsh => include_str!("../../hooks/source.zsh"),
        HostShell::Fish => include_str!("../../hooks/source.fish"),
    };
    // With another HISTCHARS, zsh takes no comments.
    let is_code = |line: &&str| !line.trim_start().starts_with('#');
    let code: Vec<&str> = text.lines().filter(is_code).collect();
    filled(
        &code.join("\n"),
        &[(PROGRAM, shell.quote(program.as_os_str()))],
    )
}

/// Returns a text with a value in place of each placeholder.
fn filled(text: &str, values: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let Some(((placeholder, value), rest)) = values.split_first() else {
        return text.as_bytes().to_vec();
    };
    let parts: Vec<Vec<u8>> = text
        .split(placeholder)
        .map(|part| filled(part, rest))
        .collect();
    parts.join(&value[..])
}
