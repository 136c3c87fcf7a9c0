//! The upward search for a project, from a directory to the home directory at most.

use std::path::{Path, PathBuf};

/// The file that makes a directory a prepared project.
pub const MANIFEST: &str = "devshell.toml";

/// A directory that is a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The canonical root.
    pub root: PathBuf,
    /// What makes it a project.
    pub kind: Kind,
}

/// What makes a directory a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `devshell.toml`.
    Prepared,
    /// Files that the presets know, and no `devshell.toml` (yet).
    Detected,
}

/// Returns the directories in which to look, nearest first.
///
/// The search ends at the home directory, and never takes in the root of the file system.
pub fn ancestors<'a>(from: &'a Path, home: Option<&'a Path>) -> impl Iterator<Item = &'a Path> {
    let mut done = false;
    from.ancestors().take_while(move |directory| {
        let last = done;
        done |= Some(*directory) == home;
        !last && directory.parent().is_some()
    })
}

/// Returns the project that a prompt in `from` belongs to.
///
/// A directory without manifest counts when the user has allowed it, as `allowed` tells.
pub fn active(from: &Path, home: Option<&Path>, allowed: impl Fn(&Path) -> bool) -> Option<Place> {
    ancestors(from, home).find_map(|directory| {
        let kind = if directory.join(MANIFEST).symlink_metadata().is_ok() {
            Kind::Prepared
        } else if allowed(directory) {
            Kind::Detected
        } else {
            return None;
        };
        Some(Place {
            root: directory.to_owned(),
            kind,
        })
    })
}

/// Returns the project that a command in `from` means, also one that was never allowed.
///
/// Without a manifest it is the topmost directory of the repository that has a file of `markers`, so that
/// a member of a workspace gets the workspace's tools; outside of a repository the nearest one.
pub fn meant(
    from: &Path,
    home: Option<&Path>,
    markers: &[String],
    allowed: impl Fn(&Path) -> bool,
) -> Option<Place> {
    let detected = |root: &Path| {
        Some(Place {
            root: root.to_owned(),
            kind: Kind::Detected,
        })
    };
    let (mut nearest, mut topmost) = (None, None);
    for directory in ancestors(from, home) {
        if directory.join(MANIFEST).symlink_metadata().is_ok() {
            return Some(Place {
                root: directory.to_owned(),
                kind: Kind::Prepared,
            });
        }
        if allowed(directory) {
            return detected(directory);
        }
        // The home directory itself is nobody's project, whatever lies in it.
        if Some(directory) != home && markers.iter().any(|name| directory.join(name).is_file()) {
            nearest = nearest.or(Some(directory));
            topmost = Some(directory);
        }
        if topmost.is_some() && directory.join(".git").exists() {
            return topmost.and_then(detected);
        }
    }
    nearest.and_then(detected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_stops_at_home_and_below_the_root() {
        let list = |from, home: Option<&'static str>| {
            ancestors(Path::new(from), home.map(Path::new))
                .map(|path| path.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            list("/home/me/a/b", Some("/home/me")),
            ["/home/me/a/b", "/home/me/a", "/home/me"]
        );
        assert_eq!(list("/srv/a", Some("/home/me")), ["/srv/a", "/srv"]);
        assert_eq!(list("/", None), Vec::<&str>::new());
    }

    #[test]
    fn a_repository_s_top_is_meant() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("repo/.git")).unwrap();
        std::fs::create_dir_all(root.join("repo/crates/one/src")).unwrap();
        std::fs::write(root.join("repo/Cargo.toml"), "").unwrap();
        std::fs::write(root.join("repo/crates/one/Cargo.toml"), "").unwrap();
        let markers = ["Cargo.toml".to_owned()];
        let found = |from: &str, allowed: &str| {
            let allowed = root.join(allowed);
            meant(&root.join(from), None, &markers, |path| path == allowed)
        };
        let inside = found("repo/crates/one/src", "-").unwrap();
        assert_eq!(
            inside,
            Place {
                root: root.join("repo"),
                kind: Kind::Detected
            }
        );
        let allowed = found("repo/crates/one/src", "repo/crates/one").unwrap();
        assert_eq!(allowed.root, root.join("repo/crates/one"));
        std::fs::remove_dir(root.join("repo/.git")).unwrap();
        assert_eq!(
            found("repo/crates/one/src", "-").unwrap().root,
            root.join("repo/crates/one")
        );
        std::fs::write(root.join("repo").join(MANIFEST), "").unwrap();
        let prepared = active(&root.join("repo/crates"), None, |_| false).unwrap();
        assert_eq!(
            prepared,
            Place {
                root: root.join("repo"),
                kind: Kind::Prepared
            }
        );
    }
}
