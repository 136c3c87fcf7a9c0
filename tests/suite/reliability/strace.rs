//! Runs devsh under strace, which counts its system calls and lets one of them fail or be its last.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Output,
};

use crate::support::{Sandbox, require, sandbox::DEVSH};

/// Calls that change files, and calls that read them.
pub(super) const CALLS: [&str; 25] = [
    "openat",
    "openat2",
    "write",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "fsync",
    "syncfs",
    "flock",
    "fchmod",
    "chmod",
    "ftruncate",
    "utimensat",
    "close",
    "read",
    "statx",
    "connect",
    "getdents64",
    "lseek",
];

/// Strace, if it is installed and allowed to trace.
pub(crate) fn strace() -> Option<PathBuf> {
    let strace = require("strace")?;
    let allowed = std::process::Command::new(&strace)
        .args(["-o", "/dev/null", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("skipped: strace may not trace here");
    }
    allowed.then_some(strace)
}

/// The words with which the hook of bash starts devsh.
pub(crate) const PROMPT: [&str; 8] = [
    "export", "bash", "--nonce", "1", "--loaded", "", "--checks", "",
];

/// The form of paths in the output of strace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TracedPaths {
    /// As the program names them.
    Named,
    /// With the real path of each file that was opened.
    Real,
}

/// Runs devsh and returns its output and the calls that opened files, a line for each.
pub(crate) fn opened(
    strace: &Path,
    sandbox: &Sandbox,
    words: &[&str],
    paths: TracedPaths,
) -> (Output, String) {
    let log = sandbox.root().join("tmp/strace");
    let mut command = sandbox.command(strace);
    if paths == TracedPaths::Real {
        command.arg("-y");
    }
    let output = command
        .args(["-f", "-qq", "-e", "trace=open,openat,openat2", "-o"])
        .arg(&log)
        .arg(DEVSH)
        .args(words)
        .output()
        .unwrap();
    let calls = fs::read_to_string(&log).unwrap();
    assert!(!calls.is_empty(), "{words:?}: {output:?}");
    (output, calls)
}

/// Counts each call of the thread that makes it most.
pub(crate) fn count(
    strace: &Path,
    sandbox: &Sandbox,
    arguments: &[&str],
) -> BTreeMap<String, usize> {
    let log = sandbox.root().join("tmp/strace");
    let mut command = sandbox.command(strace);
    command
        .args(["-f", "-qq", "-e"])
        .arg(format!("trace={}", CALLS.join(",")))
        .arg("-o")
        .arg(&log)
        .arg(DEVSH)
        .args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        // `1234  openat(AT_FDCWD, ...`; a call that was interrupted is shown again as `<... openat resumed>`.
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if CALLS.contains(&call) {
            *counts
                .entry((call.to_owned(), thread.to_owned()))
                .or_default() += 1;
        }
    }
    fs::remove_file(&log).unwrap();
    let mut most = BTreeMap::new();
    for ((call, _), count) in counts {
        let known: &mut usize = most.entry(call).or_default();
        *known = count.max(*known);
    }
    most
}

/// Runs devsh with `fault` at the `at`th `call` of any of its threads.
pub(super) fn with_fault(
    strace: &Path,
    sandbox: &Sandbox,
    arguments: &[&str],
    (call, fault, at): (&str, &str, usize),
) -> Output {
    sandbox
        .command(strace)
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={call}:{fault}:when={at}"))
        .arg(DEVSH)
        .args(arguments)
        .output()
        .unwrap()
}

/// Returns whether a process was killed, itself or through strace.
pub(super) fn was_killed(output: &Output) -> bool {
    output.status.signal() == Some(9) || output.status.code() == Some(137)
}

/// Points spread evenly over all calls, at most `most` of them.
pub(crate) fn points(counts: &BTreeMap<String, usize>, most: usize) -> Vec<(String, usize)> {
    let all: Vec<(String, usize)> = counts
        .iter()
        .flat_map(|(call, count)| (1..=*count).map(|at| (call.clone(), at)))
        .collect();
    let step = all.len().div_ceil(most).max(1);
    // Not the same remainder for every call.
    all.iter()
        .enumerate()
        .filter(|(index, _)| (index * 7) % step == 0)
        .map(|(_, point)| point.clone())
        .collect()
}
