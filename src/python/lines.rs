//! The lines of a list of requirements, taken apart as pip does it.

use std::ops::Range;

use crate::manifest::Text;

/// One line, its continuations joined, without comments.
pub(super) struct Line<'t> {
    pub(super) words: Vec<&'t str>,
    pub(super) span: Range<usize>,
}

/// Takes a text apart into lines, as pip does it.
pub(super) fn lines(text: &Text) -> Vec<Line<'_>> {
    let content = text.as_str();
    let (mut lines, mut at) = (Vec::new(), 0);
    let mut open: Option<Line<'_>> = None;
    for raw in content.split_inclusive('\n') {
        let start = at;
        at += raw.len();
        let mut line = raw.trim_end_matches(['\n', '\r']);
        if let Some(comment) = comment(line) {
            line = &line[..comment];
        }
        let (line, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let end = start + line.trim_end().len();
        let current = open.get_or_insert_with(|| Line {
            words: Vec::new(),
            span: start..end,
        });
        current.words.extend(line.split_whitespace());
        current.span.end = current.span.end.max(end);
        if !goes_on {
            lines.extend(open.take().filter(|line| !line.words.is_empty()));
        }
    }
    lines.extend(open.filter(|line| !line.words.is_empty()));
    lines
}

/// Where a comment begins: at the start of a line or after a blank.
fn comment(line: &str) -> Option<usize> {
    let mut found = line.match_indices('#');
    found
        .find(|(at, _)| {
            line[..*at]
                .chars()
                .next_back()
                .is_none_or(char::is_whitespace)
        })
        .map(|(at, _)| at)
}

/// Returns the list that a line includes, and whether by `-r` or by `-c`.
pub(super) fn included<'t>(line: &Line<'t>) -> Option<(&'static str, &'t str)> {
    let first = *line.words.first()?;
    for (option, spellings) in [
        ("-r", ["-r", "--requirement"]),
        ("-c", ["-c", "--constraint"]),
    ] {
        for spelling in spellings {
            if first == spelling {
                return Some((option, line.words.get(1)?));
            }
            let joined = first.strip_prefix(spelling);
            if let Some(name) = joined
                .filter(|name| !name.is_empty() && (spelling.len() == 2 || name.starts_with('=')))
            {
                return Some((option, name.trim_start_matches('=')));
            }
        }
    }
    None
}

/// Returns the directory or repository that a line installs in editable form.
pub(super) fn editable<'t>(words: &[&'t str]) -> Option<&'t str> {
    match words {
        ["-e" | "--editable", path, ..] => Some(path),
        [first, ..] => first.strip_prefix("--editable="),
        [] => None,
    }
}
