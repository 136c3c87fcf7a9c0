//! `pyproject.toml` of a project without a lockfile: what it needs, by PEP 621 and PEP 735. Nothing is pinned
//! here: it is resolved into `devshell.lock`, as `packages` of a manifest are.

use super::{Loose, PythonLock, PythonRequirement, When, marker::normal, read::fault};
use crate::manifest::{Error, Node, Text, Value};

/// Deepest accepted chain of groups, or of the project's own extras, that include each other.
const DEPTH: usize = 16;

/// Reads what the project needs.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let name = root.select("project.name").into_iter().next();
    let own = name.and_then(Node::text).map(normal).unwrap_or_default();
    let mut reading = Reading {
        file,
        root: &root,
        own: &own,
        lock: PythonLock::default(),
    };
    for list in root.select("project.dependencies") {
        reading.list(list, &When::Always, 0)?;
    }
    for table in root.select("project.optional-dependencies") {
        for entry in table.entries() {
            let extra = normal(&entry.key);
            reading.lock.extras.insert(extra.clone());
            reading.list(&entry.node, &When::Extra(extra), 0)?;
        }
    }
    for table in root.select("dependency-groups") {
        for entry in table.entries() {
            let group = normal(&entry.key);
            reading.lock.groups.insert(group.clone());
            reading.list(&entry.node, &When::Group(group), 0)?;
        }
    }
    for list in root.select("tool.uv.dev-dependencies") {
        reading.lock.groups.insert("dev".to_owned());
        reading.list(list, &When::Group("dev".to_owned()), 0)?;
    }
    let mut lock = reading.lock;
    lock.default_groups = lock
        .groups
        .iter()
        .filter(|one| *one == "dev")
        .cloned()
        .collect();
    own_package(&root, own, &mut lock);
    Ok(lock)
}

/// Adds the project itself where it is a package.
fn own_package(root: &Node<'_>, own: String, lock: &mut PythonLock) {
    let said = root.select("tool.uv.package").into_iter().next();
    let library = said.is_none_or(|node| !matches!(node.value, Value::Boolean(false)));
    if !library || own.is_empty() || root.get("build-system").is_none() {
        return;
    }
    lock.add_project(own);
}

struct Reading<'a, 't> {
    file: &'a Text,
    root: &'a Node<'t>,
    /// The project's own name, normalised.
    own: &'a str,
    lock: PythonLock,
}

impl Reading<'_, '_> {
    fn list(&mut self, list: &Node<'_>, when: &When, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            let message = "groups or extras include each other too deep";
            return Err(fault(self.file, list.span.clone(), message));
        }
        for node in list.elements() {
            if let Some(group) = node.get("include-group").and_then(Node::text) {
                self.group(node, group, (when, depth))?;
                continue;
            }
            let Some(text) = node.text() else {
                let message = "a requirement must be a string";
                return Err(fault(self.file, node.span.clone(), message));
            };
            let requirement: Result<PythonRequirement, _> = text.parse();
            let requirement =
                requirement.map_err(|invalid| self.file.error(node.span.clone(), invalid))?;
            if requirement.name.as_str() == self.own {
                self.extras(&requirement.extras, (when, depth))?;
                continue;
            }
            self.lock.loose.push(Loose {
                when: when.clone(),
                requirement,
            });
        }
        Ok(())
    }

    fn group(
        &mut self,
        node: &Node<'_>,
        name: &str,
        (when, depth): (&When, usize),
    ) -> Result<(), Error> {
        let tables = self.root.select("dependency-groups");
        let mut entries = tables.iter().flat_map(|table| table.entries());
        let Some(entry) = entries.find(|entry| normal(&entry.key) == normal(name)) else {
            let message = format!("there is no group `{name}`");
            return Err(fault(self.file, node.span.clone(), message));
        };
        self.list(&entry.node, when, depth + 1)
    }

    /// Takes what extras of the project itself need, which others of its lists name (`demo[test]`).
    fn extras(&mut self, names: &[String], (when, depth): (&When, usize)) -> Result<(), Error> {
        let tables = self.root.select("project.optional-dependencies");
        let entries = tables.iter().flat_map(|table| table.entries());
        for entry in entries.filter(|entry| names.contains(&normal(&entry.key))) {
            self.list(&entry.node, when, depth + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pylock::Selection;

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

    fn wanted(groups: &[&str], extras: &[&str]) -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(|one| (*one).to_owned()).collect();
        read(PROJECT).unwrap().loose(&Selection {
            groups: names(groups),
            extras: names(extras),
        })
    }

    #[test]
    fn groups_and_extras_count_where_they_are_wanted() {
        let always = ["idna>=3", "tomli; python_version < '3.11'"];
        assert_eq!(wanted(&[], &[]), always);
        assert_eq!(wanted(&[], &["all"])[2..], ["flask", "rich"]);
        assert_eq!(wanted(&["dev"], &[])[2..], ["pytest>=8", "ruff"]);
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
    fn what_is_no_requirement_has_its_place() {
        for (from, to, line) in [
            ("\"flask\"", "\"-r x\"", 6),
            ("\"rich\"", "7", 7),
            ("\"lint\"", "\"linting\"", 9),
            ("[\"ruff\"]", "[{ include-group = \"dev\" }]", 10),
        ] {
            let error = read(&PROJECT.replace(from, to)).unwrap_err();
            assert_eq!(error.origin().line, line, "{error}");
        }
    }
}
