//! `devsh lock`

use crate::{
    app::{
        lock::{LockRequest, lock_project, merge_lockfiles},
        session::Session,
    },
    cli::args::Lock,
    report::{failure::Failure, ui::Ui},
};

pub fn run(session: &Session<'_>, ui: &Ui, options: &Lock) -> Result<(), Failure> {
    if let Some([base, ours, theirs]) = options.merge.as_deref() {
        return merge_lockfiles(base, ours, theirs);
    }
    let request = LockRequest {
        upgrade: options.upgrade.as_deref(),
        check: options.check,
    };
    let report = lock_project(session, request)?;
    for lockfile in &report.lockfiles {
        for line in &lockfile.changes {
            ui.line(line);
        }
        ui.note(&if lockfile.written {
            format!("wrote {}", lockfile.name)
        } else {
            format!("{} is up to date", lockfile.name)
        });
    }
    for line in &report.upgraded_extends {
        ui.line(line);
    }
    if !report.upgraded_extends.is_empty() {
        let command = session.command("allow");
        ui.note(&format!("review the changes with `{command}`"));
    }
    Ok(())
}
