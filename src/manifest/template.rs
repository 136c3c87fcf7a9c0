//! References in values: `${NAME}`, `${NAME:-fallback}`, `${root}`, `${root/below}`; `$$` is a dollar. Pure.
//!
//! Any other `$` is plain text: `$NAME` without braces is not a reference.

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePiece {
    /// Plain text.
    Text(String),
    /// The project's root, or a path from it.
    Root(String),
    /// The value of a variable.
    Variable {
        /// The variable.
        name: String,
        /// The text in its place if it is not set or empty.
        fallback: Option<String>,
    },
}

/// Returns the pieces of a value, or the words in it that are not a reference.
pub fn parse(text: &str) -> Result<Vec<ValuePiece>, &str> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        let from = &rest[at..];
        let after = &from[1..];
        rest = match after.bytes().next() {
            Some(b'$') => {
                plain.push('$');
                &after[1..]
            }
            Some(b'{') => {
                let Some(end) = after.find('}') else {
                    return Err(from);
                };
                let piece = reference(&after[1..end]).ok_or(&from[..end + 2])?;
                if !plain.is_empty() {
                    pieces.push(ValuePiece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(piece);
                &after[end + 1..]
            }
            _ => {
                plain.push('$');
                after
            }
        };
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(ValuePiece::Text(plain));
    }
    Ok(pieces)
}

/// Returns the names that a value has as `$NAME`, which is plain text.
pub fn names_without_braces(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        let length = after.bytes().take_while(|byte| is_later(*byte)).count();
        if after.bytes().next().is_some_and(is_first) {
            names.push(&after[..length]);
        }
        // The second dollar sign of `$$` begins nothing.
        let skipped = length + usize::from(after.starts_with('$'));
        rest = &after[skipped..];
    }
    names
}

/// Returns the value that gives exactly `text`.
pub fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

/// Rewrites a valid value of the directory `base` for the project that extends it.
pub(super) fn rebase(text: &str, base: &str) -> String {
    let Ok(pieces) = parse(text) else {
        return text.to_owned();
    };
    let write = |piece: ValuePiece| match piece {
        ValuePiece::Text(text) => escape(&text),
        ValuePiece::Root(below) if below.is_empty() => format!("${{root/{base}}}"),
        ValuePiece::Root(below) => format!("${{root/{base}/{below}}}"),
        ValuePiece::Variable {
            name,
            fallback: None,
        } => format!("${{{name}}}"),
        ValuePiece::Variable {
            name,
            fallback: Some(fallback),
        } => format!("${{{name}:-{fallback}}}"),
    };
    pieces.into_iter().map(write).collect()
}

fn reference(inside: &str) -> Option<ValuePiece> {
    if inside == "root" {
        return Some(ValuePiece::Root(String::new()));
    }
    if let Some(below) = inside.strip_prefix("root/") {
        return Some(ValuePiece::Root(below.to_owned()));
    }
    let (name, fallback) = match inside.split_once(":-") {
        Some((name, fallback)) => (name, Some(fallback)),
        None => (inside, None),
    };
    let mut bytes = name.bytes();
    let valid = bytes.next().is_some_and(is_first) && bytes.all(is_later);
    let nested = fallback.is_some_and(|fallback| fallback.contains("${"));
    (valid && !nested).then(|| ValuePiece::Variable {
        name: name.to_owned(),
        fallback: fallback.map(str::to_owned),
    })
}

const fn is_first(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn is_later(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_without_braces_are_found() {
        let text = "$HOME/a:${HOME}:$$PATH:5$:$1:x$USER$SHELL";
        assert_eq!(names_without_braces(text), ["HOME", "USER", "SHELL"]);
    }

    #[test]
    fn references_and_dollars_are_parsed() {
        let text = |text: &str| ValuePiece::Text(text.to_owned());
        let variable = |name: &str, fallback: &str| ValuePiece::Variable {
            name: name.to_owned(),
            fallback: (!fallback.is_empty()).then(|| fallback.to_owned()),
        };
        let root = |below: &str| ValuePiece::Root(below.to_owned());
        for (value, expected) in [
            ("", Ok(vec![])),
            ("plain", Ok(vec![text("plain")])),
            ("$${A} costs 5$", Ok(vec![text("${A} costs 5$")])),
            ("a$1(b)$ $(c)", Ok(vec![text("a$1(b)$ $(c)")])),
            ("${root}/x", Ok(vec![root(""), text("/x")])),
            ("${root/../x}", Ok(vec![root("../x")])),
            (
                "<${A}${B_1:-x y}>",
                Ok(vec![
                    text("<"),
                    variable("A", ""),
                    variable("B_1", "x y"),
                    text(">"),
                ]),
            ),
            ("a $HOME/x", Ok(vec![text("a $HOME/x")])),
            ("${HOME", Err("${HOME")),
            ("${1A}", Err("${1A}")),
            ("${}", Err("${}")),
            ("${A:-${B}}", Err("${A:-${B}")),
        ] {
            assert_eq!(parse(value), expected, "{value}");
        }
        assert_eq!(
            rebase("$$ ${root}/a ${A:-b}", ".."),
            "$$ ${root/..}/a ${A:-b}"
        );
        assert_eq!(rebase("${root/x}", "../y"), "${root/../y/x}");
    }

    proptest! {
        #[test]
        fn escaped_text_is_itself(plain in "\\PC{0,30}") {
            let pieces = parse(&escape(&plain)).map_err(str::to_owned).unwrap();
            let expected = if plain.is_empty() { vec![] } else { vec![ValuePiece::Text(plain.clone())] };
            prop_assert_eq!(pieces, expected);
        }
    }
}
