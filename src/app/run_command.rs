//! One command in a dev shell. It replaces this process, so its exit status, signals and streams are its own.

use std::{ffi::OsString, fs, io, os::unix::process::CommandExt, process::Command};

use crate::{
    context::Context,
    env::{Env, pathlist},
    manifest::ShellName,
    report::failure::{ExitStatus, Failure},
    store::leases,
    util::{nearest::nearest, vars},
};

use super::{
    lockfiles::joined_lockfile,
    missing_parts::Unlocked,
    node_packages::NodePackages,
    pure_env, python_packages,
    ready_shell::{Completeness, load_environment},
    session::Session,
};

/// A command and its environment.
#[derive(Debug)]
pub struct CommandRequest<'a> {
    pub shell: ShellName,
    /// The variables that `--pure` keeps; without it all are kept.
    pub keep: Option<&'a [String]>,
    /// The parts of the dev shell that the command needs.
    pub completeness: Completeness,
    /// The environment id that the user expects.
    pub expect: Option<&'a str>,
    pub command: &'a [OsString],
}

/// Adds to the failure which dev shell has the missing command, or which command has a similar name.
fn add_near_command(
    session: &Session<'_>,
    request: &CommandRequest<'_>,
    env: &Env,
    failure: Failure,
) -> Failure {
    let program = request.command.first().map(|one| one.to_string_lossy());
    let Some(program) = program.filter(|_| failure.code == ExitStatus::CommandNotFound) else {
        return failure;
    };
    let others = shells_with(session, &request.shell, &program).unwrap_or_default();
    if let Some(other) = others.first() {
        let run = session.command("run");
        return failure.hint(format!(
            "`{other}` has it: `{run} --shell {other} -- {program}`"
        ));
    }
    let place = session.active_place().ok();
    let packages = place.and_then(|place| NodePackages::around(session, &place.root));
    let names = packages
        .iter()
        .flat_map(|packages| packages.names.iter().cloned());
    // Its packages come first: their programs are often not on `PATH`.
    let Some(near) = nearest(&program, names.chain(commands(env))) else {
        return failure;
    };
    let package = packages.filter(|packages| packages.names.contains(&near));
    let failure = if *near == *program {
        failure
    } else {
        failure.hint(format!("did you mean `{near}`?"))
    };
    match package {
        Some(packages) => failure.hint(packages.describe_program(session, &near)),
        None => failure,
    }
}

/// Returns the names in the directories of `PATH`, those of the dev shell first.
fn commands(env: &Env) -> impl Iterator<Item = String> {
    let path = env.get(vars::PATH).unwrap_or_default();
    let directories = pathlist::split(path).filter_map(|directory| fs::read_dir(directory).ok());
    let names = directories.flatten().flatten();
    names.filter_map(|entry| entry.file_name().into_string().ok())
}

/// Returns the other dev shells with a tool or Python package of this name.
fn shells_with(
    session: &Session<'_>,
    shell: &ShellName,
    program: &str,
) -> Result<Vec<ShellName>, Failure> {
    let project = session.project()?;
    let lockfile = joined_lockfile(session, &project)?.lockfile;
    let system = session.system()?;
    let shells = project.preview().shells.iter();
    let others = shells.filter(|(name, _)| *name != shell && name.is_single());
    let having = others.filter(|(_, content)| {
        let mut tools = content.tools.keys();
        let packages =
            python_packages::of_shell(&project, content, &lockfile, &Unlocked::default());
        let pins = packages.ok().flatten();
        let pins = pins.and_then(|packages| packages.pins(None, system).ok());
        tools.any(|tool| tool.name.as_str() == program)
            || pins.is_some_and(|pins| pins.packages.iter().any(|pin| pin.name == program))
    });
    Ok(having.map(|(name, _)| name.clone()).collect())
}

/// Replaces this process with the command; returns the failure if that is not possible.
pub fn run_command(session: &Session<'_>, request: &CommandRequest<'_>) -> Failure {
    // Held until the dev shell is leased.
    let _pass = leases::pass(&session.context.directories.data);
    match prepare(session, request) {
        Ok(env) => {
            let failure = replace_process(session.context, &env, &request.shell, request.command);
            add_near_command(session, request, &env, failure)
        }
        // Exit codes below 125 belong to the command; failures of devsh itself must differ from them.
        Err(failure) if matches!(failure.code, ExitStatus::Failed | ExitStatus::Usage) => {
            failure.code(ExitStatus::RunFailed)
        }
        Err(failure) => failure,
    }
}

fn prepare(session: &Session<'_>, request: &CommandRequest<'_>) -> Result<Env, Failure> {
    let shell = &request.shell;
    let mut base = session.context.env.clone();
    if let Some(keep) = request.keep {
        base = pure_env::reduced(&base, keep)?;
    }
    let loaded = load_environment(session, shell, &base, request.completeness)?;
    match request.expect {
        Some(expected) if expected != loaded.id => Err(Failure::new(format!(
            "dev shell `{shell}` is not the environment that is expected"
        ))
        .detail(format!("expected  {expected}"))
        .detail(format!("found     {}", loaded.id))
        .note("the environment id depends on the lockfile, the manifest and the system")),
        _ => Ok(loaded.env),
    }
}

/// Replaces this process with the command; returns the failure if that is not possible.
fn replace_process(
    context: &Context,
    env: &Env,
    shell: &ShellName,
    command: &[OsString],
) -> Failure {
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
