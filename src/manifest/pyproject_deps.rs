//! Finds out whether a `pyproject.toml` declares the project's dependencies. Then they can be installed without a
//! lockfile, and without running code of the project.

use super::{
    Error, Located, Text,
    document::{Node, Value},
};
use crate::package::PackageName;

/// The dependencies that a `pyproject.toml` declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// None.
    Nothing,
    /// Some, all of them in the file.
    Listed,
    /// Some that only the build system knows; the name of the project.
    Built(String),
    /// They are not known from the file: the reason with advice, and its place.
    Unknown(Located<String>),
}

/// Returns the dependencies that a `pyproject.toml` declares.
pub fn needs(text: &Text) -> Result<Needs, Error> {
    Ok(needs_of(text, &text.toml()?))
}

/// Does the same for a parsed file.
pub(super) fn needs_of(text: &Text, root: &Node<'_>) -> Needs {
    let unknown =
        |node: &Node<'_>, message: &str| Needs::Unknown(text.locate(node, message.to_owned()));
    let first = |key: &str| root.select(key).into_iter().next();
    let dynamic = first("project.dynamic")
        .map(Node::elements)
        .unwrap_or_default();
    let needed = ["dependencies", "optional-dependencies"];
    if let Some(node) = dynamic
        .iter()
        .find(|node| node.text().is_some_and(|one| needed.contains(&one)))
    {
        let name = first("project.name").and_then(Node::text);
        return match name {
            Some(name) => Needs::Built(name.to_owned()),
            None => unknown(node, "`dynamic` dependencies need `name` in `[project]`"),
        };
    }
    // Without a project of its own, the root of a workspace means all of its members.
    let workspace = first("tool.uv.workspace").filter(|_| first("project").is_none());
    if let Some(node) = workspace {
        let message = "no packages are installed without a lockfile: make one with `uv lock`";
        return unknown(node, message);
    }
    let indexed = root.select("tool.uv.sources.*").into_iter().find(|node| {
        let elements = node.elements().iter();
        let mut all = elements.chain(std::iter::once(*node));
        all.any(|one| one.get("index").is_some())
    });
    if let Some(node) = indexed {
        let message = "no packages are installed without a lockfile, because some come from one index only: make one with `uv lock`";
        return unknown(node, message);
    }
    // Next to the table of PEP 621 poetry's own only adds sources.
    let only_adds = first("project.dependencies").is_some();
    let main = root.select("tool.poetry.dependencies").into_iter();
    let groups = ["dev-dependencies", "group.*.dependencies"];
    let groups = groups
        .iter()
        .flat_map(|key| root.select(&format!("tool.poetry.{key}")));
    let poetry = main.clone().chain(groups.clone()).flat_map(Node::entries);
    let needs_lockfile = |node: &Node<'_>| {
        let addresses = ["git", "url"].iter().filter(|_| only_adds);
        let mut keys = ["source", "path", "file"].iter().chain(addresses);
        keys.any(|key| node.get(key).is_some())
    };
    let mut nodes =
        poetry.flat_map(|entry| std::iter::once(&entry.node).chain(entry.node.elements()));
    if let Some(node) = nodes.find(|node| needs_lockfile(node)) {
        let message = "no packages are installed without a lockfile, because some have other sources: make one with `poetry lock`";
        return unknown(node, message);
    }
    let sources = root.select("tool.pdm.source").into_iter();
    let limits = sources.flat_map(Node::elements).find_map(|node| {
        node.get("include_packages")
            .or(node.get("exclude_packages"))
    });
    if let Some(node) = limits {
        let message = "no packages are installed without a lockfile, because some come from one index only: make one with `pdm lock`";
        return unknown(node, message);
    }
    let counted = main
        .filter(|_| !only_adds)
        .chain(groups)
        .flat_map(Node::entries);
    if counted.into_iter().any(|entry| entry.key != "python") {
        return Needs::Listed;
    }
    let lists = [
        "project.dependencies",
        "project.optional-dependencies.*",
        "dependency-groups.*",
        "tool.uv.dev-dependencies",
        "tool.pdm.dev-dependencies.*",
    ];
    let mut lists = lists.iter().flat_map(|key| root.select(key));
    if lists.any(|list| matches!(&list.value, Value::List(all) if !all.is_empty())) {
        Needs::Listed
    } else {
        Needs::Nothing
    }
}

/// Returns whether a project leaves this field of `[project]` to its build system.
pub(crate) fn is_dynamic(root: &Node<'_>, field: &str) -> bool {
    let dynamic = root.select("project.dynamic").into_iter();
    let mut fields = dynamic.flat_map(Node::elements).filter_map(Node::text);
    fields.any(|one| one == field)
}

/// Returns the name of the package in a `setup.cfg` (`[metadata] name`) or a `setup.py` (`name="…"`), if it is a plain
/// text. No code runs.
pub fn setup_name(text: &Text) -> Option<String> {
    let is_python = text.file().ends_with(".py");
    let mut section = "";
    for line in text.as_str().lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name;
        }
        if !is_python && section != "metadata" {
            continue;
        }
        let line = line.strip_prefix("setup(").map_or(line, str::trim);
        let Some(value) = line.strip_prefix("name").map(str::trim_start) else {
            continue;
        };
        let Some(value) = value.strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        let name = match (is_python, value.chars().next()) {
            (true, Some(quote @ ('"' | '\''))) => value[1..].split(quote).next(),
            (true, _) => None,
            (false, _) => Some(value.trim()),
        };
        let name = name.filter(|name| name.parse::<PackageName>().is_ok());
        if let Some(name) = name {
            return Some(name.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_known_without_running_code() {
        let told = |text: &str| match needs(&Text::new("pyproject.toml", text)).unwrap() {
            Needs::Nothing => "nothing".to_owned(),
            Needs::Listed => "listed".to_owned(),
            Needs::Built(name) => format!("built by {name}"),
            Needs::Unknown(why) => format!("{}: {}", why.origin.line, why.value),
        };
        for nothing in [
            "",
            "[tool.ruff]\n",
            "[project]\nname = 'a'\ndependencies = []\n",
            "[project]\ndynamic = ['version']\n",
            "[tool.poetry.dependencies]\npython = '^3.12'\n",
        ] {
            assert_eq!(told(nothing), "nothing", "{nothing}");
        }
        for listed in [
            "[project]\ndependencies = ['idna']\n",
            "[project]\ndynamic = ['version']\ndependencies = ['idna']\n",
            "[project.optional-dependencies]\nweb = ['flask']\n",
            "[dependency-groups]\ndev = ['pytest']\n",
            "[tool.poetry.dependencies]\nidna = '*'\n",
            "[tool.poetry.dependencies]\nidna = { git = 'https://x/y' }\n",
            "[tool.poetry.group.dev.dependencies]\npytest = '^8'\n",
            "[tool.pdm.dev-dependencies]\ntest = ['pytest']\n",
            "[project]\ndependencies = ['idna']\n[tool.poetry.dependencies]\nidna = { allow-prereleases = true }\n",
            "[project]\ndependencies = ['a']\n[tool.uv.sources]\na = { path = 'a' }\n",
            "[project]\ndependencies = ['a']\n[tool.uv.workspace]\nmembers = ['a']\n",
        ] {
            assert_eq!(told(listed), "listed", "{listed}");
        }
        for (text, expected) in [
            (
                "[project]\nname = 'a'\ndynamic = ['dependencies']\n",
                "built by a",
            ),
            (
                "[project]\ndynamic = ['version', 'dependencies']\n",
                "2: `dynamic` dependencies need `name`",
            ),
            (
                "[tool.poetry.dependencies]\nidna = { path = 'idna' }\n",
                "2: no packages are installed",
            ),
            (
                "[project]\ndependencies = ['a']\n[tool.uv.sources]\na = [{ index = 'a' }]\n",
                "4: no packages",
            ),
            (
                "[project]\ndependencies = ['a']\n[tool.poetry.dependencies]\na = { source = 'x' }\n",
                "4: no packages",
            ),
            (
                "[project]\ndependencies = ['a']\n[[tool.pdm.source]]\nurl = 'https://h'\ninclude_packages = ['a']\n",
                "5: no packages",
            ),
        ] {
            assert!(told(text).starts_with(expected), "{}", told(text));
        }
    }

    #[test]
    fn the_name_of_a_package_is_read_without_running_code() {
        for (file, text, expected) in [
            (
                "setup.py",
                "setup(name=\"demo\", version='1')\n",
                Some("demo"),
            ),
            (
                "setup.py",
                "setup(\n    name = 'demo-app',\n",
                Some("demo-app"),
            ),
            ("setup.py", "setup(\n    name=NAME,\n", None),
            ("setup.py", "name = \"demo\"\n", Some("demo")),
            (
                "setup.cfg",
                "[metadata]\nname = demo\n[x]\nname = y\n",
                Some("demo"),
            ),
            ("setup.cfg", "[options]\nname = demo\n", None),
            ("setup.cfg", "[metadata]\nname = attr: a.b\n", None),
        ] {
            let found = setup_name(&Text::new(file, text));
            assert_eq!(found.as_deref(), expected, "{file}: {text}");
        }
    }
}
