//! Files that name versions of many tools: `.tool-versions` and the tools of `mise.toml`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Documents, List, ListReader, Note, Preset};
use crate::{
    manifest::{
        Error, Located, Origin, Text,
        document::{Node, Value},
        version_files::{Grammar, Subject, Word, words},
    },
    package::{Requirement, Tool},
};

/// What lists say of one tool.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) origin: Origin,
    /// The version, if one is named.
    pub(super) requirement: Option<Located<Requirement>>,
}

/// What all lists say.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The entries by tool, of the strongest list first.
    pub(super) listed: BTreeMap<Tool, Vec<Listed>>,
    /// What could not be used.
    pub(super) notes: Vec<Note>,
}

/// Returns what the lists of the presets say.
pub(super) fn read<'t>(
    presets: &[Preset],
    texts: &'t BTreeMap<String, Text>,
    documents: &Documents<'t>,
) -> Result<Lists, Error> {
    let mut reading = Reading {
        presets,
        lists: Lists::default(),
    };
    for list in presets.iter().flat_map(|preset| &preset.data.lists) {
        if let Some(text) = texts.get(&list.file) {
            reading.list(list, text, documents)?;
        }
    }
    Ok(reading.lists)
}

struct Reading<'a> {
    presets: &'a [Preset],
    lists: Lists,
}

impl Reading<'_> {
    fn list<'t>(
        &mut self,
        list: &List,
        text: &'t Text,
        documents: &Documents<'t>,
    ) -> Result<(), Error> {
        // Within one file the first line of a tool counts.
        let mut seen = BTreeSet::new();
        match list.read {
            ListReader::Words => {
                for (name, version) in words(text) {
                    if seen.insert(name.text.to_owned()) {
                        self.entry(text, &name, version.text, &version.node())?;
                    }
                }
            }
            ListReader::Toml => {
                let root = documents.parse(text)?;
                let tables = root.select(&list.key);
                for entry in tables.iter().flat_map(|table| table.entries()) {
                    let name = Word {
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
        name: &Word<'_>,
        version: &str,
        node: &Node<'_>,
    ) -> Result<(), Error> {
        let origin = text.origin(name.at);
        let Some(tool) = self.tool(name.text) else {
            let message = format!("`{}` is named, and devsh has no source for it", name.text);
            self.lists.notes.push(Note {
                origin,
                message,
                tool: None,
            });
            return Ok(());
        };
        let version = version.strip_prefix("prefix:").unwrap_or(version);
        let elsewhere = ["ref:", "path:", "sub-", "tag:", "branch:", "rev:"];
        if version == "system" || elsewhere.iter().any(|start| version.starts_with(start)) {
            let message = format!("`{version}` names no version of `{tool}` that can be locked");
            self.lists.notes.push(Note {
                origin,
                message,
                tool: Some(tool),
            });
            return Ok(());
        }
        let empty = BTreeMap::new();
        let names = self.names(&tool).unwrap_or(&empty);
        let subject = Subject {
            package: &tool.package,
            names,
        };
        let wanted = self
            .grammar(&tool)
            .requirement(version, "", subject)
            .map_err(|kind| text.error(node.span.clone(), kind))?;
        let requirement = wanted.map(|wanted| text.locate(node, wanted));
        let listed = Listed {
            origin,
            requirement,
        };
        self.lists.listed.entry(tool).or_default().push(listed);
        Ok(())
    }

    /// Returns the tool that lists call `name`.
    fn tool(&self, name: &str) -> Option<Tool> {
        let known = self.presets.iter().flat_map(|preset| &preset.data.known_as);
        for (called, tool) in known {
            // A name that ends in `:` stands before the names of a whole source.
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

/// Returns the names that versions of a tool have.
pub(super) fn names<'p>(
    presets: &'p [Preset],
    tool: &Tool,
) -> Option<&'p BTreeMap<String, String>> {
    let name = tool.to_string();
    presets
        .iter()
        .find_map(|preset| preset.data.names.get(&name))
}

/// The version in `"1.2"`, `["1.2", "1.1"]` or `{ version = "1.2" }`.
fn version<'n, 't>(node: &'n Node<'t>) -> &'n Node<'t> {
    let inner = match &node.value {
        Value::List(elements) => elements.first(),
        Value::Table(_) => node.get("version"),
        _ => None,
    };
    inner.unwrap_or(node)
}
