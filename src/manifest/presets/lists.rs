//! Reads files that name versions of many tools: `.tool-versions` and the tools of `mise.toml`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Documents, Preset, PresetNote, PresetVersionList, VersionListFormat};
use crate::{
    manifest::{
        ErrorKind, Located, Origin, Text,
        document::Node,
        version_files::{Grammar, SoughtTool, TextPart, is_freethreaded, name_version_pairs},
    },
    package::{FREETHREADED, Requirement, Source, Tool, catalogue::CatalogueEntry},
};

/// The entry of a list for one tool.
#[derive(Debug)]
pub(super) struct ListedVersion {
    pub(super) origin: Origin,
    pub(super) requirement: Option<Located<Requirement>>,
    pub(super) components: Vec<String>,
    pub(super) targets: Vec<String>,
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
) -> ListedVersions {
    let mut reading = VersionListReader {
        presets,
        lists: ListedVersions::default(),
    };
    for list in presets.iter().flat_map(|preset| &preset.data.lists) {
        if let Some(text) = texts.get(&list.file) {
            reading.list(list, text, documents);
        }
    }
    reading.lists
}

/// The entry of a tool in a list.
struct ListEntry<'e, 't> {
    name: &'e TextPart<'e>,
    version: &'e str,
    /// The place of the version.
    node: &'e Node<'t>,
    /// The table with further settings of the tool.
    table: Option<&'e Node<'t>>,
}

struct VersionListReader<'a> {
    presets: &'a [Preset],
    lists: ListedVersions,
}

impl VersionListReader<'_> {
    fn list<'t>(&mut self, list: &PresetVersionList, text: &'t Text, documents: &Documents<'t>) {
        // The first line of a tool counts.
        let mut seen = BTreeSet::new();
        match list.read {
            VersionListFormat::Words => {
                if let Err(conflict) = text.check_conflict() {
                    self.lists
                        .notes
                        .push(PresetNote::new(conflict.note(), None));
                    return;
                }
                for (name, version) in name_version_pairs(text) {
                    if seen.insert(name.text.to_owned()) {
                        let node = version.node();
                        let entry = ListEntry {
                            name: &name,
                            version: version.text,
                            node: &node,
                            table: None,
                        };
                        self.entry(text, &entry);
                    }
                }
            }
            VersionListFormat::Toml => {
                let root = documents.parse(text);
                let tables = root.select(&list.key);
                for entry in tables.iter().flat_map(|table| table.entries()) {
                    let name = TextPart {
                        text: &entry.key,
                        at: entry.key_span.start,
                    };
                    let table = first(&entry.node);
                    let node = version(table);
                    match text.string(&entry.key, node) {
                        Ok(version) => {
                            let entry = ListEntry {
                                name: &name,
                                version: &version.value,
                                node,
                                table: Some(table),
                            };
                            self.entry(text, &entry);
                        }
                        Err(error) => {
                            let unread = match error.kind {
                                ErrorKind::WrongType { .. } => {
                                    let name = name.text;
                                    let message =
                                        format!("`{name}` names no version that can be locked");
                                    text.locate(&entry.node, message)
                                }
                                _ => error.note(),
                            };
                            self.lists.notes.push(PresetNote::new(unread, None));
                        }
                    }
                }
            }
        }
    }

    fn entry(&mut self, text: &Text, entry: &ListEntry<'_, '_>) {
        let origin = text.origin(entry.name.at);
        let version = entry.version;
        let Some(tool) = self.tool(entry.name.text) else {
            let message = format!("devsh has no source for `{}`", entry.name.text);
            self.lists.notes.push(PresetNote {
                origin,
                message,
                tool: None,
            });
            return;
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
            return;
        }
        let empty = BTreeMap::new();
        let names = self.names(&tool).unwrap_or(&empty);
        let subject = SoughtTool {
            package: &tool.package,
            names,
        };
        let grammar = self.grammar(&tool);
        let tag = || Requirement::tag(version).filter(|_| tool.source == Source::Npm);
        let wanted = grammar.requirement(version, "", subject);
        let wanted = match wanted.or_else(|kind| tag().map(Some).ok_or(kind)) {
            Ok(wanted) => wanted,
            Err(kind) => {
                let error = text.error(entry.node.span.clone(), kind);
                let note = PresetNote::new(error.note(), Some(&tool));
                self.lists.notes.push(note);
                return;
            }
        };
        let requirement = wanted.map(|wanted| text.locate(entry.node, wanted));
        let names = |key: &str| match entry.table.filter(|_| tool.source == Source::Rust) {
            Some(table) => words(table.get(key)),
            None => Vec::new(),
        };
        let mut components = names("components");
        if grammar == Grammar::Python && is_freethreaded(version) {
            components.push(FREETHREADED.to_owned());
        }
        let listed = ListedVersion {
            origin,
            requirement,
            components,
            targets: names("targets"),
        };
        self.lists.listed.entry(tool).or_default().push(listed);
    }

    /// Returns the tool with the name `name` in lists.
    fn tool(&self, name: &str) -> Option<Tool> {
        let known = self.presets.iter().flat_map(|preset| &preset.data.known_as);
        for (called, tool) in known {
            // A name that ends in `:` is the prefix of a source.
            if called == name {
                return served(tool);
            }
            if let Some(rest) = name
                .strip_prefix(called.as_str())
                .filter(|_| called.ends_with(':'))
            {
                return served(&format!("{tool}{rest}"));
            }
        }
        if let Some(tool) = served(name) {
            return Some(tool);
        }
        if let Some(entry) = CatalogueEntry::find_other_name(name) {
            return served(entry.name);
        }
        let (prefix, package) = name.split_once(':')?;
        let source = match prefix {
            "aqua" | "ubi" => Source::Github,
            _ => return None,
        };
        // aqua names a program of a repository in a third part.
        let repository: Vec<&str> = package.split('/').take(2).collect();
        served(&format!("{source}:{}", repository.join("/")))
    }

    fn names(&self, tool: &Tool) -> Option<&BTreeMap<String, String>> {
        names(self.presets, tool)
    }

    fn grammar(&self, tool: &Tool) -> Grammar {
        let name = tool.to_string();
        let mut grammars = self.presets.iter().map(|preset| &preset.data.grammars);
        let own = grammars.find_map(|grammars| grammars.get(&name));
        let usual = match tool.source {
            Source::Npm => Grammar::Npm,
            _ => Grammar::default(),
        };
        own.copied().unwrap_or(usual)
    }
}

/// Returns the tool if its source can be asked.
fn served(name: &str) -> Option<Tool> {
    let tool: Option<Tool> = name.parse().ok();
    tool.filter(Tool::is_served)
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

/// Returns the first element of a list, and anything else unchanged.
fn first<'n, 't>(node: &'n Node<'t>) -> &'n Node<'t> {
    node.elements().first().unwrap_or(node)
}

/// Returns the version in `"1.2"`, `{ version = "1.2" }` or `{ prefix = "1.2" }`.
fn version<'n, 't>(node: &'n Node<'t>) -> &'n Node<'t> {
    let inner = node.get("version").or_else(|| node.get("prefix"));
    inner.unwrap_or(node)
}

/// Returns the words of a list, or of a text that separates them with commas as mise does.
fn words(node: Option<&Node<'_>>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    let texts = node.elements().iter().filter_map(Node::text);
    let words = texts.chain(node.text()).flat_map(|text| text.split(','));
    let words = words.map(|word| word.trim().to_owned());
    words.filter(|word| !word.is_empty()).collect()
}
