//! Runs the locked uv, with no settings but those that devsh gives it.
//!
//! Invariant: the result depends on nothing that the user did not approve. uv reads no settings of the user, of a
//! directory above the project or of the variables that change its results.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};

use super::interpreter::Interpreter;
use crate::{config::PYPI, env::Env, store, util::files};

/// How many of uv's last lines are kept.
const LINES: usize = 20;
/// Prefixes of variables that change what uv or Python does.
const CLOSED: [&str; 6] = [
    "CONDA_",
    "PIP_",
    "PYTHON",
    "UV_",
    "VIRTUALENV_",
    "VIRTUAL_ENV",
];
/// Variables with such a prefix that reach uv: how to reach a server, and how much to do at once.
const PASSED: [&str; 11] = [
    "UV_CACHE_DIR",
    "UV_CONCURRENT_BUILDS",
    "UV_CONCURRENT_DOWNLOADS",
    "UV_CONCURRENT_INSTALLS",
    "UV_CREDENTIALS_DIR",
    "UV_HTTP_CONNECT_TIMEOUT",
    "UV_HTTP_RETRIES",
    "UV_HTTP_TIMEOUT",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_REQUEST_TIMEOUT",
];

/// A uv program and what it works with.
#[derive(Debug, Clone, Copy)]
pub struct Uv<'a> {
    pub program: &'a Path,
    pub interpreter: &'a Interpreter,
    /// The environment of the user.
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
            .envs(self.env.iter().filter(|(name, _)| is_passed(name)))
            // By a variable, which a build backend that runs uv inherits.
            .env("UV_NO_CONFIG", "1")
            .env("UV_LINK_MODE", "copy")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_NO_PROGRESS", "1")
            // A build backend in the project must not leave bytecode there.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Trust the certificates of the system, by uv's new and its old name for it.
            .env("UV_SYSTEM_CERTS", "1")
            .env("UV_NATIVE_TLS", "1")
            .args(["--color", "never"]);
        if self.index != PYPI {
            command.env("UV_DEFAULT_INDEX", self.index);
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

/// Returns whether a variable reaches uv, and with it the builds of packages.
fn is_passed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let is_credential = name.starts_with("UV_INDEX_")
        && (name.ends_with("_USERNAME") || name.ends_with("_PASSWORD"));
    let closed = CLOSED.iter().any(|prefix| name.starts_with(prefix));
    !closed || is_credential || PASSED.contains(&name)
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
