//! JSON as the tree of `raw`, with the place of every value.
//!
//! Invariant: the depth is bounded, and a fault is told with its place.

use std::{borrow::Cow, ops::Range};

use super::{
    Error, ErrorKind, Text,
    document::{Entry, Node, Value},
};

/// The deepest accepted nesting.
const DEPTH: usize = 64;

/// Returns a text parsed as JSON.
pub(crate) fn parse(text: &Text) -> Result<Node<'_>, Error> {
    let mut parser = Parser {
        text,
        source: text.as_str(),
        at: 0,
    };
    let node = parser.value(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.fault("something stands after the end")),
    }
}

struct Parser<'t> {
    text: &'t Text,
    source: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    /// Returns the next byte that is no blank, without taking it.
    fn peek(&mut self) -> Option<u8> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let rest = &self.source.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| blank(byte)).count();
        self.source.as_bytes().get(self.at).copied()
    }

    fn fault(&self, message: &str) -> Error {
        let kind = ErrorKind::Syntax {
            format: "JSON",
            message: message.to_owned(),
        };
        let next = self.source[self.at..].chars().next();
        let end = self.at + next.map_or(0, char::len_utf8);
        self.text.error(self.at..end, kind)
    }

    fn value(&mut self, depth: usize) -> Result<Node<'t>, Error> {
        let first = self.peek();
        let start = self.at;
        let value = match first {
            Some(b'{' | b'[') if depth >= DEPTH => return Err(self.fault("nested too deep")),
            Some(b'{') => self.table(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => self.word()?,
            Some(_) => return Err(self.fault("a value is expected here")),
            None => return Err(self.fault("the file ends too early")),
        };
        // A table or list is shown by its beginning.
        let end = match &value {
            Value::Table(_) | Value::List(_) => start + 1,
            _ => self.at,
        };
        Ok(Node {
            span: start..end,
            value,
        })
    }

    fn table(&mut self, depth: usize) -> Result<Value<'t>, Error> {
        let mut entries = Vec::new();
        self.at += 1;
        while self.more(b'}', entries.is_empty())? {
            if self.peek() != Some(b'"') {
                return Err(self.fault("a key in double quotes is expected here"));
            }
            let start = self.at;
            let key = self.string()?;
            let key_span = start..self.at;
            if self.peek() != Some(b':') {
                return Err(self.fault("`:` is expected here"));
            }
            self.at += 1;
            entries.push(Entry {
                key,
                key_span,
                node: self.value(depth + 1)?,
            });
        }
        Ok(Value::Table(entries))
    }

    fn list(&mut self, depth: usize) -> Result<Value<'t>, Error> {
        let mut nodes = Vec::new();
        self.at += 1;
        while self.more(b']', nodes.is_empty())? {
            nodes.push(self.value(depth + 1)?);
        }
        Ok(Value::List(nodes))
    }

    /// Takes the closing mark, or the comma before one more element.
    fn more(&mut self, closing: u8, first: bool) -> Result<bool, Error> {
        match self.peek() {
            Some(byte) if byte == closing => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => {
                let closing = char::from(closing);
                Err(self.fault(&format!("`,` or `{closing}` is expected here")))
            }
            None => Err(self.fault("the file ends too early")),
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Error> {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let mut end = start + 1;
        let mut escaped = false;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(byte) if *byte >= b' ' => end += 1,
                _ => return Err(self.fault("this text has no end")),
            }
        }
        let range: Range<usize> = start..end + 1;
        let text = if escaped {
            let whole = self.source.get(range.clone()).unwrap_or_default();
            let text: String =
                serde_json::from_str(whole).map_err(|_| self.fault("a wrong escape"))?;
            Cow::Owned(text)
        } else {
            Cow::Borrowed(&self.source[start + 1..end])
        };
        self.at = range.end;
        Ok(text)
    }

    fn word(&mut self) -> Result<Value<'t>, Error> {
        let rest = &self.source[self.at..];
        let end = rest.find(|one: char| !one.is_ascii_alphanumeric() && !"+-.".contains(one));
        let word = &rest[..end.unwrap_or(rest.len())];
        let value = match word {
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            "null" => Value::Other("nothing"),
            _ if serde_json::from_str::<serde_json::Number>(word).is_ok() => {
                Value::Other("a number")
            }
            _ => return Err(self.fault("a value is expected here")),
        };
        self.at += word.len();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_places() {
        let source = "\u{feff}{\n\t\"a\": {\"b\\u0041\": \"x\\\"ä\"},\n\t\"c\": [1, -2.5e3, null, true]\n}\n";
        let text = Text::new("package.json", source);
        let root = parse(&text).unwrap();
        let value = root.select("a.bA")[0];
        assert_eq!(value.text(), Some("x\"ä"));
        assert_eq!(text.origin(value.span.start).line, 2);
        assert_eq!(root.get("c").unwrap().elements().len(), 4);
        assert_eq!(root.entries()[1].key_span.len(), 3);
        assert!(parse(&Text::new("x", "[]")).unwrap().elements().is_empty());
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (source, expected) in [
            ("", "1: not valid JSON: the file ends too early"),
            ("{\n\"a\" 1}", "2: not valid JSON: `:` is expected here"),
            (
                "{\"a\": 1\n \"b\": 2}",
                "2: not valid JSON: `,` or `}` is expected here",
            ),
            ("[1,]", "1: not valid JSON: a value is expected here"),
            (
                "{\"a\": 1,}",
                "1: not valid JSON: a key in double quotes is expected here",
            ),
            ("[1] 2", "1: not valid JSON: something stands after the end"),
            ("\"a\nb\"", "1: not valid JSON: this text has no end"),
            ("\"\\", "1: not valid JSON: this text has no end"),
            ("\"\\q\"", "1: not valid JSON: a wrong escape"),
            ("\"\\ä\"", "1: not valid JSON: a wrong escape"),
            (
                "{'a': 1}",
                "1: not valid JSON: a key in double quotes is expected here",
            ),
            ("[01]", "1: not valid JSON: a value is expected here"),
            ("nul", "1: not valid JSON: a value is expected here"),
        ] {
            let error = parse(&Text::new("x", source)).unwrap_err();
            assert_eq!(
                format!("{}: {error}", error.origin().line),
                expected,
                "{source}"
            );
        }
        let deep = "[".repeat(100_000);
        let error = parse(&Text::new("x", &deep)).unwrap_err();
        assert_eq!(error.to_string(), "not valid JSON: nested too deep");
    }
}
