//! Completion: the scripts that shells load, and the answers at each press of Tab.

use std::ffi::{OsStr, OsString};

use clap_complete::{
    engine::{ArgValueCandidates, ArgValueCompleter},
    env::{Bash, EnvCompleter, Fish, Zsh},
};

use crate::{
    context::Context,
    manifest::ShellName,
    report::{failure::Failure, ui::Ui},
    shell::HostShell,
    util::vars,
};

use super::{args, candidates};

/// The variable of the scripts with the position of the word that is completed.
const INDEX: &str = "_CLAP_COMPLETE_INDEX";

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
    if shell == HostShell::Zsh {
        let text = String::from_utf8_lossy(&script)
            // Without its completion system, zsh would report an unknown command at each start.
            .replace(
                "\ncompdef ",
                "\n(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\ncompdef ",
            )
            // zsh would quote the tilde of a candidate, but not that of a prefix.
            .replace(
                "\n    if [[ -n $completions ]]; then\n",
                "\n    if compset -P '\\~/'; then completions=(\"${(@)completions#\\~/}\"); fi\n    \
                 if [[ -n $completions ]]; then\n",
            );
        return Ok(text.into_bytes());
    }
    Ok(script)
}

/// Answers the request of such a script, if this is one.
pub fn answer(context: &Context, ui: &Ui, arguments: &[OsString]) -> Option<Result<(), Failure>> {
    let shell = context.env.get(vars::DEVSH_COMPLETE)?.to_str()?;
    let shell: HostShell = shell.parse().ok()?;
    let at = arguments.iter().position(|argument| argument == "--")?;
    let words = arguments[at + 1..].to_vec();
    let mut answer = Vec::new();
    let mut command = args::command().mut_subcommand("add", |add| {
        // `remove` has the same arguments, and only tools of the project.
        let known = ArgValueCandidates::new(candidates::known_tools);
        add.mut_arg("tools", |tools| tools.add(known))
    });
    let command_line = candidates::CommandLine {
        shell: requested_shell(&words),
    };
    command = command.mut_subcommand("run", |run| {
        run.mut_arg("command", |arg| {
            arg.add(ArgValueCompleter::new(command_line))
        })
    });
    command.build();
    let current = current_word(context, &words).to_owned();
    let written =
        completer(shell).write_complete(&mut command, words, context.cwd.as_deref(), &mut answer);
    if !current.as_encoded_bytes().starts_with(b"-") {
        answer = without_options(shell, &answer);
    }
    Some(
        written
            .map_err(|error| failed(&error))
            .and_then(|()| ui.code(&without_control_characters(shell, &answer))),
    )
}

/// Returns the dev shell that the words name, else `dev`.
fn requested_shell(words: &[OsString]) -> ShellName {
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let options = texts.split(|word| *word == "--").next().unwrap_or_default();
    let named = options.iter().enumerate().find_map(|(index, word)| {
        let rest = word.strip_prefix("--shell")?;
        if rest.is_empty() {
            return options.get(index + 1).copied();
        }
        rest.strip_prefix('=')
    });
    let shell = named.and_then(|name| name.parse().ok());
    shell.unwrap_or_else(ShellName::dev)
}

/// Returns the byte between two candidates.
const fn separator(shell: HostShell) -> u8 {
    match shell {
        HostShell::Bash => b'\x0b',
        HostShell::Zsh | HostShell::Fish => b'\n',
    }
}

/// Removes candidates whose names would control the terminal.
fn without_control_characters(shell: HostShell, answer: &[u8]) -> Vec<u8> {
    // Fish separates a name from its description by a tab.
    let is_control = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        text.chars().any(|one| one.is_control() && one != '\t')
    };
    let candidates = answer.split(|byte| *byte == separator(shell));
    let plain: Vec<&[u8]> = candidates
        .filter(|candidate| !is_control(candidate))
        .collect();
    plain.join(&separator(shell))
}

/// Returns the word that Tab completes.
fn current_word<'w>(context: &Context, words: &'w [OsString]) -> &'w OsStr {
    let index = context.env.get(INDEX).and_then(|index| index.to_str());
    let index = index.and_then(|index| index.parse::<usize>().ok());
    let index = index.unwrap_or(words.len().saturating_sub(1));
    words
        .get(index)
        .map(OsString::as_os_str)
        .unwrap_or_default()
}

/// Returns the candidates without options, if there are others: shells mix both in their order.
fn without_options(shell: HostShell, answer: &[u8]) -> Vec<u8> {
    let candidates = answer.split(|byte| *byte == separator(shell));
    let is_other = |one: &&[u8]| !one.is_empty() && !one.starts_with(b"-");
    let others: Vec<&[u8]> = candidates.filter(is_other).collect();
    if others.is_empty() {
        return answer.to_owned();
    }
    others.join(&separator(shell))
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot complete: {error}"))
}
