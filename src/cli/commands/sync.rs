//! `devsh sync`

use crate::{
    app::{
        background_worker::{build_for_prompt, supervise},
        cache::{
            push::{self, PushScope},
            push_targets,
        },
        lock_and_build::sync_project,
        session::Session,
    },
    cli::{args::Sync, commands::cache::print_reports},
    manifest::ShellName,
    prompt::record::Record,
    report::{failure::Failure, ui::Ui},
};

pub fn run(session: &Session<'_>, ui: &Ui, options: &Sync) -> Result<(), Failure> {
    let shell: Option<ShellName> = options.shell.as_deref().map(str::parse).transpose()?;
    if let (Some(basis), Some(shell)) = (&options.background, &shell) {
        return supervise(session, shell, basis);
    }
    if let (true, Some(shell)) = (options.worker, &shell) {
        return build_for_prompt(session, std::slice::from_ref(shell));
    }
    let built = sync_project(session, shell)?;
    let records: Vec<Record> = built.iter().map(|(_, record)| record.clone()).collect();
    for (shell, record) in built {
        ui.note(&ready_line(&shell, &record));
    }
    if options.push {
        let targets = push_targets(session, None)?;
        let reports = push::push(session, &PushScope::Built(records), &targets)?;
        print_reports(ui, &reports, false)?;
    }
    Ok(())
}

/// Returns the line about a dev shell that was built.
pub(super) fn ready_line(shell: &ShellName, record: &Record) -> String {
    let summary = &record.content.summary;
    let tools = summary.strip_prefix(&format!("{shell}: "));
    match tools.unwrap_or(summary) {
        // The summary of a dev shell without tools is its name.
        name if name == shell.as_str() => format!("{shell} is ready"),
        tools => format!("{shell} is ready: {tools}"),
    }
}
