//! `pyproject.toml` of a project without a lockfile: what it needs, by PEP 621 and PEP 735. Nothing is pinned
//! here: it is resolved into `devshell.lock`, as `packages` of a manifest are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Loose, PythonLock, PythonRequirement, When, marker::normal, read::fault};
use crate::manifest::{Error, Node, Text, Value};

/// Deepest accepted chain of groups, or of the project's own extras, that include each other.
const DEPTH: usize = 16;
/// Most elements that are read of all lists together.
const ELEMENTS: usize = 100_000;

/// Reads what the project needs.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let name = root.select("project.name").into_iter().next();
    let own = name.and_then(Node::text).map(normal).unwrap_or_default();
    let mut reading = Reading {
        file,
        groups: named(&root, "dependency-groups"),
        extras: named(&root, "project.optional-dependencies"),
        own: &own,
        lock: PythonLock::default(),
        elements: 0,
    };
    for list in root.select("project.dependencies") {
        reading.whole(list, &When::Always)?;
    }
    for table in root.select("project.optional-dependencies") {
        for entry in table.entries() {
            let extra = normal(&entry.key);
            reading.lock.extras.insert(extra.clone());
            reading.whole(&entry.node, &When::Extra(extra))?;
        }
    }
    for table in root.select("dependency-groups") {
        for entry in table.entries() {
            let group = normal(&entry.key);
            reading.lock.groups.insert(group.clone());
            reading.whole(&entry.node, &When::Group(group))?;
        }
    }
    for list in root.select("tool.uv.dev-dependencies") {
        reading.lock.groups.insert("dev".to_owned());
        reading.whole(list, &When::Group("dev".to_owned()))?;
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

/// The lists of a table by their normalised names, which several spellings may share.
fn named<'a, 't>(root: &'a Node<'t>, table: &str) -> Lists<'a, 't> {
    let mut lists = Lists::new();
    for entry in root.select(table).into_iter().flat_map(Node::entries) {
        let name = normal(&entry.key);
        lists.entry(name).or_default().push(&entry.node);
    }
    lists
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

type Lists<'a, 't> = BTreeMap<String, Vec<&'a Node<'t>>>;

struct Reading<'a, 't> {
    file: &'a Text,
    groups: Lists<'a, 't>,
    extras: Lists<'a, 't>,
    /// The project's own name, normalised.
    own: &'a str,
    lock: PythonLock,
    /// How many elements of lists were read.
    elements: usize,
}

/// The way to a list: where the lists on it begin, and where those begin that were read by then.
#[derive(Default)]
struct Way {
    path: Vec<usize>,
    seen: BTreeSet<usize>,
}

impl Reading<'_, '_> {
    /// Reads a list and what it includes.
    fn whole(&mut self, list: &Node<'_>, when: &When) -> Result<(), Error> {
        self.list(list, when, &mut Way::default())
    }

    /// Each list is read once: of a second time nothing new would come, and groups that include each other many
    /// times would be walked along every way there is.
    fn list(&mut self, list: &Node<'_>, when: &When, way: &mut Way) -> Result<(), Error> {
        if !way.seen.insert(list.span.start) {
            return Ok(());
        }
        if way.path.len() > DEPTH {
            let message = format!(
                "groups or extras include each other more than {DEPTH} deep: write out what they need"
            );
            return Err(fault(self.file, list.span.clone(), message));
        }
        way.path.push(list.span.start);
        for node in list.elements() {
            self.elements += 1;
            if self.elements > ELEMENTS {
                let message = format!(
                    "more than {ELEMENTS} requirements, those of a group counted wherever it is included: include fewer groups"
                );
                return Err(fault(self.file, node.span.clone(), message));
            }
            if let Some(group) = node.get("include-group").and_then(Node::text) {
                self.group(node, group, (when, &mut *way))?;
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
                self.extras(node, &requirement.extras, (when, &mut *way))?;
                continue;
            }
            self.lock.loose.push(Loose {
                when: when.clone(),
                requirement,
            });
        }
        way.path.pop();
        Ok(())
    }

    fn group(
        &mut self,
        node: &Node<'_>,
        name: &str,
        (when, way): (&When, &mut Way),
    ) -> Result<(), Error> {
        // The first of several spellings counts.
        let list = self.groups.get(&normal(name)).and_then(|all| all.first());
        let Some(list) = list.copied() else {
            let message = format!("there is no group `{name}`");
            return Err(fault(self.file, node.span.clone(), message));
        };
        self.included(node, list, (when, way))
    }

    /// Takes what extras of the project itself need, which others of its lists name (`demo[test]`).
    fn extras(
        &mut self,
        node: &Node<'_>,
        names: &[String],
        (when, way): (&When, &mut Way),
    ) -> Result<(), Error> {
        let found = names.iter().filter_map(|name| self.extras.get(name));
        let mut lists: Vec<&Node<'_>> = found.flatten().copied().collect();
        // In the order of the file, whatever the order of the names.
        lists.sort_by_key(|list| list.span.start);
        for list in lists {
            self.included(node, list, (when, &mut *way))?;
        }
        Ok(())
    }

    fn included(
        &mut self,
        node: &Node<'_>,
        list: &Node<'_>,
        (when, way): (&When, &mut Way),
    ) -> Result<(), Error> {
        if way.path.contains(&list.span.start) {
            let message = "groups or extras include each other in a circle: take this one out";
            return Err(fault(self.file, node.span.clone(), message));
        }
        self.list(list, when, way)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::python::Selection;

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

    #[test]
    fn groups_that_include_each_other_many_times_are_read_once() {
        let mut text = "[dependency-groups]\n".to_owned();
        for level in 0..16 {
            let next = format!("{{ include-group = \"g{}\" }}, ", level + 1);
            writeln!(text, "g{level} = [{}\"a{level}\"]", next.repeat(12)).unwrap();
        }
        text += "g16 = [\"last\"]\n";
        let lock = read(&text).unwrap();
        // The group itself and all below it, once each.
        assert_eq!(lock.loose.len(), 17 * 18 / 2);
    }

    #[test]
    fn extras_that_name_each_other_many_times_are_read_once() {
        let mut text = "[project]\nname = \"me\"\n[project.optional-dependencies]\n".to_owned();
        for level in 0..16 {
            let next = format!("\"me[e{}]\", ", level + 1);
            writeln!(text, "e{level} = [{}\"a{level}\"]", next.repeat(12)).unwrap();
        }
        text += "e16 = [\"last\"]\n";
        assert_eq!(read(&text).unwrap().loose.len(), 17 * 18 / 2);
        let error = read(&text.replace("\"last\"", "\"me[e0]\"")).unwrap_err();
        assert!(error.to_string().contains("in a circle"), "{error}");
        assert_eq!(error.origin().line, 20);
    }

    #[test]
    fn groups_that_all_include_a_long_one_are_bounded() {
        let long = "\"a\", ".repeat(2_000);
        let mut text = format!("[dependency-groups]\nlong = [{long}]\n");
        for group in 0..60 {
            writeln!(text, "g{group} = [{{ include-group = \"long\" }}]").unwrap();
        }
        let error = read(&text).unwrap_err();
        assert_eq!(error.origin().line, 2);
        assert!(error.to_string().contains("more than 100000"), "{error}");
    }
}
