//! `devsh self uninstall`

use crate::{
    app::{
        session::Session,
        uninstall::{Removed, find_installation},
    },
    cli::question::ask,
    report::{failure::Failure, ui::Ui},
};

/// Removes devsh, and with `purge` all its data.
pub fn run(session: &Session<'_>, ui: &Ui, purge: bool, yes: bool) -> Result<(), Failure> {
    let found = find_installation(session);
    let data: Vec<String> = found
        .data
        .iter()
        .map(|path| session.display(path))
        .collect();
    if purge && !data.is_empty() {
        let question = format!("Remove {}?", data.join(", "));
        if !yes && !ask(session, ui, &question)? {
            return Err(Failure::new("nothing was removed"));
        }
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
    found.remove(&mut removed)?;
    if purge {
        found.purge(&mut removed)?;
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
