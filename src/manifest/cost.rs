//! The size of tables that every dev shell gets a copy of.

use super::{
    CacheRequest, EnvValue, ImageRequest, Located, Tables, layer::EnvEntry, layer::ToolEntry,
};
use crate::env::VarName;

/// The number of bytes of a text that count as one entry.
const TEXT: usize = 256;

/// Returns the number of entries in tables, including those of lists and removals.
pub(super) fn tables(tables: &Tables) -> usize {
    let python = &tables.python;
    let lists = [
        &python.groups,
        &python.extras,
        &python.packages,
        &python.build,
        &tables.conda.channels,
        &tables.conda.packages,
        &tables.enter,
        &tables.leave,
    ];
    let lists = lists
        .into_iter()
        .chain(tables.source_scripts.scripts.values());
    let aliases = tables.aliases.values().map(|one| one.value.as_deref());
    texts(lists.flatten().map(|one| &one.value))
        + texts(aliases.map(Option::unwrap_or_default))
        + texts(tables.env_files.iter().map(|file| &file.path.value))
        + texts(tables.removed.values().flatten())
        + tables.grants.len()
        + tables.source_scripts.grants.len()
        + tables.tools.values().map(tool).sum::<usize>()
        + tables.env.values().map(variable).sum::<usize>()
}

/// Returns the number of entries in the variables of an env file.
pub(super) fn variables(file: &[(VarName, Located<EnvValue>)]) -> usize {
    file.iter().map(|(_, one)| value(&one.value)).sum()
}

/// Returns the number of caches and of their keys.
pub(super) fn caches(caches: &[CacheRequest]) -> usize {
    caches.iter().map(|cache| 1 + texts(&cache.keys)).sum()
}

/// Returns the number of entries in the table of an image, which every named image gets a copy of.
pub(super) fn image(image: &ImageRequest) -> usize {
    let words = image.cmd.iter().chain(&image.entrypoint).flatten();
    let groups = image.groups.iter().flatten().map(|one| &one.value);
    1 + texts(words)
        + groups.count()
        + image.expose.len()
        + texts(image.copy.iter().map(|rule| rule.from.value.as_str()))
        + texts(image.env.values())
        + texts(image.labels.values())
}

fn tool(entry: &ToolEntry) -> usize {
    let parts = entry.components.iter().chain(&entry.targets);
    let options = entry.options.iter().count();
    1 + entry.floors.len() + options + texts(parts) + texts(entry.removed.values().flatten())
}

fn variable(entry: &EnvEntry) -> usize {
    value(&entry.value.value) + texts(&entry.removed)
}

fn value(value: &EnvValue) -> usize {
    match value {
        EnvValue::Set(text) | EnvValue::Default(text) | EnvValue::Required(text) => texts([text]),
        EnvValue::Extend { prepend, append } => 1 + texts(prepend.iter().chain(append)),
        EnvValue::Unset => 1,
    }
}

fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> usize {
    let weights = texts.into_iter().map(|text| 1 + text.as_ref().len() / TEXT);
    weights.sum()
}
