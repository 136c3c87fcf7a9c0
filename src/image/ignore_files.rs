//! The files of a project that an image leaves out: those of `.dockerignore` and of `.gitignore`.

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::Error;
use crate::util::files;

/// The longest accepted ignore file, in bytes.
const LIMIT: u64 = 1 << 20;
/// Never in an image: the history, values for one machine, local files of devsh and the environment of an editor.
///
/// Ignore files cannot take them back, because a pull can change those.
const ALWAYS: [&str; 10] = [
    ".git",
    ".venv",
    ".env",
    ".env.*",
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
    /// Its file with patterns that are not committed.
    pub exclude: &'a Path,
}

impl IgnoreFiles {
    /// Reads the patterns of the project at `root`; images have nothing of `left_out` either.
    pub fn read(
        root: &Path,
        left_out: Vec<PathBuf>,
        work_tree: Option<WorkTree<'_>>,
    ) -> Result<Self, Error> {
        let mut docker = GitignoreBuilder::new(root);
        let text = text(&root.join(".dockerignore"))?;
        for line in text.lines() {
            if let Some(pattern) = docker_pattern(line) {
                add(&mut docker, ".dockerignore", &pattern)?;
            }
        }
        let mut always = GitignoreBuilder::new(root);
        for pattern in ALWAYS {
            add(&mut always, "devsh", pattern)?;
        }
        Ok(Self {
            docker: build(&docker, ".dockerignore")?,
            always: build(&always, "devsh")?,
            left_out,
            above: work_tree.map_or_else(|| Ok(Vec::new()), |tree| tree.patterns_above(root))?,
        })
    }

    /// Returns the patterns of the repository for the directories above the project and for its own, the outermost first.
    pub(super) fn git_above(&self, root: &Path) -> Result<Vec<Gitignore>, Error> {
        let mut all = self.above.clone();
        all.push(Self::git(root)?);
        Ok(all)
    }

    /// Reads the `.gitignore` of one directory.
    pub(super) fn git(directory: &Path) -> Result<Gitignore, Error> {
        patterns(directory, &directory.join(".gitignore"))
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
    fn patterns_above(&self, root: &Path) -> Result<Vec<Gitignore>, Error> {
        let mut above: Vec<_> = root.ancestors().skip(1).collect();
        above.retain(|directory| directory.starts_with(self.top));
        let own = above
            .iter()
            .rev()
            .map(|directory| IgnoreFiles::git(directory));
        std::iter::once(patterns(self.top, self.exclude))
            .chain(own)
            .collect()
    }
}

/// Reads a file with patterns for `directory`.
fn patterns(directory: &Path, file: &Path) -> Result<Gitignore, Error> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut builder = GitignoreBuilder::new(directory);
    for line in text(file)?.lines() {
        add(&mut builder, &name, line)?;
    }
    build(&builder, &name)
}

/// Returns a pattern of `.dockerignore` in the language of `.gitignore`: the former begin at the root.
fn docker_pattern(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (sign, pattern) = match line.strip_prefix('!') {
        Some(pattern) => ("!", pattern.trim_start()),
        None => ("", line),
    };
    let pattern = pattern.trim_start_matches("./").trim_start_matches('/');
    (!pattern.is_empty()).then(|| format!("{sign}/{}", pattern.trim_end_matches('/')))
}

fn text(path: &Path) -> Result<String, Error> {
    let bytes = files::read_bounded(path, LIMIT)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn add(builder: &mut GitignoreBuilder, file: &str, line: &str) -> Result<(), Error> {
    let added = builder.add_line(None, line);
    added.map(|_| ()).map_err(|error| invalid(file, &error))
}

fn build(builder: &GitignoreBuilder, file: &str) -> Result<Gitignore, Error> {
    builder.build().map_err(|error| invalid(file, &error))
}

fn invalid(file: &str, error: &ignore::Error) -> Error {
    Error::IgnoreFile {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}
