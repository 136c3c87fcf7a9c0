//! The lines of a list of requirements, split as pip splits them.

use std::ops::Range;

use crate::manifest::Text;

/// One line, joined with its continuations, without comments.
pub(super) struct RequirementLine<'t> {
    pub(super) words: Vec<&'t str>,
    pub(super) span: Range<usize>,
}

/// A list that a line includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncludedList<'t> {
    /// `-r NAME`
    Requirements(&'t str),
    /// `-c NAME`
    Constraints(&'t str),
}

impl<'t> IncludedList<'t> {
    pub(super) fn name(self) -> &'t str {
        match self {
            Self::Requirements(name) | Self::Constraints(name) => name,
        }
    }
}

/// Splits a text into lines that are not empty.
pub(super) fn split_lines(text: &Text) -> Vec<RequirementLine<'_>> {
    let content = text.as_str();
    let (mut lines, mut at) = (Vec::new(), 0);
    let mut open: Option<RequirementLine<'_>> = None;
    for raw in content.split_inclusive('\n') {
        let start = at;
        at += raw.len();
        let mut line = raw.trim_end_matches(['\n', '\r']);
        if let Some(comment) = comment_start(line) {
            line = &line[..comment];
        }
        let (line, continues) = match line.trim_end().strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let end = start + line.trim_end().len();
        let current = open.get_or_insert_with(|| RequirementLine {
            words: Vec::new(),
            span: start..end,
        });
        current.words.extend(line.split_whitespace());
        current.span.end = current.span.end.max(end);
        if !continues {
            lines.extend(open.take().filter(|line| !line.words.is_empty()));
        }
    }
    lines.extend(open.filter(|line| !line.words.is_empty()));
    lines
}

/// Returns where a comment begins: at the start of a line or after a space.
fn comment_start(line: &str) -> Option<usize> {
    let mut hashes = line.match_indices('#').map(|(at, _)| at);
    hashes.find(|at| {
        let before = line[..*at].chars().next_back();
        before.is_none_or(char::is_whitespace)
    })
}

/// Returns the list that a line includes.
pub(super) fn included_list<'t>(line: &RequirementLine<'t>) -> Option<IncludedList<'t>> {
    let requirements = option_value(&line.words, "-r", "--requirement");
    let constraints = || option_value(&line.words, "-c", "--constraint");
    requirements
        .map(IncludedList::Requirements)
        .or_else(|| constraints().map(IncludedList::Constraints))
}

/// Returns the value of an option: `-r X`, `-rX`, `--requirement X` or `--requirement=X`.
fn option_value<'t>(words: &[&'t str], short: &str, long: &str) -> Option<&'t str> {
    let first = *words.first()?;
    if first == short || first == long {
        return words.get(1).copied();
    }
    let joined = first
        .strip_prefix(long)
        .and_then(|rest| rest.strip_prefix('='));
    let joined = joined.or_else(|| first.strip_prefix(short));
    joined
        .map(|name| name.trim_start_matches('='))
        .filter(|name| !name.is_empty())
}

/// Returns the directory or repository that a line installs in editable form.
pub(super) fn editable<'t>(words: &[&'t str]) -> Option<&'t str> {
    match words {
        ["-e" | "--editable", path, ..] => Some(path),
        [first, ..] => first.strip_prefix("--editable="),
        [] => None,
    }
}
