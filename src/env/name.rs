//! Names of variables that are safe in shell code.
//!
//! Quoting does not make a bad name safe: `export 'a[$(x)]'=1` runs `x` in zsh.

use std::{ffi::OsStr, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::package::Invalid;

/// The name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VarName(String);

/// Special variables of the shells: an assignment fails, changes the shell, or aborts the evaluation.
const RESERVED: &[&str] = &[
    "ARGC",
    "BASHOPTS",
    "BASHPID",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_COMMAND",
    "BASH_LINENO",
    "BASH_SOURCE",
    "BASH_SUBSHELL",
    "BASH_VERSINFO",
    "BASH_VERSION",
    "COLUMNS",
    "DIRSTACK",
    "EGID",
    "EUID",
    "FUNCNAME",
    "GID",
    "GROUPS",
    "HISTCMD",
    "IFS",
    "LINENO",
    "LINES",
    "OLDPWD",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "PIPESTATUS",
    "PPID",
    "PWD",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "TTYIDLE",
    "UID",
    "USERNAME",
    "ZSH_EVAL_CONTEXT",
    "ZSH_SUBSHELL",
    "_",
    "aliases",
    "argv",
    "builtins",
    "cdpath",
    "commands",
    "dirstack",
    "fignore",
    "fish_pid",
    "fpath",
    "functions",
    "galiases",
    "hash",
    "history",
    "jobstates",
    "mailpath",
    "manpath",
    "module_path",
    "modules",
    "nameddirs",
    "options",
    "parameters",
    "path",
    "pipestatus",
    "prompt",
    "psvar",
    "saliases",
    "signals",
    "status",
    "termcap",
    "terminfo",
    "userdirs",
    "version",
    "watch",
    "widgets",
];

impl VarName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of a variable of devsh, which no project may set.
    pub(crate) fn own(name: &'static str) -> Self {
        debug_assert!(name.starts_with("DEVSH_"), "{name} is not devsh's own");
        Self(name.to_owned())
    }

    /// Returns whether the variable is a list of paths by the rule of fish.
    pub fn is_path_list(&self) -> bool {
        self.0.ends_with("PATH")
    }
}

impl FromStr for VarName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut bytes = text.bytes();
        let starts = bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if !starts || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Invalid::new(
                "a variable name (letters, digits and `_`)",
                text,
            ));
        }
        if RESERVED.contains(&text) || text.starts_with("DEVSH_") || text.starts_with("__devsh_") {
            return Err(Invalid::new("a variable that a project may set", text));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for VarName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<VarName> for String {
    fn from(name: VarName) -> Self {
        name.0
    }
}

impl AsRef<OsStr> for VarName {
    fn as_ref(&self) -> &OsStr {
        OsStr::new(&self.0)
    }
}

impl From<VarName> for std::ffi::OsString {
    fn from(name: VarName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for VarName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_pass() {
        for good in ["A", "_x1", "DATABASE_URL", "PATH", "MANPATH"] {
            assert!(good.parse::<VarName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "1A",
            "a-b",
            "a[$(x)]",
            "A=B",
            "A\nB",
            "é",
            "PWD",
            "path",
            "DEVSH_DIFF",
            "_",
        ] {
            assert!(bad.parse::<VarName>().is_err(), "{bad}");
        }
    }
}
