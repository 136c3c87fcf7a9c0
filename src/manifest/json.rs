//! Reads JSON with the place of every value.

use std::{borrow::Cow, collections::BTreeSet};

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectPropName, Value as Json},
    common::{Range, Ranged as _},
    parse_to_ast,
};

use super::{
    Error, ErrorKind, Text,
    document::{Node, NodeEntry, Value},
};

/// JSON as its standard defines it, without comments and trailing commas.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Returns a text parsed as JSON.
pub(crate) fn parse(text: &Text) -> Result<Node<'_>, Error> {
    let syntax = |range: Range, message: String| {
        let format = "JSON";
        text.error(
            range.start..range.end,
            ErrorKind::Syntax { format, message },
        )
    };
    text.refuse_too_many_values()?;
    let parsed = parse_to_ast(text.as_str(), &CollectOptions::default(), &STRICT)
        .map_err(|error| syntax(error.range(), lower_case_start(&error.kind().to_string())))?;
    let root = parsed.value.ok_or_else(|| {
        let end = text.as_str().len();
        syntax(Range::new(end, end), "the file has no value".to_owned())
    })?;
    Ok(convert(root))
}

/// The parser limits the depth of the recursion.
fn convert(value: Json<'_>) -> Node<'_> {
    let range = value.range();
    let (value, end) = match value {
        Json::StringLit(one) => (Value::Text(one.value), range.end),
        Json::BooleanLit(one) => (Value::Boolean(one.value), range.end),
        Json::NumberLit(_) => (Value::Other("a number"), range.end),
        Json::NullKeyword(_) => (Value::Other("nothing"), range.end),
        // The excerpt of an error shows where a table or list begins.
        Json::Array(array) => {
            let nodes = array.elements.into_iter().map(convert).collect();
            (Value::List(nodes), range.start + 1)
        }
        Json::Object(object) => {
            // Of two values with one key the last counts, as in npm.
            let entries = object.properties.into_iter().rev().map(|property| {
                let (key, range) = match property.name {
                    ObjectPropName::String(name) => (name.value, name.range),
                    ObjectPropName::Word(name) => (Cow::Borrowed(name.value), name.range),
                };
                NodeEntry {
                    key,
                    key_span: range.start..range.end,
                    node: convert(property.value),
                }
            });
            let mut seen = BTreeSet::new();
            let mut entries: Vec<NodeEntry<'_>> = entries
                .filter(|entry: &NodeEntry<'_>| seen.insert(entry.key.clone()))
                .collect();
            entries.reverse();
            (Value::Table(entries), range.start + 1)
        }
    };
    Node {
        span: range.start..end,
        value,
    }
}

fn lower_case_start(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|one| one.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
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
    fn an_error_names_its_line() {
        for (source, line, message) in [
            ("", 1, "the file has no value"),
            ("{\n\"a\" 1}", 2, "expected colon"),
            ("{\"a\": 1\n \"b\": 2}", 1, "expected comma"),
            ("[1,]", 1, "trailing commas are not allowed"),
            ("{\"a\": 1,}", 1, "trailing commas are not allowed"),
            ("[1] 2", 1, "text cannot contain more than one JSON value"),
            ("\"a", 1, "unterminated string"),
            ("{'a': 1}", 1, "single-quoted strings are not allowed"),
            ("{a: 1}", 1, "expected string for object property"),
            ("// x\n1", 1, "comments are not allowed"),
            ("nul", 1, "unexpected word"),
        ] {
            let error = parse(&Text::new("x", source)).unwrap_err();
            assert_eq!(error.origin().line, line, "{source}");
            let expected = format!("not valid JSON: {message}");
            assert!(
                error.to_string().starts_with(&expected),
                "{source}: {error}"
            );
        }
        let deep = "[".repeat(100_000);
        let error = parse(&Text::new("x", &deep)).unwrap_err();
        assert!(
            error.to_string().ends_with("nesting depth exceeded"),
            "{error}"
        );
    }
}
