//! The text of a lockfile: TOML, one block for each locked package.
//!
//! The text depends on the content alone, so branches that lock different tools merge. Reading is strict: an
//! unknown key or value is an error with its place.

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use crate::{
    manifest::{VALUES, count_values},
    util::conflict_marker::find_conflict_marker,
};

use super::{
    conda, image_base,
    model::Lockfile,
    pin,
    problem::{Error, FORMAT, Problem, SpannedProblem},
    python, tool,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Blocks {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(default)]
    extends: Vec<Spanned<pin::PinBlock>>,
    #[serde(default)]
    tool: Vec<Spanned<tool::ToolBlock>>,
    #[serde(default)]
    python: Vec<Spanned<python::PythonBlock>>,
    #[serde(default)]
    conda: Vec<Spanned<conda::CondaBlock>>,
    #[serde(default, rename = "image-base")]
    image_base: Vec<Spanned<image_base::BaseBlock>>,
}

/// Reads a lockfile; `file` is its name in errors.
pub fn parse(file: &str, text: &str) -> Result<Lockfile, Error> {
    read(text).map_err(|SpannedProblem { span, problem }| Error {
        file: file.to_owned(),
        text: text.to_owned(),
        span,
        problem,
    })
}

fn read(text: &str) -> Result<Lockfile, SpannedProblem> {
    if let Some(marker) = conflict_marker(text) {
        return Err(marker);
    }
    if count_values(text.as_bytes()) > VALUES {
        return Err(Problem::TooLarge { limit: VALUES }.at(0..0));
    }
    let table = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
    // The version first: the keys of a newer format would only be unknown ones.
    if let Some(version) = table.get_ref().get("version")
        && let DeValue::Integer(number) = version.get_ref()
        && let Ok(found) = i64::from_str_radix(number.as_str(), number.radix())
        && found != FORMAT
    {
        return Err(Problem::Format { found }.at(version.span()));
    }
    let blocks = Blocks::deserialize(Deserializer::from(table));
    let blocks = blocks.map_err(|error| syntax(text, &error))?;
    let mut lockfile = Lockfile::default();
    for block in blocks.extends {
        let span = block.span();
        let (source, pin) = pin::read(block.into_inner())?;
        let name = format!("`{source}`");
        if lockfile.extends.insert(source, pin).is_some() {
            return Err(Problem::Duplicate(name).at(span));
        }
    }
    for block in blocks.tool {
        let span = block.span();
        let (key, package) = tool::read(block.into_inner(), &span)?;
        let name = format!("`{}` {}", key.tool, key.requirement);
        if lockfile.packages.insert(key, package).is_some() {
            return Err(Problem::Duplicate(name).at(span));
        }
    }
    lockfile.python = python::read(blocks.python)?;
    lockfile.conda = conda::read(blocks.conda)?;
    for block in blocks.image_base {
        let span = block.span();
        let (name, base) = image_base::read(block.into_inner(), &span)?;
        let shown = format!("`{name}`");
        if lockfile.image_bases.insert(name, base).is_some() {
            return Err(Problem::Duplicate(shown).at(span));
        }
    }
    Ok(lockfile)
}

fn syntax(text: &str, error: &toml::de::Error) -> SpannedProblem {
    let message = error.message().lines().next().unwrap_or_default();
    let span = error.span().unwrap_or(text.len()..text.len());
    Problem::Syntax(message.to_owned()).at(span)
}

fn conflict_marker(text: &str) -> Option<SpannedProblem> {
    let start = find_conflict_marker(text)?;
    let line = text[..start].matches('\n').count() + 1;
    let length = text[start..].lines().next().map_or(0, str::len);
    Some(Problem::Conflict { line }.at(start..start + length))
}

/// Writes a lockfile.
pub fn print(lockfile: &Lockfile) -> String {
    let mut text = format!("# written by devsh, do not edit\nversion = {FORMAT}\n");
    for (source, pin) in &lockfile.extends {
        pin::print(&mut text, source, pin);
    }
    for (key, package) in &lockfile.packages {
        tool::print(&mut text, key, package);
    }
    python::print(&mut text, &lockfile.python);
    conda::print(&mut text, &lockfile.conda);
    for (name, base) in &lockfile.image_bases {
        image_base::print(&mut text, name, base);
    }
    text
}

#[cfg(test)]
mod tests;
