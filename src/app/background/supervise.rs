//! The two processes of a background build: the one that watches and the one that builds.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use crate::{
    manifest::ShellName,
    project::watch,
    report::failure::Failure,
    util::{files, hex},
};

use super::{Claim, Failed, Traces};
use crate::{
    app::{prepare_env, session::Work},
    cli::commands::sync::{self, Mode},
    report::hints,
};

/// Longest log of a build, in bytes; of a longer one the end is kept.
const LOG_LIMIT: u64 = 1 << 20;
/// How often and how long the lock is tried: who looks whether there is a build holds it for a moment.
const TRIES: (u32, Duration) = (20, Duration::from_millis(10));

/// Runs the build of `shell` in a process of its own, keeps its log, and leaves word if it was killed.
///
/// `basis` names the content that the prompt saw, hexadecimal.
pub fn supervise(work: &Work<'_>, shell: &ShellName, basis: &str) -> Result<(), Failure> {
    let place = work.active_place()?;
    let traces = Traces::new(work.context, &place.root);
    files::create_private_dir(&traces.directory).map_err(|error| hints::file(&error))?;
    let failed = |error| Failure::new(format!("cannot start a background build: {error}"));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let copy = writer.try_clone().map_err(failed)?;
    let mut command = Command::new(&work.context.program);
    command
        .args(["sync", "--worker", "--shell", shell.as_str(), "-C"])
        .arg(&place.root)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(copy);
    let mut child = command.spawn().map_err(failed)?;
    // The pipe ends when nobody writes to it any more.
    drop(command);
    let log = traces.log(shell);
    if let Err(error) = keep(reader, &log) {
        tracing::debug!(%error, "the log of the build cannot be kept");
    }
    let status = child.wait().map_err(failed)?;
    if let (Some(how), Some(basis)) = (abnormal(status), hex::decode(basis)) {
        let failure = Failure::new(format!("the build {how}"));
        traces.record(shell, &Failed::new(basis, work.context.now, &failure))?;
    }
    // Prompts hear of a failure only now that its log is whole.
    if status.success() {
        Ok(())
    } else {
        advance(work)
    }
}

/// How a build ended that could not leave word itself.
fn abnormal(status: ExitStatus) -> Option<String> {
    match (status.signal(), status.code()) {
        (Some(signal), _) => Some(format!("was ended by signal {signal}")),
        // A panic of a program that unwinds.
        (None, Some(code)) if code > 100 => Some(format!("broke off with exit code {code}")),
        _ => None,
    }
}

/// Writes everything that comes to the file at `path`, which stays short whatever comes.
fn keep(mut from: impl Read, path: &Path) -> std::io::Result<()> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    let mut length = 0;
    let mut buffer = [0; 1 << 13];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if length + count as u64 > LOG_LIMIT {
            length = shorten(&mut file)?;
        }
        file.write_all(&buffer[..count])?;
        length += count as u64;
    }
}

/// Keeps the second half of a log.
fn shorten(file: &mut File) -> std::io::Result<u64> {
    let mut end = b"[earlier lines are left out]\n".to_vec();
    file.seek(SeekFrom::End(-((LOG_LIMIT / 2).cast_signed())))?;
    file.read_to_end(&mut end)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&end)?;
    Ok(end.len() as u64)
}

/// Builds for a prompt, in a session of its own, and leaves word of how it ended.
pub fn work_for_prompt(work: &Work<'_>, shells: &[ShellName]) -> Result<(), Failure> {
    // It fails for the leader of a group, which only somebody who starts it by hand makes it.
    let _session = nix::unistd::setsid();
    let project = work.trusted_at(work.active_place()?, shells.first())?;
    let traces = Traces::new(work.context, project.get().root());
    let Some(claim) = claim_at_once(&traces)? else {
        return Ok(());
    };
    let basis = prepare_env::basis(&prepare_env::watch(work.context, project.get()));
    let result = sync::bring_up_claimed(work, &project, shells, Mode::Background, &claim).map(drop);
    if let (Err(failure), Some(shell)) = (&result, shells.first()) {
        traces.record(shell, &Failed::new(basis, work.context.now, failure))?;
    }
    // Who asks after the word must not find the build still going on.
    drop(claim);
    if result.is_ok() {
        // Also where nothing new came of it: prompts wait for a word.
        advance(work)?;
    }
    result
}

/// Takes the right to build unless somebody has it.
fn claim_at_once(traces: &Traces) -> Result<Option<Claim>, Failure> {
    let file = files::open_lock(&traces.lock()).map_err(|error| hints::file(&error))?;
    let (tries, pause) = TRIES;
    for _ in 0..tries {
        if !matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
            return Ok(Some(Claim {
                _lock: Some(file),
                live: Some(traces.live()),
                waited: false,
            }));
        }
        thread::sleep(pause);
    }
    Ok(None)
}

fn advance(work: &Work<'_>) -> Result<(), Failure> {
    watch::advance_generation(&work.context.directories.state, work.context.now)
        .map_err(|error| hints::file(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_stays_short_and_keeps_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut text = Vec::new();
        for number in 0..400_000 {
            text.extend_from_slice(format!("line {number}\n").as_bytes());
        }
        keep(&text[..], &path).unwrap();
        let log = std::fs::read(&path).unwrap();
        assert!(log.len() as u64 <= LOG_LIMIT);
        assert!(log.starts_with(b"[earlier lines are left out]\n"));
        assert!(log.ends_with(b"line 399999\n"));
        keep(&b"short\n"[..], &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short\n");
    }
}
