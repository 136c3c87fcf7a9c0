//! Marks of processes: process id, start time and PID namespace, which no later process has together.
//!
//! Files that belong to a process are named with its mark, which shows other processes when it has ended.

use std::{fmt, fs::File, io::Read as _, path::Path, str::FromStr, time::Duration};

use nix::unistd::{self, Pid};

use crate::util::pid_namespace::pid_namespace;

/// A process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessMark {
    pid: i32,
    /// When it started, in ticks since boot; 0 where the system has no such number, which matches any.
    start: u64,
    /// The PID namespace that the process id belongs to; 0 where the system has none.
    namespace: u64,
}

impl ProcessMark {
    /// Returns this process.
    pub fn current() -> Self {
        Self::of(unistd::getpid())
    }

    /// Returns the host shell that waits for this process.
    ///
    /// A shell on a terminal leads a process group, in which it also runs the hook. Elsewhere it is the parent.
    pub fn host_shell() -> Self {
        let leader = unistd::getpgrp();
        if leader != unistd::getpid() {
            let mark = Self::of(leader);
            if mark.start > 0 || mark.is_alive() {
                return mark;
            }
        }
        Self::parent()
    }

    /// Returns the parent of this process.
    pub fn parent() -> Self {
        Self::of(unistd::getppid())
    }

    /// Returns where the stack of the process begins, on Linux: another place in each program that it executes.
    pub fn stack(self) -> Option<u64> {
        stat_field(self.pid, 28)
    }

    fn of(pid: Pid) -> Self {
        Self {
            pid: pid.as_raw(),
            start: start_of(pid.as_raw()).unwrap_or_default(),
            namespace: pid_namespace(),
        }
    }

    /// Returns whether the process belongs to another PID namespace, such as a container with the same store. Its id
    /// means another process here, or none.
    fn is_foreign(self) -> bool {
        self.namespace != pid_namespace()
    }

    /// Returns whether `place`, which is named after the process, is still in use. The end of a foreign process cannot
    /// be seen from here: what is named after it counts as used for a month.
    pub(super) fn owns(self, place: &Path) -> bool {
        let made = place.symlink_metadata().and_then(|found| found.modified());
        let is_old = || made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > FOREIGN));
        if self.is_foreign() {
            !is_old()
        } else {
            self.is_alive()
        }
    }

    /// Returns whether the process runs in this PID namespace.
    pub fn is_alive(self) -> bool {
        if self.is_foreign() {
            return false;
        }
        // Other numbers mean groups of processes.
        if self.pid <= 0 {
            return false;
        }
        // Signal 0 only tests; for a process of another user the error is another one.
        let there = !matches!(
            nix::sys::signal::kill(Pid::from_raw(self.pid), None),
            Err(nix::Error::ESRCH)
        );
        let same = |start| self.start == 0 || start == self.start;
        there && start_of(self.pid).is_none_or(same)
    }

    /// Returns the process after which a file is named.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        path.file_name()?.to_str()?.parse().ok()
    }
}

/// The time for which files of foreign processes are kept.
const FOREIGN: Duration = Duration::from_hours(24 * 30);

/// Returns when a process started, on Linux.
fn start_of(pid: i32) -> Option<u64> {
    stat_field(pid, 22)
}

/// Returns a field of `/proc/PID/stat`, counted from 1 as in its manual; one after the name of the program.
fn stat_field(pid: i32, number: usize) -> Option<u64> {
    let mut text = [0; 1 << 10];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    // Longer than any such file, which comes as a whole: one call is enough.
    let count = file.read(&mut text).ok()?;
    let text = &text[..count];
    // The program's name is in parentheses and may hold anything.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    // The one after the name is the third.
    rest.split_ascii_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

impl fmt::Display for ProcessMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.pid, self.start, self.namespace)
    }
}

impl FromStr for ProcessMark {
    type Err = std::num::ParseIntError;

    /// Reads a mark from the beginning of a name, up to a third dot.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let mut next = || parts.next().unwrap_or_default();
        Ok(Self {
            pid: next().parse()?,
            start: next().parse()?,
            namespace: next().parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        let mark = ProcessMark::current();
        assert!(mark.is_alive());
        let read: ProcessMark = format!("{mark}.x1").parse().unwrap();
        assert_eq!(read, mark);
        let later = ProcessMark {
            start: mark.start + 1,
            ..mark
        };
        assert!(!later.is_alive() || mark.start == 0);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = ProcessMark::of(Pid::from_raw(child.id().cast_signed()));
        child.wait().unwrap();
        assert!(!gone.is_alive());
        let any = ProcessMark { start: 0, ..mark };
        assert!(any.is_alive(), "one that could not read its own start");
        assert!("x.1.1".parse::<ProcessMark>().is_err());
        let place = Path::new("/");
        assert!(mark.owns(place) && !gone.owns(place));
        let elsewhere = ProcessMark {
            namespace: mark.namespace + 1,
            ..gone
        };
        assert!(
            elsewhere.owns(Path::new("/proc/self")),
            "it cannot be seen from here"
        );
    }
}
