//! Joins paths by their text alone, without a look at the file system.

use std::path::{Component, Path, PathBuf};

/// Joins two paths, without `.` and with `..` at the front only; an absolute `path` replaces `base`.
pub fn join(base: impl AsRef<Path>, path: impl AsRef<Path>) -> PathBuf {
    let mut joined = PathBuf::new();
    for part in base.as_ref().join(path).components() {
        match (part, joined.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_) | Component::RootDir)) => {
                // The parent of `/` is `/`.
                joined.pop();
            }
            (part, _) => joined.push(part),
        }
    }
    joined
}

/// Joins two paths as `join` does, for paths that are text, as in a manifest.
pub fn join_text(base: &str, path: &str) -> String {
    join(base, path).to_string_lossy().into_owned()
}

/// Returns the way from one absolute path without symlinks to another.
pub fn relative(to: &Path, from: &Path) -> PathBuf {
    let common = from.components().zip(to.components());
    let common = common.take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| "..");
    let mut way: PathBuf = up.collect();
    way.extend(to.components().skip(common));
    way
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{join_text, relative};

    #[test]
    fn ways_go_up_and_down() {
        for (to, from, expected) in [
            ("/a/b/c", "/a/b", "c"),
            ("/a/c", "/a/b/d", "../../c"),
            ("/a", "/a", ""),
        ] {
            let way = relative(Path::new(to), Path::new(from));
            assert_eq!(way, Path::new(expected));
        }
    }

    #[test]
    fn dots_are_resolved_by_text() {
        for (base, path, expected) in [
            ("..", "./scripts", "../scripts"),
            ("../..", "a/../b", "../../b"),
            ("a/b", "../c", "a/c"),
            ("a/b", "../../../c", "../c"),
            ("", "x", "x"),
            ("x", "", "x"),
            ("a", "..", ""),
            ("/a/b", "../c", "/a/c"),
            ("/a", "../../c", "/c"),
            ("..", "/a/./b", "/a/b"),
        ] {
            assert_eq!(join_text(base, path), expected, "{base} {path}");
        }
    }
}
