//! Searches for a project, from a directory upwards to the home directory.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{context::Context, env::pathlist, util::vars};

pub use crate::manifest::MANIFEST;

/// A directory that is a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The root, canonical.
    pub root: PathBuf,
    pub kind: ProjectKind,
}

/// The file or directory that makes a directory a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectKind {
    /// A `devshell.toml`.
    Prepared,
    /// Files that the presets know, and no `devshell.toml` (yet).
    Detected,
}

/// The limits of the upward search.
#[derive(Debug, Clone, Default)]
pub struct SearchBounds<'a> {
    /// The home directory: the last one that is searched.
    pub home: Option<&'a Path>,
    /// Directories before which the search ends, unless it starts in one of them.
    pub ceilings: Vec<PathBuf>,
    /// True if the search continues across a mount point.
    pub crosses_mounts: bool,
}

impl<'a> SearchBounds<'a> {
    /// Returns the limits in the user's environment.
    pub fn of(context: &'a Context) -> Self {
        let env = &context.env;
        Self {
            home: context.directories.home.as_deref(),
            ceilings: env
                .get(vars::DEVSH_CEILING_DIRECTORIES)
                .map(|list| pathlist::split(list).map(PathBuf::from).collect())
                .unwrap_or_default(),
            crosses_mounts: env
                .get(vars::DEVSH_ACROSS_FILESYSTEMS)
                .is_some_and(|value| !value.is_empty() && value != "0"),
        }
    }

    fn stops_before(&self, directory: &Path, device: Option<u64>) -> bool {
        self.ceilings.iter().any(|ceiling| ceiling == directory)
            || (!self.crosses_mounts && device.is_some() && device_of(directory) != device)
    }
}

fn device_of(directory: &Path) -> Option<u64> {
    directory.metadata().ok().map(|metadata| metadata.dev())
}

/// Returns the directories to search, nearest first.
///
/// The search ends at the home directory, before a ceiling and at a mount point, as Git's does. It never includes the
/// root of the file system.
pub fn ancestors<'a>(
    from: &'a Path,
    bounds: &'a SearchBounds<'_>,
) -> impl Iterator<Item = &'a Path> {
    let mut done = false;
    let device = device_of(from);
    from.ancestors().take_while(move |directory| {
        let last = done;
        done |= Some(*directory) == bounds.home;
        !last
            && directory.parent().is_some()
            && (*directory == from || !bounds.stops_before(directory, device))
    })
}

/// Returns the project that a prompt in `from` belongs to.
///
/// A directory without manifest counts if it is `allowed`.
pub fn active(
    from: &Path,
    bounds: &SearchBounds<'_>,
    allowed: impl Fn(&Path) -> bool,
) -> Option<Place> {
    ancestors(from, bounds).find_map(|directory| {
        let kind = if directory.join(MANIFEST).symlink_metadata().is_ok() {
            ProjectKind::Prepared
        } else if allowed(directory) {
            ProjectKind::Detected
        } else {
            return None;
        };
        Some(Place {
            root: directory.to_owned(),
            kind,
        })
    })
}

/// Returns the project for a command in `from`, whether it is allowed or not.
///
/// Without a manifest it is the topmost directory of the repository that has a file of `markers`: a member of a
/// workspace gets the tools of the workspace. Outside a repository it is the topmost root of a `workspace`, else the
/// nearest directory that has such a file.
pub fn meant(
    from: &Path,
    bounds: &SearchBounds<'_>,
    markers: &[String],
    workspace: impl Fn(&Path) -> bool,
    allowed: impl Fn(&Path) -> bool,
) -> Option<Place> {
    let detected = |root: &Path| {
        Some(Place {
            root: root.to_owned(),
            kind: ProjectKind::Detected,
        })
    };
    let (mut nearest, mut topmost, mut around) = (None, None, None);
    for directory in ancestors(from, bounds) {
        if directory.join(MANIFEST).symlink_metadata().is_ok() {
            return Some(Place {
                root: directory.to_owned(),
                kind: ProjectKind::Prepared,
            });
        }
        if allowed(directory) {
            return detected(directory);
        }
        // Files of other tools in the home directory do not make it a project.
        if Some(directory) != bounds.home
            && markers.iter().any(|name| directory.join(name).is_file())
        {
            nearest = nearest.or(Some(directory));
            topmost = Some(directory);
            if workspace(directory) {
                around = Some(directory);
            }
        }
        if topmost.is_some() && directory.join(".git").exists() {
            return topmost.and_then(detected);
        }
    }
    around.or(nearest).and_then(detected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_stops_at_home_and_below_the_root() {
        let list = |from, home: Option<&'static str>| {
            let bounds = SearchBounds {
                home: home.map(Path::new),
                ceilings: vec!["/srv/a/b".into()],
                crosses_mounts: false,
            };
            ancestors(Path::new(from), &bounds)
                .map(|path| path.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            list("/home/me/a/b", Some("/home/me")),
            ["/home/me/a/b", "/home/me/a", "/home/me"]
        );
        assert_eq!(list("/srv/a", Some("/home/me")), ["/srv/a", "/srv"]);
        assert_eq!(list("/", None), Vec::<&str>::new());
        assert_eq!(list("/srv/a/b/c/d", None), ["/srv/a/b/c/d", "/srv/a/b/c"]);
        assert_eq!(list("/srv/a/b", None), ["/srv/a/b", "/srv/a", "/srv"]);
        let evil = ["/srv/a/bad/c", "/srv/a/bad", "/srv/a", "/srv"];
        assert_eq!(list("/srv/a/bad/c", None), evil, "whole components");
    }

    #[test]
    fn the_search_stops_at_a_mount() {
        let devices = [Path::new("/"), Path::new("/proc")].map(|path| device_of(path).unwrap());
        if devices[0] == devices[1] {
            return;
        }
        let from = Path::new("/proc/self");
        let mut bounds = SearchBounds::default();
        let count = |bounds: &SearchBounds<'_>| ancestors(from, bounds).count();
        assert_eq!(count(&bounds), 2, "/proc/self and /proc");
        let bounds_at = |path: &str| device_of(Path::new(path));
        assert!(bounds.stops_before(Path::new("/"), bounds_at("/proc")));
        bounds.crosses_mounts = true;
        assert!(!bounds.stops_before(Path::new("/"), bounds_at("/proc")));
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
            let workspace = |path: &Path| path.join("workspace").exists();
            meant(
                &root.join(from),
                &SearchBounds::default(),
                &markers,
                workspace,
                |path| path == allowed,
            )
        };
        let inside = found("repo/crates/one/src", "-").unwrap();
        assert_eq!(
            inside,
            Place {
                root: root.join("repo"),
                kind: ProjectKind::Detected
            }
        );
        let allowed = found("repo/crates/one/src", "repo/crates/one").unwrap();
        assert_eq!(allowed.root, root.join("repo/crates/one"));
        std::fs::remove_dir(root.join("repo/.git")).unwrap();
        assert_eq!(
            found("repo/crates/one/src", "-").unwrap().root,
            root.join("repo/crates/one")
        );
        std::fs::write(root.join("repo/workspace"), "").unwrap();
        assert_eq!(
            found("repo/crates/one/src", "-").unwrap().root,
            root.join("repo")
        );
        std::fs::write(root.join("repo").join(MANIFEST), "").unwrap();
        let prepared = active(&root.join("repo/crates"), &SearchBounds::default(), |_| {
            false
        })
        .unwrap();
        assert_eq!(
            prepared,
            Place {
                root: root.join("repo"),
                kind: ProjectKind::Prepared
            }
        );
    }
}
