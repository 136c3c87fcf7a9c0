//! Runs the locked uv, independent of the caller's Python environment.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::interpreter::Interpreter;
use crate::{
    config::PYPI,
    env::Env,
    store,
    util::{files, vars},
};

/// How many of uv's last lines are kept.
const LINES: usize = 20;
/// Variables that would lead uv to another interpreter or environment.
const REMOVED: &[&str] = &[
    vars::VIRTUAL_ENV,
    vars::UV_PROJECT_ENVIRONMENT,
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_NO_SYNC",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
];

/// A uv program and what it works with.
#[derive(Debug, Clone, Copy)]
pub struct Uv<'a> {
    pub program: &'a Path,
    pub interpreter: &'a Interpreter,
    /// The environment that uv inherits, apart from Python's own variables.
    pub env: &'a Env,
    /// The address of the default index.
    pub index: &'a str,
    pub offline: bool,
}

/// Why uv did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum UvError {
    /// uv failed; these are its last lines.
    #[error("uv failed")]
    Failed { output: Vec<String> },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Uv<'_> {
    /// Returns uv's command in `directory`.
    pub(super) fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(self.program);
        command
            .current_dir(directory)
            .stdin(Stdio::null())
            .env_clear()
            .envs(self.env.iter())
            .env("UV_LINK_MODE", "copy")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_NO_PROGRESS", "1")
            // A file of the store never changes, so Python need not compare its bytecode with it.
            .env("PYC_INVALIDATION_MODE", "UNCHECKED_HASH")
            // Trust the certificates of the system, by uv's new and its old name for it.
            .env("UV_SYSTEM_CERTS", "1")
            .env("UV_NATIVE_TLS", "1")
            .args(["--color", "never"]);
        if self.index != PYPI {
            command.env("UV_DEFAULT_INDEX", self.index);
        }
        for name in REMOVED {
            command.env_remove(name);
        }
        if self.offline {
            command.env("UV_OFFLINE", "1");
        }
        command
    }

    pub(super) fn run(&self, mut command: Command) -> Result<(), UvError> {
        let output = command.output().map_err(files::at("run", self.program))?;
        if output.status.success() {
            return Ok(());
        }
        let output = last_lines(&output.stderr);
        Err(UvError::Failed { output })
    }
}

fn last_lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    // Lines before the error are only progress.
    let is_error = |line: &&str| line.starts_with("error") || line.trim_start().starts_with('×');
    let error = lines.iter().position(is_error);
    let start = error.unwrap_or(0).max(lines.len().saturating_sub(LINES));
    lines[start..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
