//! The files that builds of a project leave: a lock, progress, logs and failures.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    builder::build_progress::BuildProgress,
    context::Context,
    manifest::ShellName,
    project::approval::project_key,
    report::failure::Failure,
    util::{
        binary::{self, Damaged},
        files,
    },
};

/// How long a failed build is not repeated for the same inputs.
const RETRY: Duration = Duration::from_mins(10);
/// The first field of a failure.
const FORMAT: u64 = 2;

/// The files that builds of one project leave.
#[derive(Debug, Clone)]
pub struct BuildTraces {
    pub directory: PathBuf,
}

impl BuildTraces {
    pub fn new(context: &Context, root: &Path) -> Self {
        let projects = context.directories.state.join("projects");
        Self {
            directory: projects.join(project_key(root)),
        }
    }

    /// The lock of a running build.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("building")
    }

    /// The progress of the running build.
    pub fn live(&self) -> PathBuf {
        self.directory.join("building.json")
    }

    /// The failure of the last build of a dev shell.
    fn failure(&self, shell: &ShellName) -> PathBuf {
        self.directory.join(format!("{shell}.failed"))
    }

    /// The output of the last background build of a dev shell.
    pub fn log(&self, shell: &ShellName) -> PathBuf {
        self.directory.join(format!("{shell}.log"))
    }

    /// Returns whether a build runs, without blocking it.
    pub fn is_building(&self) -> bool {
        let opened = File::open(self.lock());
        opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Returns the progress of the running build, if one runs.
    pub fn running(&self) -> Option<BuildProgress> {
        self.is_building()
            .then(|| BuildProgress::read(&self.live()).unwrap_or_default())
    }

    /// Returns the failure of the last build of a dev shell.
    pub fn failed(&self, shell: &ShellName) -> Option<BuildFailure> {
        let bytes = files::read_bounded(&self.failure(shell), 1 << 16).ok()??;
        BuildFailure::decode(&bytes).ok()
    }

    /// Records a failure.
    pub fn record(&self, shell: &ShellName, failed: &BuildFailure) -> Result<(), Failure> {
        Ok(files::write_atomic(&self.failure(shell), &failed.encode())?)
    }

    /// Removes the record of a failure; returns whether there was one.
    pub fn forget(&self, shell: &ShellName) -> Result<bool, Failure> {
        let path = self.failure(shell);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if files::is_absent(&error) => Ok(false),
            Err(error) => Err(files::at("remove", &path)(error).into()),
        }
    }
}

/// The failure of a build, for the next prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildFailure {
    /// The digest of its inputs.
    basis: [u8; 16],
    /// The time in seconds since 1970.
    at: u64,
    /// The error, one line.
    pub error: String,
    /// The first hint.
    pub hint: Option<String>,
}

impl BuildFailure {
    pub fn new(basis: [u8; 16], now: SystemTime, failure: &Failure) -> Self {
        Self {
            basis,
            at: seconds(now),
            error: failure.error.clone(),
            hint: failure.hints.first().cloned(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        binary::encode(&(FORMAT, self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        // Another format may have other fields after its number.
        if binary::decode_head::<u64>(bytes)? != FORMAT {
            return Err(Damaged);
        }
        let (_format, failed): (u64, Self) = binary::decode(bytes)?;
        Ok(failed)
    }

    /// Returns whether a build of `basis` is not worth another try at `now`.
    pub fn applies(&self, basis: [u8; 16], now: SystemTime) -> bool {
        self.basis == basis && seconds(now) < self.at.saturating_add(RETRY.as_secs())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_applies_to_its_inputs_for_a_while() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let failure = Failure::new("no").hint("do");
        let failed = BuildFailure::new([7; 16], now, &failure);
        assert_eq!(BuildFailure::decode(&failed.encode()), Ok(failed.clone()));
        assert!(failed.applies([7; 16], now));
        assert!(!failed.applies([8; 16], now));
        assert!(!failed.applies([7; 16], now + RETRY));
        let whole = failed.encode();
        for end in 0..whole.len() {
            assert_eq!(BuildFailure::decode(&whole[..end]), Err(Damaged));
        }
    }
}
