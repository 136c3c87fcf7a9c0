//! Reads files line by line.

use super::{
    FileRequest, Node, SoughtTool, Text, Value, VersionFile, VersionRole, present, specifier,
};
use crate::manifest::Error;

/// A piece of a file and its place.
pub(in crate::manifest) struct TextPart<'t> {
    pub(in crate::manifest) text: &'t str,
    /// The byte at which it begins.
    pub(in crate::manifest) at: usize,
}

impl<'t> TextPart<'t> {
    /// Returns the piece as a node, for places and errors.
    pub(in crate::manifest) fn node(&self) -> Node<'t> {
        Node {
            span: self.at..self.at + self.text.len(),
            value: Value::Other("a line"),
        }
    }
}

impl VersionFile {
    /// Returns the request in the first line that names a version.
    pub(super) fn line(
        &self,
        text: &Text,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        for line in lines(text, "#") {
            if let Some(found) = self.found(text, &line.node(), line.text, tool)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns the request in the line that begins with the key.
    pub(super) fn directive(
        &self,
        text: &Text,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        for line in lines(text, "//") {
            let value = line
                .text
                .strip_prefix(&self.key)
                .filter(|rest| rest.starts_with([' ', '\t']))
                .map(str::trim);
            if let Some(value) = value
                && let Some(found) = self.found(text, &line.node(), value, tool)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns the request in the tool's line of a file of Python requirements.
    pub(super) fn required(
        &self,
        text: &Text,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        for line in lines(text, "#") {
            let requirement = line.text.split(" --").next().unwrap_or_default();
            let requirement = requirement.trim_end_matches('\\').trim();
            let Some(specifier) = specifier(requirement, tool.package) else {
                continue;
            };
            if self.role == VersionRole::Presence {
                return Ok(Some(present(text, line.at)));
            }
            if let Some(found) = self.found(text, &line.node(), specifier, tool)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Returns the lines that are not empty, trimmed and without comments.
fn lines<'t>(text: &'t Text, comment: &str) -> impl Iterator<Item = TextPart<'t>> {
    let mut start = 0;
    let lines = text.as_str().split_inclusive('\n').map(move |line| {
        let content = line.split(comment).next().unwrap_or_default();
        let at = start + (content.len() - content.trim_start().len());
        start += line.len();
        let text = content.trim();
        TextPart { text, at }
    });
    lines.filter(|line| !line.text.is_empty())
}

/// Returns the names in `.tool-versions`, each with the first version after it.
pub(in crate::manifest) fn name_version_pairs(text: &Text) -> Vec<(TextPart<'_>, TextPart<'_>)> {
    let both = |line: TextPart<'_>| {
        let (name, rest) = line.text.split_once([' ', '\t'])?;
        let version = rest.split_whitespace().next()?;
        let blanks = rest.len() - rest.trim_start().len();
        let at = line.at + name.len() + 1 + blanks;
        let name = &text.as_str()[line.at..line.at + name.len()];
        let version = &text.as_str()[at..at + version.len()];
        Some((
            TextPart {
                text: name,
                at: line.at,
            },
            TextPart { text: version, at },
        ))
    };
    lines(text, "#").filter_map(both).collect()
}
