//! The `[python]` table: the lockfile or packages of a dev shell's Python environment.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Error, ErrorKind, Located, Origin, Tables,
    form::{Field, TableForm},
    overlay::{overlay_list, text_of},
    schema::PythonField,
};
use crate::{
    package::{PackageName, Source},
    util::paths::join_text,
};

/// The Python packages of a dev shell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonRequest {
    /// The place of the table; without `lock` and `packages` devsh looks for a lockfile.
    pub place: Option<Origin>,
    /// The project's lockfile, relative to the root (`uv.lock`).
    pub lock: Option<Located<String>>,
    /// Requirements on packages of the index (`fastapi>=0.115`), if the project has no lockfile.
    pub packages: Vec<Located<String>>,
    /// Packages of the index that may run their own build, sorted, without duplicates.
    pub build: Vec<Located<String>>,
    /// Dependency groups to install, sorted, without duplicates.
    pub groups: Vec<Located<String>>,
    /// True if a manifest names groups; if not, the project's default groups apply as well.
    pub groups_named: bool,
    /// Extras of the project to install, sorted, without duplicates.
    pub extras: Vec<Located<String>>,
    /// The source of the interpreter; without one it is the source `python`.
    pub from: Option<Located<Source>>,
    /// True if the project gets a link `.venv` to the environment, for editors.
    pub venv_link: Option<Located<bool>>,
}

/// The names of Python lockfiles; the first one that exists wins.
///
/// `requirements.txt` is last, because next to another lockfile it is usually generated from it.
pub const PYTHON_LOCKS: [&str; 6] = [
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "Pipfile.lock",
    "requirements.txt",
];

/// A kind of Python lockfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonLockFormat {
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
    /// `pdm.lock`.
    Pdm,
    /// `pylock.toml`, `pylock.NAME.toml`.
    Pylock,
    /// `Pipfile.lock`.
    Pipfile,
    /// `Pipfile`: the requirements of a project without a lockfile.
    PipfileProject,
    /// Any `.txt`: a list of requirements.
    Requirements,
    /// `pyproject.toml`: the requirements of a project without a lockfile.
    Project,
    /// `setup.py` or `setup.cfg`: only the build system knows the requirements.
    Setup,
}

impl PythonLockFormat {
    /// Returns the format of a path, if devsh can install it.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
        Some(match (stem, end) {
            ("uv", "lock") => Self::Uv,
            ("poetry", "lock") => Self::Poetry,
            ("pdm", "lock") => Self::Pdm,
            ("Pipfile", "") => Self::PipfileProject,
            ("Pipfile", "lock") => Self::Pipfile,
            ("pyproject", "toml") => Self::Project,
            ("setup", "py" | "cfg") => Self::Setup,
            (stem, "toml") if stem == "pylock" || stem.starts_with("pylock.") => Self::Pylock,
            (stem, "txt") if !stem.is_empty() => Self::Requirements,
            _ => return None,
        })
    }
}

/// Returns the possible paths of the list of a group, by the path of the main list of requirements.
pub fn group_lists(main: &str, group: &str) -> Vec<String> {
    let (folder, name) = main.rsplit_once('/').unwrap_or(("", main));
    let stem = name.strip_suffix(".txt").unwrap_or(name);
    let mut names = vec![
        format!("{stem}-{group}.txt"),
        format!("{stem}_{group}.txt"),
        format!("{group}-{stem}.txt"),
        format!("{group}_{stem}.txt"),
        format!("{stem}.{group}.txt"),
        format!("{stem}/{group}.txt"),
    ];
    if folder.ends_with(stem) || folder.ends_with("requirements") {
        names.push(format!("{group}.txt"));
    }
    let full = names.iter().map(|name| join_text(folder, name));
    full.collect()
}

impl PythonRequest {
    /// Returns whether the dev shell has a Python environment.
    pub fn is_wanted(&self) -> bool {
        self.place.is_some()
    }

    /// Merges `upper` into this table; `removed` has its removals by key.
    pub(super) fn overlay(
        &mut self,
        upper: &Self,
        removed: &BTreeMap<&'static str, BTreeSet<String>>,
    ) {
        if upper.place.is_some() {
            self.place.clone_from(&upper.place);
        }
        if upper.lock.is_some() {
            self.lock.clone_from(&upper.lock);
        }
        if upper.from.is_some() {
            self.from.clone_from(&upper.from);
        }
        if upper.venv_link.is_some() {
            self.venv_link.clone_from(&upper.venv_link);
        }
        self.groups_named |= upper.groups_named;
        for (key, list, more) in [
            ("groups", &mut self.groups, &upper.groups),
            ("extras", &mut self.extras, &upper.extras),
            ("packages", &mut self.packages, &upper.packages),
            ("build", &mut self.build, &upper.build),
        ] {
            overlay_list(list, more, removed.get(key), text_of);
        }
    }

    pub(super) fn sort(&mut self) {
        for list in [
            &mut self.groups,
            &mut self.extras,
            &mut self.packages,
            &mut self.build,
        ] {
            list.sort_by(|left, right| left.value.cmp(&right.value));
        }
    }
}

/// Reads `[python]`.
pub(super) fn read(table: &TableForm<'_, PythonField>, into: &mut Tables) -> Result<(), Error> {
    let names = |list: Vec<Located<PackageName>>| {
        let names = list.into_iter();
        names
            .map(|name| name.map(|name| name.to_string()))
            .collect()
    };
    let mut keys = 0;
    for field in table.fields() {
        let Field { field, at } = field?;
        match field {
            PythonField::Lock(lock) => into.python.lock = Some(lock.map(|lock| lock.0)),
            PythonField::Groups(list) => {
                into.python.groups = names(list.added);
                into.python.groups_named = true;
                into.removed.insert("groups", list.removed);
            }
            PythonField::Extras(list) => {
                into.python.extras = names(list.added);
                into.removed.insert("extras", list.removed);
            }
            PythonField::Packages(list) => {
                let packages = list.added.into_iter();
                into.python.packages = packages.map(|one| one.map(|one| one.0)).collect();
                into.removed.insert("packages", list.removed);
            }
            PythonField::Build(list) => {
                into.python.build = names(list.added);
                into.removed.insert("build", list.removed);
            }
            PythonField::From(from) => into.python.from = Some(from.map(|from| from.0)),
            PythonField::VenvLink(link) => into.python.venv_link = Some(link),
        }
        if let (Some(lock), Some(package)) = (&into.python.lock, into.python.packages.first()) {
            let kind = ErrorKind::PackagesBesideLock {
                lock: lock.value.clone(),
                line: lock.origin.line,
            };
            return Err(at.text.error_at(&package.origin, "packages", kind));
        }
        keys += 1;
    }
    // The source of the interpreter alone asks for no packages.
    let asks = keys != 1 || into.python.from.is_none();
    into.python.place = asks.then(|| table.origin());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::manifest::{merge, parse};

    #[test]
    fn removals_of_groups_and_extras_ignore_spelling() {
        for key in ["groups", "extras"] {
            let text = format!(
                "[python]\n{key} = ['test_utils', 'docs']\n[shells.a]\npython.{key} = {{ remove = ['Test.Utils'] }}\n"
            );
            let manifest = merge(&[parse("devshell.toml", &text).unwrap()]).unwrap();
            let python = &manifest.shells[&"a".parse().unwrap()].python;
            let left = [&python.groups, &python.extras].into_iter().flatten();
            let left: Vec<&str> = left.map(|one| one.value.as_str()).collect();
            assert_eq!(left, ["docs"]);
            let both = format!("[python]\n{key} = {{ add = ['a-b'], remove = ['a_b'] }}\n");
            let error = parse("devshell.toml", &both).unwrap_err();
            assert!(error.to_string().contains("a-b"), "{error}");
        }
    }
}
