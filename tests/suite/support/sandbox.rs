//! A separate home, XDG directories, project and environment for each test.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

use super::{HostShell, Pty, Server};

/// The built program.
pub(crate) const DEVSH: &str = env!("CARGO_BIN_EXE_devsh");

/// A directory name with all characters that are difficult for shells.
pub(crate) const ODD: &str = "a b 'c' \"d\" $e `f` \\g\nh ünï-文";

/// Temporary directories of one test.
#[derive(Debug)]
pub(crate) struct Sandbox {
    root: PathBuf,
    project: PathBuf,
    env: BTreeMap<OsString, OsString>,
    redactions: Vec<(String, String)>,
    _directory: TempDir,
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// Its standard output, redacted.
    pub(crate) stdout: String,
    /// Its standard error, redacted.
    pub(crate) stderr: String,
}

impl Sandbox {
    /// Returns a sandbox whose project directory is `home/project`.
    pub(crate) fn new() -> Self {
        Self::with_project("project")
    }

    /// Returns a sandbox whose project directory has a difficult name.
    pub(crate) fn odd() -> Self {
        Self::with_project(ODD)
    }

    fn with_project(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().canonicalize().expect("it exists");
        let project = root.join("home").join(name);
        for path in [&project, &root.join("bin"), &root.join("tmp")] {
            fs::create_dir_all(path).expect("a new directory");
        }
        std::os::unix::fs::symlink(DEVSH, root.join("bin/devsh")).expect("a new link");
        let home = root.join("home");
        let mut path = root.join("bin").into_os_string();
        path.push(":/usr/bin:/bin");
        let env = [
            ("HOME", home.clone().into_os_string()),
            ("PATH", path),
            ("TMPDIR", root.join("tmp").into_os_string()),
            ("XDG_DATA_HOME", home.join(".local/share").into_os_string()),
            ("XDG_STATE_HOME", home.join(".local/state").into_os_string()),
            ("XDG_CACHE_HOME", home.join(".cache").into_os_string()),
            ("XDG_CONFIG_HOME", home.join(".config").into_os_string()),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "dumb".into()),
            ("USER", "someone".into()),
            // Only servers of the test are reachable.
            ("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple".into()),
            ("RUSTUP_DIST_SERVER", "http://127.0.0.1:9/rust".into()),
            ("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/npm".into()),
            ("NODEJS_ORG_MIRROR", "http://127.0.0.1:9/node".into()),
            ("DEVSH_GO_MIRROR", "http://127.0.0.1:9/go".into()),
            ("CONDA_CHANNEL_ALIAS", "http://127.0.0.1:9/conda".into()),
            ("DEVSH_CRATES_INDEX", "http://127.0.0.1:9/index".into()),
            ("DEVSH_CRATES_MIRROR", "http://127.0.0.1:9/crates".into()),
            ("DEVSH_GITHUB_API", "http://127.0.0.1:9/api".into()),
            (
                "UV_PYTHON_INSTALL_MIRROR",
                "http://127.0.0.1:9/python".into(),
            ),
        ];
        let env = env
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect();
        Self {
            redactions: vec![
                (home.display().to_string(), "~".to_owned()),
                (root.display().to_string(), "[ROOT]".to_owned()),
                (DEVSH.to_owned(), "[DEVSH]".to_owned()),
            ],
            root,
            project,
            env,
            _directory: directory,
        }
    }

    /// Sets a variable for all commands in the sandbox.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.into(), value.as_ref().to_owned());
        self
    }

    /// Removes a variable for all commands in the sandbox.
    #[must_use]
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.env.remove(OsStr::new(name));
        self
    }

    /// Makes `server` the source of all downloads.
    #[must_use]
    pub(crate) fn served_by(mut self, server: &Server) -> Self {
        self.redact(server.address(), "[SERVER]");
        let address = server.address();
        self.env("UV_DEFAULT_INDEX", format!("{address}/simple"))
            .env("RUSTUP_DIST_SERVER", format!("{address}/rust"))
            .env("NPM_CONFIG_REGISTRY", format!("{address}/npm"))
            .env("NODEJS_ORG_MIRROR", format!("{address}/node"))
            .env("DEVSH_GO_MIRROR", format!("{address}/go"))
            .env("CONDA_CHANNEL_ALIAS", format!("{address}/conda"))
            .env("DEVSH_CRATES_INDEX", format!("{address}/index"))
            .env("DEVSH_CRATES_MIRROR", format!("{address}/crates"))
            .env("UV_PYTHON_INSTALL_MIRROR", format!("{address}/python"))
            .env("DEVSH_GITHUB_API", format!("{address}/api"))
    }

    /// Writes the user's `config.toml`.
    #[must_use]
    pub(crate) fn config(self, text: &str) -> Self {
        write(
            &self.home().join(".config/devsh/config.toml"),
            text.as_bytes(),
        );
        self
    }

    /// Writes the project's `devshell.toml`.
    #[must_use]
    pub(crate) fn manifest(self, text: &str) -> Self {
        self.write("devshell.toml", text);
        self
    }

    /// Replaces `text` by `shown` in outputs.
    pub(crate) fn redact(&mut self, text: &str, shown: &str) {
        self.redactions
            .insert(0, (text.to_owned(), shown.to_owned()));
    }

    /// Writes a file below the project's directory.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        write(&self.project.join(path), content.as_ref());
    }

    /// Writes a program into a directory of `PATH`.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.root.join("bin").join(name);
        write(&path, script.as_bytes());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("own file");
        path
    }

    /// Puts a Python of a version on `PATH`, as far as devsh asks it, under each of these names.
    pub(crate) fn host_python(&self, names: &[&str], version: &str) {
        // To a script it prints its version, path and implementation; see `sources::host`.
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*-c*) printf '%s\\n' {version} \"$0\" cpython ;;\n\
             *) echo 'Python {version}' ;;\nesac\n"
        );
        for name in names {
            self.program(name, &script);
        }
    }

    /// Returns a wrapper of devsh that counts its starts, and a function that returns the count.
    pub(crate) fn counting(&self) -> (PathBuf, impl Fn() -> usize + use<>) {
        let calls = self.root().join("calls");
        let script = format!(
            "#!/bin/sh\necho >>'{}'\nexec '{DEVSH}' \"$@\"\n",
            calls.display()
        );
        let counted = move || fs::read(&calls).map_or(0, |calls| calls.len());
        (self.program("counting", &script), counted)
    }

    /// Returns the hook of a host shell with another program.
    pub(crate) fn hook_that_runs(&self, shell: HostShell, program: &Path) -> String {
        let mut command = self.command("devsh");
        let hook = command
            .args(["hook", shell.name()])
            .output()
            .unwrap()
            .stdout;
        let hook = String::from_utf8(hook).unwrap();
        let real = fs::canonicalize(DEVSH).unwrap();
        let (real, program) = (real.to_str().unwrap(), program.to_str().unwrap());
        assert!(hook.contains(real));
        hook.replace(real, program)
    }

    /// Returns the canonical root of the sandbox.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the home directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Returns the project's directory.
    pub(crate) fn project(&self) -> &Path {
        &self.project
    }

    /// Returns the data directory of devsh.
    pub(crate) fn data(&self) -> PathBuf {
        self.home().join(".local/share/devsh")
    }

    /// Returns the environment of all commands in the sandbox.
    pub(crate) fn environment(&self) -> &BTreeMap<OsString, OsString> {
        &self.env
    }

    /// Returns `program` ready to run in the project's directory.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.project)
            .stdin(Stdio::null());
        command
    }

    /// Makes a command run as another user, who gets the whole sandbox, if the test runs as root; returns whether it does.
    pub(crate) fn as_user(&self, user: u32, command: &mut Command) -> bool {
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            let mut chown = Command::new("chown");
            chown.args(["-R", "-h", &format!("{user}:{user}")]);
            assert!(chown.arg(&self.root).status().expect("it starts").success());
            command.uid(user).gid(user);
        }
        is_root
    }

    /// Runs devsh in the project's directory.
    pub(crate) fn devsh<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome {
        self.outcome(self.command(DEVSH).args(arguments))
    }

    /// Runs a command.
    pub(crate) fn outcome(&self, command: &mut Command) -> Outcome {
        let output = command.output().expect("the command starts");
        Outcome {
            status: output.status,
            stdout: self.redacted(&output.stdout),
            stderr: self.redacted(&output.stderr),
        }
    }

    /// Runs a command with `input` on its standard input.
    pub(crate) fn outcome_of_input(&self, command: &mut Command, input: &[u8]) -> Outcome {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input).expect("the command reads");
        drop(stdin);
        let output = child.wait_with_output().expect("the command ends");
        Outcome {
            status: output.status,
            stdout: self.redacted(&output.stdout),
            stderr: self.redacted(&output.stderr),
        }
    }

    /// Approves the project as it is now.
    pub(crate) fn allow(&self) {
        self.devsh(&["allow"]).success();
    }

    /// Starts an interactive host shell in the home directory, with the hook in its rc file.
    pub(crate) fn shell(&self, shell: HostShell) -> Pty {
        Pty::start(self, shell, &shell.hook_line())
    }

    pub(crate) fn redacted(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for (from, to) in &self.redactions {
            text = text.replace(from, to);
        }
        text
    }
}

impl Outcome {
    /// Asserts that the command succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Asserts that exactly one error with all `parts` was printed.
    #[track_caller]
    pub(crate) fn error(self, parts: &[&str]) -> Self {
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count();
        assert_eq!(errors, 1, "one error is told, not {errors}\n{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing\n{self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.status, self.stdout, self.stderr
        )
    }
}

/// Writes a file and creates its parent directories.
pub(crate) fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a file has a parent")).expect("a new directory");
    fs::write(path, content).expect("a writable file");
}
