//! Removes devsh from the user's machine: the program, the lines in rc files, and on request all data.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    context::Context,
    env::HostShell,
    fetch::Meter,
    report::failure::Failure,
    store,
    util::{files, vars},
};

use super::{
    rc_files::{loads_devsh, rc_file},
    session::Session,
};

/// The longest rc file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Everything that belongs to this installation.
#[derive(Debug, Default)]
pub struct Installation {
    /// Rc files with lines that load devsh.
    pub rc_files: Vec<PathBuf>,
    /// The program and completions.
    pub files: Vec<PathBuf>,
    pub manual_pages: Vec<PathBuf>,
    /// The written hooks.
    pub hooks: Option<PathBuf>,
    /// The program, if another tool has installed it.
    pub foreign_program: Option<PathBuf>,
    /// The store, approvals, records, caches and settings.
    pub data: Vec<PathBuf>,
}

/// Something that was removed.
#[derive(Debug, Clone, Copy)]
pub enum Removed<'p> {
    /// Lines of an rc file.
    Lines(&'p Path),
    /// A file or directory.
    Path(&'p Path),
    ManualPages,
}

/// Finds this installation; `manual_pages` are the names of its manual pages.
pub fn find_installation(session: &Session<'_>, manual_pages: &BTreeSet<String>) -> Installation {
    let context = session.context;
    let directories = &context.directories;
    let mut found = Installation::default();
    let rc_files = HostShell::ALL
        .iter()
        .filter_map(|shell| rc_file(context, *shell));
    found.rc_files = rc_files
        .filter(|path| read(path).lines().any(loads_devsh))
        .collect();
    let hooks = directories.data.join("hooks");
    found.hooks = hooks.is_dir().then_some(hooks);
    let shared = directories.data.parent().unwrap_or(&directories.data);
    let manual = shared.join("man/man1");
    found.files = [
        "bash-completion/completions/devsh",
        "zsh/site-functions/_devsh",
        "fish/vendor_completions.d/devsh.fish",
    ]
    .iter()
    .map(|name| shared.join(name))
    .filter(|path| path.exists())
    .collect();
    let pages = manual_pages.iter().map(|name| manual.join(name));
    found.manual_pages = pages.filter(|page| page.exists()).collect();
    if is_own_program(context) {
        found.files.push(context.program.clone());
    } else {
        found.foreign_program = Some(context.program.clone());
    }
    found.data = [
        &directories.data,
        &directories.state,
        &directories.cache,
        &directories.config,
    ]
    .into_iter()
    .filter(|path| path.exists())
    .cloned()
    .collect();
    found
}

fn read(path: &Path) -> String {
    let bytes = files::read_own(path, LIMIT).ok().flatten();
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// Returns whether `install.sh` puts the program there: `bin/devsh` below the home directory or `$PREFIX`.
fn is_own_program(context: &Context) -> bool {
    let program = &context.program;
    let prefix = context.env.get(vars::PREFIX).map(Path::new);
    let home = context.directories.home.as_deref();
    program.ends_with("bin/devsh")
        && !program.ends_with(".cargo/bin/devsh")
        && [prefix, home]
            .into_iter()
            .flatten()
            .filter_map(|place| place.canonicalize().ok())
            .any(|place| program.starts_with(place))
}

impl Installation {
    /// Removes what loads devsh; `removed` gets each part.
    pub fn remove_lines_and_hooks(
        &self,
        removed: &mut dyn FnMut(Removed<'_>),
    ) -> Result<(), Failure> {
        for path in &self.rc_files {
            remove_lines(path)?;
            removed(Removed::Lines(path));
        }
        if let Some(hooks) = &self.hooks {
            store::remove_tree(hooks)?;
            removed(Removed::Path(hooks));
        }
        Ok(())
    }

    /// Removes manual pages, completions and the program.
    pub fn remove_files(&self, removed: &mut dyn FnMut(Removed<'_>)) -> Result<(), Failure> {
        for page in &self.manual_pages {
            store::remove_file(page)?;
        }
        if !self.manual_pages.is_empty() {
            removed(Removed::ManualPages);
        }
        for path in &self.files {
            store::remove_file(path)?;
            removed(Removed::Path(path));
        }
        Ok(())
    }

    /// Removes a directory of data, the read-only store included; `meter` gets the bytes of what is gone.
    pub fn purge(
        &self,
        directory: &Path,
        meter: &dyn Meter,
        removed: &mut dyn FnMut(Removed<'_>),
    ) -> Result<(), Failure> {
        // The store has an entry for each tool, and is nearly everything.
        let stored = files::list(&directory.join("store")).unwrap_or_default();
        let mut counted = store::CountedFiles::new();
        for entry in stored {
            let size = store::size_without(&entry, &mut counted);
            store::remove_any(&entry)?;
            meter.advance(size.bytes);
        }
        store::remove_tree(directory)?;
        removed(Removed::Path(directory));
        Ok(())
    }
}

/// Removes the lines that load devsh from an rc file. It may be a symlink to a file in a repository of dotfiles.
fn remove_lines(path: &Path) -> Result<(), Failure> {
    let bytes = files::read_own(path, LIMIT)?.unwrap_or_default();
    let kept = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !loads_devsh(&String::from_utf8_lossy(line)));
    let kept: Vec<u8> = kept.flatten().copied().collect();
    let target = path.canonicalize().map_err(files::at("read", path))?;
    Ok(files::replace(&target, &kept)?)
}
