//! Personal manifests: next to the project's, or in the user's configuration directory.

use std::path::{Path, PathBuf};

use super::repository::Repository;

/// The personal manifest next to the project's. It is not committed.
pub const LOCAL: &str = "devshell.local.toml";
/// The lockfile of a personal manifest.
pub const LOCAL_LOCK: &str = "devshell.local.lock";

/// Returns the path of the personal manifest outside the project at `root`.
///
/// All worktrees of a repository share it.
pub fn manifest_path(root: &Path, config: &Path) -> PathBuf {
    directory(root, config).join(crate::manifest::MANIFEST)
}

/// Returns the possible personal manifests, as names relative to the root, lowest layer first.
pub fn names(root: &Path, config: &Path) -> Vec<String> {
    // Layers have text as names, so a configuration directory whose path is not text has no manifests.
    let outside = manifest_path(root, config).to_str().map(str::to_owned);
    outside.into_iter().chain([LOCAL.to_owned()]).collect()
}

/// Returns the path of the personal lockfile: next to the uppermost personal manifest.
pub fn lock_path(root: &Path, config: &Path) -> PathBuf {
    if root.join(LOCAL).symlink_metadata().is_ok() {
        root.join(LOCAL_LOCK)
    } else {
        directory(root, config).join(LOCAL_LOCK)
    }
}

/// Returns `projects/NAME-KEY`: the name is for readers, the key distinguishes repositories with the same name.
fn directory(root: &Path, config: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let (repository, below) = repository(root);
    let mut identity = repository.as_os_str().as_bytes().to_vec();
    identity.push(0);
    identity.extend_from_slice(below.as_os_str().as_bytes());
    let key = &blake3::hash(&identity).to_hex()[..12];
    let named = if below.as_os_str().is_empty() {
        repository.as_path()
    } else {
        below.as_path()
    };
    let name = named.file_name().unwrap_or_default().to_string_lossy();
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || "-_.".contains(letter) {
            letter
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(40).map(plain).collect();
    config.join("projects").join(format!("{name}-{key}"))
}

/// Returns the main worktree of the repository of `root`, and the path of `root` in its worktree.
fn repository(root: &Path) -> (PathBuf, PathBuf) {
    // A directory that only claims to be a worktree of another repository is a repository of its own here.
    let Some(Repository { common, below }) = Repository::of(root) else {
        return (root.to_owned(), PathBuf::new());
    };
    let main = common.parent().filter(|_| common.ends_with(".git"));
    (main.map_or(common.clone(), Path::to_owned), below)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn worktrees_of_a_repository_share_a_place() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (main, other) = (root.join("main"), root.join("other"));
        fs::create_dir_all(main.join(".git/worktrees/other")).unwrap();
        fs::create_dir_all(main.join("web")).unwrap();
        fs::create_dir_all(other.join("web")).unwrap();
        let git = format!("gitdir: {}\n", main.join(".git/worktrees/other").display());
        fs::write(other.join(".git"), git).unwrap();
        fs::write(main.join(".git/worktrees/other/commondir"), "../..\n").unwrap();
        let config = Path::new("/c");
        assert_ne!(
            manifest_path(&main, config),
            manifest_path(&other, config),
            "the repository does not confirm the worktree"
        );
        let back = format!("{}\n", other.join(".git").display());
        fs::write(main.join(".git/worktrees/other/gitdir"), back).unwrap();
        let place = |root: &Path| manifest_path(root, config);
        assert_eq!(place(&main), place(&other));
        assert_eq!(place(&main.join("web")), place(&other.join("web")));
        assert_ne!(place(&main), place(&main.join("web")));
        assert_ne!(place(&main), place(&root));
        let name = place(&main.join("web"));
        assert!(name.starts_with("/c/projects") && name.to_str().unwrap().contains("/web-"));
        assert_eq!(
            lock_path(&main, config),
            place(&main).with_file_name(LOCAL_LOCK)
        );
        fs::write(main.join(LOCAL), "").unwrap();
        assert_eq!(lock_path(&main, config), main.join(LOCAL_LOCK));
    }
}
