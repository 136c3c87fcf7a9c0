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
        // Tags and modules of Go have it in front.
        let numbered = version.strip_prefix('v');
        let numbered = numbered.filter(|rest| rest.starts_with(|one: char| one.is_ascii_digit()));
        let version = numbered.unwrap_or(version);
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
                return tool.parse().ok();
            }
            if let Some(rest) = name
                .strip_prefix(called.as_str())
                .filter(|_| called.ends_with(':'))
            {
                return format!("{tool}{rest}").parse().ok();
            }
        }
        let usual = CatalogueEntry::find_other_name(name);
        // Usual tools have releases, which need no build.
        if let Some(entry) = usual.filter(|_| name.starts_with("cargo:")) {
            return entry.name.parse().ok();
        }
        if let Ok(tool) = name.parse() {
            return Some(tool);
        }
        if let Some(entry) = usual {
            return entry.name.parse().ok();
        }
        let (prefix, package) = name.split_once(':')?;
        let source = match prefix {
            "aqua" | "ubi" => Source::Github,
            _ => return None,
        };
        // aqua names a program of a repository in a third part.
        let repository: Vec<&str> = package.split('/').take(2).collect();
        format!("{source}:{}", repository.join("/")).parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the tools of a list with their requirements, and the notes on the others.
    fn listed(file: &str, text: &str) -> (Vec<String>, Vec<String>) {
        let presets = super::super::all().unwrap();
        let texts = BTreeMap::from([(file.to_owned(), Text::new(file, text))]);
        let lists = read(&presets, &texts, &Documents::default());
        let tools = lists.listed.iter().flat_map(|(tool, entries)| {
            entries.iter().map(move |entry| {
                let requirement = entry.requirement.as_ref();
                let requirement = requirement.map(|one| one.value.to_string());
                format!("{tool} {}", requirement.unwrap_or_default())
            })
        });
        let notes = lists.notes.iter();
        let notes = notes.map(|note| format!("{}: {}", note.origin, note.message));
        (tools.collect(), notes.collect())
    }

    #[test]
    fn usual_tools_of_asdf_are_known() {
        let text = "nodejs 22.11.0\npython 3.12.4\ngolang 1.23.2\nrust 1.82.0\nterraform 1.9.8\nkubectl 1.31.1\n\
                    helm 3.16.2\nawscli 2.18.0\nyarn 1.22.22\npnpm 9.12.0\njust 1.36.0\nshellcheck 0.10.0\n\
                    postgres 16.4\nmaven 3.9.9\npoetry 1.8.4\n";
        let (tools, notes) = listed(".tool-versions", text);
        assert_eq!(notes, [""; 0]);
        assert_eq!(tools.len(), 15, "{tools:#?}");
        for expected in [
            "node 22.11.0",
            "go 1.23.2",
            "awscli 2.18.0",
            "maven 3.9.9",
            "postgresql 16.4",
        ] {
            assert!(
                tools.iter().any(|tool| tool == expected),
                "{expected}: {tools:#?}"
            );
        }
        let (tools, notes) = listed(".tool-versions", "nodejs 22\nno-such-tool 1\nruby system\n");
        assert_eq!(tools, ["node 22"]);
        assert_eq!(
            notes,
            [
                ".tool-versions:2: devsh has no source for `no-such-tool`",
                ".tool-versions:3: `system` is not a version of `ruby` that can be locked",
            ]
        );
    }

    #[test]
    fn sources_of_mise_are_known() {
        let text = "[tools]\n'aqua:cli/cli' = '2'\n'aqua:owner/tool/program' = '1'\n'ubi:owner/other' = '3'\n\
                    'github:cli/cli' = '2.6'\n'npm:prettier' = '3'\n'pipx:ruff' = '0.12'\n'cargo:cargo-sort' = '2'\n\
                    'cargo:ripgrep' = '14'\n\
                    'go:golang.org/x/tools/gopls' = '0.16'\n'vfox:version-fox/x' = '1'\n";
        let (tools, notes) = listed("mise.toml", text);
        assert_eq!(
            tools,
            [
                "cargo:cargo-sort 2",
                "gh 2",
                "gh 2.6",
                "github:owner/other 3",
                "prettier 3",
                "ripgrep 14",
                "ruff 0.12",
                "github:owner/tool 1",
            ]
        );
        assert_eq!(
            notes,
            [
                "mise.toml:10: devsh has no source for `go:golang.org/x/tools/gopls`",
                "mise.toml:11: devsh has no source for `vfox:version-fox/x`",
            ]
        );
    }
}
