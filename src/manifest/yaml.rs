//! Reads YAML with the place of every value: the first document, without aliases and tags.
//!
//! The parser is driven event by event: `MarkedYaml` of `saphyr` copies the target of every alias, and builds and drops
//! a tree of any depth by recursion.

use std::{borrow::Cow, ops::Range};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::{
    Error, ErrorKind, Text,
    document::{Node, NodeEntry, Value},
};

/// The deepest accepted nesting; the tree is dropped by recursion.
const DEPTH: usize = 64;
/// The most values of a file. Each takes two kilobytes of memory while the text is read, and devsh reads no lockfile in
/// YAML.
const VALUES: usize = 100_000;

/// A list or table whose end was not read yet.
enum OpenNode<'t> {
    List(Range<usize>, Vec<Node<'t>>),
    Table(Range<usize>, Vec<NodeEntry<'t>>, Option<Node<'t>>),
}

/// Returns a text parsed as YAML; an empty document is an empty table.
pub(super) fn parse(text: &Text) -> Result<Node<'_>, Error> {
    read(text, text.as_str()).or_else(|error| {
        if matches!(error.kind, ErrorKind::TooManyValues { .. }) {
            return Err(error);
        }
        // PyYAML takes a list in brackets at any indentation, and people who use pre-commit write them so.
        read(text, &flow_in_one_line(text.as_str())).map_err(|_| error)
    })
}

/// Parses `source`, which has the places of `text`.
fn read(text: &Text, source: &str) -> Result<Node<'static>, Error> {
    let syntax = |at: usize, message: &str| {
        let message = message.lines().collect::<Vec<_>>().join(" ");
        let format = "YAML";
        text.error(at..at, ErrorKind::Syntax { format, message })
    };
    let offsets = ByteOffsets::new(text.as_str());
    let mut open: Vec<OpenNode<'static>> = Vec::new();
    for (count, event) in Parser::new_from_str(source).enumerate() {
        if count > VALUES {
            return Err(text.error(0..0, ErrorKind::TooManyValues { limit: VALUES }));
        }
        let (event, span) =
            event.map_err(|error| syntax(offsets.of(error.marker()), error.info()))?;
        let at = offsets.of(&span.start);
        let done = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEPTH => {
                return Err(syntax(at, "nested too deep"));
            }
            Event::SequenceStart(..) => {
                open.push(OpenNode::List(at..at, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(OpenNode::Table(at..at, Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(close),
            Event::Scalar(value, style, ..) => Some(Node {
                span: scalar_span(text.as_str(), offsets.range(&span), style),
                value: scalar(value.into_owned(), style),
            }),
            Event::Alias(_) => Some(Node {
                span: at..at,
                value: Value::Other("an alias"),
            }),
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => None,
        };
        let Some(done) = done else { continue };
        match open.last_mut() {
            None => return Ok(done),
            Some(OpenNode::List(_, nodes)) => nodes.push(done),
            Some(OpenNode::Table(_, entries, key)) => match key.take() {
                None => *key = Some(done),
                Some(named) => entries.push(NodeEntry {
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

fn close(open: OpenNode<'_>) -> Node<'_> {
    let (span, value) = match open {
        OpenNode::List(span, nodes) => (span, Value::List(nodes)),
        OpenNode::Table(span, entries, _) => (span, Value::Table(entries)),
    };
    Node { span, value }
}

/// Returns the bytes of a scalar. The parser's span of a quoted one goes on to the next token.
fn scalar_span(text: &str, span: Range<usize>, style: ScalarStyle) -> Range<usize> {
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => return span,
    };
    let closing = text[span.clone()].rfind(quote);
    span.start..closing.map_or(span.end, |at| span.start + at + 1)
}

fn scalar(value: String, style: ScalarStyle) -> Value<'static> {
    match (style, &*value) {
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Other("nothing"),
        _ => Value::Text(Cow::Owned(value)),
    }
}

/// Replaces line breaks and comments inside of `[…]` and `{…}` with blanks, so all bytes keep their places.
fn flow_in_one_line(text: &str) -> String {
    let mut depth = 0_usize;
    let mut quote = None;
    // True where a value may begin: a bracket inside of a plain text is part of the text.
    let mut begins = true;
    let mut comment = false;
    let mut before = '\n';
    let replace = |one: char| {
        let mut kept = one;
        if comment && one != '\n' {
            kept = if depth > 0 && one.is_ascii() {
                ' '
            } else {
                one
            };
        } else if let Some(mark) = quote {
            if one == mark && before != '\\' {
                quote = None;
            }
        } else {
            comment = false;
            match one {
                '#' if before.is_whitespace() => {
                    comment = true;
                    kept = if depth > 0 { ' ' } else { one };
                }
                '\'' | '"' if begins => quote = Some(one),
                '[' | '{' if begins || depth > 0 => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                '\n' | '\r' if depth > 0 => kept = ' ',
                _ => {}
            }
            let separator = match one {
                '\n' | '[' | '{' => true,
                ',' => depth > 0,
                ' ' | '\t' => begins || matches!(before, '-' | ':' | '?'),
                _ => false,
            };
            begins = separator;
        }
        before = one;
        kept
    };
    text.chars().map(replace).collect()
}

/// Turns the parser's places, which count characters, into bytes.
struct ByteOffsets {
    /// The byte offset of each character, empty if every character is one byte.
    characters: Vec<usize>,
    end: usize,
}

impl ByteOffsets {
    fn new(text: &str) -> Self {
        let characters = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at).collect()
        };
        Self {
            characters,
            end: text.len(),
        }
    }

    fn of(&self, marker: &Marker) -> usize {
        let at = marker.index();
        if self.characters.is_empty() {
            at.min(self.end)
        } else {
            self.characters.get(at).copied().unwrap_or(self.end)
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.of(&span.start);
        start..self.of(&span.end).max(start)
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
    fn hostile_files_cost_no_more_than_their_length() {
        for (open, message) in [("[", "recursion limit exceeded"), ("- ", "nested too deep")] {
            let deep = open.repeat(100_000);
            let error = parse(&Text::new("x", &deep)).unwrap_err();
            assert!(error.to_string().ends_with(message), "{error}");
        }
        let error = parse(&Text::new("x", &"- a\n".repeat(2 * VALUES))).unwrap_err();
        assert!(
            error.to_string().ends_with("more than 100000 values"),
            "{error}"
        );
        let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        assert!(parse(&Text::new("x", bomb)).is_ok());
        let error = parse(&Text::new("x", "a: [1\nb: 2\n")).unwrap_err();
        assert!(error.to_string().starts_with("not valid YAML: "), "{error}");
        assert_eq!(parse(&Text::new("x", "")).unwrap().entries().len(), 0);
    }

    #[test]
    fn lists_in_brackets_may_end_at_any_indentation() {
        let text = "repos:\n- repo: x\n  args: [\n    a, # [\n    'b]',\n]\n  rev: v1\n- repo: a[b]c\n  rev: v2\n";
        let text = Text::new("x.yaml", text);
        let root = parse(&text).unwrap();
        let repos = root.get("repos").unwrap().elements();
        let args: Vec<_> = repos[0]
            .get("args")
            .unwrap()
            .elements()
            .iter()
            .filter_map(Node::text)
            .collect();
        assert_eq!(args, ["a", "b]"]);
        let revision = repos[1].get("rev").unwrap();
        assert_eq!(revision.text(), Some("v2"));
        assert_eq!(text.origin(revision.span.start).line, 9);
    }

    #[test]
    fn a_line_may_have_as_many_values_as_letters() {
        let count = 90_000;
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
