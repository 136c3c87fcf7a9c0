//! The files of a project that an image leaves out: those of `.dockerignore` and of `.gitignore`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::Error;
use crate::{config::ownership::Access, util::files};

/// The longest accepted ignore file, in bytes.
const LIMIT: u64 = 1 << 20;
/// The file with the patterns of a repository that are not committed.
const EXCLUDE: &str = "info/exclude";
/// Never in an image: the history, values and passwords for one machine, copies that editors make of such files, local
/// files of devsh and the environment of an editor. Upper case is the same: some file systems do not know the difference.
///
/// Ignore files cannot take them back, because a pull can change those.
const ALWAYS: [&str; 16] = [
    ".git",
    ".venv",
    ".direnv",
    ".envrc",
    ".netrc",
    ".env",
    ".env.*",
    ".env~",
    ".#.env*",
    "\\#.env*",
    "!.env.example",
    "!.env.sample",
    "!.env.template",
    "!.env.dist",
    "devshell.local.toml",
    "devshell.local.lock",
];

/// The patterns of a project. A `.gitignore` below the root counts for its own directory.
#[derive(Debug)]
pub struct IgnoreFiles {
    docker: Gitignore,
    always: Gitignore,
    /// Other files and directories that an image must not have in it, such as what devsh writes.
    left_out: Vec<PathBuf>,
    /// The patterns of the repository for the directories above the project, the outermost first.
    above: Vec<Gitignore>,
}

/// The Git repository of a project.
#[derive(Debug)]
pub struct WorkTree<'a> {
    /// The directory at its top.
    pub top: &'a Path,
    /// The directory that its worktrees share, with the patterns that are not committed.
    pub git: &'a Path,
}

impl IgnoreFiles {
    /// Reads the patterns of the project at `root`; images have nothing of `left_out` either.
    pub fn read(
        root: &Path,
        left_out: Vec<PathBuf>,
        work_tree: Option<WorkTree<'_>>,
        access: &mut Access,
    ) -> Result<Self, Error> {
        let docker = root.join(".dockerignore");
        let text = read_text(root, &docker, access)?;
        Ok(Self {
            docker: parse(root, &docker, text.lines().map(docker_pattern))?,
            always: always_left_out(root)?,
            left_out,
            above: match work_tree {
                Some(tree) => tree.patterns_above(root, access)?,
                None => Vec::new(),
            },
        })
    }

    /// Returns the patterns of the repository for the directories above the project and for its own, the outermost first.
    pub(super) fn git_above(
        &self,
        root: &Path,
        access: &mut Access,
    ) -> Result<Vec<Gitignore>, Error> {
        let mut all = self.above.clone();
        all.push(Self::git(root, root, access)?);
        Ok(all)
    }

    /// Reads the `.gitignore` of a directory in the project or repository at `top`.
    pub(super) fn git(
        top: &Path,
        directory: &Path,
        access: &mut Access,
    ) -> Result<Gitignore, Error> {
        let file = directory.join(".gitignore");
        let text = read_text(top, &file, access)?;
        parse(directory, &file, text.lines().map(ToOwned::to_owned))
    }

    /// Returns whether a path is left out; `git` has the files of its parents, the outermost first.
    pub(super) fn is_ignored(&self, path: &Path, is_dir: bool, git: &[Gitignore]) -> bool {
        if self.left_out.iter().any(|one| one == path)
            || self.always.matched(path, is_dir).is_ignore()
        {
            return true;
        }
        let docker = self.docker.matched(path, is_dir);
        if !docker.is_none() {
            return docker.is_ignore();
        }
        let decisive = git.iter().rev().map(|one| one.matched(path, is_dir));
        decisive
            .into_iter()
            .find(|found| !found.is_none())
            .is_some_and(|found| found.is_ignore())
    }
}

impl WorkTree<'_> {
    fn patterns_above(&self, root: &Path, access: &mut Access) -> Result<Vec<Gitignore>, Error> {
        let text = read_text(self.git, &self.git.join(EXCLUDE), access)?;
        let lines = text.lines().map(ToOwned::to_owned);
        let mut patterns = vec![parse(self.top, &self.git.join(EXCLUDE), lines)?];
        let mut above: Vec<_> = root.ancestors().skip(1).collect();
        above.retain(|directory| directory.starts_with(self.top));
        for directory in above.iter().rev() {
            patterns.push(IgnoreFiles::git(self.top, directory, access)?);
        }
        Ok(patterns)
    }
}

/// Returns a line of `.dockerignore` in the language of `.gitignore`: the patterns of the former begin at the root.
fn docker_pattern(line: &str) -> String {
    let line = line.trim();
    if line.starts_with('#') {
        return String::new();
    }
    let (sign, pattern) = match line.strip_prefix('!') {
        Some(pattern) => ("!", pattern.trim_start()),
        None => ("", line),
    };
    let pattern = pattern.trim_start_matches("./").trim_start_matches('/');
    if pattern.is_empty() {
        return String::new();
    }
    format!("{sign}/{}", pattern.trim_end_matches('/'))
}

/// Reads an ignore file that no other user can change and that is below `top`.
fn read_text(top: &Path, path: &Path, access: &mut Access) -> Result<String, Error> {
    refuse_link(top, path)?;
    let Some((file, metadata)) = access.open::<Error>(path)? else {
        return Ok(String::new());
    };
    let bytes = files::read_open(file, &metadata, path, LIMIT)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Refuses a path that leads out of the project or repository by symlinks: what is there is not part of it.
pub(super) fn refuse_link(top: &Path, path: &Path) -> Result<(), Error> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let real = |path: &Path| fs::canonicalize(path).map_err(files::at("read", path));
    if real(path)?.starts_with(real(top)?) {
        return Ok(());
    }
    let shown = path.strip_prefix(top).unwrap_or(path);
    Err(Error::OutsideLink(shown.display().to_string()))
}

/// Returns the patterns of what is never in an image.
fn always_left_out(root: &Path) -> Result<Gitignore, Error> {
    let mut builder = GitignoreBuilder::new(root);
    let invalid = |_| Error::IgnoreFile(root.to_owned());
    builder.case_insensitive(true).map_err(invalid)?;
    for pattern in ALWAYS {
        builder.add_line(None, pattern).map_err(invalid)?;
    }
    builder.build().map_err(invalid)
}

/// Parses the lines of an ignore file, whose patterns are for `directory`.
///
/// The errors do not have the text of the lines.
fn parse(
    directory: &Path,
    file: &Path,
    lines: impl Iterator<Item = String>,
) -> Result<Gitignore, Error> {
    let mut builder = GitignoreBuilder::new(directory);
    for (index, line) in lines.enumerate() {
        builder
            .add_line(None, &line)
            .map_err(|_| Error::IgnorePattern {
                file: file.to_owned(),
                line: index + 1,
            })?;
    }
    let built = builder.build();
    built.map_err(|_| Error::IgnoreFile(file.to_owned()))
}
