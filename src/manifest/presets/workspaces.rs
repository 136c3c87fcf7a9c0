//! Workspaces: the files that make a directory the root of one, and the patterns of its members.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Documents, Preset, all};
use crate::manifest::{Error, Text, document::Node};

/// A file that makes a directory the root of a workspace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workspace {
    pub(super) file: String,
    /// The key that the file must have; without it the presence of the file is enough.
    #[serde(default)]
    key: String,
    /// The keys of lists of patterns for the directories of members; a pattern with `!` excludes.
    #[serde(default)]
    pub(super) members: Vec<String>,
    /// The keys of lists of patterns that exclude directories.
    #[serde(default)]
    exclude: Vec<String>,
    /// The manifest of a member; by default it has the name of the workspace's file.
    #[serde(default)]
    manifest: Option<String>,
}

/// The members of a workspace, as patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceMembers {
    /// The name of the file that has the patterns.
    pub workspace: String,
    /// Patterns of their directories, relative to the workspace's root.
    pub include: Vec<String>,
    /// Patterns of directories that are excluded.
    pub exclude: Vec<String>,
    /// The name of a member's manifest.
    pub manifest: String,
}

/// Returns the names of the files that can make a directory the root of a workspace, sorted.
pub fn workspace_files() -> Result<BTreeSet<String>, Error> {
    let all = all()?;
    let files = all.iter().flat_map(|preset| &preset.data.workspaces);
    Ok(files.map(|one| one.file.clone()).collect())
}

/// Returns whether a file makes its directory the root of a workspace; a file that cannot be parsed does not.
pub fn is_workspace(name: &str, bytes: &[u8]) -> bool {
    let documents = Documents::default();
    let Ok(text) = Text::from_bytes(name, bytes) else {
        return false;
    };
    let roots = all()
        .into_iter()
        .flatten()
        .flat_map(|one| one.data.workspaces);
    roots
        .filter(|one| one.file == name)
        .any(|one| one.key.is_empty() || !documents.parse(&text).select(&one.key).is_empty())
}

impl Preset {
    /// Returns the members of every workspace whose root is a directory; `text` returns the content of its files by name.
    pub fn members<'t>(&self, text: impl Fn(&str) -> Option<&'t Text>) -> Vec<WorkspaceMembers> {
        let mut found = Vec::new();
        let workspaces = self.data.workspaces.iter();
        for workspace in workspaces.filter(|one| !one.members.is_empty()) {
            let Some(text) = text(&workspace.file) else {
                continue;
            };
            let documents = Documents::default();
            let root = documents.parse(text);
            let patterns = |keys: &[String]| -> Vec<String> {
                let nodes = keys.iter().flat_map(|key| root.select(key));
                let lists = nodes.flat_map(Node::elements);
                lists
                    .filter_map(|node| node.text().map(str::to_owned))
                    .collect()
            };
            let (out, include): (Vec<String>, Vec<String>) = patterns(&workspace.members)
                .into_iter()
                .partition(|pattern| pattern.starts_with('!'));
            let out = out.iter().map(|pattern| pattern[1..].to_owned());
            let manifest = workspace.manifest.as_ref().unwrap_or(&workspace.file);
            found.push(WorkspaceMembers {
                workspace: workspace.file.clone(),
                exclude: out.chain(patterns(&workspace.exclude)).collect(),
                include,
                manifest: manifest.clone(),
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_make_a_directory_a_workspace() {
        for (name, text, expected) in [
            ("Cargo.toml", "[workspace]\n", true),
            ("Cargo.toml", "[package]\n", false),
            ("package.json", "{\"workspaces\": [\"a\"]}", true),
            ("package.json", "{", false),
            ("pnpm-workspace.yaml", "", true),
            ("pyproject.toml", "[tool.uv.workspace]\n", true),
            ("go.work", "go 1.22\n", true),
        ] {
            assert_eq!(is_workspace(name, text.as_bytes()), expected, "{name}");
            assert!(workspace_files().unwrap().contains(name));
        }
    }

    #[test]
    fn members_have_the_patterns_of_the_workspace() {
        let found = |name: &str, content: &str| {
            let text = Text::new(name, content);
            let presets = all().unwrap();
            let found = presets.iter().flat_map(|preset| {
                let read = |wanted: &str| (wanted == name).then_some(&text);
                preset.members(read)
            });
            let found = found.map(|one| (one.include, one.exclude, one.manifest));
            found.collect::<Vec<_>>()
        };
        let list = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        for (name, text, include, exclude, manifest) in [
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"a\", \"crates/*\"]\nexclude = [\"crates/x\"]\n",
                list(&["a", "crates/*"]),
                list(&["crates/x"]),
                "Cargo.toml",
            ),
            (
                "package.json",
                "{\"workspaces\": {\"packages\": [\"a/*\", \"!a/b\"]}}",
                list(&["a/*"]),
                list(&["a/b"]),
                "package.json",
            ),
            (
                "pnpm-workspace.yaml",
                "packages:\n- a/**\n",
                list(&["a/**"]),
                list(&[]),
                "package.json",
            ),
        ] {
            let expected = (include, exclude, manifest.to_owned());
            assert_eq!(found(name, text), [expected], "{name}");
        }
    }
}
