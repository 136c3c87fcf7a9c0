//! Commands of other tools, for users who type them by habit.

/// Returns the command here that does what `word` does in another tool.
pub fn equivalent(word: &str) -> Option<&'static str> {
    Some(match word {
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
        "activate" => "devsh hook HOST_SHELL",
        _ => return None,
    })
}
