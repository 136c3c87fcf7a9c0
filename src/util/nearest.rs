//! The nearest known name to a mistyped one.

/// Returns the candidate that is nearest to `name`, if one is near enough for a typing error.
pub fn nearest<T: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = T>) -> Option<T> {
    // A long name is no typing error, and comparing it takes long.
    if name.len() > 64 {
        return None;
    }
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            // An abbreviation (`alias`) is near, no matter how much is missing.
            let cut = name.len() >= 3 && candidate.as_ref().starts_with(name);
            let apart = distance(name, candidate.as_ref());
            // People rarely mistype the first letter.
            let begins_alike = name.chars().next() == candidate.as_ref().chars().next();
            let near = if cut { apart.min(1) } else { apart };
            ((near, apart, !begins_alike), candidate)
        })
        .filter(|((distance, _, _), _)| *distance <= limit)
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, candidate)| candidate)
}

/// The number of letters to insert, drop, replace or swap with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.iter().enumerate() {
        let mut next = vec![at + 1];
        for (to, other) in right.iter().enumerate() {
            let replaced = row[to] + usize::from(letter != other);
            let mut least = replaced.min(row[to + 1] + 1).min(next[to] + 1);
            if at > 0 && to > 0 && left[at - 1] == *other && right[to - 1] == *letter {
                least = least.min(above[to - 1] + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["tools", "python", "env", "aliases", "hooks", "shells"];
        for (name, expected) in [
            ("tool", Some("tools")),
            ("Tools", Some("tools")),
            ("pyhton", Some("python")),
            ("alias", Some("aliases")),
            ("hook", Some("hooks")),
            ("envv", Some("env")),
            ("ooks", Some("hooks")),
            ("extends", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
