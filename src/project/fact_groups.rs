//! Facts of one kind with one difference, for a list that names each of them in few lines.

use std::collections::HashMap;

use super::approval_summary::Difference;

/// Facts whose names differ in one part only, with the difference that they share.
#[derive(Debug, PartialEq, Eq)]
pub struct FactGroup {
    /// The name of the fact; of several facts, what their names have in common.
    pub name: String,
    /// The parts in which the names differ; none for a single fact.
    pub members: Vec<String>,
    pub difference: Difference,
}

/// Groups facts, in the order of the first one of each group.
pub fn group(facts: Vec<(String, Difference)>) -> Vec<FactGroup> {
    let mut groups: Vec<FactGroup> = Vec::new();
    let mut places: HashMap<(String, Difference), usize> = HashMap::new();
    for (name, difference) in facts {
        let (member, common) = split_name(&name);
        let key = (common, difference.clone());
        let Some(place) = places.get(&key) else {
            places.insert(key, groups.len());
            groups.push(FactGroup {
                name,
                members: Vec::new(),
                difference,
            });
            continue;
        };
        let group = &mut groups[*place];
        if group.members.is_empty() {
            let first = split_name(&group.name).0.to_owned();
            group.members.push(first);
            group.name = key.0;
        }
        group.members.push(member.to_owned());
    }
    groups
}

/// Splits a name of a fact into the part that names the thing, and the others.
///
/// A build setting is that of a file, and a Python package that of a lockfile. The last word of the others is their thing.
fn split_name(name: &str) -> (&str, String) {
    let words = word_ends(name);
    let (from, to) = match (first_words(name, &words, 2), words.len()) {
        (Some("build setting"), 4..) => (words[1] + 1, words[2]),
        (Some("python package"), 5..) => (words[1] + 1, words[words.len() - 3]),
        (_, count @ 2..) => (words[count - 2] + 1, name.len()),
        _ => (name.len(), name.len()),
    };
    let others = [name[..from].trim_end(), name[to..].trim_start()];
    (&name[from..to], others.join(" ").trim_end().to_owned())
}

fn first_words<'n>(name: &'n str, ends: &[usize], count: usize) -> Option<&'n str> {
    ends.get(count - 1).map(|end| &name[..*end])
}

/// Returns the ends of the words of a name; a word in quotes can have spaces.
fn word_ends(name: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b' ' if !is_quoted => ends.push(at),
            _ => {}
        }
    }
    ends.push(name.len());
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_one_kind_and_difference_share_a_line() {
        let added = |value: &str| Difference::Added(value.to_owned());
        let facts = [
            ("build setting a/pyproject.toml tool.hatch.\"x y\"", "1"),
            ("build setting a/pyproject.toml tool.hatch.z", "1"),
            (
                "build setting \"b c/pyproject.toml\" tool.hatch.\"x y\"",
                "1",
            ),
            ("build setting d/pyproject.toml tool.hatch.\"x y\"", "2"),
            ("python package m in src/m of uv.lock", "editable"),
            ("python package n in src/n of uv.lock", "editable"),
            ("python package o in src/o of uv.lock", "virtual"),
            ("python package p of uv.lock", "git https://h.example"),
            ("shell dev conda package \"a *\"", "none"),
            ("shell dev conda package \"b \\\" c\"", "none"),
            ("shell lint tool ruff", "*"),
            ("shell dev tool ruff", "*"),
            ("image", "can be built"),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), added(value)));
        let shown: Vec<(String, String)> = group(facts.into())
            .into_iter()
            .map(|one| (one.name, one.members.join(", ")))
            .collect();
        let expected = [
            (
                "build setting tool.hatch.\"x y\"",
                "a/pyproject.toml, \"b c/pyproject.toml\"",
            ),
            ("build setting a/pyproject.toml tool.hatch.z", ""),
            ("build setting d/pyproject.toml tool.hatch.\"x y\"", ""),
            ("python package of uv.lock", "m in src/m, n in src/n"),
            ("python package o in src/o of uv.lock", ""),
            ("python package p of uv.lock", ""),
            ("shell dev conda package", "\"a *\", \"b \\\" c\""),
            ("shell lint tool ruff", ""),
            ("shell dev tool ruff", ""),
            ("image", ""),
        ];
        let expected = expected.map(|(name, members)| (name.to_owned(), members.to_owned()));
        assert_eq!(shown, expected);
    }
}
