//! Turns titles into parts of an address.

/// Returns `title` in lower case, its words joined by `-`.
pub fn slug(title: &str) -> String {
    title
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn words_are_joined() {
        assert_eq!(
            slug("  The Left Hand of Darkness! "),
            "the-left-hand-of-darkness"
        );
        assert_eq!(slug("Ünï 42"), "ünï-42");
        assert_eq!(slug("?"), "");
    }
}
