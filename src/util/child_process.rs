//! Child processes with a timeout and captured output.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, ExitStatus},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use wait_timeout::ChildExt;

use super::interrupts::Interrupts;

/// Longest single wait for the child. `wait-timeout` relies on SIGCHLD, which a parent of devsh may have blocked.
const PERIOD: Duration = Duration::from_millis(50);
/// The time for late output after the child has ended, when one of its own children holds the pipe open.
const GRACE: Duration = Duration::from_secs(1);

/// Bounds of a child process.
#[derive(Debug, Clone, Copy)]
pub struct ChildLimits {
    /// The time after which the child is killed.
    pub timeout: Duration,
    /// Bytes of output that are kept of each stream. The rest is read and dropped, because a child blocks on a
    /// full pipe.
    pub output: usize,
    /// Output that ends with these bytes is complete, even when a process that the child left behind holds the pipe.
    pub end_marker: Option<&'static [u8]>,
    /// Gives the child its own process group, which ends as a whole on a timeout and when devsh is interrupted.
    ///
    /// The terminal sends no Ctrl-C to such a group, and devsh can forward it only while it has no other thread.
    /// Leave it off where other threads may run.
    pub own_group: bool,
}

/// The end of a child process.
#[derive(Debug)]
pub enum Outcome {
    /// By itself.
    Exited(Exited),
    /// Killed after the timeout.
    TimedOut,
    /// Killed because `stop` asked for it.
    Stopped,
}

/// A child process that ended by itself.
#[derive(Debug)]
pub struct Exited {
    /// Its exit status.
    pub status: ExitStatus,
    /// The kept part of its standard output, if that is a pipe.
    pub stdout: Vec<u8>,
    /// The kept part of its standard error, if that is a pipe.
    pub stderr: Vec<u8>,
    /// The open end of its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
}

/// Runs a child process until it ends, its time is over, or `stop` returns true; `stop` is asked repeatedly.
pub fn run(
    command: &mut Command,
    limits: ChildLimits,
    mut stop: impl FnMut() -> bool,
) -> io::Result<Outcome> {
    let end = Instant::now() + limits.timeout;
    let mut interrupts = limits.own_group.then(Interrupts::held);
    if limits.own_group {
        command.process_group(0);
    }
    let mut running = Running {
        child: command.spawn()?,
        stdin: None,
        own_group: limits.own_group,
    };
    // `wait_timeout` closes an input that it finds.
    running.stdin = running.child.stdin.take();
    if let Some(held) = interrupts.take() {
        let group = running.group();
        interrupts = Some(held.after(move || kill_group(group))?);
    }
    let stdout = listen(running.child.stdout.take(), limits.output)?;
    let stderr = listen(running.child.stderr.take(), limits.output)?;
    let status = loop {
        if stop() {
            return Ok(Outcome::Stopped);
        }
        let left = end.saturating_duration_since(Instant::now());
        if let Some(status) = running.child.wait_timeout(left.min(PERIOD))? {
            break status;
        }
        if left.is_zero() {
            return Ok(Outcome::TimedOut);
        }
    };
    running.own_group = false;
    let (stdout, stderr) = (
        collect(stdout, limits.end_marker),
        collect(stderr, limits.end_marker),
    );
    drop(interrupts);
    Ok(Outcome::Exited(Exited {
        status,
        stdout,
        stderr,
        stdin: running.stdin.take(),
    }))
}

/// A child process that is killed when this is dropped before it has ended.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Closed after the kill: a child that reads its end would go on for a moment.
    stdin: Option<ChildStdin>,
    own_group: bool,
}

impl Running {
    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.own_group {
            kill_group(self.group());
        }
        // Both do nothing for a child that has ended.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

fn kill_group(group: Pid) {
    // The group may have ended by itself.
    let _ended = killpg(group, Signal::SIGKILL);
}

/// Reads a pipe on its own thread and passes on the first `limit` bytes.
fn listen(
    pipe: Option<impl Read + Send + 'static>,
    limit: usize,
) -> io::Result<Option<Receiver<Vec<u8>>>> {
    let Some(mut pipe) = pipe else {
        return Ok(None);
    };
    let (sender, receiver) = channel();
    thread::Builder::new().spawn(move || {
        let mut buffer = [0; 1 << 13];
        let mut left = limit;
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            let kept = length.min(left);
            left -= kept;
            if kept > 0 && sender.send(buffer[..kept].to_vec()).is_err() {
                break;
            }
        }
    })?;
    Ok(Some(receiver))
}

/// Returns the output of a child that has ended.
fn collect(receiver: Option<Receiver<Vec<u8>>>, end_marker: Option<&[u8]>) -> Vec<u8> {
    let mut output = Vec::new();
    let Some(receiver) = receiver else {
        return output;
    };
    while let Ok(bytes) = receiver.recv_timeout(GRACE) {
        output.extend(bytes);
        if end_marker.is_some_and(|marker| output.ends_with(marker)) {
            break;
        }
    }
    output
}

/// Returns the last lines of a program's output, at most `most`, from the first line on that begins an error: the lines
/// before it are only progress.
pub fn error_lines(output: &[u8], most: usize, is_error: impl Fn(&str) -> bool) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let error = lines.iter().position(|line| is_error(line));
    let start = error.unwrap_or(0).max(lines.len().saturating_sub(most));
    lines[start..].iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
