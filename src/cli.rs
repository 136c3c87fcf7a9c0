//! The command line: parse, dispatch, report, exit code.

pub mod args;
pub mod commands;
pub mod complete;
pub mod foreign_commands;
pub mod table;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches};
use serde::Serialize;

use crate::{
    context::Context,
    manifest::ShellName,
    prompt::hook_scripts,
    report::{
        failure::{ExitStatus, Failure},
        ui::{self, Ui, Verbosity},
    },
    shell::{HostShell, hook},
    util::{terminal_text::SafeText, vars},
};

use crate::app::session::Work;
use args::{Arguments, Command, Global};
use commands::{
    add, allow, approvals, doctor, du, enter, explain, export, gc, init, lock, man, outdated,
    prompt, run, search, status, sync, verify, watch,
};

/// Runs the program and returns its exit code.
pub fn run(mut context: Context, arguments: &[OsString]) -> ExitCode {
    if let Some(done) = without_clap(&context, arguments) {
        return done;
    }
    let parsed = Arguments::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors; a closed pipe is neither.
            // Clap quotes what was typed as it is, and that may come from elsewhere.
            let shown = arguments
                .iter()
                .map(|argument| SafeText::from(&*argument.to_string_lossy()).to_string());
            let shown = Arguments::command().try_get_matches_from(shown).err();
            if let Some(failure) = foreign_commands::hint(&error) {
                return finish(&plain(&context), Err(failure));
            }
            let _unheard = shown.as_ref().unwrap_or(&error).print();
            return match error.exit_code() {
                0 => ExitCode::SUCCESS,
                _ if is_run(arguments) => ExitCode::from(ExitStatus::RunFailed.code()),
                code => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            };
        }
    };
    let ui = Ui::new(
        context.terminal,
        arguments.global.color,
        verbosity(&arguments.global),
    );
    start_log(&context, arguments.global.verbose);
    let runs = matches!(arguments.command, Command::Run(_));
    let result = change_directory(&mut context, arguments.global.directory.as_deref())
        .map_err(|failure| {
            if runs {
                failure.code(ExitStatus::RunFailed)
            } else {
                failure
            }
        })
        .and_then(|()| change_project(&mut context, &arguments.command))
        .and_then(|()| dispatch(&context, &ui, &arguments.global, arguments.command));
    finish(&ui, result)
}

/// Does what goes by clap, which takes longer than the rest of a warm transition.
fn without_clap(context: &Context, arguments: &[OsString]) -> Option<ExitCode> {
    let ui = plain(context);
    if let Some(request) = prompt_request(arguments) {
        return Some(finish(&ui, prompt::run(context, &ui, request)));
    }
    if let Some(exported) = exported(arguments) {
        return Some(finish(&ui, prompt::take(context, &ui, exported)));
    }
    if let Some((shell, command)) = run_request(arguments)
        && let Some(failure) = run::at_once(context, &ui, &shell, command)
    {
        return Some(finish(&ui, Err(failure)));
    }
    complete::answer(context, &ui, arguments).map(|answered| finish(&ui, answered))
}

fn plain(context: &Context) -> Ui {
    Ui::new(context.terminal, ui::Color::Auto, Verbosity::Normal)
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

/// Whether a command line that clap refused was meant for `run`, whose own failures have their own code.
fn is_run(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            // These take a value.
            Some("-C" | "--directory" | "--color") => drop(words.next()),
            Some(option) if option.starts_with('-') => {}
            word => return word == Some("run"),
        }
    }
    false
}

/// Reads the command line that hooks write: `export SHELL --nonce N --loaded ID --checks NAMES`.
fn prompt_request(arguments: &[OsString]) -> Option<prompt::Request<'_>> {
    let [
        _,
        command,
        shell,
        first,
        nonce,
        second,
        loaded,
        third,
        checks,
    ] = arguments
    else {
        return None;
    };
    if command != "export" || [first, second, third] != ["--nonce", "--loaded", "--checks"] {
        return None;
    }
    let host = shell.to_str()?.parse().ok()?;
    Some(prompt::Request {
        host,
        nonce: nonce.to_str()?,
        loaded: loaded.to_str()?,
        checks: checks.to_str()?,
    })
}

/// Reads the other one: `export SHELL --nonce N --sourced NAME=VALUE…`.
fn exported(arguments: &[OsString]) -> Option<prompt::Exported<'_>> {
    let [_, command, shell, first, nonce, second, words @ ..] = arguments else {
        return None;
    };
    if command != "export" || [first, second] != ["--nonce", "--sourced"] {
        return None;
    }
    Some(prompt::Exported {
        host: shell.to_str()?.parse().ok()?,
        nonce: nonce.to_str()?,
        words,
    })
}

/// Reads the plain forms of `run`, which may be warm: `run -- CMD…` and `run --shell S -- CMD…`.
fn run_request(arguments: &[OsString]) -> Option<(ShellName, &[OsString])> {
    let [_, run, rest @ ..] = arguments else {
        return None;
    };
    let (shell, rest) = match rest {
        [option, shell, rest @ ..] if option == "--shell" => (shell.to_str()?.parse().ok()?, rest),
        rest => (ShellName::dev(), rest),
    };
    match rest {
        [mark, command @ ..] if run == "run" && mark == "--" && !command.is_empty() => {
            Some((shell, command))
        }
        _ => None,
    }
}

fn dispatch(context: &Context, ui: &Ui, global: &Global, command: Command) -> Result<(), Failure> {
    let work = |trust: bool| Work::new(context, ui, global, trust);
    match command {
        Command::Hook { shell } => {
            let script = hook::script(host_shell(&shell)?, &context.program);
            print(ui, &script)
        }
        Command::Leave => {
            prompt::leave(context, ui);
            Ok(())
        }
        Command::Export(options) if options.nonce.is_empty() => {
            export::print(&work(options.trust.trust), &options)
        }
        Command::Export(options) => {
            let host = host_shell(&options.format)?;
            let request = prompt::Request {
                host,
                loaded: &options.loaded,
                checks: &options.checks,
                nonce: &options.nonce,
            };
            prompt::run(context, ui, request)
        }
        Command::Allow { list: true, .. } => approvals::list(&work(false)),
        Command::Allow { prune: true, .. } => approvals::prune(&work(false)),
        Command::Allow { .. } => allow::allow(&work(false)),
        Command::Deny { .. } => allow::deny(&work(false)),
        Command::Enter { shell, trust } => enter::run(&work(trust.trust), &shell_name(&shell)?),
        Command::Run(options) => run::run(&work(options.trust.trust), &options),
        Command::Lock(options) => lock::run(&work(options.trust.trust), &options),
        Command::Explain(options) => explain::run(&work(false), &options),
        Command::Sync(options) => sync::run(&work(options.trust.trust), &options),
        Command::Init { personal: true } => init::personal(&work(false)),
        Command::Init { personal: false } => init::run(&work(false)),
        Command::Add(edit) => {
            let shell = edit.shell.as_deref().map(shell_name).transpose()?;
            add::add(&work(edit.trust.trust), &edit.tools, shell.as_ref())
        }
        Command::Remove(edit) => {
            let shell = edit.shell.as_deref().map(shell_name).transpose()?;
            add::remove(&work(edit.trust.trust), &edit.tools, shell.as_ref())
        }
        Command::Search { name, json } => search::run(&work(false), &name, json),
        Command::Outdated { json, trust } => outdated::run(&work(trust.trust), json),
        Command::Status { json } => status::run(&work(false), json),
        Command::Du { objects, json } => du::run(&work(false), json, objects),
        Command::Gc(options) => gc::run(&work(false), &options),
        Command::Verify { repair, json } => verify::run(&work(false), repair, json),
        Command::Completions { shell } => {
            let script = complete::script(host_shell(&shell)?)?;
            print(ui, &script)
        }
        Command::Man { command, write } => {
            man::run(&work(false), command.as_deref(), write.as_deref())
        }
        Command::Schema => print(ui, crate::manifest::schema().as_bytes()),
        Command::Doctor { network, json } => doctor::run(&work(false), network, json),
        Command::Watch { projects, once } => watch::run(&work(false), &projects, once),
        Command::ReportEnvironment => print(ui, &hook_scripts::report(&context.env)),
    }
}

/// Prints what a program reads.
pub fn print(ui: &Ui, bytes: &[u8]) -> Result<(), Failure> {
    ui.code(bytes).map_err(|error| unwritten(&error))
}

/// Prints a value as JSON.
pub fn print_json(ui: &Ui, value: &impl Serialize) -> Result<(), Failure> {
    ui.json(value).map_err(|error| unwritten(&error))
}

/// Prints a listing for people.
pub fn list(ui: &Ui, text: &SafeText) -> Result<(), Failure> {
    ui.listing(text).map_err(|error| unwritten(&error))
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write to standard output: {error}"))
}

pub fn host_shell(name: &str) -> Result<HostShell, Failure> {
    name.parse().map_err(|error: crate::package::Invalid| {
        Failure::new(error.to_string()).code(ExitStatus::Usage)
    })
}

pub fn shell_name(name: &str) -> Result<ShellName, Failure> {
    name.parse().map_err(|error: crate::package::Invalid| {
        Failure::new(error.to_string()).code(ExitStatus::Usage)
    })
}

fn verbosity(global: &Global) -> Verbosity {
    match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    }
}

/// Diagnostic logging, off unless asked for.
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
    // A second logger in one process is refused; there is none.
    let _started = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(|| ui::Log)
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

/// Goes to the project that a command names.
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
