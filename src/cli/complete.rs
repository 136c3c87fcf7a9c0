//! Completion: the scripts that shells load, and the answers at each press of Tab.

use std::ffi::OsString;

use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::{
    context::Context,
    report::{failure::Failure, ui::Ui},
    shell::HostShell,
    util::vars,
};

use super::args;

const fn completer(shell: HostShell) -> &'static dyn EnvCompleter {
    match shell {
        HostShell::Bash => &Bash,
        HostShell::Zsh => &Zsh,
        HostShell::Fish => &Fish,
    }
}

/// Returns the script that makes `shell` call devsh at each press of Tab. It calls `devsh` on PATH, so the script
/// is the same on every machine.
///
/// The script of clap for bash does not quote: a directory named `x$(command)` would become code.
pub fn script(shell: HostShell) -> Result<Vec<u8>, Failure> {
    if shell == HostShell::Bash {
        return Ok(include_bytes!("../../hooks/completions.bash").to_vec());
    }
    let mut script = Vec::new();
    completer(shell)
        .write_registration(vars::DEVSH_COMPLETE, "devsh", "devsh", "devsh", &mut script)
        .map_err(|error| failed(&error))?;
    Ok(script)
}

/// Answers the request of such a script, if this is one.
pub fn answer(context: &Context, ui: &Ui, arguments: &[OsString]) -> Option<Result<(), Failure>> {
    let shell = context.env.get(vars::DEVSH_COMPLETE)?.to_str()?;
    let shell: HostShell = shell.parse().ok()?;
    let at = arguments.iter().position(|argument| argument == "--")?;
    let words = arguments[at + 1..].to_vec();
    let mut answer = Vec::new();
    let mut command = args::command();
    command.build();
    let written =
        completer(shell).write_complete(&mut command, words, context.cwd.as_deref(), &mut answer);
    Some(
        written
            .map_err(|error| failed(&error))
            .and_then(|()| ui.code(&without_control_characters(shell, &answer))),
    )
}

/// Removes candidates whose names would control the terminal.
fn without_control_characters(shell: HostShell, answer: &[u8]) -> Vec<u8> {
    let separator = match shell {
        HostShell::Bash => b'\x0b',
        HostShell::Zsh | HostShell::Fish => b'\n',
    };
    // Fish separates a name from its description by a tab.
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    let candidates = answer.split(|byte| *byte == separator);
    let plain: Vec<&[u8]> = candidates
        .filter(|candidate| !candidate.iter().any(is_control))
        .collect();
    plain.join(&separator)
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot complete: {error}"))
}
