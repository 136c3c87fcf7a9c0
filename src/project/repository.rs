//! Reads the Git repository of a project without running Git: its common directory and its remotes.
//!
//! Invariant: the claim of a `.git` file counts only if the repository confirms it. Otherwise a directory could pass for
//! a worktree of a repository to which it does not belong.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    git_index,
    locate::{MANIFEST, ProjectKind},
    reader::{peek, peek_at_most},
};
use crate::{
    config::Remote,
    util::{files, repository_tops::repository_tops},
};

/// The most repositories around a project in which a denial is looked up. Submodules are nested two or three deep.
pub const MAX_REPOSITORIES: usize = 16;
/// The most directories in which a `.git` is looked for, around a project and all these repositories.
pub const MAX_DIRECTORIES: usize = 512;

/// The longest accepted index, in bytes. One of 400,000 files has about 50 MiB.
const INDEX_SIZE: u64 = 128 << 20;

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
        let there = |directory: &&Path| directory.join(".git").symlink_metadata().is_ok();
        let top = root.ancestors().find(there)?;
        Self::at(top, root)
    }

    /// Returns the repository of the project at `root` and those around it, such as the one of a submodule's worktree.
    pub fn all_around(root: &Path) -> impl Iterator<Item = Self> {
        root.ancestors().filter_map(move |top| Self::at(top, root))
    }

    /// Returns the repository with a worktree at `top`, which has the project at `root`.
    fn at(top: &Path, root: &Path) -> Option<Self> {
        let git = top.join(".git");
        let metadata = git.symlink_metadata().ok()?;
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

    /// Returns the directory of the worktree that has the project at `root`.
    pub fn top<'r>(&self, root: &'r Path) -> Option<&'r Path> {
        root.ancestors().nth(self.below.components().count())
    }

    /// Returns whether another repository is around the worktree that has the project at `root`: any program can put such
    /// a worktree there and give it any remotes.
    pub fn is_nested(&self, root: &Path, home: Option<&Path>) -> bool {
        let Some(top) = self.top(root) else {
            return true;
        };
        let above = top.parent();
        above.is_some_and(|above| repository_tops(above, home).next().is_some())
    }

    /// Returns the path of the index of the worktree that has the project at `root`.
    pub fn index(&self, root: &Path) -> Option<PathBuf> {
        let git = self.top(root)?.join(".git");
        let private = if git.is_dir() {
            git
        } else {
            private_directory(&git)?
        };
        Some(private.join("index"))
    }

    /// Returns whether an index has a file of a project: its manifest, or any file if it has no manifest.
    pub fn tracks(&self, index: &Path, kind: ProjectKind) -> bool {
        let Some((directory, name)) = index.parent().zip(index.file_name()) else {
            return false;
        };
        let bytes = peek_at_most(directory, name, INDEX_SIZE).unwrap_or_default();
        let manifest = self.below.join(MANIFEST);
        git_index::has_file(&bytes, |path| match kind {
            ProjectKind::Prepared => path == manifest.as_os_str().as_bytes(),
            ProjectKind::Detected => Path::new(OsStr::from_bytes(path)).starts_with(&self.below),
        })
    }

    /// Returns the remotes; none if the configuration has a setting whose effect is not known here, or if there are
    /// remotes in the form of old versions of Git.
    pub fn remotes(&self) -> Vec<Remote> {
        let old = ["remotes", "branches"].map(|name| self.common.join(name));
        let holds = |path: &PathBuf| match path.read_dir() {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) => !files::is_absent(&error),
        };
        let worktree = self.common.join("config.worktree");
        if old.iter().any(holds) || worktree.symlink_metadata().is_ok() {
            return Vec::new();
        }
        let text = peek(&self.common, "config").and_then(|bytes| String::from_utf8(bytes).ok());
        text.and_then(|text| remotes(&text)).unwrap_or_default()
    }
}

/// The repositories that `.git` of a project and of the directories around it name, also those that do not confirm it:
/// submodules, `git init --separate-git-dir`, moved worktrees, symlinks.
///
/// The `.git` directory can be elsewhere, inside other repositories. This lists those repositories, too.
///
/// For denials only. A claim can extend one to the worktrees of another repository, but never lift one.
#[derive(Debug, Default)]
pub struct ClaimedRepositories {
    pub repositories: Vec<Repository>,
    /// The root of the project and the directories of the repositories, without symlinks.
    pub places: Vec<PathBuf>,
}

impl ClaimedRepositories {
    /// Returns those of the project at `root`.
    ///
    /// Fails if a `.git` leads nowhere, or if there are more than [`MAX_REPOSITORIES`] or [`MAX_DIRECTORIES`]. Each costs
    /// several system calls, and this is done before the user has approved anything.
    pub fn around(root: &Path) -> Result<Self, files::Error> {
        let mut found = Self {
            repositories: Vec::new(),
            places: vec![root.to_owned()],
        };
        let refused = |cause| files::at("look up the denials of", root)(io::Error::other(cause));
        let mut tops = BTreeSet::new();
        let mut looks = 0;
        let mut at = 0;
        while let Some(place) = found.places.get(at).cloned() {
            looks += place.ancestors().count();
            if looks > MAX_DIRECTORIES {
                return Err(refused(format!(
                    "more than {MAX_DIRECTORIES} directories are around it and its Git repositories"
                )));
            }
            for top in place.ancestors() {
                let Some(common) = claimed_by(top)? else {
                    continue;
                };
                tops.insert(top.to_owned());
                if tops.len() > MAX_REPOSITORIES {
                    return Err(refused(format!(
                        "it is inside of more than {MAX_REPOSITORIES} Git repositories"
                    )));
                }
                let below = place.strip_prefix(top).unwrap_or(&place).to_owned();
                if !found.places.contains(&common) {
                    found.places.push(common.clone());
                }
                found.repositories.push(Repository { common, below });
            }
            at += 1;
        }
        Ok(found)
    }
}

/// Returns the common directory that `.git` in a directory names; nothing if there is no `.git`.
fn claimed_by(top: &Path) -> Result<Option<PathBuf>, files::Error> {
    let git = top.join(".git");
    let unclear = |message: &str| files::at("resolve", &git)(io::Error::other(message));
    match git.symlink_metadata() {
        Ok(_) => {}
        Err(error) if files::is_absent(&error) => return Ok(None),
        Err(error) => return Err(files::at("resolve", &git)(error)),
    }
    let private = if git.is_dir() {
        git.clone()
    } else {
        private_directory(&git).ok_or_else(|| unclear("it names no directory"))?
    };
    let shared = private.join("commondir");
    let common = match shared.symlink_metadata() {
        Err(error) if files::is_absent(&error) => private,
        _ => {
            let named = line(&shared);
            private.join(named.ok_or_else(|| unclear("its `commondir` cannot be read"))?)
        }
    };
    let common = common.canonicalize();
    common.map(Some).map_err(files::at("resolve", &git))
}

/// Returns the common directory that the `.git` file of a worktree names, if that confirms the worktree.
///
/// The private directory of a worktree must be in `worktrees` of the common directory, and must name the worktree. Other
/// places prove nothing: the directory itself could have brought them.
fn shared_by(file: &Path) -> Option<PathBuf> {
    let private = private_directory(file)?.canonicalize().ok()?;
    let common = private.join(line(&private.join("commondir"))?);
    let common = common.canonicalize().ok()?;
    if private.parent() != Some(&common.join("worktrees")) {
        return None;
    }
    let back = private.join(line(&private.join("gitdir"))?);
    (back.canonicalize().ok()? == file.canonicalize().ok()?).then_some(common)
}

/// Returns the directory that a `.git` file names.
fn private_directory(file: &Path) -> Option<PathBuf> {
    let named = line(file)?;
    let private = named.as_os_str().as_bytes().strip_prefix(b"gitdir: ")?;
    let place = file.parent()?.join(OsStr::from_bytes(private));
    (!private.is_empty()).then_some(place)
}

/// Returns the path in a file of one line. Git ignores all line ends that follow it.
fn line(path: &Path) -> Option<PathBuf> {
    let bytes = peek(path.parent()?, path.file_name()?)?;
    let is_text = |byte: &u8| !matches!(byte, b'\n' | b'\r');
    let line = &bytes[..=bytes.iter().rposition(is_text)?];
    Some(PathBuf::from(OsStr::from_bytes(line)))
}

/// The settings of Git that change no address, by section. `*` means every key.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "core",
        &[
            "abbrev",
            "autocrlf",
            "bare",
            "compression",
            "eol",
            "filemode",
            "ignorecase",
            "logallrefupdates",
            "precomposeunicode",
            "protecthfs",
            "protectntfs",
            "quotepath",
            "repositoryformatversion",
            "safecrlf",
            "symlinks",
            "untrackedcache",
        ],
    ),
    ("branch", &["autosetupmerge", "autosetuprebase", "sort"]),
    ("color", &["*"]),
    ("commit", &["gpgsign", "verbose"]),
    ("fetch", &["prune", "prunetags"]),
    ("gc", &["auto", "autodetach"]),
    ("gui", &["wmstate", "geometry"]),
    ("maintenance", &["auto", "strategy"]),
    ("merge", &["conflictstyle", "ff"]),
    ("pull", &["ff", "rebase"]),
    ("push", &["autosetupremote", "default", "followtags"]),
    ("rebase", &["autosquash", "autostash"]),
    ("rerere", &["autoupdate", "enabled"]),
    ("tag", &["gpgsign", "sort"]),
    ("user", &["email", "name", "signingkey"]),
];

/// A section of a configuration: its name, and the quoted name after it.
#[derive(Default)]
struct ConfigSection {
    name: String,
    part: Option<String>,
}

impl ConfigSection {
    fn parse(header: &str) -> Option<Self> {
        let (name, part) = match header.split_once(char::is_whitespace) {
            None => (header, None),
            Some((name, part)) => {
                let part = part.trim().strip_prefix('"')?.strip_suffix('"')?;
                (name, Some(part.to_owned()))
            }
        };
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        // `[remote.origin]` is an old form of `[remote "origin"]`.
        let quoted = part.iter().any(|part| part.contains(['"', '\\', ']']));
        (!name.is_empty() && name.chars().all(plain) && !quoted).then(|| Self {
            name: name.to_ascii_lowercase(),
            part,
        })
    }
}

/// Returns the addresses of all remotes; nothing if a line can have an effect that is not known here.
fn remotes(config: &str) -> Option<Vec<Remote>> {
    let (mut found, mut defined, mut named) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut section = ConfigSection::default();
    for line in config.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.ends_with('\\') {
            return None;
        }
        if let Some(header) = line.strip_prefix('[') {
            section = ConfigSection::parse(header.strip_suffix(']')?)?;
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, "true"));
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        match (section.name.as_str(), &section.part, key.as_str()) {
            ("remote", Some(name), "url" | "pushurl") => {
                defined.insert(name.clone());
                found.push(Remote::of_url(value)?);
            }
            ("submodule", Some(_), "url") => found.push(Remote::of_url(value)?),
            // Branches of others' pull requests: anyone can write those, in the repository of the remote too.
            ("branch", Some(_), "merge") if !has_branches(value) => return None,
            ("remote", None, "pushdefault") | ("branch", Some(_), "remote" | "pushremote") => {
                named.push(value.to_owned());
            }
            ("remote", Some(_), "fetch" | "push" | "prune" | "prunetags" | "tagopt")
            | ("submodule", Some(_), "active" | "branch")
            | (
                "branch",
                Some(_),
                "description" | "github-pr-owner-number" | "merge" | "rebase" | "vscode-merge-base",
            ) => {}
            (name, None, key) if is_harmless(name, key) => {}
            _ => return None,
        }
    }
    // A branch can name an address in place of a remote.
    let known = |name: &String| name == "." || defined.contains(name);
    named.iter().all(known).then_some(found)
}

/// Returns whether a reference is one that only people with access to the repository can write.
fn has_branches(reference: &str) -> bool {
    ["refs/heads/", "refs/tags/"]
        .iter()
        .any(|kind| reference.starts_with(kind))
}

fn is_harmless(section: &str, key: &str) -> bool {
    let known = HARMLESS.iter().find(|(name, _)| *name == section);
    known.is_some_and(|(_, keys)| keys.contains(&"*") || keys.contains(&key))
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
        // A directory that brings the private directory of a worktree itself.
        let forged = place.join("forged");
        fs::create_dir_all(forged.join(".gitx")).unwrap();
        fs::write(forged.join(".git"), "gitdir: .gitx\n").unwrap();
        fs::write(forged.join(".gitx/gitdir"), "../.git\n").unwrap();
        fs::write(forged.join(".gitx/commondir"), "../../main/.git\n").unwrap();
        assert_eq!(Repository::of(&forged), None);
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
                     \tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\n\tremote = origin\n\
                     \tmerge = refs/heads/main\n";
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
            "[remote.x]\nurl = https://github.com/acme/app\n",
            "[remote \"x\"]\nurl = https://github.com/acme/app\nvcs = ext\n",
            "[remote \"x\"]\npromisor = true\n",
            "[remote]\npushDefault = https://evil.example/a/b\n",
            "[branch \"main\"]\nremote = https://evil.example/a/b\n",
            "[branch \"main\"]\npushRemote = git@evil.example:a/b\n",
            "[branch \"x\"]\nremote = origin\nmerge = refs/pull/7/head\n",
            "[branch \"x\"]\nmerge = \"refs/pull/7/head\"\n",
            "[branch \"x\"]\nmerge = refs/merge-requests/7/head\n",
            "[branch \"x\"]\nmerge = refs/changes/07/7/1\n",
            "[extensions]\nworktreeConfig = true\n",
            "[extensions]\npartialClone = x\n",
            "[core]\nsshCommand = x\n",
            "[submodule \"x\"]\nurl = /srv/git\n",
            "[unknown]\nkey = 1\n",
        ] {
            assert_eq!(names(&format!("{plain}{more}")), None, "{more}");
        }
    }
}
