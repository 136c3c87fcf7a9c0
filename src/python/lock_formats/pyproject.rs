//! `pyproject.toml` of a project without a lockfile: its requirements by PEP 621 and PEP 735. They have no exact
//! versions; devsh resolves them into `devshell.lock`, like `packages` of a manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    fields::{
        address_error, check_place, file_url, folder_of, is_public_index, lock_error,
        name as package_name, tables, text, word,
    },
    poetry_project,
    uv_sources::{PlacedRequirement, UvSources},
};
use crate::{
    config::PYPI,
    manifest::{Error, Located, Needs, Node, Origin, Text, Value, needs},
    package::PackageName,
    python::{
        lock::{LooseRequirement, PythonLock, PythonPackage, Selection},
        marker::{Marker, normalize},
        requirement::PythonRequirement,
        scope::Scope,
        settings::{IndexRank, PackageSetting, SettingKind},
    },
    util::paths::relative,
};

/// Settings of uv that change what it resolves, and that devsh does not read.
const UNREAD_UV: [&str; 8] = [
    "build-constraint-dependencies",
    "dependency-metadata",
    "environments",
    "exclude-dependencies",
    "exclude-newer",
    "exclude-newer-package",
    "extra-build-dependencies",
    "required-environments",
];

/// The directories that the sources of a project name, and whether members of its workspace are among them.
#[derive(Debug, Default)]
pub struct SourceDirectories {
    /// Relative to the root.
    pub directories: Vec<String>,
    pub has_members: bool,
}

/// Returns the directories that `[tool.uv.sources]` of a `pyproject.toml` names.
pub fn source_directories(file: &Text) -> Result<SourceDirectories, Error> {
    let sources = UvSources::read(file, &file.toml()?)?;
    Ok(SourceDirectories {
        directories: sources.directories().map(str::to_owned).collect(),
        has_members: sources.has_member(),
    })
}

/// Reads the requirements of the project; `directories` has the `pyproject.toml` of each directory that it can need.
pub(super) fn read(file: &Text, directories: &BTreeMap<String, Text>) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let mut lock = read_needs(file, directories, folder_of(file))?;
    add_uv_settings(file, &root, &mut lock)?;
    add_poetry_sources(file, &root, &mut lock)?;
    add_pdm_settings(file, &root, &mut lock)?;
    let mut name = root.select("project.name");
    name.extend(root.select("tool.poetry.name"));
    let project = name
        .first()
        .copied()
        .and_then(Node::text)
        .map(normalize)
        .unwrap_or_default();
    if is_package(&root) && !project.is_empty() {
        lock.add_project(project);
    }
    Ok(lock)
}

/// Reads the lists of a project and those of the directories that it needs, whose paths are relative to `base`.
pub(super) fn read_needs(
    file: &Text,
    directories: &BTreeMap<String, Text>,
    base: &str,
) -> Result<PythonLock, Error> {
    let mut seen = BTreeSet::from([folder_of(file).to_owned()]);
    let mut known = KnownDirectories {
        directories,
        base,
        seen: &mut seen,
    };
    read_lists(file, &mut known)
}

/// The directories that projects can need.
struct KnownDirectories<'a> {
    /// The `pyproject.toml` of each.
    directories: &'a BTreeMap<String, Text>,
    /// The directory to which the paths of packages are relative.
    base: &'a str,
    /// The directories that were read.
    seen: &'a mut BTreeSet<String>,
}

impl KnownDirectories<'_> {
    /// Returns the path from the base.
    fn path_from_base(&self, path: &str) -> String {
        let root = Path::new("/");
        let way = relative(&root.join(path), &root.join(self.base));
        if way.as_os_str().is_empty() {
            ".".to_owned()
        } else {
            way.to_string_lossy().into_owned()
        }
    }
}

fn read_lists(file: &Text, known: &mut KnownDirectories<'_>) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let mut name = root.select("project.name");
    name.extend(root.select("tool.poetry.name"));
    let name = name.first().copied();
    let project = name.and_then(Node::text).map(normalize).unwrap_or_default();
    let groups = entries(&root, "dependency-groups");
    let extras = entries(&root, "project.optional-dependencies");
    let mut reader = ProjectReader {
        file,
        project: &project,
        sources: UvSources::read(file, &root)?,
        needed: Vec::new(),
        inclusions: Vec::new(),
        lock: PythonLock {
            groups: groups.iter().map(|(name, _)| name.clone()).collect(),
            extras: extras.iter().map(|(name, _)| name.clone()).collect(),
            ..PythonLock::default()
        },
    };
    for list in root.select("project.dependencies") {
        reader.list(list, &Scope::Always)?;
    }
    for (extra, list) in extras {
        reader.list(list, &Scope::Extra(extra))?;
    }
    for (group, list) in groups {
        reader.list(list, &Scope::Group(group))?;
    }
    for list in root.select("tool.uv.dev-dependencies") {
        reader.lock.groups.insert("dev".to_owned());
        reader.list(list, &Scope::Group("dev".to_owned()))?;
    }
    for (group, list) in entries(&root, "tool.pdm.dev-dependencies") {
        reader.lock.groups.insert(group.clone());
        reader.list(list, &Scope::Group(group))?;
    }
    reader.check_inclusions()?;
    let (mut lock, needed) = (reader.lock, reader.needed);
    // pdm installs every group for development.
    let of_pdm = entries(&root, "tool.pdm.dev-dependencies");
    lock.default_groups = of_pdm.into_iter().map(|(name, _)| name).collect();
    lock.default_groups.extend(lock.groups.get("dev").cloned());
    poetry_project::add_requirements(file, &root, &mut lock)?;
    for needed in needed {
        needed.add_to(&mut lock, known)?;
    }
    Ok(lock)
}

/// A directory that a project needs as a package.
struct NeededDirectory {
    scope: Scope,
    /// The directory relative to the root, or the name of a member of the workspace.
    place: NeededPlace,
    extras: Vec<String>,
    marker: Marker,
    origin: Origin,
}

enum NeededPlace {
    Path(String),
    Member(String),
}

impl NeededDirectory {
    /// Adds the directory and what it needs.
    fn add_to(self, lock: &mut PythonLock, known: &mut KnownDirectories<'_>) -> Result<(), Error> {
        let directories = known.directories;
        let path = match &self.place {
            NeededPlace::Path(path) => Some(path.clone()),
            NeededPlace::Member(name) => member(name, directories)?,
        };
        let mut note = |message: String| {
            lock.notes.push(Located {
                value: message,
                origin: self.origin.clone(),
            });
        };
        let Some(path) = path else {
            if let NeededPlace::Member(name) = &self.place {
                note(format!(
                    "no member of the workspace has the name `{name}`, so it is not installed"
                ));
            }
            return Ok(());
        };
        let Some(text) = directories.get(&path) else {
            note(format!(
                "`{path}` has no `pyproject.toml`, so it is not installed"
            ));
            return Ok(());
        };
        let root = text.toml()?;
        match needs_of_directory(text)? {
            Some(message) => note(format!(
                "`{path}` is installed without its dependencies: {message}"
            )),
            None if known.seen.insert(path.clone()) => {
                let own = read_lists(text, known)?;
                let selection = Selection {
                    extras: self.extras.iter().cloned().collect(),
                    ..Selection::default()
                };
                lock.add_needs(own, &selection, &self.scope);
            }
            None => {}
        }
        if !is_unpackaged(&root) {
            let package = PythonPackage {
                marker: self.marker,
                ..PythonPackage::directory(&known.path_from_base(&path))
            };
            lock.add_root(self.scope, package);
        }
        Ok(())
    }
}

/// Returns the directory of the member of a workspace with this name.
fn member(name: &str, directories: &BTreeMap<String, Text>) -> Result<Option<String>, Error> {
    for (directory, text) in directories {
        let root = text.toml()?;
        let own = root.select("project.name").into_iter().next();
        if own.and_then(Node::text).map(normalize).as_deref() == Some(name) {
            return Ok(Some(directory.clone()));
        }
    }
    Ok(None)
}

/// Returns why the dependencies of a directory are not known from its `pyproject.toml`.
fn needs_of_directory(text: &Text) -> Result<Option<String>, Error> {
    Ok(match needs(text)? {
        Needs::Built(_) => Some("only its build system knows them".to_owned()),
        Needs::Unknown(why) => Some(format!(
            "{} declares them in a way that devsh does not follow",
            why.origin
        )),
        Needs::Nothing | Needs::Listed => None,
    })
}

/// Adds settings to a lock.
struct SettingsReader<'a> {
    file: &'a Text,
    lock: &'a mut PythonLock,
}

impl SettingsReader<'_> {
    fn add(&mut self, node: &Node<'_>, text: String, kind: SettingKind) {
        self.lock.settings.push(PackageSetting {
            scope: Scope::Always,
            kind,
            text,
            origin: self.file.origin(node.span.start),
        });
    }

    fn note(&mut self, node: &Node<'_>, message: String) {
        self.lock.notes.push(self.file.locate(node, message));
    }

    /// Adds an index.
    fn index(&mut self, node: &Node<'_>, index: DeclaredIndex<'_>) -> Result<(), Error> {
        let option = if index.replaces_public {
            "--default-index"
        } else {
            "--index"
        };
        let setting = format!("{option} {}", index.url);
        if is_public_index(index.url) {
            self.add(node, setting, SettingKind::PublicIndex);
            return Ok(());
        }
        let kind = SettingKind::Index {
            name: index.name.map(str::to_owned),
            url: self.place(node, index.url)?,
            rank: index.rank,
            replaces_public: index.replaces_public,
        };
        self.add(node, setting, kind);
        Ok(())
    }

    /// Adds a page or directory with files.
    fn find_links(&mut self, node: &Node<'_>, url: &str) -> Result<(), Error> {
        let kind = SettingKind::FindLinks(self.place(node, url)?);
        self.add(node, format!("--find-links {url}"), kind);
        Ok(())
    }

    /// Returns an address, which may be a local directory.
    fn place(&self, node: &Node<'_>, url: &str) -> Result<String, Error> {
        check_place(url)
            .map_err(|fault| address_error(self.file, node.span.clone(), url, &fault))?;
        Ok(if url.contains("://") {
            url.to_owned()
        } else {
            file_url(folder_of(self.file), url)
        })
    }

    /// Reads the requirements in a list.
    fn requirements(&self, list: &Node<'_>) -> Result<Vec<LooseRequirement>, Error> {
        let read = |node: &Node<'_>| {
            let requirement: Result<PythonRequirement, _> =
                text(self.file, "requirement", node)?.parse();
            Ok(LooseRequirement {
                scope: Scope::Always,
                requirement: requirement
                    .map_err(|invalid| self.file.error(node.span.clone(), invalid))?,
                origin: self.file.origin(node.span.start),
            })
        };
        list.elements().iter().map(read).collect()
    }
}

/// An index as a project declares it.
#[derive(Clone, Copy)]
struct DeclaredIndex<'a> {
    name: Option<&'a str>,
    url: &'a str,
    rank: IndexRank,
    replaces_public: bool,
}

/// Adds the settings in `[tool.uv]`.
pub(super) fn add_uv_settings(
    file: &Text,
    root: &Node<'_>,
    lock: &mut PythonLock,
) -> Result<(), Error> {
    let Some(uv) = root.get("tool").and_then(|tool| tool.get("uv")) else {
        return Ok(());
    };
    let mut reader = SettingsReader { file, lock };
    for node in tables(uv, "index") {
        let get = |key: &str| node.get(key).and_then(Node::text);
        let Some(url) = get("url") else { continue };
        if get("format") == Some("flat") {
            reader.find_links(node, url)?;
        } else if !is_true(node.get("explicit")) {
            // Only sources name an explicit index, and a project with sources needs a lockfile.
            let default = is_true(node.get("default"));
            let index = DeclaredIndex {
                name: get("name").filter(|name| name.parse::<PackageName>().is_ok()),
                url,
                rank: if default {
                    IndexRank::Last
                } else {
                    IndexRank::InOrder
                },
                replaces_public: default,
            };
            reader.index(node, index)?;
        }
    }
    for node in tables(uv, "extra-index-url") {
        let index = DeclaredIndex {
            name: None,
            url: text(file, "extra-index-url", node)?,
            rank: IndexRank::InOrder,
            replaces_public: false,
        };
        reader.index(node, index)?;
    }
    if let Some(node) = uv.get("index-url") {
        let index = DeclaredIndex {
            name: None,
            url: text(file, "index-url", node)?,
            rank: IndexRank::Last,
            replaces_public: true,
        };
        reader.index(node, index)?;
    }
    for node in tables(uv, "find-links") {
        reader.find_links(node, text(file, "find-links", node)?)?;
    }
    if let Some(node) = uv.get("no-index").filter(|node| is_true(Some(node))) {
        reader.add(node, "--no-index".to_owned(), SettingKind::NoIndex);
    }
    for (all, list, option) in [
        ("no-binary", "no-binary-package", "--no-binary"),
        ("no-build", "no-build-package", "--only-binary"),
    ] {
        if let Some(node) = uv.get(all).filter(|node| is_true(Some(node))) {
            let line = format!("{option} :all:");
            reader.add(node, line.clone(), SettingKind::Build(line));
        }
        for node in tables(uv, list) {
            let line = format!("{option} {}", package_name(file, node)?);
            reader.add(node, line.clone(), SettingKind::Build(line));
        }
    }
    for key in [
        "prerelease",
        "resolution",
        "index-strategy",
        "fork-strategy",
    ] {
        if let Some(node) = uv.get(key) {
            let line = format!("--{key}={}", word(file, key, node)?);
            reader.add(node, line.clone(), SettingKind::Verbatim(line));
        }
    }
    if let Some(list) = uv.get("constraint-dependencies") {
        let constraints = reader.requirements(list)?;
        reader.lock.constraints.extend(constraints);
    }
    if let Some(list) = uv.get("override-dependencies") {
        let overrides = reader.requirements(list)?;
        reader.lock.overrides.extend(overrides);
    }
    for key in UNREAD_UV {
        if let Some(node) = uv.get(key) {
            reader.note(
                node,
                format!("devsh does not read `{key}`: make a lockfile with `uv lock`"),
            );
        }
    }
    Ok(())
}

/// Adds the indexes in `[[tool.poetry.source]]`.
fn add_poetry_sources(file: &Text, root: &Node<'_>, lock: &mut PythonLock) -> Result<(), Error> {
    let mut reader = SettingsReader { file, lock };
    for node in root
        .select("tool.poetry.source")
        .into_iter()
        .flat_map(Node::elements)
    {
        let get = |key: &str| node.get(key).and_then(Node::text);
        let priority = get("priority").map(str::to_lowercase);
        // Only the source of a dependency names an explicit one, and such a project needs a lockfile.
        if priority.as_deref() == Some("explicit") {
            continue;
        }
        let is_pypi = get("name").is_some_and(|name| name.eq_ignore_ascii_case("pypi"));
        let Some(url) = get("url").or(is_pypi.then_some(PYPI)) else {
            continue;
        };
        let secondary = matches!(priority.as_deref(), Some("secondary" | "supplemental"))
            || is_true(node.get("secondary"));
        let index = DeclaredIndex {
            name: None,
            url,
            rank: if priority.as_deref() == Some("default") {
                IndexRank::First
            } else if secondary {
                IndexRank::Last
            } else {
                IndexRank::InOrder
            },
            replaces_public: !secondary,
        };
        reader.index(node, index)?;
    }
    Ok(())
}

/// Adds the indexes in `[[tool.pdm.source]]` and the overrides of pdm.
fn add_pdm_settings(file: &Text, root: &Node<'_>, lock: &mut PythonLock) -> Result<(), Error> {
    let mut reader = SettingsReader { file, lock };
    for node in root
        .select("tool.pdm.source")
        .into_iter()
        .flat_map(Node::elements)
    {
        let get = |key: &str| node.get(key).and_then(Node::text);
        let Some(url) = get("url") else { continue };
        if get("type") == Some("find_links") {
            reader.find_links(node, url)?;
            continue;
        }
        let replaces_public = get("name") == Some("pypi");
        let index = DeclaredIndex {
            name: None,
            url,
            rank: if replaces_public {
                IndexRank::First
            } else {
                IndexRank::InOrder
            },
            replaces_public,
        };
        reader.index(node, index)?;
    }
    for entry in root
        .select("tool.pdm.resolution.overrides")
        .into_iter()
        .flat_map(Node::entries)
    {
        let bound = text(file, &entry.key, &entry.node)?;
        let written = match bound.trim() {
            bound if bound.contains("://") => format!("{} @ {bound}", entry.key),
            bound if bound.starts_with(|one: char| one.is_ascii_digit()) => {
                format!("{}=={bound}", entry.key)
            }
            "*" => entry.key.to_string(),
            bound => format!("{}{bound}", entry.key),
        };
        let requirement: Result<PythonRequirement, _> = written.parse();
        reader.lock.overrides.push(LooseRequirement {
            scope: Scope::Always,
            requirement: requirement
                .map_err(|invalid| file.error(entry.node.span.clone(), invalid))?,
            origin: file.origin(entry.node.span.start),
        });
    }
    Ok(())
}

fn is_true(node: Option<&Node<'_>>) -> bool {
    node.is_some_and(|node| matches!(node.value, Value::Boolean(true)))
}

/// Returns the lists of a table with their normalised names, which several spellings can share.
fn entries<'a, 't>(root: &'a Node<'t>, table: &str) -> Vec<(String, &'a Node<'t>)> {
    let entries = root.select(table).into_iter().flat_map(Node::entries);
    entries
        .map(|entry| (normalize(&entry.key), &entry.node))
        .collect()
}

/// Returns whether uv or poetry would install the project itself.
fn is_package(root: &Node<'_>) -> bool {
    !is_unpackaged(root) && root.get("build-system").is_some()
}

/// Returns whether the project says that it is no package.
fn is_unpackaged(root: &Node<'_>) -> bool {
    let keys = ["tool.uv.package", "tool.poetry.package-mode"];
    let mut settings = keys.iter().flat_map(|key| root.select(key));
    settings.any(|node| matches!(node.value, Value::Boolean(false)))
}

struct ProjectReader<'a> {
    file: &'a Text,
    /// The normalised name of the project.
    project: &'a str,
    sources: UvSources,
    /// The directories that are needed as packages.
    needed: Vec<NeededDirectory>,
    inclusions: Vec<Inclusion>,
    lock: PythonLock,
}

/// A group or extra that a list includes.
struct Inclusion {
    from: Scope,
    to: Scope,
    /// The place of the including element, for errors.
    span: std::ops::Range<usize>,
}

impl ProjectReader<'_> {
    /// Reads each list once; a selection follows what it includes.
    fn list(&mut self, list: &Node<'_>, scope: &Scope) -> Result<(), Error> {
        for node in list.elements() {
            if let Some(group) = node.get("include-group").and_then(Node::text) {
                let name = normalize(group);
                if !self.lock.groups.contains(&name) {
                    let message = format!("there is no group `{group}`");
                    return Err(lock_error(self.file, node.span.clone(), message));
                }
                self.include(node, scope, Scope::Group(name));
                continue;
            }
            let Some(text) = node.text() else {
                let message = "a requirement must be a string";
                return Err(lock_error(self.file, node.span.clone(), message));
            };
            let requirement: Result<PythonRequirement, _> = text.parse();
            let requirement =
                requirement.map_err(|invalid| self.file.error(node.span.clone(), invalid))?;
            if requirement.name.as_str() == self.project {
                // `demo[test]` in a list of the project `demo` includes its extra.
                let extras = requirement.extras.into_iter();
                for extra in extras {
                    if self.lock.extras.contains(&extra) {
                        self.include(node, scope, Scope::Extra(extra));
                    }
                }
                continue;
            }
            self.requirement(node, scope, requirement)?;
        }
        Ok(())
    }

    /// Adds a requirement from the places that `[tool.uv.sources]` names.
    fn requirement(
        &mut self,
        node: &Node<'_>,
        scope: &Scope,
        requirement: PythonRequirement,
    ) -> Result<(), Error> {
        let (name, extras) = (requirement.name.to_string(), requirement.extras.clone());
        for placed in self.sources.place(requirement, scope) {
            let (place, marker) = match placed {
                PlacedRequirement::Named(requirement) => {
                    self.lock.loose.push(LooseRequirement {
                        scope: scope.clone(),
                        requirement,
                        origin: self.file.origin(node.span.start),
                    });
                    continue;
                }
                PlacedRequirement::Directory { path, marker } => (NeededPlace::Path(path), marker),
                PlacedRequirement::Member { marker } => (NeededPlace::Member(name.clone()), marker),
            };
            let marker = marker.parse();
            self.needed.push(NeededDirectory {
                place,
                marker: marker.map_err(|invalid| self.file.error(node.span.clone(), invalid))?,
                scope: scope.clone(),
                extras: extras.clone(),
                origin: self.file.origin(node.span.start),
            });
        }
        Ok(())
    }

    fn include(&mut self, node: &Node<'_>, from: &Scope, to: Scope) {
        self.inclusions.push(Inclusion {
            from: from.clone(),
            to,
            span: node.span.clone(),
        });
    }

    /// Adds the inclusions to the lock. PEP 735 forbids cycles of groups; extras may name each other.
    fn check_inclusions(&mut self) -> Result<(), Error> {
        let includes = &mut self.lock.includes;
        let mut open: BTreeMap<&Scope, usize> = BTreeMap::new();
        let is_group = |scope: &Scope| matches!(scope, Scope::Group(_));
        for inclusion in &self.inclusions {
            if !(is_group(&inclusion.from) && is_group(&inclusion.to)) {
                continue;
            }
            let scopes = includes.entry(inclusion.from.clone()).or_default();
            if scopes.insert(inclusion.to.clone()) {
                *open.entry(&inclusion.to).or_default() += 1;
            }
        }
        // A topological sort: what remains is part of a cycle or included by one.
        let all: BTreeSet<&Scope> = includes.keys().collect();
        let mut free: Vec<&Scope> = all
            .into_iter()
            .filter(|scope| !open.contains_key(scope))
            .collect();
        while let Some(scope) = free.pop() {
            for included in includes.get(scope).into_iter().flatten() {
                if let Some(count) = open.get_mut(included) {
                    *count -= 1;
                    if *count == 0 {
                        open.remove(included);
                        free.push(included);
                    }
                }
            }
        }
        let cyclic = |one: &&Inclusion| open.contains_key(&one.from) && open.contains_key(&one.to);
        if let Some(last) = self.inclusions.iter().rfind(cyclic) {
            let message = "groups include each other in a cycle: remove this one";
            return Err(lock_error(self.file, last.span.clone(), message));
        }
        for inclusion in &self.inclusions {
            let scopes = includes.entry(inclusion.from.clone()).or_default();
            scopes.insert(inclusion.to.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Returns the options and the requirements that replace others.
    fn settings(text: &str) -> (Vec<String>, Vec<String>) {
        let lock = read(text).unwrap();
        let all = Selection::default();
        (lock.options(&all), lock.overrides(&all))
    }

    #[test]
    fn indexes_and_bounds_of_uv_count() {
        let text = "[project]\nname='d'\ndependencies=['a']\n[tool.uv]\nconstraint-dependencies=['b<5']\n\
            override-dependencies=['c==1']\nprerelease='allow'\nexclude-newer='2025-01-01'\n\
            [[tool.uv.index]]\nname='x'\nurl='https://x/simple'\n\
            [[tool.uv.index]]\nname='e'\nurl='https://e/simple'\nexplicit=true\n\
            [[tool.uv.index]]\nurl='https://d/simple'\ndefault=true\n";
        let (options, overrides) = settings(text);
        assert_eq!(
            options,
            [
                "--index x=https://x/simple",
                "--index-url https://d/simple",
                "--prerelease=allow"
            ]
        );
        assert_eq!(overrides, ["c==1"]);
        let lock = read(text).unwrap();
        assert_eq!(lock.constraints(&Selection::default()), ["b<5"]);
        assert_eq!(lock.notes[0].origin.line, 8);
        let places = lock.settings.iter().filter(|one| one.names_place());
        let lines: Vec<u32> = places.map(|one| one.origin.line).collect();
        assert_eq!(lines, [9, 16]);
    }

    #[test]
    fn sources_of_poetry_and_pdm_count() {
        let poetry = |priority: &str| {
            format!(
                "[project]\ndependencies=['a']\n[[tool.poetry.source]]\nname='x'\nurl='https://x/'\n{priority}\n"
            )
        };
        let pypi = "[[tool.poetry.source]]\nname='PyPI'\n";
        for (text, expected) in [
            (poetry(""), &["--index-url https://x/"][..]),
            (poetry("") + pypi, &["--extra-index-url https://x/"]),
            (
                poetry("priority='supplemental'"),
                &["--extra-index-url https://x/"],
            ),
            (poetry("priority='explicit'"), &[]),
        ] {
            assert_eq!(settings(&text).0, expected, "{text}");
        }
        let pdm = "[project]\ndependencies=['a']\n[tool.pdm.resolution.overrides]\nb='1'\nc='>=2'\n\
            [[tool.pdm.source]]\nname='pypi'\nurl='https://p/'\n\
            [[tool.pdm.source]]\nname='f'\ntype='find_links'\nurl='wheels'\n";
        let (options, overrides) = settings(pdm);
        let links = "--find-links file://${PROJECT_ROOT}/wheels";
        assert_eq!(options, ["--index-url https://p/", links]);
        assert_eq!(overrides, ["b==1", "c>=2"]);
    }

    const PROJECT: &str = r#"
[project]
name = "Demo_App"
dependencies = ["idna>=3", "tomli; python_version < '3.11'"]
[project.optional-dependencies]
web = ["flask"]
all = ["demo-app[web]", "rich"]
[dependency-groups]
dev = ["pytest>=8", { include-group = "lint" }]
lint = ["ruff"]
[build-system]
requires = ["hatchling"]
"#;

    fn read(text: &str) -> Result<PythonLock, Error> {
        super::read(&Text::new("pyproject.toml", text), &BTreeMap::new())
    }

    fn selected(text: &str, groups: &[&str], extras: &[&str]) -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(|one| (*one).to_owned()).collect();
        read(text).unwrap().loose(&Selection {
            groups: names(groups),
            extras: names(extras),
        })
    }

    #[test]
    fn groups_and_extras_count_where_they_are_selected() {
        let always = ["idna>=3", "tomli; python_version < '3.11'"];
        assert_eq!(selected(PROJECT, &[], &[]), always);
        assert_eq!(selected(PROJECT, &[], &["all"])[2..], ["flask", "rich"]);
        assert_eq!(selected(PROJECT, &["dev"], &[])[2..], ["pytest>=8", "ruff"]);
        let lock = read(PROJECT).unwrap();
        assert_eq!(lock.default_groups, ["dev".to_owned()].into());
        assert!(lock.installs_project());
    }

    #[test]
    fn a_project_that_is_no_package_is_not_installed() {
        for (from, to) in [
            ("[build-system]", "[tool.x]"),
            (
                "[build-system]",
                "[tool.uv]\npackage = false\n[build-system]",
            ),
        ] {
            assert!(!read(&PROJECT.replace(from, to)).unwrap().installs_project());
        }
    }

    #[test]
    fn errors_name_the_line() {
        for (from, to, line) in [
            ("\"flask\"", "\"-r x\"", 6),
            ("\"rich\"", "7", 7),
            ("\"lint\"", "\"linting\"", 9),
            ("[\"ruff\"]", "[{ include-group = \"dev\" }]", 10),
            ("[\"ruff\"]", "[{ include-group = \"lint\" }]", 10),
        ] {
            let error = read(&PROJECT.replace(from, to)).unwrap_err();
            assert_eq!(error.origin().line, line, "{error}");
        }
    }

    #[test]
    fn groups_that_include_each_other_many_times_are_read_once() {
        let mut text = "[dependency-groups]\n".to_owned();
        for level in 0..1000 {
            let next = format!("{{ include-group = \"g{}\" }}, ", level + 1);
            writeln!(text, "g{level} = [{}\"a{level}\"]", next.repeat(4)).unwrap();
        }
        text += "g1000 = [\"last\"]\n";
        assert_eq!(read(&text).unwrap().loose.len(), 1001);
        assert_eq!(selected(&text, &["g990"], &[]).len(), 11);
        let error = read(&text.replace("\"last\"", "{ include-group = \"g0\" }")).unwrap_err();
        assert!(error.to_string().contains("in a cycle"), "{error}");
        assert_eq!(error.origin().line, 1002);
    }

    #[test]
    fn extras_that_name_each_other_many_times_are_read_once() {
        let mut text = "[project]\nname = \"me\"\n[project.optional-dependencies]\n".to_owned();
        for level in 0..16 {
            let next = format!("\"me[e{}]\", ", level + 1);
            writeln!(text, "e{level} = [{}\"a{level}\"]", next.repeat(12)).unwrap();
        }
        text += "e16 = [\"last\"]\n";
        assert_eq!(selected(&text, &[], &["e0"]).len(), 17);
        let circle = text.replace("\"last\"", "\"me[e0]\"");
        assert_eq!(selected(&circle, &[], &["e0"]).len(), 16);
    }
}
