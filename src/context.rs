//! The environment of the devsh process, read once.
//!
//! Invariant: this is the only module that reads the environment, the working directory or the clock.

use std::{
    ffi::OsStr,
    io::IsTerminal,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    env::Env,
    package::System,
    util::{secret_key::SecretKey, vars},
};

/// The process as devsh found it; tests build their own.
#[derive(Debug, Clone)]
pub struct Context {
    /// The physical working directory; nothing when it was removed.
    pub cwd: Option<PathBuf>,
    /// The user's environment, without that of a loaded dev shell. Settings, tokens and programs of devsh come from here:
    /// a project must not decide them.
    pub env: Env,
    /// The environment of the host shell with the dev shell that it has loaded.
    pub shell_env: Env,
    /// The directories of the user's files.
    pub directories: Directories,
    /// The system devsh was built for; nothing where no artifacts exist.
    pub system: Option<System>,
    /// The capabilities of the terminal.
    pub terminal: Terminal,
    /// The key with which devsh signs the sessions of host shells.
    pub session_key: SecretKey,
    /// The time at start.
    pub now: SystemTime,
    /// The devsh program itself.
    pub program: PathBuf,
}

/// The user's directories, by the XDG rules on every system.
#[derive(Debug, Clone)]
pub struct Directories {
    /// The home directory, if there is one.
    pub home: Option<PathBuf>,
    /// Store and approvals (`$XDG_DATA_HOME/devsh`).
    pub data: PathBuf,
    /// Records, build logs and locks of unprepared projects (`$XDG_STATE_HOME/devsh`).
    pub state: PathBuf,
    /// Index pages and partial downloads (`$XDG_CACHE_HOME/devsh`).
    pub cache: PathBuf,
    /// The user's `config.toml` (`$XDG_CONFIG_HOME/devsh`).
    pub config: PathBuf,
}

/// The parent of the user's directories without a home. Below it even root can create nothing.
const NO_HOME: &str = "/dev/null";

/// The capabilities of the terminal.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stream is a terminal or not"
)]
pub struct Terminal {
    /// True if standard input is a terminal.
    pub stdin: bool,
    /// True if standard output is a terminal.
    pub stdout: bool,
    /// True if standard error is a terminal.
    pub stderr: bool,
    /// True if colour is wanted by the environment.
    pub color: bool,
    /// The columns that the environment names, for streams that are no terminal or one without a size.
    pub columns: Option<usize>,
}

impl Context {
    /// Reads the process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the process is read"
    )]
    pub fn from_process() -> Self {
        let env: Env = std::env::vars_os().collect();
        let terminal = Terminal {
            stdin: std::io::stdin().is_terminal(),
            stdout: std::io::stdout().is_terminal(),
            stderr: std::io::stderr().is_terminal(),
            color: env.get(vars::NO_COLOR).is_none_or(OsStr::is_empty)
                && env.get(vars::TERM).is_none_or(|term| term != "dumb"),
            columns: env
                .get(vars::COLUMNS)
                .and_then(|columns| columns.to_str()?.parse().ok())
                .filter(|columns| *columns > 0),
        };
        let directories = Directories::from_env(&env);
        Self {
            cwd: std::env::current_dir().ok(),
            session_key: SecretKey::new([directories.state.clone(), directories.data.clone()]),
            directories,
            shell_env: env.clone(),
            env,
            system: System::current(),
            terminal,
            now: SystemTime::now(),
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("devsh")),
        }
    }

    /// Returns the same process at the time it is now, for what runs for days.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self {
            now: SystemTime::now(),
            ..self.clone()
        }
    }

    /// Returns whether this is a CI job.
    pub fn is_ci(&self) -> bool {
        self.env
            .get(vars::CI)
            .is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
    }
}

impl Terminal {
    /// Asks the system for the columns of listings; nothing if standard output is no terminal and `COLUMNS` is not set.
    pub fn out_width(&self) -> Option<usize> {
        self.width(self.stdout, std::io::stdout())
    }

    /// Asks the system for the columns of messages.
    pub fn message_width(&self) -> Option<usize> {
        self.width(self.stderr, std::io::stderr())
    }

    fn width(&self, is_terminal: bool, stream: impl AsFd) -> Option<usize> {
        let size = is_terminal.then(|| terminal_size::terminal_size_of(stream));
        let columns = size.flatten().map(|(columns, _)| usize::from(columns.0));
        // A terminal whose size is not set reports 0.
        columns.filter(|columns| *columns > 0).or(self.columns)
    }
}

impl Directories {
    /// Returns the directories that `env` names; without a home, paths that cannot exist.
    pub fn from_env(env: &Env) -> Self {
        let absolute = |name: &str| {
            env.get(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = absolute(vars::HOME).or_else(|| {
            directories::BaseDirs::new().map(|directories| directories.home_dir().to_owned())
        });
        let base = |name: &str, below: &str| {
            let parent = absolute(name)
                .unwrap_or_else(|| home.as_deref().unwrap_or(Path::new(NO_HOME)).join(below));
            parent.join("devsh")
        };
        Self {
            data: base(vars::XDG_DATA_HOME, ".local/share"),
            state: base(vars::XDG_STATE_HOME, ".local/state"),
            cache: base(vars::XDG_CACHE_HOME, ".cache"),
            config: base(vars::XDG_CONFIG_HOME, ".config"),
            home,
        }
    }
}
