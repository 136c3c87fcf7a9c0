//! One revision of a Git repository, fetched by the `git` program without anything that could run code.
//!
//! No hooks, no submodules, no prompt, no transport but https, ssh and file; nothing is checked out: the file
//! is read from the object store of a repository that lives no longer than the command.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use super::Error;
use crate::{
    env::Env,
    fsx,
    manifest::{GitSource, Source},
};

/// Settings that stand above those of the user.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "protocol.allow=never",
    "protocol.version=2",
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=60",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// A fetched revision.
#[derive(Debug)]
pub(super) struct Revision {
    directory: TempDir,
    /// The commit.
    pub(super) commit: String,
}

impl Revision {
    /// Fetches a revision, and no more of the repository than that.
    pub(super) fn fetch(
        source: &GitSource,
        revision: &str,
        env: &Env,
        cache: &Path,
    ) -> Result<Self, Error> {
        fsx::create_private_dir(cache)?;
        let directory = tempfile::Builder::new()
            .prefix("devsh-git-")
            .tempdir_in(cache)
            .map_err(fsx::at("create", cache))?;
        let git = Git {
            source,
            env,
            directory: directory.path(),
        };
        git.run(&["init", "--quiet", "--bare", "--template="])?;
        let wanted = if revision.is_empty() {
            "HEAD"
        } else {
            revision
        };
        git.run(&[
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--",
            source.repository.as_str(),
            wanted,
        ])?;
        let commit = git.run(&["rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}"])?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        Ok(Self { directory, commit })
    }

    /// Reads a file of the revision.
    pub(super) fn read(&self, source: &GitSource, env: &Env, limit: u64) -> Result<Vec<u8>, Error> {
        let git = Git {
            source,
            env,
            directory: self.directory.path(),
        };
        let no_file = || Error::NoFile {
            source_name: git.name(),
        };
        // A link or a submodule is no file, whatever it holds.
        let entry = git.run(&["ls-tree", "-l", "-z", &self.commit, "--", &source.path])?;
        let entry = String::from_utf8_lossy(&entry);
        let mut fields = entry.split_ascii_whitespace();
        let (mode, kind) = (fields.next(), fields.next());
        let (object, size) = (fields.next(), fields.next());
        if !matches!(mode, Some("100644" | "100755")) || kind != Some("blob") {
            return Err(no_file());
        }
        let size = size
            .and_then(|size| size.parse::<u64>().ok())
            .unwrap_or(u64::MAX);
        let object = object.ok_or_else(no_file)?;
        if size > limit {
            return Err(Error::Git {
                source_name: git.name(),
                output: vec![format!("the file is larger than {limit} bytes")],
            });
        }
        git.run(&["cat-file", "blob", object])
    }
}

struct Git<'a> {
    source: &'a GitSource,
    env: &'a Env,
    directory: &'a Path,
}

impl Git<'_> {
    fn name(&self) -> String {
        Source::Git(self.source.clone()).to_string()
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(arguments).output().map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                Error::NoGit {
                    source_name: self.name(),
                }
            } else {
                Error::File(fsx::at("start", Path::new("git"))(error))
            }
        })?;
        if status.success() {
            return Ok(stdout);
        }
        let output = String::from_utf8_lossy(&stderr);
        let output = output
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        Err(Error::Git {
            source_name: self.name(),
            output: output.take(6).map(str::to_owned).collect(),
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // What the user's shell says about some other repository is not about this one.
        let foreign = |name: &OsStr| name.as_encoded_bytes().starts_with(b"GIT_");
        command
            .env_clear()
            .envs(self.env.iter().filter(|(name, _)| !foreign(name)))
            .env("GIT_ALLOW_PROTOCOL", self.protocols())
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "false")
            .env("SSH_ASKPASS", "false")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env(
                "GIT_SSH_COMMAND",
                "ssh -oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=15",
            )
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .current_dir(self.directory);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments);
        command
    }

    /// `http` only where the source itself names this machine.
    fn protocols(&self) -> &'static str {
        match self.source.repository.scheme() {
            "http" => "http",
            "https" => "https",
            "ssh" => "ssh",
            _ => "file",
        }
    }
}
