//! Reads files that name versions of many tools: `.tool-versions` and the tools of `mise.toml`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Documents, Preset, PresetNote, PresetVersionList, VersionListFormat};
use crate::{
    manifest::{
        Error, Located, Origin, Text,
        document::{Node, Value},
        version_files::{Grammar, SoughtTool, TextPart, name_version_pairs},
    },
    package::{Requirement, Tool},
};

/// The entry of a list for one tool.
#[derive(Debug)]
pub(super) struct ListedVersion {
    pub(super) origin: Origin,
    pub(super) requirement: Option<Located<Requirement>>,
}

/// The entries of all lists.
#[derive(Debug, Default)]
pub(super) struct ListedVersions {
    /// The entries by tool, those of the first list first.
    pub(super) listed: BTreeMap<Tool, Vec<ListedVersion>>,
    /// Notes on entries that cannot be used.
    pub(super) notes: Vec<PresetNote>,
}

/// Reads the lists of the presets.
pub(super) fn read<'t>(
    presets: &[Preset],
    texts: &'t BTreeMap<String, Text>,
    documents: &Documents<'t>,
) -> Result<ListedVersions, Error> {
    let mut reading = VersionListReader {
        presets,
        lists: ListedVersions::default(),
    };
    for list in presets.iter().flat_map(|preset| &preset.data.lists) {
        if let Some(text) = texts.get(&list.file) {
            reading.list(list, text, documents)?;
        }
    }
    Ok(reading.lists)
}

struct VersionListReader<'a> {
    presets: &'a [Preset],
    lists: ListedVersions,
}

impl VersionListReader<'_> {
    fn list<'t>(
        &mut self,
        list: &PresetVersionList,
        text: &'t Text,
        documents: &Documents<'t>,
    ) -> Result<(), Error> {
        // The first line of a tool counts.
        let mut seen = BTreeSet::new();
        match list.read {
            VersionListFormat::Words => {
                for (name, version) in name_version_pairs(text) {
                    if seen.insert(name.text.to_owned()) {
                        self.entry(text, &name, version.text, &version.node())?;
                    }
                }
            }
            VersionListFormat::Toml => {
                let root = documents.parse(text)?;
                let tables = root.select(&list.key);
                for entry in tables.iter().flat_map(|table| table.entries()) {
                    let name = TextPart {
                        text: &entry.key,
                        at: entry.key_span.start,
                    };
                    let node = version(&entry.node);
                    let version = text.string(&entry.key, node)?.value;
                    self.entry(text, &name, &version, node)?;
                }
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        text: &Text,
        name: &TextPart<'_>,
        version: &str,
        node: &Node<'_>,
    ) -> Result<(), Error> {
        let origin = text.origin(name.at);
        let Some(tool) = self.tool(name.text) else {
            let message = format!("devsh has no source for `{}`", name.text);
            self.lists.notes.push(PresetNote {
                origin,
                message,
                tool: None,
            });
            return Ok(());
        };
        let version = version.strip_prefix("prefix:").unwrap_or(version);
        let elsewhere = ["ref:", "path:", "sub-", "tag:", "branch:", "rev:"];
        if version == "system" || elsewhere.iter().any(|start| version.starts_with(start)) {
            let message = format!("`{version}` is not a version of `{tool}` that can be locked");
            self.lists.notes.push(PresetNote {
                origin,
                message,
                tool: Some(tool),
            });
            return Ok(());
        }
        let empty = BTreeMap::new();
        let names = self.names(&tool).unwrap_or(&empty);
        let subject = SoughtTool {
            package: &tool.package,
            names,
        };
        let wanted = self
            .grammar(&tool)
            .requirement(version, "", subject)
            .map_err(|kind| text.error(node.span.clone(), kind))?;
        let requirement = wanted.map(|wanted| text.locate(node, wanted));
        let listed = ListedVersion {
            origin,
            requirement,
        };
        self.lists.listed.entry(tool).or_default().push(listed);
        Ok(())
    }

    /// Returns the tool with the name `name` in lists.
    fn tool(&self, name: &str) -> Option<Tool> {
        let known = self.presets.iter().flat_map(|preset| &preset.data.known_as);
        for (called, tool) in known {
            // A name that ends in `:` is the prefix of a source.
            if called == name {
                return tool.parse().ok();
            }
            if let Some(rest) = name
                .strip_prefix(called.as_str())
                .filter(|_| called.ends_with(':'))
            {
                return format!("{tool}{rest}").parse().ok();
            }
        }
        name.parse().ok()
    }

    fn names(&self, tool: &Tool) -> Option<&BTreeMap<String, String>> {
        names(self.presets, tool)
    }

    fn grammar(&self, tool: &Tool) -> Grammar {
        let name = tool.to_string();
        let mut grammars = self.presets.iter().map(|preset| &preset.data.grammars);
        let own = grammars.find_map(|grammars| grammars.get(&name));
        own.copied().unwrap_or_default()
    }
}

/// Returns the names of a tool's versions.
pub(super) fn names<'p>(
    presets: &'p [Preset],
    tool: &Tool,
) -> Option<&'p BTreeMap<String, String>> {
    let name = tool.to_string();
    presets
        .iter()
        .find_map(|preset| preset.data.names.get(&name))
}

/// Returns the version in `"1.2"`, `["1.2", "1.1"]` or `{ version = "1.2" }`.
fn version<'n, 't>(node: &'n Node<'t>) -> &'n Node<'t> {
    let inner = match &node.value {
        Value::List(elements) => elements.first(),
        Value::Table(_) => node.get("version"),
        _ => None,
    };
    inner.unwrap_or(node)
}
