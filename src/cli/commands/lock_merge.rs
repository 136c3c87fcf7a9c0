//! `devsh lock --merge`: Git's merge driver for lockfiles.

use std::path::{Path, PathBuf};

use crate::{
    lockfile::{self, Lockfile},
    report::failure::Failure,
    util::files,
};

use crate::{app::lockfiles, report::hints};

/// Merges what two branches made of one lockfile, and writes it over the file of ours, as Git wants it.
pub fn run(files: &[PathBuf]) -> Result<(), Failure> {
    let [base, ours, theirs] = files else {
        // Clap requires three.
        return Err(Failure::new("three lockfiles are merged"));
    };
    let [base, mine, other] = [read(base)?, read(ours)?, read(theirs)?];
    let merged = lockfile::merge(&base, &mine, &other).map_err(|conflicts| {
        let failure = Failure::new("both branches hold these at different content");
        let failure = conflicts.iter().fold(failure, Failure::detail);
        failure.hint(
            "take either side with `git checkout --ours` or `--theirs`, then run `devsh lock`",
        )
    })?;
    let text = lockfile::print(&merged);
    files::write_project_file(ours, text.as_bytes()).map_err(|error| hints::file(&error))
}

/// Where a file was added by both branches, Git's base is empty.
fn read(path: &Path) -> Result<Lockfile, Failure> {
    let empty = path.metadata().is_ok_and(|metadata| metadata.len() == 0);
    if empty {
        return Ok(Lockfile::default());
    }
    let name = path.display().to_string();
    lockfiles::present(path, &name)?
        .ok_or_else(|| Failure::new(format!("there is no lockfile `{name}`")))
}
