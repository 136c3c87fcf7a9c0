//! Builds that a prompt does not wait for.
//!
//! A prompt starts a supervisor in its own process group. The supervisor starts the build in its own session,
//! where neither Ctrl-C nor a closed terminal reaches it, keeps its log short, and records a killed build.
//!
//! Invariants: a prompt never waits; inputs that failed are not built again at every prompt.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    builder::build_progress::BuildProgress,
    context::Context,
    manifest::ShellName,
    report::{failure::Failure, paths::display_path},
    util::{files, hex},
};

use super::build_files::{BuildFailure, BuildTraces};

/// Starts a build that outlives this process, unless one is running, has just failed with the same inputs, or was stopped
/// by the user; returns the message for the user. With `retries` a failed build is tried again.
pub fn start(
    context: &Context,
    root: &Path,
    shell: &ShellName,
    basis: [u8; 16],
    retries: bool,
) -> Result<String, Failure> {
    let traces = BuildTraces::new(context, root);
    let name = display_path(context, root);
    let building = format!(
        "{name}: {shell} is being built in the background; `devsh status` shows how far it is"
    );
    files::create_private_dir(&traces.directory)?;
    if traces.is_building() {
        return Ok(building);
    }
    if let Some(failure) = known_failure(context, root, shell, basis, retries) {
        return Err(failure);
    }
    supervisor(context, root, shell, basis)
        .spawn()
        .map_err(|error| Failure::new(format!("cannot start a background build: {error}")))?;
    Ok(building)
}

/// Returns the failure of the last build, if one with the same inputs is not worth another try.
pub fn known_failure(
    context: &Context,
    root: &Path,
    shell: &ShellName,
    basis: [u8; 16],
    retries: bool,
) -> Option<Failure> {
    let traces = BuildTraces::new(context, root);
    let failed = traces.failed(shell)?;
    let applies = failed.applies(basis, context.now) && (failed.is_stopped() || !retries);
    applies.then(|| {
        let name = display_path(context, root);
        describe(context, &traces, &name, shell, failed)
    })
}

/// Builds as for a prompt, and waits.
pub fn build_now(
    context: &Context,
    root: &Path,
    shell: &ShellName,
    basis: [u8; 16],
) -> Result<(), Failure> {
    let traces = BuildTraces::new(context, root);
    files::create_private_dir(&traces.directory)?;
    let name = display_path(context, root);
    let failure = |traces: &BuildTraces| {
        let failed = traces.failed(shell);
        failed.filter(|failed| failed.applies(basis, context.now))
    };
    if failure(&traces).is_none() {
        supervisor(context, root, shell, basis)
            .status()
            .map_err(|error| Failure::new(format!("cannot start a build: {error}")))?;
    }
    failure(&traces).map_or(Ok(()), |failed| {
        Err(describe(context, &traces, &name, shell, failed))
    })
}

/// Returns the process that supervises a build.
fn supervisor(context: &Context, root: &Path, shell: &ShellName, basis: [u8; 16]) -> Command {
    let mut command = Command::new(&context.program);
    command
        .args(["sync", "--background", &hex::encode(basis), "--shell"])
        .arg(shell.as_str())
        .arg("-C")
        .arg(root)
        .env_clear()
        .envs(context.env.iter())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}

/// Returns the failure of a background build for a prompt, with a hint and the path of the log.
fn describe(
    context: &Context,
    traces: &BuildTraces,
    name: &str,
    shell: &ShellName,
    failed: BuildFailure,
) -> Failure {
    let is_stopped = failed.is_stopped();
    let hint = failed
        .hint
        .unwrap_or_else(|| "run `devsh sync` to try it again".to_owned());
    let log = traces.log(shell);
    // A build in a command has its output on the terminal.
    let hint = if !is_stopped && log.exists() {
        format!("{hint}; log: {}", display_path(context, &log))
    } else {
        hint
    };
    Failure::new(format!(
        "{name}: {shell} could not be built: {}",
        failed.error
    ))
    .hint(hint)
}

/// Ends the background build of the project at `root`; returns whether there was one.
pub fn stop(context: &Context, root: &Path) -> bool {
    let traces = BuildTraces::new(context, root);
    let live =
        BuildProgress::read(&traces.live()).filter(|live| live.background && traces.is_building());
    let process = live.and_then(|live| i32::try_from(live.process).ok());
    // It leads a process group, so the processes that it started end too.
    process.is_some_and(|process| killpg(Pid::from_raw(process), Signal::SIGTERM).is_ok())
}
