//! `devsh man`: manual pages from the definition of the command line.

use std::{collections::BTreeSet, path::Path};

use clap_mangen::Man;

use crate::{
    cli::args,
    context::Context,
    report::{
        failure::{ExitStatus, Failure},
        ui::Ui,
    },
    util::files,
};

/// Prints the page of a command or of devsh; with `directory` writes all pages there.
pub fn run(
    context: &Context,
    ui: &Ui,
    command: Option<&str>,
    directory: Option<&Path>,
) -> Result<(), Failure> {
    let mut all = args::command();
    all.build();
    if let Some(directory) = directory {
        let start = context.cwd.clone().unwrap_or_default();
        return write(&all, &start.join(directory));
    }
    let page = match command {
        None => all.clone(),
        Some(name) => named(&all, name)?,
    };
    ui.code(&rendered(page)?)
}

fn named(all: &clap::Command, name: &str) -> Result<clap::Command, Failure> {
    let found = all
        .find_subcommand(name)
        .filter(|found| !found.is_hide_set());
    let found = found.ok_or_else(|| {
        Failure::new(format!("there is no command `{name}`"))
            .hint("`devsh --help` lists the commands")
            .code(ExitStatus::Usage)
    })?;
    Ok(found.clone())
}

fn rendered(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command)
        .manual("devsh")
        .source(concat!("devsh ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot write the page: {error}")))?;
    Ok(page)
}

fn write(all: &clap::Command, directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).map_err(files::at("create", directory))?;
    for (name, command) in pages(all) {
        let path = directory.join(name);
        files::write_project_file(&path, &rendered(command.clone())?)?;
    }
    Ok(())
}

/// Returns the names of the files that `devsh man --write` writes.
pub(super) fn page_names() -> BTreeSet<String> {
    let mut all = args::command();
    all.build();
    pages(&all).map(|(name, _)| name).collect()
}

/// Returns all pages by the names of their files.
fn pages(all: &clap::Command) -> impl Iterator<Item = (String, &clap::Command)> {
    let shown = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let named = shown.map(|command| (format!("devsh-{}.1", command.get_name()), command));
    [("devsh.1".to_owned(), all)].into_iter().chain(named)
}
