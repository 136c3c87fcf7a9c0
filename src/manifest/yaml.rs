//! YAML as the tree of `raw`: only the first document, without aliases, tags and anchors.
//!
//! Invariant: neither nesting nor aliases of a hostile file cost more than its length; the parser is driven
//! event by event, without recursion, and an alias stands for nothing.

use std::{borrow::Cow, ops::Range};

use yaml_rust2::{
    parser::{Event, Parser},
    scanner::{Marker, TScalarStyle},
};

use super::{
    Error, ErrorKind, Text,
    document::{Entry, Node, Value},
};

/// The deepest accepted nesting.
const DEPTH: usize = 64;

/// A list or table that is not closed yet.
enum Open<'t> {
    List(Range<usize>, Vec<Node<'t>>),
    Table(Range<usize>, Vec<Entry<'t>>, Option<Node<'t>>),
}

/// Returns a text parsed as YAML; an empty document is an empty table.
pub(super) fn parse(text: &Text) -> Result<Node<'_>, Error> {
    let syntax = |span: Range<usize>, message: &str| {
        let message = message.lines().collect::<Vec<_>>().join(" ");
        let format = "YAML";
        text.error(span, ErrorKind::Syntax { format, message })
    };
    let places = Places::new(text);
    let mut parser = Parser::new_from_str(text.as_str());
    let mut open: Vec<Open<'_>> = Vec::new();
    loop {
        let (event, marker) = parser.next_token().map_err(|error| {
            let at = places.find(error.marker()).start;
            syntax(at..at, error.info())
        })?;
        let rest = places.find(&marker);
        let at = rest.start;
        let done = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEPTH => {
                return Err(syntax(at..at, "nested too deep"));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(at..at, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Table(at..at, Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(close),
            Event::Scalar(scalar, style, ..) => Some(node(text, rest, scalar, style)),
            Event::Alias(_) => Some(Node {
                span: at..at,
                value: Value::Other("an alias"),
            }),
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart => None,
        };
        let Some(done) = done else { continue };
        match open.last_mut() {
            None => return Ok(done),
            Some(Open::List(_, nodes)) => nodes.push(done),
            Some(Open::Table(_, entries, key)) => match key.take() {
                None => *key = Some(done),
                Some(named) => entries.push(Entry {
                    key: Cow::Owned(named.text().unwrap_or_default().to_owned()),
                    key_span: named.span,
                    node: done,
                }),
            },
        }
    }
    Ok(Node {
        span: 0..0,
        value: Value::Table(Vec::new()),
    })
}

fn close(open: Open<'_>) -> Node<'_> {
    let (span, value) = match open {
        Open::List(span, nodes) => (span, Value::List(nodes)),
        Open::Table(span, entries, _) => (span, Value::Table(entries)),
    };
    Node { span, value }
}

/// Returns what a scalar is that begins where `rest` does, the rest of its line.
fn node<'t>(text: &Text, rest: Range<usize>, scalar: String, style: TScalarStyle) -> Node<'t> {
    let at = rest.start;
    let quotes = match style {
        TScalarStyle::SingleQuoted | TScalarStyle::DoubleQuoted => 2,
        _ => 0,
    };
    let wanted = at + scalar.len() + quotes;
    // An escape makes the source longer than the value; the span only has to end at a character.
    let end = (wanted.min(rest.end)..=rest.end)
        .find(|end| text.as_str().is_char_boundary(*end))
        .unwrap_or(at);
    let value = match (style, scalar.as_str()) {
        (TScalarStyle::Plain, "" | "~" | "null") => Value::Other("nothing"),
        _ => Value::Text(Cow::Owned(scalar)),
    };
    Node {
        span: at..end,
        value,
    }
}

/// How many characters lie between two of which the byte is kept.
const STEP: usize = 64;

/// Where the characters of a text are: a line may be as long as the file, and have as many values as letters.
struct Places<'t> {
    text: &'t Text,
    /// The byte of every character whose number is a multiple of `STEP`.
    bytes: Vec<usize>,
}

impl<'t> Places<'t> {
    fn new(text: &'t Text) -> Self {
        let all = text.as_str().char_indices().step_by(STEP);
        Self {
            text,
            bytes: all.map(|(at, _)| at).collect(),
        }
    }

    /// Returns the line from a marker on, which counts lines from 1 and characters in the line from 0.
    fn find(&self, marker: &Marker) -> Range<usize> {
        let line = self.text.whole_line(marker.line());
        let text = self.text.as_str();
        let before = self.bytes.partition_point(|byte| *byte <= line.start);
        let before = before.saturating_sub(1);
        let known = self.bytes.get(before).map_or(0, |byte| *byte);
        let first = before * STEP + text[known..line.start].chars().count();
        let wanted = first + marker.col();
        let known = self.bytes.get(wanted / STEP).copied();
        let start = known.and_then(|known| {
            let mut characters = text[known..].char_indices();
            characters
                .nth(wanted % STEP)
                .map(|(after, _)| known + after)
        });
        start.map_or(line.end, |start| start.min(line.end))..line.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_places() {
        let text = Text::new("x.yaml", "# ä\nrepos:\n- repo: ä\n  rev: \"v1\" # c\n");
        let root = parse(&text).unwrap();
        let repos = root.get("repos").unwrap().elements();
        let rev = repos[0].get("rev").unwrap();
        assert_eq!(rev.text(), Some("v1"));
        assert_eq!(&text.as_str()[rev.span.clone()], "\"v1\"");
        assert_eq!(text.origin(rev.span.start).line, 4);
        let repo = repos[0].get("repo").unwrap();
        assert_eq!(&text.as_str()[repo.span.clone()], "ä");
    }

    #[test]
    fn hostile_files_end_early() {
        let deep = "[".repeat(100_000);
        assert!(parse(&Text::new("x", &deep)).is_err());
        let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        assert!(parse(&Text::new("x", bomb)).is_ok());
        let error = parse(&Text::new("x", "a: [1\nb: 2\n")).unwrap_err();
        assert!(error.to_string().starts_with("not valid YAML: "), "{error}");
        assert_eq!(parse(&Text::new("x", "")).unwrap().entries().len(), 0);
    }

    #[test]
    fn a_line_may_have_as_many_values_as_letters() {
        let count = 300_000;
        let text = format!("# ä\r\nä: [{}]\r\nlast: é\n", "ü,".repeat(count));
        let text = Text::new("x.yaml", &text);
        let root = parse(&text).unwrap();
        let list = root.get("ä").unwrap().elements();
        assert_eq!(list.len(), count);
        for node in [&list[0], &list[count - 1], root.get("last").unwrap()] {
            assert_eq!(node.text(), Some(&text.as_str()[node.span.clone()]));
        }
    }
}
