//! Reads keyword arguments in Python files without running them.

use super::{FileRequest, SoughtTool, Text, VersionFile, lines::TextPart};
use crate::manifest::Error;

impl VersionFile {
    /// Returns the request in the first argument with the name of the key whose value is a plain text.
    pub(super) fn argument(
        &self,
        text: &Text,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        match plain_argument(text.as_str(), &self.key) {
            Some(part) => self.found(text, &part.node(), part.text, tool),
            None => Ok(None),
        }
    }
}

/// Returns the text of the first `name="…"`. Comments and texts of other values do not count, and neither does a value
/// that goes on behind the text (`"…" % x`).
fn plain_argument<'t>(code: &'t str, name: &str) -> Option<TextPart<'t>> {
    let mut before: Option<char> = None;
    let mut at = 0;
    while let Some(next) = code[at..].chars().next() {
        if next == '#' {
            at += code[at..].find('\n').unwrap_or(code.len() - at);
        } else if matches!(next, '"' | '\'') {
            at = string(code, at)?.1;
        } else if code[at..].starts_with(name) && !before.is_some_and(is_word) {
            at += name.len();
            if let Some(found) = value(code, at) {
                return Some(found);
            }
        } else {
            at += next.len_utf8();
        }
        before = code[..at].chars().next_back();
    }
    None
}

/// Returns the plain text behind the `=` at a place.
fn value(code: &str, at: usize) -> Option<TextPart<'_>> {
    let skip = |at: usize| at + (code[at..].len() - code[at..].trim_start().len());
    let equals = skip(at);
    if !code[equals..].starts_with('=') {
        return None;
    }
    let start = skip(equals + 1);
    let (content, end) = string(code, start)?;
    let text = &code[content.clone()];
    let is_over = matches!(
        code[end..]
            .trim_start_matches([' ', '\t', '\r'])
            .chars()
            .next(),
        None | Some(',' | ')' | '\n' | '#' | ';')
    );
    let goes_on = code[skip(end)..].starts_with(['"', '\'']);
    let is_plain = is_over && !goes_on && !text.contains(['\\', '\n']);
    is_plain.then_some(TextPart {
        text,
        at: content.start,
    })
}

/// Returns the range of the content and the end of the string at a place; nothing if there is none or it has no end.
fn string(code: &str, at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes
        .into_iter()
        .find(|quote| code[at..].starts_with(quote))?;
    let start = at + quote.len();
    let mut end = start;
    loop {
        let next = code[end..].chars().next()?;
        if code[end..].starts_with(quote) {
            return Some((start..end, end + quote.len()));
        }
        end += next.len_utf8();
        if next == '\\' {
            end += code[end..].chars().next()?.len_utf8();
        }
    }
}

fn is_word(one: char) -> bool {
    one.is_alphanumeric() || one == '_' || one == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_text_is_the_value_of_an_argument() {
        for (code, expected) in [
            ("setup(python_requires=\">=3.9\")", Some(">=3.9")),
            (
                "setup(\n  python_requires = '>=3.6, <4',\n)",
                Some(">=3.6, <4"),
            ),
            ("setup(python_requires='''>=3''')", Some(">=3")),
            ("python_requires = '>=3.8'  # old\nsetup()", Some(">=3.8")),
            (
                "# python_requires='1'\n'python_requires=\"2\"'\nf(python_requires='3')",
                Some("3"),
            ),
            (
                "'''it's \"\n python_requires='1' '''\nf(python_requires='3')",
                Some("3"),
            ),
            ("f(python_requires=NAME, b='x')", None),
            ("f(python_requires='>=' + MIN)", None),
            ("f(python_requires='>=3'\n  ', <4')", None),
            ("f(python_requires='>=%s' % x)", None),
            ("f(python_requires=f'>={x}')", None),
            ("f(python_requires=='3')", None),
            (
                "f(no_python_requires='3', o.python_requires='4', python_requires_x='5')",
                None,
            ),
            ("f(python_requires='3", None),
            ("f(\"é\", python_requires='é')", Some("é")),
            ("", None),
        ] {
            let found = plain_argument(code, "python_requires");
            assert_eq!(found.map(|one| one.text), expected, "{code}");
        }
    }
}
