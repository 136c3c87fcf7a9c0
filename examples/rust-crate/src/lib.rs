//! Counts words.

use std::collections::BTreeMap;

/// Returns how often each word of `text` occurs, case folded.
///
/// ```
/// let counts = wordcount::count("To be, or not to be");
/// assert_eq!(counts["be"], 2);
/// ```
pub fn count(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let words = text
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    counts
}

/// Returns the most frequent words first, words of the same count in alphabetical order.
pub fn ranked(text: &str) -> Vec<(String, usize)> {
    let mut ranked: Vec<_> = count(text).into_iter().collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_do_not_matter() {
        assert_eq!(count("Yes, yes; YES!")["yes"], 3);
    }

    #[test]
    fn nothing_has_no_words() {
        assert!(count(" ,.\n").is_empty());
    }

    #[test]
    fn frequent_words_come_first() {
        let ranked = ranked("b a b c a b");
        let words: Vec<_> = ranked.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["b", "a", "c"]);
    }
}
