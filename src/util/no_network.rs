//! Programs without network.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Returns the command for a program without network, if the system can deny it to one process.
pub fn command_without_network(program: &Path) -> Command {
    if cfg!(target_os = "macos") {
        let mut command = Command::new("/usr/bin/sandbox-exec");
        command
            .args(["-p", "(version 1)(allow default)(deny network*)"])
            .arg(program);
        return command;
    }
    let options = ["--user", "--map-current-user", "--net", "--"];
    let tried = Command::new("unshare")
        .args(options)
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if tried.is_ok_and(|status| status.success()) {
        let mut command = Command::new("unshare");
        command.args(options).arg(program);
        return command;
    }
    Command::new(program)
}
