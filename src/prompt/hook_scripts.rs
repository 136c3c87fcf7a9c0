//! Enter and leave scripts: run in a private process, their exported changes taken as data.
//!
//! Invariant: a script's text is never evaluated by the host shell; a script that hangs is ended.

use std::{
    ffi::OsString,
    io::Write,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    env::{Env, limits::GROWTH},
    util::{
        child_process::{self, Limits, Outcome},
        vars,
    },
};

/// Longest environment that is taken from a script, in bytes.
const LIMIT: usize = 4 << 20;

/// A script that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No shell could be started.
    #[error("cannot start `{shell}`: {source}")]
    Start {
        /// The shell.
        shell: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A script of a dev shell failed.
    #[error("{which} script `{text}`: {source}")]
    Of {
        /// Whether it is one for entering or for leaving.
        which: &'static str,
        /// How it begins.
        text: String,
        /// What went wrong.
        source: Box<Self>,
    },
    /// The script ended with an error.
    #[error("ended with {status}")]
    Status {
        /// How it ended, as the system words it.
        status: String,
    },
    /// The script did not end.
    #[error(
        "was still running after {} s and was ended; `hook-timeout` in `config.toml` gives it longer",
        .0.as_secs()
    )]
    TimedOut(Duration),
    /// A value cannot be given to any program.
    #[error(
        "`{name}` would be {length} bytes long, which no program can be given; it stays as it was"
    )]
    TooLong {
        /// The variable.
        name: String,
        /// How long it would be, with its name.
        length: usize,
    },
    /// The environment would grow too much.
    #[error(
        "`{name}` adds {grown} of {total} bytes to the environment, where {GROWTH} are allowed; it stays as it was"
    )]
    TooMuch {
        /// The variable that adds most.
        name: String,
        /// What it adds, in bytes.
        grown: usize,
        /// What all add, in bytes.
        total: usize,
    },
    /// What the host shell has could not be given back.
    #[error(
        "the {length} bytes of your own `{name}` can be kept nowhere, as nothing can be written; it stays as it was"
    )]
    Unkept {
        /// The variable.
        name: String,
        /// How long its value is.
        length: usize,
    },
}

impl Error {
    /// Returns the error with the script that it is of.
    #[must_use]
    pub fn of(self, which: &'static str, script: &str) -> Self {
        /// How many characters of a script are said.
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

/// The script's own output must not mix with the report, which has the pipe for itself. The line of life: when
/// devsh is gone the pipe on standard input closes, and a process that waits for it ends the whole group. It is
/// nobody's child, so that a script may `wait` for its own.
const PREAMBLE: &str = "exec 3>&1 1>&2 4<&0 </dev/null
( { read -r _ <&4 || kill -KILL 0; } 3>&- >/dev/null 2>&1 & )
exec 4<&-
trap '\"$0\" report-environment >&3' EXIT
";

/// Variables that the private shell changes by itself.
const OWN: [&str; 5] = ["_", "SHLVL", "PWD", "OLDPWD", "BASH_EXECUTION_STRING"];

/// Runs `script` in `env` at `directory` and returns the environment that it leaves.
///
/// Its output goes to standard error, its input is empty. `program` is devsh, which reports the
/// environment at the end in the one form that no value can disturb. The script and what it started end with
/// it when it takes longer than `timeout`, and when devsh is interrupted or killed.
pub fn run(
    script: &str,
    env: &Env,
    directory: &Path,
    program: &Path,
    timeout: Duration,
) -> Result<Env, Error> {
    let shell = interpreter(env);
    let wrapped = format!("{PREAMBLE}{script}\n");
    let mut command = Command::new(&shell);
    command
        .arg("-c")
        .arg(wrapped)
        .arg(program)
        .current_dir(directory)
        .env_clear()
        .envs(env.iter())
        // A start file that itself asks devsh for the environment would never end.
        .env_remove(vars::BASH_ENV)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let limits = Limits {
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
    // A line on its input tells the watching process that what the script left running may go on.
    let _written = exited.stdin.map(|mut lifeline| lifeline.write_all(b"\n"));
    if !exited.status.success() {
        return Err(Error::Status {
            status: exited.status.to_string(),
        });
    }
    Ok(parse(&exited.stdout, env))
}

/// Ends a report: no variable has an empty name.
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

/// Scripts are written for bash, as Nix's are; without one they get the system's shell.
fn interpreter(env: &Env) -> OsString {
    let path = env.get("PATH").unwrap_or_default();
    which::which_in("bash", Some(path), "/").map_or_else(|_| "/bin/sh".into(), Into::into)
}

/// Reads a report; what the private shell changes by itself stays as it was in `before`.
fn parse(report: &[u8], before: &Env) -> Env {
    let Some(report) = report.strip_suffix(END) else {
        return before.clone();
    };
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
    if let (None, Some(value)) = (env.get(vars::BASH_ENV), before.get(vars::BASH_ENV)) {
        env.set(vars::BASH_ENV, value);
    }
    for name in OWN {
        match before.get(name) {
            Some(value) => env.set(name, value),
            None => env.unset(name),
        }
    }
    env
}
