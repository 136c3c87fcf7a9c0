//! The directories of a workspace's members, found by the patterns that the workspace names.
//!
//! Looks at directories and reads no file. Invariant: nothing outside of the workspace's root is a member,
//! and the work is bounded whatever the patterns are.

use std::path::Path;

use glob::{MatchOptions, Pattern};

use crate::manifest::presets::Members;

/// How many members count.
pub(super) const LIMIT: usize = 128;
/// How many directories are looked into for one pattern.
const VISITS: usize = 1024;
/// How deep `**` reaches.
const DEPTH: usize = 6;

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Returns the members' directories below `root`, sorted, each with `/` at its end, and whether there are more
/// than count. A pattern that cannot be understood matches nothing.
pub(super) fn directories(root: &Path, members: &Members) -> (Vec<String>, bool) {
    let exclude: Vec<Pattern> = members
        .exclude
        .iter()
        .filter_map(|pattern| Pattern::new(plain(pattern)?).ok())
        .collect();
    let excluded = |directory: &str| {
        let mut above = Path::new(directory).ancestors();
        above.any(|one| {
            exclude
                .iter()
                .any(|out| out.matches_path_with(one, OPTIONS))
        })
    };
    let mut found: Vec<String> = members
        .include
        .iter()
        .filter_map(|pattern| plain(pattern))
        .flat_map(|pattern| matching(root, pattern))
        .filter(|directory| !excluded(directory))
        .filter(|directory| root.join(directory).join(&members.manifest).is_file())
        .map(|directory| format!("{directory}/"))
        .collect();
    found.sort();
    found.dedup();
    let more = found.len() > LIMIT;
    found.truncate(LIMIT);
    (found, more)
}

/// Returns a pattern without what changes nothing; one that leads out of the root is none, nor is the root.
fn plain(pattern: &str) -> Option<&str> {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    let inside = pattern
        .split('/')
        .all(|part| !matches!(part, "" | "." | ".."));
    inside.then_some(pattern)
}

fn matching(root: &Path, pattern: &str) -> Vec<String> {
    let Ok(whole) = Pattern::new(pattern) else {
        return Vec::new();
    };
    let parts: Vec<&str> = pattern.split('/').collect();
    let is_literal = |part: &&&str| !part.contains(['*', '?', '[']);
    let fixed = parts.iter().take_while(is_literal).count();
    let start = parts[..fixed].join("/");
    if fixed == parts.len() {
        return vec![start];
    }
    let depth = if parts.contains(&"**") {
        DEPTH
    } else {
        parts.len() - fixed
    };
    let (mut found, mut level, mut visits) = (Vec::new(), vec![start], 0);
    for _ in 0..depth {
        let next: Vec<String> = level
            .iter()
            .take(VISITS - visits)
            .flat_map(|directory| children(root, directory))
            .collect();
        visits += level.len().min(VISITS - visits);
        let matches = |one: &&String| whole.matches_with(one, OPTIONS);
        found.extend(next.iter().filter(matches).cloned());
        level = next;
    }
    found
}

/// Returns the directories in one, hidden ones and those of installed packages left out.
fn children(root: &Path, directory: &str) -> Vec<String> {
    // A directory that cannot be read has nothing to say.
    let Ok(entries) = root.join(directory).read_dir() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .take(4 * VISITS)
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && name != "node_modules")
        .map(|name| match directory {
            "" => name,
            _ => format!("{directory}/{name}"),
        })
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_the_members_and_nothing_outside() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("ws");
        for path in [
            "a",
            "crates/one",
            "crates/two",
            "crates/deep/three",
            "crates/.hidden",
            "crates/node_modules",
            "../other",
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("Cargo.toml"), "").unwrap();
        }
        std::fs::create_dir_all(root.join("crates/empty")).unwrap();
        std::os::unix::fs::symlink(root.join("../other"), root.join("crates/link")).unwrap();
        let found = |include: &[&str], exclude: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            let members = Members {
                workspace: String::new(),
                include: own(include),
                exclude: own(exclude),
                manifest: "Cargo.toml".to_owned(),
            };
            directories(&root, &members).0
        };
        assert_eq!(
            found(&["./a/", "crates/*"], &[]),
            ["a/", "crates/one/", "crates/two/"]
        );
        assert_eq!(
            found(&["crates/**"], &["crates/t*"]),
            ["crates/deep/three/", "crates/one/"]
        );
        assert_eq!(
            found(&["**"], &["crates/deep", "a"]),
            ["crates/one/", "crates/two/"]
        );
        assert_eq!(
            found(&["crates/[ot]*"], &[]),
            ["crates/one/", "crates/two/"]
        );
        for nothing in [
            "../other",
            "..",
            ".",
            "",
            "/",
            "a/../../other",
            "[",
            "crates/none",
        ] {
            assert_eq!(found(&[nothing], &[]), Vec::<String>::new(), "{nothing}");
        }
    }

    #[test]
    fn members_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..=LIMIT {
            let path = directory.path().join(format!("{number}"));
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("m"), "").unwrap();
        }
        let members = Members {
            workspace: String::new(),
            include: vec!["*".to_owned()],
            exclude: Vec::new(),
            manifest: "m".to_owned(),
        };
        let (found, more) = directories(directory.path(), &members);
        assert_eq!((found.len(), more), (LIMIT, true));
    }
}
