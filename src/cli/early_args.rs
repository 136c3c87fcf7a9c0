//! The command lines that are parsed without clap, because clap takes longer than the rest of a warm start.

use std::ffi::OsString;

use crate::{
    app::prompt_answer::{ExportedVariables, PromptRequest},
    manifest::ShellName,
    prompt::path_changes::PathMemory,
};

/// A command line in the form that a hook writes, or the plain form of `devsh run`.
#[derive(Debug)]
pub enum EarlyCommand<'a> {
    /// `export SHELL --nonce N --loaded ID --checks NAMES --path LIST --gone LIST`
    Prompt(PromptRequest<'a>),
    /// `export SHELL --nonce N --sourced NAME=VALUE…`
    Exported(ExportedVariables<'a>),
    /// `run -- CMD…` or `run --shell SHELL -- CMD…`
    Run {
        shell: ShellName,
        command: &'a [OsString],
    },
}

/// Parses exactly these forms. Every other command line, also an invalid one, is left to clap.
pub fn parse(arguments: &[OsString]) -> Option<EarlyCommand<'_>> {
    let words: Vec<&str> = arguments
        .iter()
        .skip(1)
        .map_while(|word| word.to_str())
        .take(8)
        .collect();
    Some(match words.as_slice() {
        [
            "export",
            host,
            "--nonce",
            nonce,
            "--loaded",
            loaded,
            "--checks",
            checks,
        ] => {
            // Lists of paths need not be UTF-8.
            let [path_option, known, gone_option, gone] = &arguments[9..] else {
                return None;
            };
            if path_option != "--path" || gone_option != "--gone" {
                return None;
            }
            EarlyCommand::Prompt(PromptRequest {
                host: host.parse().ok()?,
                nonce,
                loaded,
                checks,
                path: PathMemory { known, gone },
            })
        }
        ["export", host, "--nonce", nonce, "--sourced", ..] => {
            EarlyCommand::Exported(ExportedVariables {
                host: host.parse().ok()?,
                nonce,
                words: &arguments[6..],
            })
        }
        ["run", "--", ..] => run(ShellName::dev(), &arguments[3..])?,
        ["run", "--shell", shell, "--", ..] => run(shell.parse().ok()?, &arguments[5..])?,
        _ => return None,
    })
}

fn run(shell: ShellName, command: &[OsString]) -> Option<EarlyCommand<'_>> {
    (!command.is_empty()).then_some(EarlyCommand::Run { shell, command })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_forms_of_the_hooks_are_parsed() {
        let line = words("devsh export zsh --nonce 1 --loaded - --checks a --path /b --gone /g");
        assert!(matches!(
            parse(&line),
            Some(EarlyCommand::Prompt(PromptRequest {
                nonce: "1",
                loaded: "-",
                checks: "a",
                path,
                ..
            })) if path.known == "/b" && path.gone == "/g"
        ));
        let line = words("devsh export bash --nonce 1 --sourced A=1 B");
        let Some(EarlyCommand::Exported(exported)) = parse(&line) else {
            panic!("not parsed");
        };
        assert_eq!(exported.words, &line[6..]);
    }

    #[test]
    fn the_plain_form_of_run_is_parsed() {
        let line = words("devsh run --shell test -- a -- b");
        let Some(EarlyCommand::Run { shell, command }) = parse(&line) else {
            panic!("not parsed");
        };
        assert_eq!(shell.as_str(), "test");
        assert_eq!(command, &line[5..]);
        for other in [
            "devsh",
            "devsh run --",
            "devsh run ls",
            "devsh run --pure -- ls",
            "devsh run --shell a/b -- ls",
            "devsh -q run -- ls",
            "devsh export zsh",
            "devsh export csh --nonce 1 --loaded - --checks a --path b --gone c",
            "devsh export zsh --nonce 1 --loaded - --checks a",
            "devsh export zsh --nonce 1 --loaded - --checks a --path b --gone c more",
        ] {
            assert!(parse(&words(other)).is_none(), "{other}");
        }
    }
}
