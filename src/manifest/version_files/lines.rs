//! Files that are read line by line.

use super::{Found, Node, Pin, Role, Subject, Text, Value, present, specifier};
use crate::manifest::Error;

/// A word of a file and its place.
pub(in crate::manifest) struct Word<'t> {
    /// The word.
    pub(in crate::manifest) text: &'t str,
    /// The byte where it begins.
    pub(in crate::manifest) at: usize,
}

impl<'t> Word<'t> {
    /// Returns the word as a node of the tree, to make places from.
    pub(in crate::manifest) fn node(&self) -> Node<'t> {
        Node {
            span: self.at..self.at + self.text.len(),
            value: Value::Other("a line"),
        }
    }
}

impl Pin {
    /// The first line with a meaning.
    pub(super) fn line(&self, text: &Text, tool: Subject<'_>) -> Result<Option<Found>, Error> {
        for line in lines(text, "#") {
            if let Some(found) = self.found(text, &line.node(), line.text, tool)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What follows the key at the beginning of a line.
    pub(super) fn directive(&self, text: &Text, tool: Subject<'_>) -> Result<Option<Found>, Error> {
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

    /// The tool's line in a file of Python requirements.
    pub(super) fn required(&self, text: &Text, tool: Subject<'_>) -> Result<Option<Found>, Error> {
        for line in lines(text, "#") {
            let requirement = line.text.split(" --").next().unwrap_or_default();
            let requirement = requirement.trim_end_matches('\\').trim();
            let Some(specifier) = specifier(requirement, tool.package) else {
                continue;
            };
            if self.role == Role::Presence {
                return Ok(Some(present(text, line.at)));
            }
            if let Some(found) = self.found(text, &line.node(), specifier, tool)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Returns the lines that say something, without blanks around them and without comments.
fn lines<'t>(text: &'t Text, comment: &str) -> impl Iterator<Item = Word<'t>> {
    let mut start = 0;
    let lines = text.as_str().split_inclusive('\n').map(move |line| {
        let content = line.split(comment).next().unwrap_or_default();
        let at = start + (content.len() - content.trim_start().len());
        start += line.len();
        let text = content.trim();
        Word { text, at }
    });
    lines.filter(|line| !line.text.is_empty())
}

/// Returns the lines of `.tool-versions`: a name and the first version that stands behind it.
pub(in crate::manifest) fn words(text: &Text) -> Vec<(Word<'_>, Word<'_>)> {
    let both = |line: Word<'_>| {
        let (name, rest) = line.text.split_once([' ', '\t'])?;
        let version = rest.split_whitespace().next()?;
        let behind = rest.len() - rest.trim_start().len();
        let at = line.at + name.len() + 1 + behind;
        let name = &text.as_str()[line.at..line.at + name.len()];
        let version = &text.as_str()[at..at + version.len()];
        Some((
            Word {
                text: name,
                at: line.at,
            },
            Word { text: version, at },
        ))
    };
    lines(text, "#").filter_map(both).collect()
}
