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

/// Special variables of the shells: an assignment fails, changes the shell, takes its hooks away, or aborts the
/// evaluation. Some lose their meaning when they are unset. Sorted for a binary search.
const RESERVED: &[&str] = &[
    "ARGC",
    "BASHOPTS",
    "BASHPID",
    "BASH_ALIASES",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_ARGV0",
    "BASH_CMDS",
    "BASH_COMMAND",
    "BASH_LINENO",
    "BASH_MONOSECONDS",
    "BASH_REMATCH",
    "BASH_SOURCE",
    "BASH_SUBSHELL",
    "BASH_VERSINFO",
    "BASH_VERSION",
    "CMD_DURATION",
    "COLUMNS",
    "COMPREPLY",
    "COMP_CWORD",
    "COMP_KEY",
    "COMP_LINE",
    "COMP_POINT",
    "COMP_TYPE",
    "COMP_WORDBREAKS",
    "COMP_WORDS",
    "COPROC",
    "DIRSTACK",
    "EGID",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "ERRNO",
    "EUID",
    "FISH_VERSION",
    "FUNCNAME",
    "FUNCNEST",
    "GID",
    "GROUPS",
    "HISTCMD",
    "IFS",
    "LINENO",
    "LINES",
    "MAPFILE",
    "OLDPWD",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "PERIOD",
    "PIPESTATUS",
    "PPID",
    "PROMPT_COMMAND",
    "PWD",
    "RANDOM",
    "READLINE_ARGUMENT",
    "READLINE_LINE",
    "READLINE_MARK",
    "READLINE_POINT",
    "REPLY",
    "SECONDS",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "TMOUT",
    "TTY",
    "TTYIDLE",
    "UID",
    "USERNAME",
    "ZCURSES_COLORS",
    "ZCURSES_COLOR_PAIRS",
    "ZSH_EVAL_CONTEXT",
    "ZSH_SUBSHELL",
    "_",
    "aliases",
    "argv",
    "builtins",
    "cdpath",
    "chpwd_functions",
    "commands",
    "comppostfuncs",
    "compprefuncs",
    "dirstack",
    "dis_aliases",
    "dis_builtins",
    "dis_functions",
    "dis_functions_source",
    "dis_galiases",
    "dis_patchars",
    "dis_reswords",
    "dis_saliases",
    "epochtime",
    "errnos",
    "fignore",
    "fish_bind_mode",
    "fish_key_bindings",
    "fish_kill_signal",
    "fish_killring",
    "fish_pid",
    "fish_trace",
    "fpath",
    "funcfiletrace",
    "funcsourcetrace",
    "funcstack",
    "functions",
    "functions_source",
    "functrace",
    "galiases",
    "hash",
    "history",
    "historywords",
    "hostname",
    "jobdirs",
    "jobstates",
    "jobtexts",
    "keymaps",
    "langinfo",
    "mailpath",
    "manpath",
    "mapfile",
    "module_path",
    "modules",
    "nameddirs",
    "options",
    "parameters",
    "patchars",
    "path",
    "periodic_functions",
    "pipestatus",
    "precmd_functions",
    "preexec_functions",
    "prompt",
    "psvar",
    "reply",
    "reswords",
    "saliases",
    "signals",
    "status",
    "status_generation",
    "sysparams",
    "termcap",
    "terminfo",
    "umask",
    "userdirs",
    "usergroups",
    "version",
    "watch",
    "widgets",
    "zle_bracketed_paste",
    "zsh_directory_name_functions",
    "zsh_eval_context",
    "zsh_scheduled_events",
    "zshaddhistory_functions",
    "zshexit_functions",
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

    /// Returns the name of the list of programs.
    pub(crate) fn path() -> Self {
        Self("PATH".to_owned())
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
        if RESERVED.binary_search(&text).is_ok()
            || ["DEVSH_", "__devsh_", "__fish_"]
                .iter()
                .any(|begin| text.starts_with(begin))
        {
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
    fn reserved_names_are_sorted() {
        assert!(RESERVED.is_sorted());
    }

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
