//! Runs the locked uv, with no settings but those that devsh gives it.
//!
//! Invariant: the result depends on nothing that the user did not approve. uv reads no settings of the user, of a
//! directory above the project or of the variables that change its results.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Stdio},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{interpreter::Interpreter, settings::UvOptions};
use crate::{
    config::PYPI,
    env::Env,
    fetch::Meter,
    package::System,
    store,
    util::{
        address::{PROJECT_ROOT, variable_names},
        child_process, files, vars,
    },
};

/// Bytes of a path that an address cannot have.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The number of uv's last lines that are kept.
const LINES: usize = 20;
/// Prefixes of variables that change what uv or Python does.
const CLOSED: [&str; 7] = [
    "CONDA_",
    // The key that signs for a team is here, and builds of packages get what uv gets.
    "DEVSH_",
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
    /// The value of `PATH`, unless a build has another one.
    pub path: &'a OsStr,
    /// The address of the default index.
    pub index: &'a str,
    pub offline: bool,
    /// The system of the packages, if it is not this machine's: only wheels can be installed for it.
    pub platform: Option<System>,
}

/// The reason why uv did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum UvError {
    /// uv failed; these are its last lines.
    #[error("uv failed")]
    Failed { output: Vec<String> },
    #[error("the variable `{name}` is not set, and `{line}` needs it")]
    Variable { name: String, line: String },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Uv<'_> {
    /// Adds the system of the packages to an installation.
    pub(super) fn add_platform(&self, command: &mut Command) {
        let name = match self.platform {
            None => return,
            // Wheels for newer systems do not run on the base images that are usual.
            Some(System::LinuxX86_64) => "x86_64-manylinux_2_28",
            Some(System::LinuxAarch64) => "aarch64-manylinux_2_28",
            Some(System::MacosX86_64) => "x86_64-apple-darwin",
            Some(System::MacosAarch64) => "aarch64-apple-darwin",
        };
        command.args(["--python-platform", name]);
    }

    /// Returns uv's command in `directory`.
    pub(super) fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(self.program);
        command
            .current_dir(directory)
            .stdin(Stdio::null())
            .env_clear()
            .envs(self.env.iter().filter(|(name, _)| is_passed(name)))
            .env(vars::PATH, self.path)
            .envs(self.interpreter.build_variables.iter().map(|(name, value)| (name, value)))
            // By a variable, which a build backend that runs uv inherits.
            .env("UV_NO_CONFIG", "1")
            .env("UV_LINK_MODE", "copy")
            .env("UV_PYTHON_DOWNLOADS", "never")
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

    /// Writes a list of requirements with options to `list`, and returns uv's command with the variables of both.
    pub(super) fn list_command(
        &self,
        directory: &Path,
        root: &Path,
        options: &[String],
        lines: &str,
        list: &Path,
    ) -> Result<Command, UvError> {
        let options = UvOptions::new(options);
        let text = options.lines + lines;
        files::write_atomic(list, text.as_bytes())?;
        let mut command = self.command(directory);
        if options.replaces_index {
            // An argument or variable would win over the list.
            command.env_remove("UV_DEFAULT_INDEX");
        }
        command.env(PROJECT_ROOT, escaped(root));
        self.pass_variables(&text, &mut command)?;
        Ok(command)
    }

    /// Passes the variables that lines refer to (`https://${TOKEN}@host/simple`); uv puts in their values.
    pub(super) fn pass_variables(&self, text: &str, command: &mut Command) -> Result<(), UvError> {
        for line in text.lines() {
            for name in variable_names(line) {
                command.env(name, self.variable(name, line)?);
            }
        }
        Ok(())
    }

    fn variable(&self, name: &str, line: &str) -> Result<&OsStr, UvError> {
        let value = self.env.get(name);
        value.ok_or_else(|| UvError::Variable {
            name: name.to_owned(),
            line: line.to_owned(),
        })
    }

    /// Returns an address with the values of its variables, which uv does not put in outside of lists.
    pub(super) fn expanded(&self, address: &str, root: &Path) -> Result<String, UvError> {
        let mut expanded = address.replace(&format!("${{{PROJECT_ROOT}}}"), &escaped(root));
        for name in variable_names(address) {
            let value = self.variable(name, address)?.to_string_lossy();
            expanded = expanded.replace(&format!("${{{name}}}"), &value);
        }
        Ok(expanded)
    }

    /// Runs uv, shows each of its steps and returns what it wrote about them.
    pub(super) fn run(&self, mut command: Command, meter: &dyn Meter) -> Result<Vec<u8>, UvError> {
        let failed = |error| files::at("run", self.program)(error);
        // Builds neither leave bytecode in the project nor run bytecode that is there instead of the source.
        let bytecode =
            tempfile::tempdir().map_err(files::at("create", Path::new("a temporary directory")))?;
        command.env("PYTHONPYCACHEPREFIX", bytecode.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let mut output = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr);
            let mut start = 0;
            while lines.read_until(b'\n', &mut output).map_err(failed)? > 0 {
                if let Some(step) = step(&String::from_utf8_lossy(&output[start..])) {
                    meter.step(&step, None);
                }
                start = output.len();
            }
        }
        if child.wait().map_err(failed)?.success() {
            return Ok(output);
        }
        // uv begins the lines of some errors with a cross.
        let is_error = |line: &str| line.starts_with("error") || line.trim_start().starts_with('×');
        let output = child_process::error_lines(&output, LINES, is_error);
        Err(UvError::Failed { output })
    }
}

/// Returns the address of a local file or directory.
pub(super) fn file_address(place: &Path) -> String {
    format!("file://{}", escaped(place))
}

fn escaped(place: &Path) -> String {
    percent_encode(place.as_os_str().as_bytes(), ESCAPED).to_string()
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

/// Returns the step that a line of uv announces: `Downloading numpy (15.9MiB)`, `Building app @ file:///app`.
fn step(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let verb = match words.next()? {
        "Building" => "building",
        "Downloading" => "downloading",
        "Prepared" => return Some("installing".to_owned()),
        _ => return None,
    };
    let package = words.next()?;
    let size = words.next().filter(|word| word.starts_with('('));
    let size = size.map(|size| format!(" {size}")).unwrap_or_default();
    Some(format!("{verb} {package}{size} of"))
}
