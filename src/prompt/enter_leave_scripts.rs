//! Runs enter and leave scripts in a separate process and reads the environment that they leave.
//!
//! Invariant: the host shell never evaluates a script, and a script that hangs is killed.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io::Write,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    env::{Env, VarName, limits::GROWTH},
    util::{
        child_process::{self, ChildLimits, Outcome},
        files, vars,
    },
};

/// Longest environment that is read from a script, in bytes.
const LIMIT: usize = 4 << 20;

/// A failed script, or a value that does not fit into the environment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No shell could be started.
    #[error("cannot start `{shell}`: {source}")]
    Start {
        shell: String,
        source: std::io::Error,
    },
    /// A script of a dev shell failed.
    #[error("{which} script `{text}`: {source}")]
    Of {
        /// `enter` or `leave`.
        which: &'static str,
        /// The beginning of the script.
        text: String,
        source: Box<Self>,
    },
    /// The script ended with an error.
    #[error("ended with {status}")]
    Status { status: String },
    /// The environment that the script leaves is unknown.
    #[error(
        "ended without a report of its environment, as after `exec`; its changes are not loaded"
    )]
    NoReport,
    /// The script was killed after the timeout.
    #[error(
        "was killed after {} s; set a longer `hook-timeout` in `config.toml`",
        .0.as_secs()
    )]
    TimedOut(Duration),
    /// A variable is too long for any program.
    #[error("`{name}` with {length} bytes is too long for any program; it keeps its old value")]
    TooLong {
        name: String,
        /// Its length with the name.
        length: usize,
    },
    /// All variables together add too much to the environment.
    #[error(
        "`{name}` adds {grown} of {total} bytes to the environment, more than the allowed {GROWTH}; it keeps its old value"
    )]
    TooMuch {
        /// The variable that adds the most.
        name: String,
        /// The bytes that it adds.
        grown: usize,
        /// The bytes that all variables add.
        total: usize,
    },
    /// A script has set or removed variables that need a grant.
    #[error(
        "enter scripts may not change {}; write `env = [{}]` in `[grants]` to allow it",
        quoted(.0, '`'), quoted(.0, '"')
    )]
    Ungranted(BTreeSet<VarName>),
    /// The old value cannot be stored, so it could not be restored later.
    #[error(
        "the old value of `{name}` ({length} bytes) cannot be stored for later; it keeps its old value"
    )]
    Unkept { name: String, length: usize },
    /// The key of the session would not be found again, so the dev shell could not be undone.
    #[error("`{names}` keeps its old value, because devsh cannot remember it: {source}: {}", .source.source)]
    HidesKey {
        /// The variables that lead to the key.
        names: String,
        source: files::Error,
    },
    /// The key of the sessions cannot be stored, so the dev shell could not be undone.
    #[error("the dev shell is not loaded: cannot store a key in `{}`", .0.display())]
    NoKey(PathBuf),
}

fn quoted(names: &BTreeSet<VarName>, quote: char) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("{quote}{name}{quote}"))
        .collect();
    names.join(", ")
}

impl Error {
    /// Returns whether a script failed; the other errors are about single variables.
    pub const fn is_failed_script(&self) -> bool {
        matches!(self, Self::Of { .. })
    }

    /// Returns the error with the beginning of its script.
    #[must_use]
    pub fn of(self, which: &'static str, script: &str) -> Self {
        /// Characters of the script in the message.
        const MOST: usize = 40;
        let first = script.trim().lines().next().unwrap_or_default();
        let mut text: String = first.chars().take(MOST).collect();
        if text.len() < script.trim().len() {
            text.push('…');
        }
        Self::Of {
            which,
            text,
            source: Box::new(self),
        }
    }
}

/// Keeps standard output for the report of the environment and sends the script's output to standard error. Scripts
/// use the low descriptors.
///
/// A watchdog process reads the pipe on standard input. When devsh is gone the pipe closes, and the watchdog kills the
/// process group. A double fork detaches it from the shell, so a `wait` in the script does not wait for it.
const PREAMBLE: &str = "exec OUT>&1 1>&2 IN<&0 </dev/null
( { read -r _ <&IN || kill -KILL 0; } OUT>&- >/dev/null 2>&1 & )
exec IN<&-
trap '[ -n \"${__devsh_reported-}\" ] || \"$0\" report-environment >&OUT' EXIT
";

/// Reports before `exit` also if the script has set its own trap on `EXIT`. Only bash has such functions.
const EXIT_FUNCTION: &str = "exit() {
  set -- \"${1-$?}\"
  if ((BASH_SUBSHELL == 0)) && [[ $1 == 0 && -z ${__devsh_reported-} ]]; then
    \"$0\" report-environment >&OUT
    __devsh_reported=yes
  fi
  builtin exit \"$@\"
}
";

/// Reports at the end, before a trap of the script.
const END_OF_SCRIPT: &str = "
set -- \"$?\"
\"$0\" report-environment >&OUT
__devsh_reported=yes
exit \"$1\"
";

/// Variables that the shell of the script changes by itself.
const OWN: [&str; 5] = ["_", "SHLVL", "PWD", "OLDPWD", "BASH_EXECUTION_STRING"];

/// Runs `script` in `directory` with the environment `env` and returns the environment that it leaves.
///
/// Its output goes to standard error, its input is empty. `program` is devsh, which reports the environment at the
/// end of the script with null bytes between variables. The script and its processes are killed after `timeout`, and when
/// devsh is interrupted or killed.
pub fn run(
    script: &str,
    env: &Env,
    directory: &Path,
    program: &Path,
    timeout: Duration,
) -> Result<Env, Error> {
    let shell = interpreter(env);
    let is_bash = Path::new(&shell).file_name() == Some(OsStr::new("bash"));
    // Other shells take only one digit.
    let (out, input) = if is_bash { ("61", "62") } else { ("9", "8") };
    let own = |text: &str| text.replace("OUT", out).replace("IN", input);
    let exit = if is_bash { EXIT_FUNCTION } else { "" };
    let wrapped = format!(
        "{}{}{script}{}",
        own(PREAMBLE),
        own(exit),
        own(END_OF_SCRIPT)
    );
    let mut command = Command::new(&shell);
    command
        .arg("-c")
        .arg(wrapped)
        .arg(program)
        .current_dir(directory)
        .env_clear()
        .envs(env.iter().filter(|(name, _)| !is_kept_from_scripts(name)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let limits = ChildLimits {
        timeout,
        output: LIMIT,
        end_marker: Some(END),
        own_group: true,
    };
    let outcome =
        child_process::run(&mut command, limits, || false).map_err(|source| Error::Start {
            shell: shell.to_string_lossy().into_owned(),
            source,
        })?;
    let Outcome::Exited(exited) = outcome else {
        return Err(Error::TimedOut(timeout));
    };
    // After a line on its input the watchdog ends, and background processes of the script keep running.
    let _written = exited.stdin.map(|mut lifeline| lifeline.write_all(b"\n"));
    if !exited.status.success() {
        return Err(Error::Status {
            status: exited.status.to_string(),
        });
    }
    parse(&exited.stdout, env).ok_or(Error::NoReport)
}

/// Returns whether a variable of the host shell would change how a script runs: options, exported functions, the
/// search of `cd`, and a start file, which could call devsh forever.
fn is_kept_from_scripts(name: &OsStr) -> bool {
    let names = [
        vars::BASH_ENV,
        "BASHOPTS",
        "BASH_XTRACEFD",
        "CDPATH",
        "ENV",
        "SHELLOPTS",
    ];
    names.iter().any(|one| name == OsStr::new(one)) || name.as_bytes().starts_with(b"BASH_FUNC_")
}

/// The end of a report. It is unique, because no variable has an empty name.
const END: &[u8] = b"\0\0";

/// Returns the report of an environment, which `run` reads.
pub fn report(env: &Env) -> Vec<u8> {
    let mut report = Vec::new();
    for (name, value) in env.iter() {
        report.extend_from_slice(name.as_bytes());
        report.push(b'=');
        report.extend_from_slice(value.as_bytes());
        report.push(0);
    }
    report.push(0);
    report
}

/// Returns bash, or `/bin/sh` where there is no bash. Scripts are written for bash, as in Nix.
fn interpreter(env: &Env) -> OsString {
    let path = env.get("PATH").unwrap_or_default();
    which::which_in("bash", Some(path), "/").map_or_else(|_| "/bin/sh".into(), Into::into)
}

/// Reads a report. Variables that the shell of the script changes by itself keep their values from `before`.
fn parse(report: &[u8], before: &Env) -> Option<Env> {
    let report = report.strip_suffix(END)?;
    let mut env: Env = report
        .split(|byte| *byte == 0)
        .filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&line[..at], &line[at + 1..]);
            Some((
                OsString::from_vec(name.to_vec()),
                OsString::from_vec(value.to_vec()),
            ))
        })
        .collect();
    for (name, value) in before.iter() {
        if is_kept_from_scripts(name) && env.get(name).is_none() {
            env.set(name, value);
        }
    }
    for name in OWN {
        match before.get(name) {
            Some(value) => env.set(name, value),
            None => env.unset(name),
        }
    }
    Some(env)
}
