//! The text of a file as a tree of values in file order, each with its place.
//!
//! Invariant: every span is inside the text, so an error always has an excerpt to show.

use std::{borrow::Cow, ops::Range, sync::Arc};

use toml::de::{DeTable, DeValue};

use super::{
    Located, Origin,
    error::{ErrorKind, ExpectedKind, ValueKind},
};
use crate::{manifest::Error, util::conflict_marker::find_conflict_marker};

/// The length of a conflict marker.
const MARKER: usize = 7;
/// The most values of a TOML or JSON file. Each takes some hundred bytes of memory while the text is read. A `uv.lock` of
/// 10 MiB has fewer.
pub const VALUES: usize = 500_000;

/// A file's name and text, which places and errors refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    file: Arc<str>,
    is_preset: bool,
    content: Arc<str>,
    /// The first line that Git wrote to mark a conflict.
    conflict: Option<usize>,
    starts: Vec<usize>,
}

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    /// The bytes of the value; of a table its header or first key.
    pub(crate) span: Range<usize>,
    /// The value.
    pub(crate) value: Value<'t>,
}

/// A value; fractions and dates keep only their kind.
#[derive(Debug)]
pub(crate) enum Value<'t> {
    Text(Cow<'t, str>),
    Boolean(bool),
    Integer(i64),
    /// The kind with its article.
    Other(&'static str),
    List(Vec<Node<'t>>),
    Table(Vec<NodeEntry<'t>>),
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct NodeEntry<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node<'t>,
}

/// Returns a number that the values of a TOML or JSON text do not exceed, without parsing it.
pub fn count_values(text: &[u8]) -> usize {
    text.iter().filter(|byte| b"=,[{".contains(byte)).count()
}

/// Parses a TOML file that is not a manifest; `file` is its name in messages.
pub fn parse_table(file: &str, bytes: &[u8]) -> Result<toml::Table, Error> {
    let text = Text::from_bytes(file, bytes)?;
    text.refuse_too_many_values()?;
    toml::from_str(&text.content).map_err(|error| text.syntax(&error))
}

impl Text {
    /// Returns a text that is called `file` in messages, without a byte order mark.
    pub fn new(file: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let conflict = find_conflict_marker(text);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            file: file.into(),
            is_preset: false,
            content: text.into(),
            conflict,
            starts: std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
        }
    }

    /// Returns the text of a preset, which is part of devsh.
    pub(super) fn preset(name: &str, text: &str) -> Self {
        Self {
            is_preset: true,
            ..Self::new(&format!("preset {name}"), text)
        }
    }

    /// Returns whether this is a preset.
    pub fn is_preset(&self) -> bool {
        self.is_preset
    }

    /// Returns the text of a file's bytes; `file` is its name in messages.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(file, text)),
            Err(error) => {
                let at = error.valid_up_to();
                let text = Self::new(file, &String::from_utf8_lossy(bytes));
                Err(text.error(
                    at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
                    ErrorKind::NotText,
                ))
            }
        }
    }

    /// Returns the text of a file in which wrong bytes do not matter: each is replaced.
    pub fn lossy(file: &str, bytes: &[u8]) -> Self {
        let text = decode_utf16(bytes);
        Self::new(
            file,
            &text.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned()),
        )
    }

    /// Returns the file's name.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.content
    }

    /// Returns the text parsed as TOML.
    pub(crate) fn toml(&self) -> Result<Node<'_>, Error> {
        self.refuse_too_many_values()?;
        let table = DeTable::parse(&self.content).map_err(|error| self.syntax(&error))?;
        Ok(convert(0..0, DeValue::Table(table.into_inner())))
    }

    pub(super) fn refuse_too_many_values(&self) -> Result<(), Error> {
        if count_values(self.content.as_bytes()) > VALUES {
            return Err(self.error(0..0, ErrorKind::TooManyValues { limit: VALUES }));
        }
        Ok(())
    }

    fn syntax(&self, error: &toml::de::Error) -> Error {
        let end = self.content.len();
        let kind = ErrorKind::Syntax {
            format: "TOML",
            message: error.message().lines().collect::<Vec<_>>().join(" "),
        };
        self.error(error.span().unwrap_or(end..end), kind)
    }

    /// Fails if Git marked a conflict in the file, for readers that would skip such a line.
    pub(in crate::manifest) fn check_conflict(&self) -> Result<(), Error> {
        match self.conflict {
            Some(at) => Err(self.error(at..at, ErrorKind::Conflict)),
            None => Ok(()),
        }
    }

    /// Returns the file and the line of a byte.
    pub(crate) fn origin(&self, at: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= at);
        Origin {
            file: self.file.clone(),
            is_preset: self.is_preset,
            line: u32::try_from(line).unwrap_or(u32::MAX),
        }
    }

    /// Returns the bytes of a line, counted from 1, without its end.
    pub(super) fn whole_line(&self, number: usize) -> Range<usize> {
        let index = number.saturating_sub(1);
        let Some(start) = self.starts.get(index).copied() else {
            return self.content.len()..self.content.len();
        };
        // The start of the next line is known, so a long line is not searched for its end.
        let Some(next) = self.starts.get(index + 1) else {
            return start..self.content.len();
        };
        let line = &self.content[start..next - 1];
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// Returns the bytes of a line, counted from 1, without its indentation and end.
    pub(super) fn line(&self, number: usize) -> Range<usize> {
        let whole = self.whole_line(number);
        let line = &self.content[whole.clone()];
        let start = whole.start + (line.len() - line.trim_start().len());
        start..start + line.trim().len()
    }

    /// Returns an error at a place.
    pub(crate) fn error(&self, span: Range<usize>, kind: impl Into<ErrorKind>) -> Error {
        // Each error in a file with a conflict has the same cause.
        let (span, kind) = match self.conflict {
            Some(at) => (at..at + MARKER, ErrorKind::Conflict),
            None => (span, kind.into()),
        };
        let end = self.content.len();
        Error {
            file: self.file.clone(),
            text: self.content.clone(),
            span: span.start.min(end)..span.end.min(end),
            kind,
        }
    }

    /// Returns an error at `word` in the line of `origin`, or at the whole line.
    pub fn error_at(&self, origin: &Origin, word: &str, kind: ErrorKind) -> Error {
        let number = usize::try_from(origin.line).unwrap_or(usize::MAX);
        if self.content.is_empty() {
            // The text was not kept, only the number of the line is known.
            let text = "\n".repeat(number.saturating_sub(1));
            return Self::new(&self.file, &text).error(text.len()..text.len(), kind);
        }
        let line = self.line(number);
        let quoted = self.content[line.clone()].find(word);
        let span = quoted.map_or(line.clone(), |at| {
            line.start + at..line.start + at + word.len()
        });
        self.error(span, kind)
    }

    /// Returns the entries of a table.
    pub(super) fn table<'n, 't>(
        &self,
        key: &str,
        node: &'n Node<'t>,
    ) -> Result<&'n [NodeEntry<'t>], Error> {
        match &node.value {
            Value::Table(entries) => Ok(entries),
            _ => Err(self.wrong_type(key, node, ExpectedKind::Table)),
        }
    }

    /// Returns a string without NUL.
    pub(super) fn string(&self, key: &str, node: &Node<'_>) -> Result<Located<String>, Error> {
        match &node.value {
            Value::Text(text) if text.contains('\0') => Err(self.error(
                node.span.clone(),
                ErrorKind::Nul {
                    key: key.to_owned(),
                },
            )),
            Value::Text(text) => Ok(self.locate(node, text.to_string())),
            Value::Boolean(_) | Value::Integer(_) | Value::Other(_) => Err(self.error(
                node.span.clone(),
                ErrorKind::Unquoted {
                    key: key.to_owned(),
                    found: self.content[node.span.clone()].to_owned(),
                },
            )),
            Value::List(_) | Value::Table(_) => {
                Err(self.wrong_type(key, node, ExpectedKind::String))
            }
        }
    }

    /// Returns `value` with the place of `node`.
    pub(crate) fn locate<T>(&self, node: &Node<'_>, value: T) -> Located<T> {
        Located {
            value,
            origin: self.origin(node.span.start),
        }
    }

    /// Returns the error for a value that has not the type of its key.
    pub(super) fn wrong_type(&self, key: &str, node: &Node<'_>, expected: ExpectedKind) -> Error {
        let kind = ErrorKind::WrongType {
            key: key.to_owned(),
            expected,
            found: match node.value {
                Value::Text(_) => ValueKind::String,
                Value::Boolean(_) => ValueKind::Boolean,
                Value::Integer(_) => ValueKind::Other("a number"),
                Value::Other(kind) => ValueKind::Other(kind),
                Value::List(_) => ValueKind::List,
                Value::Table(_) => ValueKind::Table,
            },
        };
        self.error(node.span.clone(), kind)
    }
}

impl<'t> Node<'t> {
    /// Returns the text, if the value is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a number that is not negative.
    pub(crate) fn integer(&self) -> Option<u64> {
        match &self.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Returns the entries of a table; of anything else none.
    pub(crate) fn entries(&self) -> &[NodeEntry<'t>] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the elements of a list; of anything else none.
    pub(crate) fn elements(&self) -> &[Self] {
        match &self.value {
            Value::List(nodes) => nodes,
            _ => &[],
        }
    }

    /// Returns the value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        Some(&entry.node)
    }

    /// Returns the values at a path of keys joined by `.`; `*` matches every key.
    pub(crate) fn select(&self, path: &str) -> Vec<&Self> {
        let mut found = vec![self];
        for key in path.split('.').filter(|key| !key.is_empty()) {
            let entries = found.into_iter().flat_map(Self::entries);
            found = entries
                .filter(|entry| key == "*" || entry.key == key)
                .map(|entry| &entry.node)
                .collect();
        }
        found
    }
}

/// The recursion is bounded by the parser's own limit of depth.
fn convert(span: Range<usize>, value: DeValue<'_>) -> Node<'_> {
    let value = match value {
        DeValue::String(text) => Value::Text(text),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number"), Value::Integer),
        DeValue::Float(_) => Value::Other("a number"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(nodes) => Value::List(
            nodes
                .into_iter()
                .map(|node| convert(node.span(), node.into_inner()))
                .collect(),
        ),
        DeValue::Table(table) => {
            let mut entries: Vec<NodeEntry<'_>> = table
                .into_iter()
                .map(|(key, node)| NodeEntry {
                    key_span: key.span(),
                    key: key.into_inner(),
                    node: convert(node.span(), node.into_inner()),
                })
                .collect();
            // The parser sorts by name, but the first error of the file is reported.
            entries.sort_by_key(|entry| entry.key_span.start);
            Value::Table(entries)
        }
    };
    Node { span, value }
}

/// Decodes UTF-16 with a byte order mark, which PowerShell writes; nothing for other bytes.
pub fn decode_utf16(bytes: &[u8]) -> Option<String> {
    let (rest, read): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        _ => return None,
    };
    let units = rest.chunks(2).map(|pair| match pair {
        [first, second] => read([*first, *second]),
        _ => u16::from(b'?'),
    });
    let decoded = char::decode_utf16(units);
    Some(
        decoded
            .map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_windows_programs_is_decoded() {
        let little: Vec<u8> = "\u{feff}20\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let big: Vec<u8> = "\u{feff}20\r\n"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let plain = Text::lossy(".nvmrc", b"20\r\n");
        for bytes in [little, big] {
            let text = Text::lossy(".nvmrc", &bytes);
            assert_eq!(text.as_str(), plain.as_str());
        }
        assert_eq!(decode_utf16(b"20\n"), None);
    }
}
