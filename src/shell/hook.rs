//! The hook scripts of `hooks/`, with the path of the program filled in.

use std::path::Path;

use super::HostShell;

/// The placeholder for the quoted path of the program.
const PLACEHOLDER: &str = "@DEVSH@";

/// Returns the hook for `shell`, which runs `program`.
pub fn script(shell: HostShell, program: &Path) -> Vec<u8> {
    let text = match shell {
        HostShell::Bash => include_str!("../../hooks/hook.bash"),
        HostShell::Zsh => include_str!("../../hooks/hook.zsh"),
        HostShell::Fish => include_str!("../../hooks/hook.fish"),
    };
    filled(shell, text, program)
}

/// Returns the code that runs the scripts of `[hooks] source` in `shell` and undoes their changes.
pub fn source_script(shell: HostShell, program: &Path) -> Vec<u8> {
    let text = match shell {
        HostShell::Bash => include_str!("../../hooks/source.bash"),
        HostShell::Zsh => include_str!("../../hooks/source.zsh"),
        HostShell::Fish => include_str!("../../hooks/source.fish"),
    };
    filled(shell, text, program)
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
