//! One revision of a Git repository, fetched by the `git` program without anything that could run code.
//!
//! No hooks, no submodules, no prompt, no transport but https, ssh and file; nothing is checked out: the file
//! is read from the object store of a temporary repository.

use std::{
    ffi::OsStr,
    fs, io,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::Error;
use crate::{
    manifest::{ExtendSource, GitSource},
    sources::host::HostSearch,
    util::{
        child_process::{self, ChildLimits, Outcome},
        files, vars,
    },
};

/// Settings that override those of the user.
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

/// Largest revision that is fetched, in bytes; git sends the whole tree of the commit.
const SIZE: u64 = 256 << 20;
/// Longest time of one command of `git`; its own settings end a stalled transfer much earlier.
const TIMEOUT: Duration = Duration::from_mins(30);
/// Longest kept output of `git`, in bytes.
const OUTPUT: usize = 4 << 20;

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
        programs: &HostSearch<'_>,
        cache: &Path,
    ) -> Result<Self, Error> {
        files::create_private_dir(cache)?;
        let directory = tempfile::Builder::new()
            .prefix("devsh-git-")
            .tempdir_in(cache)
            .map_err(files::at("create", cache))?;
        let git = Git {
            source,
            programs,
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
    pub(super) fn read(
        &self,
        source: &GitSource,
        programs: &HostSearch<'_>,
        limit: u64,
    ) -> Result<Vec<u8>, Error> {
        let git = Git {
            source,
            programs,
            directory: self.directory.path(),
        };
        let no_file = || Error::NoFile {
            source_name: git.name(),
        };
        // A symlink or a submodule is not a file.
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
    programs: &'a HostSearch<'a>,
    directory: &'a Path,
}

impl Git<'_> {
    fn name(&self) -> String {
        ExtendSource::Git(self.source.clone()).to_string()
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        let program = self.programs.program("git").ok_or_else(|| Error::NoGit {
            source_name: self.name(),
        })?;
        let outcome = self
            .output(&program, arguments, SIZE)
            .map_err(files::at("start", &program))?;
        let failed = |output| Error::Git {
            source_name: self.name(),
            output,
        };
        let exited = match outcome {
            Outcome::Exited(exited) => exited,
            Outcome::Stopped => {
                return Err(failed(vec![format!(
                    "the revision is larger than {} MiB; extend a file of a smaller repository, or an \
                     `https://` file",
                    SIZE >> 20
                )]));
            }
            Outcome::TimedOut => {
                let minutes = TIMEOUT.as_secs() / 60;
                return Err(failed(vec![format!("took longer than {minutes} minutes")]));
            }
        };
        if exited.status.success() {
            return Ok(exited.stdout);
        }
        let output = String::from_utf8_lossy(&exited.stderr);
        let output = output
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        Err(failed(output.take(6).map(str::to_owned).collect()))
    }

    /// Runs `git`, and stops it when the fetched files grow beyond `limit` bytes.
    fn output(&self, program: &Path, arguments: &[&str], limit: u64) -> io::Result<Outcome> {
        let mut command = self.command(program, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let limits = ChildLimits {
            timeout: TIMEOUT,
            output: OUTPUT,
            end_marker: None,
            // Ctrl-C must reach `git`: a progress bar has its own thread.
            own_group: false,
        };
        child_process::run(&mut command, limits, || bytes_below(self.directory) > limit)
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        // `GIT_DIR` and other variables of the user mean another repository.
        let foreign = |name: &OsStr| name.as_encoded_bytes().starts_with(b"GIT_");
        command
            .env_clear()
            .envs(self.programs.env.iter().filter(|(name, _)| !foreign(name)))
            // Git starts ssh and its own helpers, which must not be programs of the project either.
            .env(vars::PATH, self.programs.path())
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

    /// Returns the allowed transport; `ExtendSource` accepts `http` only for this machine.
    fn protocols(&self) -> &'static str {
        match self.source.repository.scheme() {
            "http" => "http",
            "https" => "https",
            "ssh" => "ssh",
            _ => "file",
        }
    }
}

/// Returns the bytes of the files below a directory; files that cannot be read count as empty.
fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_that_grows_too_large_is_stopped() {
        let root = tempfile::tempdir().unwrap();
        let (remote, local) = (root.path().join("remote"), root.path().join("local"));
        fs::create_dir(&remote).unwrap();
        fs::create_dir(&local).unwrap();
        let places = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin";
        let env = [("PATH".into(), places.into())].into_iter().collect();
        let programs = HostSearch {
            env: &env,
            home: None,
            exclude: Vec::new(),
        };
        let source = GitSource {
            repository: url::Url::from_directory_path(&remote).unwrap(),
            revision: String::new(),
            path: "a.toml".to_owned(),
        };
        let git = |directory| Git {
            source: &source,
            programs: &programs,
            directory,
        };
        let (there, here) = (git(&remote), git(&local));
        there.run(&["init", "--quiet"]).unwrap();
        // Noise does not shrink in a pack.
        let noise: Vec<u8> = (0..1u64 << 17)
            .flat_map(|number| *blake3::hash(&number.to_le_bytes()).as_bytes())
            .collect();
        fs::write(remote.join("large"), noise).unwrap();
        let identity = ["-c", "user.name=a", "-c", "user.email=a"];
        there.run(&["add", "large"]).unwrap();
        there
            .run(&[&identity[..], &["commit", "--quiet", "-m", "a"]].concat())
            .unwrap();
        here.run(&["init", "--quiet", "--bare", "--template="])
            .unwrap();
        let fetch = ["fetch", "--quiet", "--", source.repository.as_str(), "HEAD"];
        // With a limit of 4 MiB a fast machine could end the fetch before it is looked at.
        let outcome = here
            .output(&programs.program("git").unwrap(), &fetch, 0)
            .unwrap();
        assert!(matches!(outcome, Outcome::Stopped), "{outcome:?}");
        here.run(&fetch).unwrap();
    }
}
