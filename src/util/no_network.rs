//! Programs without network.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// The places of `unshare` on usual systems. A directory on `PATH` could have another program of this name.
const UNSHARE: [&str; 3] = [
    "/usr/bin/unshare",
    "/bin/unshare",
    "/run/current-system/sw/bin/unshare",
];
const SHELL: &str = "/bin/sh";
/// Runs its arguments as the first process of a namespace, which the kernel ends with all of its processes. The first
/// process gets no signal that it has no handler for, so a program in its place could not be interrupted.
const FIRST_PROCESS: &str = "trap 'exit 130' INT TERM HUP; \"$@\" & wait \"$!\"";

/// The way in which a program is kept from the network.
#[derive(Debug, Clone, Copy)]
pub enum Isolation {
    /// Linux namespaces of its own for the network and for processes, made by this program.
    Namespaces(&'static str),
    /// The sandbox of macOS.
    Sandbox,
    /// The system offers none to this user.
    None,
}

impl Isolation {
    /// Returns the best isolation that the system allows to this user.
    pub fn available() -> Self {
        static AVAILABLE: OnceLock<Isolation> = OnceLock::new();
        *AVAILABLE.get_or_init(|| {
            if cfg!(target_os = "macos") {
                return Self::Sandbox;
            }
            let unshare = UNSHARE.into_iter().find(|path| Path::new(path).is_file());
            unshare
                .map(Self::Namespaces)
                .filter(|isolation| isolation.works())
                .unwrap_or(Self::None)
        })
    }

    /// Returns whether all processes of the program end with it, and a signal of the terminal reaches them.
    pub const fn ends_processes(self) -> bool {
        matches!(self, Self::Namespaces(_))
    }

    /// Returns the command for a program; its arguments follow.
    pub fn command(self, program: &Path) -> Command {
        match self {
            Self::Namespaces(unshare) => {
                let mut command = Command::new(unshare);
                command
                    .args(["--user", "--map-current-user", "--net", "--pid", "--fork"])
                    .args(["--kill-child", "--", SHELL, "-c", FIRST_PROCESS, SHELL])
                    .arg(program);
                command
            }
            Self::Sandbox => {
                let mut command = Command::new("/usr/bin/sandbox-exec");
                command
                    .args(["-p", "(version 1)(allow default)(deny network*)"])
                    .arg(program);
                command
            }
            Self::None => Command::new(program),
        }
    }

    /// Systems can forbid namespaces to users, and containers do.
    fn works(self) -> bool {
        let tried = self
            .command(Path::new(SHELL))
            .args(["-c", ":"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{BufRead as _, BufReader, Read as _},
        os::unix::process::{CommandExt as _, ExitStatusExt as _},
    };

    use nix::{
        sys::{
            signal::{Signal, killpg},
            stat::Mode,
        },
        unistd::{Pid, mkfifo},
    };

    use super::*;

    #[test]
    fn a_program_keeps_its_arguments_and_its_status() {
        let mut command = Isolation::available().command(Path::new(SHELL));
        let output = command
            .args(["-c", "echo \"$1\"; exit 7", "sh", "two words"])
            .stderr(Stdio::inherit())
            .output();
        let output = output.unwrap();
        assert_eq!(output.stdout, b"two words\n");
        assert_eq!(output.status.code(), Some(7));
    }

    #[test]
    fn an_interrupt_ends_all_processes() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let text = "exec 9>\"$1\"; echo begun >&9; sleep 60; echo left >&9";
        let mut child = Isolation::available()
            .command(Path::new(SHELL))
            .args(["-c", text, "sh"])
            .arg(&pipe)
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut read = BufReader::new(File::open(&pipe).unwrap());
        let mut line = String::new();
        read.read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        // As a terminal does.
        let group = Pid::from_raw(child.id().try_into().unwrap());
        killpg(group, Signal::SIGINT).unwrap();
        let status = child.wait().unwrap();
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal));
        assert_eq!(code, Some(130));
        // Ends when no process has the other end.
        line.clear();
        read.read_to_string(&mut line).unwrap();
        assert_eq!(line, "");
    }
}
