//! The hook scripts of `hooks/`, with the path of the program filled in.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use super::HostShell;

/// The placeholder for the quoted path of the program.
const PLACEHOLDER: &str = "@DEVSH@";

/// Zsh parses the text that follows as one quoted word: the user's aliases and options do not change it.
const ZSH_BEGIN: &[u8] = br#"__devsh_define() {
  \builtin emulate -L zsh
  \builtin setopt no_aliases
  \builtin eval "$1"
}
__devsh_define "#;

/// Returns the hook for `shell`, which runs `program`.
pub fn script(shell: HostShell, program: &Path) -> Vec<u8> {
    let text = match shell {
        HostShell::Bash => include_str!("../../hooks/hook.bash"),
        HostShell::Zsh => include_str!("../../hooks/hook.zsh"),
        HostShell::Fish => include_str!("../../hooks/hook.fish"),
    };
    let script = filled(shell, text, program);
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
    filled(shell, &code.join("\n"), program)
}

fn filled(shell: HostShell, text: &str, program: &Path) -> Vec<u8> {
    let program = shell.quote(program.as_os_str());
    let mut script = Vec::with_capacity(text.len() + program.len());
    for (position, part) in text.split(PLACEHOLDER).enumerate() {
        if position > 0 {
            script.extend_from_slice(&program);
        }
        script.extend_from_slice(part.as_bytes());
    }
    script
}
