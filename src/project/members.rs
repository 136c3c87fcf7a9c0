//! Finds the directories of a workspace's members by its patterns.
//!
//! It reads directories and no files. Invariant: no member is outside the workspace's root. The number of directories
//! is limited: a repository may have any number, and this runs before the user approved it.

use std::{collections::BTreeSet, path::Path};

use globset::{GlobBuilder, GlobMatcher};

use crate::manifest::presets::WorkspaceMembers;

use super::reader::is_inside;

/// The most members that count.
pub(super) const LIMIT: usize = 128;
/// The most patterns of each kind that count, and the most directories with a manifest that are compared with them.
const PATTERNS: usize = 1024;
/// The longest pattern that counts, in bytes.
const PATTERN: usize = 1024;
/// The most directory entries that are read for all patterns of a workspace together.
const VISITS: usize = 1 << 14;
/// The most steps that all members together take. To compare a path with a pattern takes the product of their lengths, and
/// to resolve a path the square of its length, because the kernel walks from its beginning to each of its parts.
const STEPS: usize = 1 << 26;
/// The depth of `**`.
const DEPTH: usize = 6;

/// Returns the members' directories below `root`, sorted and with `/` at the end, and whether there may be more: they
/// are more than the limit, or not every directory was read or compared. An invalid pattern matches nothing.
pub(super) fn directories(root: &Path, members: &WorkspaceMembers) -> (Vec<String>, bool) {
    let mut exclude = Exclusion::new(&members.exclude, STEPS);
    let include: BTreeSet<&str> = members
        .include
        .iter()
        .filter_map(|pattern| plain(pattern))
        .take(PATTERNS)
        .collect();
    let mut visits = VISITS;
    let mut found: Vec<String> = include
        .into_iter()
        .flat_map(|pattern| matching(root, pattern, &mut visits))
        .filter(|directory| root.join(directory).join(&members.manifest).is_file())
        .take(PATTERNS)
        .filter(|directory| !exclude.covers(directory))
        .filter(|directory| is_inside(root, &root.join(directory)))
        .map(|directory| format!("{directory}/"))
        .collect();
    found.sort();
    found.dedup();
    let more = found.len() > LIMIT || visits == 0 || exclude.steps == 0;
    found.truncate(LIMIT);
    (found, more)
}

/// The patterns of directories that are excluded with all that is below them.
struct Exclusion {
    /// Matchers with the lengths of their patterns.
    patterns: Vec<(GlobMatcher, usize)>,
    /// The steps that are left.
    steps: usize,
}

impl Exclusion {
    fn new(patterns: &[String], steps: usize) -> Self {
        let plain = patterns
            .iter()
            .take(PATTERNS)
            .filter_map(|pattern| plain(pattern));
        // Comparing all directories above a member too would take quadratic time in a deep tree.
        let both = plain.flat_map(|pattern| [pattern.to_owned(), format!("{pattern}/**")]);
        let patterns = both
            .filter_map(|pattern| Some((matcher(&pattern)?, pattern.len())))
            .collect();
        Self { patterns, steps }
    }

    /// Returns whether a directory or one above it is excluded, or no steps are left to find out.
    fn covers(&mut self, directory: &str) -> bool {
        let steps = &mut self.steps;
        let mut take = |length: usize| {
            *steps = steps.saturating_sub(length.saturating_mul(directory.len()));
            *steps == 0
        };
        let mut patterns = self.patterns.iter();
        take(directory.len())
            || patterns.any(|(pattern, length)| take(*length) || pattern.is_match(directory))
    }
}

/// Returns the meaning of a pattern, whose `*` matches no `/`. Matching takes linear time, because the project is not
/// approved yet.
fn matcher(pattern: &str) -> Option<GlobMatcher> {
    if pattern.len() > PATTERN {
        return None;
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    Some(glob.ok()?.compile_matcher())
}

/// Returns a pattern without `./` and the last `/`; nothing for the root itself and for a pattern that leads out of it.
fn plain(pattern: &str) -> Option<&str> {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    let inside = pattern
        .split('/')
        .all(|part| !matches!(part, "" | "." | ".."));
    inside.then_some(pattern)
}

/// Returns the directories that a pattern matches; `visits` is the number of directory entries that may be read.
fn matching(root: &Path, pattern: &str, visits: &mut usize) -> Vec<String> {
    let parts: Vec<&str> = pattern.split('/').collect();
    let is_literal = |part: &&&str| !part.contains(['*', '?', '[', '{']);
    let fixed = parts.iter().take_while(is_literal).count();
    let start = parts[..fixed].join("/");
    if pattern.len() > PATTERN {
        return Vec::new();
    }
    if fixed == parts.len() {
        return vec![start];
    }
    let Some(whole) = matcher(pattern) else {
        return Vec::new();
    };
    if !is_inside(root, &root.join(&start)) {
        return Vec::new();
    }
    let depth = if parts.contains(&"**") {
        DEPTH
    } else {
        parts.len() - fixed
    };
    let (mut found, mut level) = (Vec::new(), vec![start]);
    for _ in 0..depth {
        let next: Vec<String> = level
            .iter()
            .flat_map(|directory| children(root, directory, visits))
            .collect();
        let matches = |one: &&String| whole.is_match(one);
        found.extend(next.iter().filter(matches).cloned());
        level = next;
    }
    found
}

/// Returns the directories in a directory, without hidden ones and `node_modules`.
fn children(root: &Path, directory: &str, visits: &mut usize) -> Vec<String> {
    if *visits == 0 {
        return Vec::new();
    }
    // A directory that cannot be read has no members.
    let Ok(entries) = root.join(directory).read_dir() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .take(*visits)
        .inspect(|_| *visits -= 1)
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
    fn patterns_find_members_inside_the_root_only() {
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
            let members = WorkspaceMembers {
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
        assert_eq!(
            found(&["crates/{one,two}"], &["{a,crates/two}"]),
            ["crates/one/"]
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
    fn many_stars_end() {
        let directory = tempfile::tempdir().unwrap();
        let long = format!("{}/x", "a".repeat(200));
        std::fs::create_dir_all(directory.path().join(long)).unwrap();
        let pattern = format!("{}b/x", "*a".repeat(14));
        let found = matching(directory.path(), &pattern, &mut 100);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn all_patterns_together_read_a_limited_number_of_entries() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..8 {
            std::fs::create_dir_all(directory.path().join(format!("d/{number}"))).unwrap();
        }
        let mut visits = 12;
        let mut found = || matching(directory.path(), "d/*", &mut visits).len();
        assert_eq!((found(), found(), found()), (8, 4, 0));
    }

    #[test]
    fn comparing_with_excluding_patterns_takes_a_limited_number_of_steps() {
        let deep = ["a"; 500].join("/");
        let patterns: Vec<String> = (0..1024).map(|number| format!("**/x{number}")).collect();
        let mut exclude = Exclusion::new(&patterns, STEPS);
        assert_eq!(exclude.patterns.len(), 2048);
        // Each pattern is compared once with the whole path, however many directories are above it.
        assert!(!exclude.covers(&deep));
        let lengths = exclude.patterns.iter().map(|(_, length)| length);
        let taken = (deep.len() + lengths.sum::<usize>()) * deep.len();
        assert_eq!(STEPS - exclude.steps, taken);
        let mut exclude = Exclusion::new(&patterns, 50_000);
        assert!(!exclude.covers("a"));
        assert!(exclude.covers(&deep));
        assert_eq!(exclude.steps, 0);
        assert!(exclude.covers("a"));
        let mut none = Exclusion::new(&[], STEPS);
        let resolved = (0..1024).filter(|_| !none.covers(&deep)).count();
        assert_eq!(resolved, STEPS / (deep.len() * deep.len()));
    }

    #[test]
    fn the_number_of_members_is_limited() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..=LIMIT {
            let path = directory.path().join(format!("{number}"));
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("m"), "").unwrap();
        }
        let members = WorkspaceMembers {
            workspace: String::new(),
            include: vec!["*".to_owned()],
            exclude: Vec::new(),
            manifest: "m".to_owned(),
        };
        let (found, more) = directories(directory.path(), &members);
        assert_eq!((found.len(), more), (LIMIT, true));
    }
}
