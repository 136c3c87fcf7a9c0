//! The two processes of a background build: the supervisor and the build.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use crate::{
    manifest::ShellName,
    project::locate::Place,
    report::failure::Failure,
    util::{files, hex},
};

use super::{
    build_claim::try_claim,
    build_files::{BuildFailure, BuildTraces},
    build_mode::BuildMode,
    build_record, lock_and_build,
    session::Session,
    trust,
};

/// The longest log of a build, in bytes; the end of a longer one is kept.
const LOG_LIMIT: u64 = 1 << 20;

/// Runs the build of `shell` in another process, keeps its log, and records the failure if it was killed.
///
/// `basis` is the digest of the inputs that the prompt saw, in hexadecimal.
pub fn supervise(session: &Session<'_>, shell: &ShellName, basis: &str) -> Result<(), Failure> {
    files::close_inherited();
    let place = session.active_place()?;
    let traces = BuildTraces::new(session.context, &place.root);
    files::create_private_dir(&traces.directory)?;
    loop {
        let before = traces.failed(shell);
        let status = run_worker(session, &place, &traces, shell)?;
        if status.success() {
            return Ok(());
        }
        let failed = traces.failed(shell);
        let is_stopped = failed.as_ref().is_some_and(BuildFailure::is_stopped);
        if let Some(basis) = hex::decode(basis).filter(|_| !is_stopped) {
            let recorded = failed.filter(|now| Some(now) != before.as_ref());
            record_failure(session, (&traces, shell), basis, (recorded, status))?;
        }
        // Prompts report a failure only when its log is complete.
        session.notify_host_shells()?;
        let failed = traces.failed(shell);
        let Some(pause) = failed.and_then(|failed| failed.pause()) else {
            return Ok(());
        };
        thread::sleep(pause);
        // The user may have built it, or stopped it.
        if traces
            .failed(shell)
            .is_none_or(|failed| failed.pause().is_none())
        {
            return Ok(());
        }
    }
}

/// Makes sure that the failure of a build is known for the inputs that the prompt saw: a build can end before it records
/// one, and the prompt does not see all inputs if it takes long to read them.
fn record_failure(
    session: &Session<'_>,
    (traces, shell): (&BuildTraces, &ShellName),
    basis: [u8; 16],
    (recorded, status): (Option<BuildFailure>, ExitStatus),
) -> Result<(), Failure> {
    let failed = match recorded {
        Some(failed) if failed.is_of(basis) => return Ok(()),
        Some(failed) => failed.of(basis),
        None => {
            let failure = match abnormal(status) {
                Some(how) => Failure::new(format!("the build {how}")),
                None => Failure::new("the project cannot be used").hint("`devsh status` shows why"),
            };
            BuildFailure::new(basis, session.context.now, &failure)
        }
    };
    traces.record(shell, &failed)
}

/// Runs the build once and keeps its log.
fn run_worker(
    session: &Session<'_>,
    place: &Place,
    traces: &BuildTraces,
    shell: &ShellName,
) -> Result<ExitStatus, Failure> {
    let failed = |error| Failure::new(format!("cannot start a background build: {error}"));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let copy = writer.try_clone().map_err(failed)?;
    let mut command = Command::new(&session.context.program);
    command
        .args(["sync", "--worker", "--shell", shell.as_str(), "-C"])
        .arg(&place.root)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(copy);
    let mut child = command.spawn().map_err(failed)?;
    // The pipe ends when its last writer is closed.
    drop(command);
    let log = traces.log(shell);
    if let Err(error) = keep(reader, &log) {
        tracing::debug!(%error, "the log of the build cannot be kept");
    }
    child.wait().map_err(failed)
}

/// Describes the end of a build that could not record its failure.
fn abnormal(status: ExitStatus) -> Option<String> {
    match (status.signal(), status.code()) {
        (Some(signal), _) => Some(format!("was ended by signal {signal}")),
        // A panic of a program that unwinds.
        (None, Some(code)) if code > 100 => Some(format!("broke off with exit code {code}")),
        _ => None,
    }
}

/// Copies all output to the file at `path`, which stays short.
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

/// Removes the first half of a log.
fn shorten(file: &mut File) -> std::io::Result<u64> {
    let mut end = b"[earlier lines are left out]\n".to_vec();
    file.seek(SeekFrom::End(-((LOG_LIMIT / 2).cast_signed())))?;
    file.read_to_end(&mut end)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&end)?;
    Ok(end.len() as u64)
}

/// Builds for a prompt, in a new session, and records a failure.
pub fn build_for_prompt(session: &Session<'_>, shells: &[ShellName]) -> Result<(), Failure> {
    // It fails for the leader of a process group, which happens only if a user starts it.
    let _session = nix::unistd::setsid();
    let project = trust::trusted_project_at(session, session.active_place()?, shells.first())?;
    let traces = BuildTraces::new(session.context, project.get().root());
    let Some(claim) = try_claim(&traces)? else {
        return Ok(());
    };
    let basis = build_record::basis_digest(&build_record::watch(session.context, project.get()));
    let result =
        lock_and_build::build_claimed(session, &project, shells, BuildMode::Background, &claim)
            .map(drop);
    if let (Err(failure), Some(shell)) = (&result, shells.first()) {
        traces.record(
            shell,
            &BuildFailure::new(basis, session.context.now, failure),
        )?;
    }
    // A prompt that reads the failure must not find the build running.
    drop(claim);
    if result.is_ok() {
        // Prompts wait for this, also if nothing new was built.
        session.notify_host_shells()?;
    }
    result
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
