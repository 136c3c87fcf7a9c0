//! `devsh run`: one command inside a dev shell, by exec: its exit status, signals and streams are its own.

use std::{ffi::OsString, io, os::unix::process::CommandExt, process::Command};

use crate::{
    context::Context,
    env::Env,
    manifest::ShellName,
    project::{
        approval::Decisions,
        locate::{self, SearchBounds},
    },
    prompt::{Loading, load, record::Record, session_var},
    report::{
        failure::{ExitStatus, Failure},
        ui::Ui,
    },
    store::leases,
    util::vars,
};

use super::sync;
use crate::{
    app::{prepare_env, pure_env, session::Work},
    cli::args::Run,
    report::hints,
};

/// Replaces this process with the command.
pub fn run(work: &Work<'_>, options: &Run) -> Result<(), Failure> {
    match execute(work, options) {
        // Exit codes below 125 belong to the command; devsh's own failures must not look like them.
        Err(failure) if matches!(failure.code, ExitStatus::Failed | ExitStatus::Usage) => {
            Err(failure.code(ExitStatus::RunFailed))
        }
        result => result,
    }
}

fn execute(work: &Work<'_>, options: &Run) -> Result<(), Failure> {
    let shell: ShellName = crate::cli::shell_name(&options.shell)?;
    // Held until the dev shell is leased.
    let _pass = leases::pass(&work.context.directories.data);
    let mut base = session_var::host_env(&work.context.env);
    if options.pure {
        base = pure_env::reduced(&base, &options.keep)?;
    }
    let (env, id) = environment(work, &shell, &base)?;
    if let Some(expected) = options.expect.as_deref().filter(|expected| *expected != id) {
        return Err(Failure::new(format!(
            "dev shell `{shell}` is not the environment that is expected"
        ))
        .detail(format!("expected  {expected}"))
        .detail(format!("found     {id}"))
        .note("the environment id is made of the lockfile, the manifest and the system"));
    }
    Err(replace(work.context, &env, &shell, &options.command))
}

/// Replaces this process with the command if a record tells all about the dev shell; the failure if that fails.
pub fn at_once(
    context: &Context,
    ui: &Ui,
    shell: &ShellName,
    command: &[OsString],
) -> Option<Failure> {
    // Held until the dev shell is leased.
    let _pass = leases::pass(&context.directories.data);
    let decisions = Decisions::new(&context.directories.data);
    let cwd = context.cwd.as_deref()?;
    let place = locate::active(cwd, &SearchBounds::of(context), |path| {
        decisions.is_known(path)
    })?;
    let state = &context.directories.state;
    let record = Record::fresh(state, &place.root, shell, context.now)?;
    let loading = Loading::new(context, &place.root, shell, &record);
    if !record.whole || context.env.get(vars::DEVSH_LOG).is_some() {
        return None;
    }
    prepare_env::lease_until_exit(context, &record);
    let loaded = load(&session_var::host_env(&context.env), loading).ok()?;
    for error in loaded.failed {
        ui.warn(&error.to_string());
    }
    Some(replace(context, &loaded.env, shell, command))
}

/// Replaces this process with the command; returns why it could not.
fn replace(context: &Context, env: &Env, shell: &ShellName, command: &[OsString]) -> Failure {
    let Some((program, arguments)) = command.split_first() else {
        // Clap requires one.
        return Failure::new("no command was given").code(ExitStatus::Usage);
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env.iter());
    if let Some(cwd) = &context.cwd {
        command.current_dir(cwd);
    }
    let error = command.exec();
    let code = match error.kind() {
        io::ErrorKind::NotFound => ExitStatus::CommandNotFound,
        _ => ExitStatus::CannotExecute,
    };
    let program = program.to_string_lossy();
    let failure = match code {
        ExitStatus::CommandNotFound => {
            Failure::new(format!("no command `{program}` in dev shell `{shell}`"))
        }
        _ => Failure::new(format!("cannot execute `{program}`: {error}")),
    };
    failure.code(code)
}

/// Returns `base` with a dev shell loaded, which is built if need be; says which scripts failed.
///
/// Returns the environment id as well.
pub fn environment(
    work: &Work<'_>,
    shell: &ShellName,
    base: &Env,
) -> Result<(Env, String), Failure> {
    let (root, record) = prepare(work, shell)?;
    prepare_env::lease_until_exit(work.context, &record);
    let loading = Loading::new(work.context, &root, shell, &record);
    let loaded = load(base, loading).map_err(|missing| hints::missing(&missing))?;
    for error in loaded.failed {
        work.ui.warn(&error.to_string());
    }
    Ok((loaded.env, record.content.environment.clone()))
}

/// Returns the record of a dev shell: the stored one while it is fresh, else one that is made now.
pub fn prepare(
    work: &Work<'_>,
    shell: &ShellName,
) -> Result<(std::path::PathBuf, Record), Failure> {
    let place = work.active_place()?;
    if let Some(record) = prepare_env::warm(work, &place, shell) {
        return Ok((place.root, record));
    }
    let project = work.trusted_at(place.clone(), Some(shell))?;
    let mut records = sync::bring_up(
        work,
        &project,
        std::slice::from_ref(shell),
        sync::Mode::Foreground,
    )?;
    let record = records
        .pop()
        .ok_or_else(|| Failure::new("no dev shell was built"))?;
    Ok((place.root, record))
}
