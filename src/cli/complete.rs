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
pub fn script(shell: HostShell) -> Result<Vec<u8>, Failure> {
    let mut script = Vec::new();
    completer(shell)
        .write_registration(vars::DEVSH_COMPLETE, "devsh", "devsh", "devsh", &mut script)
        .map_err(|error| failed(&error))?;
    Ok(script)
}

/// Answers the request of such a script, if this is one.
pub fn answer(context: &Context, ui: &Ui, arguments: &[OsString]) -> Option<Result<(), Failure>> {
    let shell = context.env.get(vars::DEVSH_COMPLETE)?.to_str()?;
    let shell = completer(shell.parse().ok()?);
    let at = arguments.iter().position(|argument| argument == "--")?;
    let words = arguments[at + 1..].to_vec();
    let mut answer = Vec::new();
    let mut command = args::command();
    command.build();
    let written = shell.write_complete(&mut command, words, context.cwd.as_deref(), &mut answer);
    Some(
        written
            .map_err(|error| failed(&error))
            .and_then(|()| ui.code(&answer)),
    )
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot complete: {error}"))
}
