//! The host shell in which a command was typed, and whether it has the hook.
//!
//! No variable shows that: a child shell inherits all of them. So the first answer to a hook leaves a file that is
//! named after the host shell and has a number that changes when the process becomes another program by `exec`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd;

use crate::{env::HostShell, store::ProcessMark, util::files};

use super::reload::remove_ended;

/// The directory of host shells with the hook, below the state directory.
const DIRECTORY: &str = "hooked";

/// The longest file in it, in bytes.
const LIMIT: u64 = 64;

/// The host shell that started this process.
#[derive(Debug)]
pub struct TypingShell {
    pub program: PathBuf,
    pub host: HostShell,
    /// True if the shell has job control, as with a user who types; false in a script.
    pub is_interactive: bool,
    process: ProcessMark,
}

impl TypingShell {
    /// Returns the parent process, if devsh has a hook for it.
    pub fn find() -> Option<Self> {
        let parent = unistd::getppid();
        let program = fs::read_link(format!("/proc/{parent}/exe"))
            .ok()
            .or_else(|| {
                let output = Command::new("/bin/ps")
                    .args(["-o", "comm=", "-p", &parent.to_string()])
                    .output();
                let output = output.ok()?.stdout;
                let name = String::from_utf8(output).ok()?;
                Some(PathBuf::from(name.trim().trim_start_matches('-')))
            })?;
        let (program, host) = known_shell(program)?;
        Some(Self {
            program,
            host,
            // With job control each command has its own process group.
            is_interactive: unistd::getpgid(Some(parent)).is_ok_and(|own| own != unistd::getpgrp()),
            process: ProcessMark::parent(),
        })
    }

    /// Returns whether the hook of this shell has asked devsh.
    pub fn has_hook(&self, state: &Path) -> bool {
        let place = state.join(DIRECTORY).join(self.process.to_string());
        let read = files::read_own(&place, LIMIT).ok().flatten();
        read.is_some_and(|text| text == hooked_text(self.host, self.process).as_bytes())
    }
}

/// Returns a program of a host shell, under the name that can be started.
fn known_shell(program: PathBuf) -> Option<(PathBuf, HostShell)> {
    let name = program.file_name()?.to_str()?;
    // Linux marks a program that was replaced by an update.
    let file = name.strip_suffix(" (deleted)").unwrap_or(name).to_owned();
    // Debian's zsh is `zsh5`.
    let plain = file.trim_end_matches(|one: char| one.is_ascii_digit() || ".-".contains(one));
    let host = HostShell::of_program(OsStr::new(plain))?;
    let program = if file == name {
        program
    } else {
        program.with_file_name(file)
    };
    Some((program, host))
}

/// Remembers that the host shell which waits for this process has the hook.
pub(super) fn remember_hook(state: &Path, host: HostShell) {
    let directory = state.join(DIRECTORY);
    remove_ended(&directory);
    let process = ProcessMark::host_shell();
    let written = files::create_private_dir(&directory).and_then(|()| {
        let place = directory.join(process.to_string());
        files::write_atomic(&place, hooked_text(host, process).as_bytes())
    });
    if let Err(error) = written {
        // Only `devsh doctor` asks for it.
        tracing::debug!(%error, "cannot remember that this shell has the hook");
    }
}

fn hooked_text(host: HostShell, process: ProcessMark) -> String {
    format!("{host} {}\n", process.stack().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_known_by_their_programs() {
        let known = |program: &str| known_shell(PathBuf::from(program));
        for (program, start, host) in [
            ("/bin/bash", "/bin/bash", HostShell::Bash),
            ("/bin/zsh5", "/bin/zsh5", HostShell::Zsh),
            ("/usr/bin/zsh (deleted)", "/usr/bin/zsh", HostShell::Zsh),
            ("/x/zsh-5.9 (deleted)", "/x/zsh-5.9", HostShell::Zsh),
            ("fish", "fish", HostShell::Fish),
        ] {
            assert_eq!(known(program), Some((PathBuf::from(start), host)));
        }
        assert_eq!(known("/bin/dash"), None);
    }
}
