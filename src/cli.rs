//! The command line: parses, dispatches, prints failures, returns the exit code.

pub mod args;
pub mod candidates;
pub mod commands;
pub mod complete;
pub mod early_args;
pub mod foreign_commands;
pub mod question;
pub mod topics;
pub mod usage_errors;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{FromArgMatches, error::ErrorKind};

use crate::{
    app::{
        ci_workflow::WorkflowOptions,
        init_project::InitRequest,
        prompt_answer::PromptRequest,
        ready_shell::Completeness,
        run_command::{CommandRequest, run_command},
        session::{Options, Session},
        verify_store::VerifyOptions,
    },
    config::ownership::check_own_directories,
    context::Context,
    prompt::{host_environment::use_host_environment, path_changes::PathMemory},
    report::{
        failure::{ExitStatus, Failure},
        output,
        ui::{Color, Ui, Verbosity},
    },
    util::vars,
};

use args::{Arguments, Command, Global, InstallationAction};
use commands::{
    add, allow, cache, ci, completions, deny, doctor, du, enter, explain, export, export_for_hook,
    gc, help, hook, image, init, leave, lock, man, outdated, prompt_commands, reload, remove,
    report_environment, run as run_in_shell, schema, search, status, sync, uninstall, verify,
    watch,
};
use early_args::EarlyCommand;

/// Runs the program and returns its exit code.
pub fn run(mut context: Context, arguments: &[OsString]) -> ExitCode {
    use_host_environment(&mut context);
    if let Some(code) = run_early(&context, arguments) {
        return code;
    }
    let parsed = args::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&context, arguments, &error),
    };
    let ui = Ui::new(
        context.terminal,
        arguments.global.color.into(),
        verbosity(&arguments.global),
    );
    start_log(&context, arguments.global.verbose);
    let is_run = matches!(arguments.command, Command::Run(_));
    let start = context.cwd.clone();
    let uses_own_directories = arguments.command.uses_own_directories();
    let result = change_directory(&mut context, arguments.global.directory.as_deref())
        .and_then(|()| check_directories(&context, uses_own_directories))
        .map_err(|failure| {
            if is_run {
                failure.code(ExitStatus::RunFailed)
            } else {
                failure
            }
        })
        .and_then(|()| change_project(&mut context, &arguments.command))
        .and_then(|()| {
            let Arguments { global, command } = arguments;
            dispatch(&context, &ui, start.as_deref(), global, command)
        });
    finish(&ui, result)
}

/// Runs the commands that are parsed without clap, and completion.
fn run_early(context: &Context, arguments: &[OsString]) -> Option<ExitCode> {
    let ui = plain_ui(context);
    let result = match early_args::parse(arguments) {
        Some(EarlyCommand::Prompt(request)) => export_for_hook::run(context, &ui, request),
        Some(EarlyCommand::Exported(exported)) => export_for_hook::absorb(context, &ui, exported),
        // The log is started with the options that clap reads.
        Some(EarlyCommand::Run { shell, command })
            if context.env.get(vars::DEVSH_LOG).is_none() =>
        {
            let session = Session::new(context, &ui, Options::default());
            let request = CommandRequest {
                completeness: Completeness::Whole,
                shell,
                keep: None,
                expect: None,
                command,
            };
            let checked = check_directories(context, true);
            checked
                .map_err(|failure| failure.code(ExitStatus::RunFailed))
                .and_then(|()| Err(run_command(&session, &request)))
        }
        _ => complete::answer(context, &ui, arguments)?,
    };
    Some(finish(&ui, result))
}

/// Prints the requested help, or the error about the command line.
fn refuse(context: &Context, arguments: &[OsString], error: &clap::Error) -> ExitCode {
    if error.exit_code() == 0 || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        let _closed = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
    }
    let command = command_name(arguments);
    let failure = usage_errors::explain(error, command.as_deref());
    // Exit codes below 125 belong to the command that `devsh run` starts.
    let failure = if command.as_deref() == Some("run") {
        failure.code(ExitStatus::RunFailed)
    } else {
        failure
    };
    finish(&plain_ui(context), Err(failure))
}

/// Returns the command that a refused command line names.
fn command_name(arguments: &[OsString]) -> Option<String> {
    let lenient = args::command().ignore_errors(true);
    let matches = lenient.try_get_matches_from(arguments).ok()?;
    matches.subcommand_name().map(str::to_owned)
}

fn plain_ui(context: &Context) -> Ui {
    Ui::new(context.terminal, Color::Auto, Verbosity::Normal)
}

fn finish(ui: &Ui, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(failure.code.code())
        }
    }
}

/// Does what the command line asks for, which was typed in `start`.
fn dispatch(
    context: &Context,
    ui: &Ui,
    start: Option<&Path>,
    global: Global,
    command: Command,
) -> Result<(), Failure> {
    // The user reads the messages of a background build in the directory of the project.
    let is_elsewhere = context.cwd.as_deref() != start && !command.is_background();
    let locking = command.locking();
    let session = Session::new(
        context,
        ui,
        Options {
            locked: global.locked || locking.locked,
            offline: global.offline || locking.network.offline,
            trust: command.trust(),
            is_background: command.is_background(),
            directory: global.directory.filter(|_| is_elsewhere),
        },
    );
    let session = &session;
    match command {
        Command::Hook { shell } => hook::run(context, ui, &shell),
        Command::Leave => {
            leave::run(context, ui);
            Ok(())
        }
        Command::Export(options) if options.nonce.is_empty() => export::run(session, ui, &options),
        Command::Export(options) => {
            let request = PromptRequest {
                host: options.format.parse()?,
                loaded: &options.loaded,
                checks: &options.checks,
                nonce: &options.nonce,
                path: PathMemory {
                    known: &options.path,
                    gone: &options.gone,
                },
            };
            export_for_hook::run(context, ui, request)
        }
        Command::Allow { list: true, .. } => allow::list(session, ui),
        Command::Allow { prune: true, .. } => allow::prune(session, ui),
        Command::Allow { yes, show, .. } => {
            allow::run(session, ui, allow::AllowOptions { yes, show })
        }
        Command::Deny { .. } => deny::run(session, ui),
        Command::Enter { shell, .. } => enter::run(session, &shell),
        Command::Run(options) => run_in_shell::run(session, &options),
        Command::Lock(options) => lock::run(session, ui, &options),
        Command::Explain(options) => explain::run(session, ui, &options),
        Command::Sync(options) => sync::run(session, ui, &options),
        Command::Init { personal: true, .. } => init::personal(session, ui),
        Command::Init {
            personal: false,
            from,
            keep_code,
            ..
        } => {
            let request = InitRequest {
                from,
                keep_code,
                ..InitRequest::default()
            };
            init::run(session, ui, &request)
        }
        Command::Add(options) => add::run(session, ui, &options),
        Command::Remove(options) => remove::run(session, ui, &options),
        Command::Search { name, json, .. } => search::run(session, ui, &name, json),
        Command::Outdated { json, .. } => outdated::run(session, ui, json),
        Command::Status { json } => status::run(session, ui, json),
        Command::Du { objects, json } => du::run(session, ui, json, objects),
        Command::Gc(options) => gc::run(session, ui, &options),
        Command::Verify {
            repair,
            refetch,
            json,
            ..
        } => verify::run(session, ui, VerifyOptions { repair, refetch }, json),
        Command::Cache { command } => cache::run(session, ui, &command),
        Command::Ci {
            service,
            push_cache,
            push_image,
            ..
        } => {
            let options = WorkflowOptions {
                push_cache: push_cache.as_deref(),
                push_image: push_image.as_deref(),
            };
            ci::run(session, ui, &service, options)
        }
        Command::Image(command) => image::run(session, ui, &command),
        Command::Completions { shell } => completions::run(ui, &shell),
        Command::Man { command, write } => {
            man::run(context, ui, command.as_deref(), write.as_deref())
        }
        Command::Help { subject } => help::run(ui, subject.as_deref()),
        Command::Version => ui.code(concat!("devsh ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Command::Schema => schema::run(ui),
        Command::Reload => reload::run(context, ui),
        Command::Doctor { network, json } => doctor::run(session, ui, network, json),
        Command::Watch { projects, once, .. } => watch::run(session, &projects, once),
        Command::Installation {
            action: InstallationAction::Uninstall { purge, yes },
        } => uninstall::run(session, ui, purge, yes),
        Command::PromptCommands { names } => prompt_commands::run(ui, &names),
        Command::ReportEnvironment => report_environment::run(context, ui),
    }
}

/// Checks that only the user can change the directories of devsh, if a command uses them.
fn check_directories(context: &Context, are_used: bool) -> Result<(), Failure> {
    if are_used {
        check_own_directories(context).map_err(|exposed| Failure::from(&exposed))?;
    }
    Ok(())
}

fn verbosity(global: &Global) -> Verbosity {
    match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    }
}

/// Starts diagnostic logging if the user requests it.
fn start_log(context: &Context, verbose: u8) {
    let asked = context
        .env
        .get(vars::DEVSH_LOG)
        .and_then(|filter| filter.to_str());
    let filter = match (asked, verbose) {
        (Some(filter), _) => filter,
        (None, 0) => return,
        (None, 1) => "devsh=info",
        (None, _) => "devsh=trace",
    };
    // It fails only if a logger exists, and there is none.
    let _started = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(|| output::Log)
        .without_time()
        .try_init();
}

fn change_directory(context: &mut Context, directory: Option<&Path>) -> Result<(), Failure> {
    let Some(directory) = directory else {
        return Ok(());
    };
    let shown = directory.display();
    let start = context.cwd.clone().unwrap_or_default();
    let directory = start
        .join(directory)
        .canonicalize()
        .map_err(|error| Failure::new(format!("cannot use the directory `{shown}`: {error}")))?;
    context.cwd = Some(directory);
    Ok(())
}

/// Changes to the project that a command names.
fn change_project(context: &mut Context, command: &Command) -> Result<(), Failure> {
    let (Command::Allow { project, .. } | Command::Deny { project }) = command else {
        return Ok(());
    };
    let Some(project) = project else {
        return Ok(());
    };
    let start = context.cwd.clone().unwrap_or_default();
    let directory = if start.join(project).is_file() {
        start.join(project).parent().map(Path::to_owned)
    } else {
        Some(project.clone())
    };
    change_directory(context, directory.as_deref())
}
