//! The `[python]` table: which lockfile or packages a dev shell's Python environment is made from.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Error, Located, Origin, Text,
    document::Node,
    error::ErrorKind,
    layer::{overlay_list, text_of},
    validate::{edited, located, once, unknown},
};
use crate::{
    manifest::Tables,
    package::{Invalid, PackageName},
};

/// Which Python packages a dev shell gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonRequest {
    /// Where the table begins, if there is one: without `lock` and `packages` a lockfile is looked for.
    pub place: Option<Origin>,
    /// The project's lockfile, relative to the root (`uv.lock`).
    pub lock: Option<Located<String>>,
    /// Requirements on packages of the index (`fastapi>=0.115`), where no lockfile is named.
    pub packages: Vec<Located<String>>,
    /// Dependency groups to install, sorted, without duplicates.
    pub groups: Vec<Located<String>>,
    /// Whether groups were named at all; if not, the lockfile's default ones count.
    pub groups_named: bool,
    /// Extras of the project to install, sorted, without duplicates.
    pub extras: Vec<Located<String>>,
    /// Whether the project gets a link `.venv` to the environment, for editors.
    pub venv_link: Option<Located<bool>>,
}

/// The names under which Python lockfiles are looked for; the first one found wins.
///
/// `requirements.txt` comes last: beside another lockfile it is as a rule made from it.
pub const PYTHON_LOCKS: [&str; 5] = [
    "uv.lock",
    "poetry.lock",
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
    /// `pylock.toml`, `pylock.NAME.toml`.
    Pylock,
    /// `Pipfile.lock`.
    Pipfile,
    /// Any `.txt`: a list of requirements.
    Requirements,
    /// `pyproject.toml`: the needs of a project that has no lockfile.
    Project,
}

impl PythonLockFormat {
    /// Returns the kind that a path names, if it is one that can be installed.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (stem, end) = name.rsplit_once('.')?;
        Some(match (stem, end) {
            ("uv", "lock") => Self::Uv,
            ("poetry", "lock") => Self::Poetry,
            ("Pipfile", "lock") => Self::Pipfile,
            ("pyproject", "toml") => Self::Project,
            (stem, "toml") if stem == "pylock" || stem.starts_with("pylock.") => Self::Pylock,
            (stem, "txt") if !stem.is_empty() => Self::Requirements,
            _ => return None,
        })
    }
}

impl PythonRequest {
    /// Returns whether any packages are wanted.
    pub fn is_wanted(&self) -> bool {
        self.place.is_some()
    }

    /// Lays `upper` over this table; `gone` is what it takes away, by key.
    pub(super) fn overlay(
        &mut self,
        upper: &Self,
        gone: &BTreeMap<&'static str, BTreeSet<String>>,
    ) {
        if upper.place.is_some() {
            self.place.clone_from(&upper.place);
        }
        if upper.lock.is_some() {
            self.lock.clone_from(&upper.lock);
        }
        if upper.venv_link.is_some() {
            self.venv_link.clone_from(&upper.venv_link);
        }
        self.groups_named |= upper.groups_named;
        for (key, list, more) in [
            ("groups", &mut self.groups, &upper.groups),
            ("extras", &mut self.extras, &upper.extras),
            ("packages", &mut self.packages, &upper.packages),
        ] {
            overlay_list(list, more, gone.get(key), text_of);
        }
    }

    pub(super) fn sort(&mut self) {
        for list in [&mut self.groups, &mut self.extras, &mut self.packages] {
            list.sort_by(|left, right| left.value.cmp(&right.value));
        }
    }
}

/// Reads the table.
pub(super) fn read(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    into.python.place = Some(text.origin(node.span.start));
    for entry in text.table("python", node)? {
        match &*entry.key {
            "lock" => {
                let lock = text.string("lock", &entry.node)?;
                if !is_lock_path(&lock.value) {
                    let kinds = "`uv.lock`, `poetry.lock`, `pylock.toml`, `Pipfile.lock` or a `.txt` below the project's root";
                    let invalid = Invalid::new(kinds, &lock.value);
                    return Err(text.error(entry.node.span.clone(), invalid));
                }
                into.python.lock = Some(lock);
            }
            key @ ("groups" | "extras") => {
                let key = if key == "groups" { "groups" } else { "extras" };
                let (names, removed) = edited(text, key, &entry.node)?;
                let removed = removed.into_iter().map(normal).collect();
                let mut list = Vec::new();
                for (name, node) in names {
                    let name: Located<PackageName> = located(text, node, &name)?;
                    once(text, node, name.value.as_str(), &removed)?;
                    list.push(name.map(|name| name.to_string()));
                }
                into.removed.insert(key, removed);
                if key == "groups" {
                    into.python.groups = list;
                    into.python.groups_named = true;
                } else {
                    into.python.extras = list;
                }
            }
            "packages" => {
                let (packages, removed) = edited(text, "packages", &entry.node)?;
                for (package, node) in packages {
                    if !is_requirement(&package.value) {
                        let kind = "a requirement on a package of the Python index";
                        let invalid = Invalid::new(kind, &package.value);
                        return Err(text.error(node.span.clone(), invalid));
                    }
                    into.python.packages.push(package);
                }
                into.removed.insert("packages", removed);
            }
            "venv-link" => into.python.venv_link = Some(text.boolean("venv-link", &entry.node)?),
            _ => {
                let known = &["lock", "packages", "groups", "extras", "venv-link"];
                return Err(unknown(text, entry, "python", known, &[]));
            }
        }
    }
    if let (Some(lock), Some(package)) = (&into.python.lock, into.python.packages.first()) {
        let line = usize::try_from(package.origin.line).unwrap_or(usize::MAX);
        let kind = ErrorKind::PythonLock(format!(
            "`packages` are for a project without a lockfile, and line {} names `{}`",
            lock.origin.line, lock.value
        ));
        return Err(text.error(text.line(line), kind));
    }
    Ok(())
}

/// Returns a name as it is compared, however it is spelled; what is no name takes nothing away.
fn normal(name: String) -> String {
    let parsed = name.parse::<PackageName>();
    parsed.map_or(name, |parsed| parsed.to_string())
}

/// Whether a path leads to a lockfile and cannot leave the project by its text.
fn is_lock_path(path: &str) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path);
    PythonLockFormat::of(path).is_some()
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a text names a package of the index and can be a line of a list: no option, no address.
fn is_requirement(text: &str) -> bool {
    let plain = text.len() < 1000
        && !text.contains(char::is_control)
        && !text.contains(['@', '/', '\\', '#']);
    // What stands behind a `;` are conditions, which uv reads.
    let head = text.split(';').next().unwrap_or_default().trim();
    let end = head
        .find(|one: char| !one.is_ascii_alphanumeric() && !"-_.".contains(one))
        .unwrap_or(head.len());
    let (name, rest) = head.split_at(end);
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[').map(|extras| extras.split_once(']')) {
        None => rest,
        Some(Some((_, rest))) => rest.trim_start(),
        Some(None) => return false,
    };
    let inside = rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let versions = inside.unwrap_or(rest).trim();
    plain
        && name.parse::<PackageName>().is_ok()
        && (versions.is_empty() || versions.parse::<pep440_rs::VersionSpecifiers>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_requirement;
    use crate::manifest::{merge, parse};

    #[test]
    fn groups_and_extras_are_taken_away_however_they_are_spelled() {
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

    #[test]
    fn requirements_are_read_before_uv_does() {
        for good in [
            "fastapi",
            "fastapi>=0.115,<1",
            "uvicorn[standard] ~= 0.30",
            "typing_extensions (>=4)",
            "tomli==2.*; python_version < '3.11'",
        ] {
            assert!(is_requirement(good), "{good}");
        }
        for bad in [
            "",
            "att rs>>1",
            "a>>1",
            "a ==",
            "-r x",
            "a[b",
            "a @ https://x",
            "--index x",
            "a\n-r b",
        ] {
            assert!(!is_requirement(bad), "{bad}");
        }
    }
}
