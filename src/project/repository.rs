//! Reads the Git repository of a project without running Git: its common directory and its remotes.
//!
//! Invariant: the claim of a `.git` file counts only if the repository confirms it. Otherwise a directory could pass for
//! a worktree of a repository to which it does not belong.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::reader::peek;
use crate::config::Remote;

/// A repository, and the place of a project in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The directory that all worktrees share.
    pub common: PathBuf,
    /// The path of the project in its worktree.
    pub below: PathBuf,
}

impl Repository {
    /// Returns the repository of the project at `root`.
    pub fn of(root: &Path) -> Option<Self> {
        let (top, metadata) = root.ancestors().find_map(|directory| {
            let metadata = directory.join(".git").symlink_metadata().ok()?;
            Some((directory, metadata))
        })?;
        let git = top.join(".git");
        let common = if metadata.is_dir() {
            git
        } else if metadata.is_file() {
            shared_by(&git)?
        } else {
            return None;
        };
        Some(Self {
            common: common.canonicalize().ok()?,
            below: root.strip_prefix(top).ok()?.to_owned(),
        })
    }

    /// Returns the path of the file with the remotes.
    pub fn config(&self) -> PathBuf {
        self.common.join("config")
    }

    /// Returns the remotes; none if one cannot be parsed, or the file includes settings of another file.
    pub fn remotes(&self) -> Vec<Remote> {
        let text = peek(&self.config()).and_then(|bytes| String::from_utf8(bytes).ok());
        text.and_then(|text| remotes(&text)).unwrap_or_default()
    }
}

/// Returns the common directory that the `.git` file of a worktree names, if that confirms the worktree.
fn shared_by(file: &Path) -> Option<PathBuf> {
    let line = |path: &Path| -> Option<PathBuf> {
        let bytes = peek(path)?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        (!line.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(line)))
    };
    let named = line(file)?;
    let private = named.as_os_str().as_bytes().strip_prefix(b"gitdir: ")?;
    let private = file.parent()?.join(OsStr::from_bytes(private));
    let back = private.join(line(&private.join("gitdir"))?);
    if back.canonicalize().ok()? != file.canonicalize().ok()? {
        return None;
    }
    Some(private.join(line(&private.join("commondir"))?))
}

/// Returns the addresses of all remotes; nothing if a line can have an effect that is not known here.
fn remotes(config: &str) -> Option<Vec<Remote>> {
    let mut found = Vec::new();
    let mut section = String::new();
    for line in config.lines().map(str::trim) {
        if line.ends_with('\\') {
            return None;
        }
        if let Some(head) = line.strip_prefix('[') {
            let (head, rest) = head.split_once(']')?;
            section = head.trim().to_ascii_lowercase();
            let elsewhere = section.starts_with("include") || section.starts_with("url");
            if elsewhere || !rest.trim().is_empty() {
                return None;
            }
            continue;
        }
        if section.starts_with("remote")
            && let Some((key, value)) = line.split_once('=')
            && ["url", "pushurl"].contains(&key.trim().to_ascii_lowercase().as_str())
        {
            found.push(Remote::of_url(value.trim())?);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_worktree_counts_if_its_repository_confirms_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().canonicalize().unwrap();
        let (main, tree) = (place.join("main"), place.join("tree"));
        let private = main.join(".git/worktrees/tree");
        fs::create_dir_all(&private).unwrap();
        fs::create_dir_all(tree.join("app")).unwrap();
        fs::write(private.join("commondir"), "../..\n").unwrap();
        let link = format!("{}\n", tree.join(".git").display());
        fs::write(private.join("gitdir"), &link).unwrap();
        let file = format!("gitdir: {}\n", private.display());
        fs::write(tree.join(".git"), &file).unwrap();
        let expected = Repository {
            common: main.join(".git"),
            below: "app".into(),
        };
        assert_eq!(Repository::of(&tree.join("app")), Some(expected.clone()));
        assert_eq!(Repository::of(&main.join("app")), Some(expected));
        // Another directory that claims to be that worktree.
        let evil = place.join("evil");
        fs::create_dir(&evil).unwrap();
        fs::write(evil.join(".git"), &file).unwrap();
        assert_eq!(Repository::of(&evil), None);
        std::os::unix::fs::symlink(main.join(".git"), place.join(".git")).unwrap();
        assert_eq!(
            Repository::of(&place),
            None,
            "a symlink is not a repository"
        );
    }

    #[test]
    fn remotes_count_only_if_the_whole_file_is_known() {
        let plain = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = git@github.com:acme/app.git\n\
                     \tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\n\tremote = origin\n";
        let names = |config: &str| {
            remotes(config).map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let acme = "github.com/acme/app".to_owned();
        assert_eq!(names(plain), Some(vec![acme.clone()]));
        let push = format!("{plain}[Remote \"x\"]\n PushURL = https://evil.example/a/b\n");
        assert_eq!(
            names(&push),
            Some(vec![acme, "evil.example/a/b".to_owned()])
        );
        for more in [
            "[include]\npath = x\n",
            "[includeIf \"gitdir:/\"]\npath = x\n",
            "[url \"https://evil.example/\"]\ninsteadOf = git@github.com:\n",
            "[remote \"x\"] url = https://evil.example/a/b\n",
            "[remote \"x\"]\nurl = https://github.com/acme/app\\\n",
            "[remote \"x\"]\nurl = /srv/git\n",
            "[remote \"x\"\n",
        ] {
            assert_eq!(names(&format!("{plain}{more}")), None, "{more}");
        }
    }
}
