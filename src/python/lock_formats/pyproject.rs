//! `pyproject.toml` of a project without a lockfile: its requirements by PEP 621 and PEP 735. They have no exact
//! versions; devsh resolves them into `devshell.lock`, like `packages` of a manifest.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::lock_error;
use crate::{
    manifest::{Error, Node, Text, Value},
    python::{
        lock::{LooseRequirement, PythonLock, Scope},
        marker::normalize,
        requirement::PythonRequirement,
    },
};

/// Reads the requirements of the project.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let name = root.select("project.name").into_iter().next();
    let project = name.and_then(Node::text).map(normalize).unwrap_or_default();
    let groups = entries(&root, "dependency-groups");
    let extras = entries(&root, "project.optional-dependencies");
    let mut reader = ProjectReader {
        file,
        project: &project,
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
    reader.check_inclusions()?;
    let mut lock = reader.lock;
    lock.default_to_dev();
    if is_package(&root) && !project.is_empty() {
        lock.add_project(project);
    }
    Ok(lock)
}

/// Returns the lists of a table with their normalised names, which several spellings can share.
fn entries<'a, 't>(root: &'a Node<'t>, table: &str) -> Vec<(String, &'a Node<'t>)> {
    let entries = root.select(table).into_iter().flat_map(Node::entries);
    entries
        .map(|entry| (normalize(&entry.key), &entry.node))
        .collect()
}

/// Returns whether uv would install the project itself.
fn is_package(root: &Node<'_>) -> bool {
    let package = root.select("tool.uv.package").into_iter().next();
    let disabled = package.is_some_and(|node| matches!(node.value, Value::Boolean(false)));
    !disabled && root.get("build-system").is_some()
}

struct ProjectReader<'a> {
    file: &'a Text,
    /// The normalised name of the project.
    project: &'a str,
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
            self.lock.loose.push(LooseRequirement {
                scope: scope.clone(),
                requirement,
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

    /// Adds the inclusions to the lock; PEP 735 forbids cycles.
    fn check_inclusions(&mut self) -> Result<(), Error> {
        let includes = &mut self.lock.includes;
        let mut open: BTreeMap<&Scope, usize> = BTreeMap::new();
        for inclusion in &self.inclusions {
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
        let Some(last) = self.inclusions.iter().rfind(cyclic) else {
            return Ok(());
        };
        let message = "groups or extras include each other in a cycle: remove this one";
        Err(lock_error(self.file, last.span.clone(), message))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::python::lock::Selection;

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
        super::read(&Text::new("pyproject.toml", text))
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
        let error = read(&text.replace("\"last\"", "\"me[e0]\"")).unwrap_err();
        assert!(error.to_string().contains("in a cycle"), "{error}");
        assert_eq!(error.origin().line, 20);
    }
}
