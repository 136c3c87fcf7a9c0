//! `devsh self uninstall`

use crate::{
    app::{
        session::Session,
        uninstall::{Removed, find_installation},
    },
    cli::question::{ask, ask_before_loss},
    report::{failure::Failure, reporter::Reporter as _, ui::Ui},
};

use super::man;

/// Removes devsh, and with `purge` all its data.
pub fn run(session: &Session<'_>, ui: &Ui, purge: bool, yes: bool) -> Result<(), Failure> {
    let found = find_installation(session, &man::page_names());
    let data: Vec<String> = found
        .data
        .iter()
        .map(|path| session.display(path))
        .collect();
    let agreed = if yes {
        true
    } else if purge && !data.is_empty() {
        let question = format!("Remove devsh, and all it has in {}?", data.join(", "));
        ask_before_loss(session, ui, &question)?
    } else {
        ask(session, ui, "Remove devsh and its lines in rc files?")?
    };
    if !agreed {
        ui.note("nothing was removed");
        return Ok(());
    }
    let mut removed = |removed: Removed<'_>| {
        ui.note(&match removed {
            Removed::Lines(path) => {
                format!("removed the lines of devsh from {}", session.display(path))
            }
            Removed::Path(path) => format!("removed {}", session.display(path)),
            Removed::ManualPages => "removed the manual pages".to_owned(),
        });
    };
    found.remove_lines_and_hooks(&mut removed)?;
    if purge {
        for path in &found.data {
            let step = ui
                .progress()
                .start(&session.display(path), "removing", None);
            let outcome = found.purge(path, &*step, &mut removed);
            step.finish();
            outcome?;
        }
    }
    // The program goes last: while it exists, an interrupted command can be repeated.
    found.remove_files(&mut removed)?;
    if purge {
        // Nothing is kept.
    } else if !data.is_empty() {
        ui.note(&format!(
            "kept {}; `--purge` removes them too",
            data.join(", ")
        ));
    }
    if let Some(program) = &found.foreign_program {
        let program = session.display(program);
        ui.note(&format!("kept {program}, which another tool installed"));
    }
    ui.note("open shells keep what they have loaded until you close them");
    Ok(())
}
