//! Reads files line by line.

use super::{
    FileRequest, Grammar, Node, SoughtTool, Text, Value, VersionFile, VersionRole, present,
    specifier,
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
    /// Returns the request in the first line that names a version, with notes on the others.
    pub(super) fn line(
        &self,
        text: &Text,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        let mut first: Option<(FileRequest, &str)> = None;
        let mut unread = Vec::new();
        let mut notes = Vec::new();
        let lines = lines(text, "#");
        let words = lines.flat_map(|line| match self.grammar {
            Grammar::Python => python_words(line),
            _ => vec![line],
        });
        for word in words {
            match (self.found(text, &word.node(), word.text, tool), &first) {
                (Err(error), _) => unread.push(error),
                (Ok(None), _) => {}
                (Ok(Some(found)), None) => first = Some((found, word.text)),
                (Ok(Some(_)), Some(_)) if self.several => {}
                (Ok(Some(_)), Some((_, used))) => {
                    let note = format!("`{}` yields to `{used}`, the first version", word.text);
                    notes.push(text.locate(&word.node(), note));
                }
            }
        }
        match (first, unread.is_empty()) {
            (Some((mut found, _)), _) => {
                found.notes = notes;
                found.notes.extend(unread.iter().map(Error::note));
                Ok(Some(found))
            }
            (None, false) => Err(unread.swap_remove(0)),
            (None, true) => Ok(None),
        }
    }

    /// Returns the request at the key of an INI file; the value may begin on the line below.
    pub(super) fn ini(
        &self,
        text: &Text,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        let Some((section, key)) = self.key.split_once('.') else {
            return Ok(None);
        };
        let (mut inside, mut wanted) = (false, false);
        for line in lines(text, "#") {
            if let Some(header) = line.text.strip_prefix('[') {
                (inside, wanted) = (header.trim_end_matches(']').trim() == section, false);
                continue;
            }
            let indented = text.as_str()[..line.at].ends_with([' ', '\t']);
            let mut value = line.text;
            if !indented {
                let (name, rest) = value.split_once(['=', ':']).unwrap_or((value, ""));
                wanted = inside && name.trim().replace('-', "_") == key;
                value = rest.trim();
            }
            if wanted && !value.is_empty() {
                return self.found(text, &line.node(), value, tool);
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

/// Splits a line of `.python-version`, in which pyenv takes several versions; a range has blanks of its own.
fn python_words(line: TextPart<'_>) -> Vec<TextPart<'_>> {
    if line.text.contains(['<', '>', '=', '!', '~', ',']) {
        return vec![line];
    }
    let word = |word: &'_ str| word.as_ptr().addr() - line.text.as_ptr().addr();
    let words = line.text.split_whitespace();
    words
        .map(|text| TextPart {
            text,
            at: line.at + word(text),
        })
        .collect()
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
