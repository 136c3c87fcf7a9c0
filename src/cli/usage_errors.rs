//! Errors about the command line, in the form of all other errors.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{
    report::failure::{ExitStatus, Failure},
    util::nearest::nearest,
};

use super::{args, foreign_commands};

/// Returns an error of clap about a command line of `command`, if it names one.
pub fn explain(error: &clap::Error, command: Option<&str>) -> Failure {
    if let Some(failure) = unknown_command_of_group(error, command) {
        return failure.code(ExitStatus::Usage);
    }
    let failure = describe(error).code(ExitStatus::Usage);
    if !failure.hints.is_empty() {
        return failure;
    }
    if let Some(near) = suggestion(error) {
        return failure.hint(format!("did you mean `{near}`?"));
    }
    // The usage has only the options that matter here.
    if let Some(usage) = value(error, ContextKind::Usage).filter(|_| command.is_some()) {
        return failure.hint(format!("write `{}`", usage.replace("Usage: ", "")));
    }
    failure.hint(match command {
        Some(command) => format!("`devsh help {command}` has an example"),
        None => "`devsh help` lists the commands".to_owned(),
    })
}

/// Describes an unknown command of a group such as `devsh cache`.
fn unknown_command_of_group(error: &clap::Error, group: Option<&str>) -> Option<Failure> {
    let word = value(error, ContextKind::InvalidSubcommand)?;
    let (all, group) = (args::command(), group?);
    let commands: Vec<&str> = all
        .find_subcommand(group)?
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let near = nearest(&word, commands.iter().copied());
    let failure = Failure::new(format!("`devsh {group}` has no command `{word}`"));
    Some(match near {
        Some(near) => failure.hint(format!("did you mean `devsh {group} {near}`?")),
        None => failure.hint(format!("its commands are `{}`", commands.join("`, `"))),
    })
}

fn describe(error: &clap::Error) -> Failure {
    let text = |kind| value(error, kind).unwrap_or_default();
    let argument = text(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand);
            let failure = Failure::new(format!("there is no command `{word}`"));
            match foreign_commands::equivalent(&word) {
                Some(command) => failure.hint(format!("use `{command}`")),
                None => failure,
            }
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            Failure::new(format!("there is no option `{argument}`"))
        }
        ErrorKind::UnknownArgument => Failure::new(format!("`{argument}` is one word too many")),
        ErrorKind::MissingRequiredArgument => {
            let names = argument.replace(", ", "`, `");
            Failure::new(format!("`{names}` is missing"))
        }
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg).replace(", ", "`, `");
            Failure::new(format!("`{argument}` cannot be used with `{other}`"))
        }
        ErrorKind::InvalidValue => {
            let found = text(ContextKind::InvalidValue);
            let failure = if found.is_empty() {
                Failure::new(format!("`{argument}` needs a value"))
            } else {
                Failure::new(format!("`{found}` is not a value of `{argument}`"))
            };
            match text(ContextKind::ValidValue) {
                valid if valid.is_empty() => failure,
                valid => failure.note(format!("the values are `{}`", valid.replace(", ", "`, `"))),
            }
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Failure::new(line.trim_start_matches("error: "))
        }
    }
}

/// Returns the command or option that was probably meant.
fn suggestion(error: &clap::Error) -> Option<String> {
    if let Some(word) = value(error, ContextKind::InvalidSubcommand) {
        let all = args::command();
        let shown = all.get_subcommands().filter(|one| !one.is_hide_set());
        return nearest(&word, shown.map(clap::Command::get_name)).map(str::to_owned);
    }
    value(error, ContextKind::SuggestedArg)
}

fn value(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => (!texts.is_empty()).then(|| texts.join(", ")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        ContextValue::StyledStrs(texts) => {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        }
        _ => None,
    }
}
