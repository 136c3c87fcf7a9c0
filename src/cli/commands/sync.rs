//! `devsh sync`

use crate::{
    app::{
        background_worker::{build_for_prompt, supervise},
        lock_and_build::sync_project,
        session::Session,
    },
    cli::args::Sync,
    manifest::ShellName,
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
    for (shell, record) in sync_project(session, shell)? {
        let summary = &record.content.summary;
        let tools = summary.strip_prefix(&format!("{shell}: "));
        ui.note(&match tools.unwrap_or(summary) {
            // The summary of a dev shell without tools is its name.
            name if name == shell.as_str() => format!("{shell} is ready"),
            tools => format!("{shell} is ready: {tools}"),
        });
    }
    Ok(())
}
