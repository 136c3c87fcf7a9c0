//! The lines of a list of requirements, split as pip splits them.

use std::ops::Range;

use crate::manifest::Text;

/// One line, joined with its continuations, without comments.
pub(super) struct RequirementLine {
    pub(super) words: Vec<String>,
    pub(super) span: Range<usize>,
}

/// A list that a line includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IncludedList {
    /// `-r NAME`
    Requirements(String),
    /// `-c NAME`
    Constraints(String),
}

impl IncludedList {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Requirements(name) | Self::Constraints(name) => name,
        }
    }
}

/// Splits a text into lines that are not empty.
pub(super) fn split_lines(text: &Text) -> Vec<RequirementLine> {
    let content = text.as_str();
    let (mut lines, mut at) = (Vec::new(), 0);
    let mut open: Option<RequirementLine> = None;
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
        let starts = |words: &[String]| words.first().is_some_and(|one| one.starts_with('-'));
        if starts(&current.words) || (current.words.is_empty() && line.trim().starts_with('-')) {
            current.words.extend(option_words(line));
        } else {
            // The quotes of a marker belong to it.
            let words = line.split_whitespace().map(str::to_owned);
            current.words.extend(words);
        }
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

/// Splits the line of an option as a shell does: quotes keep spaces and are removed.
fn option_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for one in line.chars() {
        match quote {
            Some(end) if one == end => quote = None,
            None if one == '"' || one == '\'' => {
                quote = Some(one);
                word.get_or_insert_default();
            }
            None if one.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    words
}

/// Returns the list that a line includes.
pub(super) fn included_list(line: &RequirementLine) -> Option<IncludedList> {
    let requirements = option_value(&line.words, "-r", "--requirement");
    let constraints = || option_value(&line.words, "-c", "--constraint");
    requirements
        .map(IncludedList::Requirements)
        .or_else(|| constraints().map(IncludedList::Constraints))
}

/// Returns the value of an option: `-r X`, `-rX`, `--requirement X` or `--requirement=X`.
pub(super) fn option_value(words: &[String], short: &str, long: &str) -> Option<String> {
    let first = words.first()?.as_str();
    if first == short || first == long {
        return Some(words[1..].join(" ")).filter(|value| !value.is_empty());
    }
    let joined = first
        .strip_prefix(long)
        .and_then(|rest| rest.strip_prefix('='));
    let is_short = !short.is_empty() && !first.starts_with("--");
    let joined = joined.or_else(|| is_short.then(|| first.strip_prefix(short)).flatten());
    let value = joined?.trim_start_matches('=');
    let rest = words[1..].iter().map(String::as_str);
    let value: Vec<&str> = std::iter::once(value).chain(rest).collect();
    Some(value.join(" ")).filter(|value| !value.trim().is_empty())
}

/// Returns the directory or repository that a line installs in editable form.
pub(super) fn editable(words: &[String]) -> Option<String> {
    option_value(words, "-e", "--editable")
}
