//! Commands of other tools, for users who type them by habit.

use clap::error::{ContextKind, ContextValue};

use crate::report::failure::{ExitStatus, Failure};

/// Returns a failure with the name of the command here, if another tool has the typed command.
pub fn explain_command(error: &clap::Error) -> Option<Failure> {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => return None,
    };
    let command = match word {
        "help" => "devsh --help",
        "shell" | "develop" => "devsh enter",
        "exec" | "x" => "devsh run -- COMMAND",
        "install" => "devsh sync",
        "use" => "devsh add TOOL",
        "trust" | "permit" => "devsh allow",
        "revoke" | "untrust" => "devsh deny",
        "update" | "upgrade" => "devsh lock --upgrade",
        "list" | "ls" | "current" | "info" => "devsh status",
        "which" | "where" => "devsh explain NAME",
        "prune" | "clean" => "devsh gc",
        "activate" => "devsh hook SHELL",
        _ => return None,
    };
    let failure = Failure::new(format!("there is no command `{word}`"));
    Some(
        failure
            .hint(format!("use `{command}`"))
            .code(ExitStatus::Usage),
    )
}
