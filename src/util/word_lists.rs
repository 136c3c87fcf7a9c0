//! Lists of words in messages.

use std::fmt::Display;

/// Returns the names in backticks.
pub fn in_backticks(names: impl IntoIterator<Item: Display>) -> Vec<String> {
    let names = names.into_iter();
    names.map(|name| format!("`{name}`")).collect()
}

/// Returns a list for a sentence: `a`, `a and b`, `a, b and c`.
pub fn join_with_and(words: &[impl AsRef<str>]) -> String {
    join_with("and", words)
}

/// Returns a list for a sentence: `a`, `a or b`, `a, b or c`.
pub fn join_with_or(words: &[impl AsRef<str>]) -> String {
    join_with("or", words)
}

fn join_with(conjunction: &str, words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => {
            format!("{} {conjunction} {last}", others.join(", "))
        }
        _ => words.concat(),
    }
}

/// Returns a list of at most `most` words: `a, b`, `a, b and 3 more`.
pub fn join_first(words: &[impl AsRef<str>], most: usize) -> String {
    let shown: Vec<&str> = words.iter().take(most).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match words.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_like_sentences() {
        let words = in_backticks(["a", "b", "c"]);
        assert_eq!(join_with_and(&words), "`a`, `b` and `c`");
        assert_eq!(join_with_or(&words[..2]), "`a` or `b`");
        assert_eq!(join_with_and(&words[..1]), "`a`");
        assert_eq!(join_with_and(&words[..0]), "");
        assert_eq!(join_first(&words, 3), "`a`, `b`, `c`");
        assert_eq!(join_first(&words, 1), "`a` and 2 more");
    }
}
