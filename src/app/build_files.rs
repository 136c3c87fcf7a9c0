//! The files that builds of a project leave: a lock, progress, logs and failures.

use std::{
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

/// The time after which a failed build is repeated for the same inputs.
const RETRY: Duration = Duration::from_mins(10);
/// The pause before the first repetition of a build that can work later without a change; each pause is twice as long
/// as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// Most builds in a row that only failed for now.
const TRIES: u32 = 8;
/// The time that a repetition has before a prompt starts a build itself.
const SLACK: Duration = Duration::from_mins(1);
/// The first field of a failure.
const FORMAT: u64 = 3;

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
        files::is_locked(&self.lock())
    }

    /// Returns the progress of the running build, if one runs.
    pub fn running(&self) -> Option<BuildProgress> {
        self.is_building()
            .then(|| BuildProgress::read(&self.live()).unwrap_or_default())
    }

    /// Returns the failure of the last build of a dev shell.
    pub fn failed(&self, shell: &ShellName) -> Option<BuildFailure> {
        let bytes = files::read_own(&self.failure(shell), 1 << 16).ok()??;
        BuildFailure::decode(&bytes).ok()
    }

    /// Records a failure.
    pub fn record(&self, shell: &ShellName, failed: &BuildFailure) -> Result<(), Failure> {
        let failed = failed.clone().after(self.failed(shell).as_ref());
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
    cause: FailureCause,
}

/// The cause of a failed build. It decides when the build is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum FailureCause {
    /// Its inputs; a repetition will most likely fail too.
    Inputs,
    /// A server or the network, for this number of builds in a row.
    Network { tries: u32 },
    /// The user stopped it.
    Stopped,
}

impl BuildFailure {
    pub fn new(basis: [u8; 16], now: SystemTime, failure: &Failure) -> Self {
        let cause = if failure.is_temporary {
            FailureCause::Network { tries: 1 }
        } else {
            FailureCause::Inputs
        };
        Self {
            basis,
            at: seconds(now),
            error: failure.error.clone(),
            hint: failure.hints.first().cloned(),
            cause,
        }
    }

    /// Returns the record of a build that the user stopped.
    pub fn stopped(basis: [u8; 16], now: SystemTime) -> Self {
        Self {
            basis,
            at: seconds(now),
            error: "you stopped the build".to_owned(),
            hint: Some("run `devsh sync` to build".to_owned()),
            cause: FailureCause::Stopped,
        }
    }

    /// Returns the failure as that of a build with other inputs.
    #[must_use]
    pub fn of(self, basis: [u8; 16]) -> Self {
        Self { basis, ..self }
    }

    /// Returns whether the user stopped the build.
    pub fn is_stopped(&self) -> bool {
        self.cause == FailureCause::Stopped
    }

    /// Returns whether it is the failure of a build with these inputs.
    pub fn is_of(&self, basis: [u8; 16]) -> bool {
        self.basis == basis
    }

    /// Returns the failure with the number of builds in a row, of which `last` is the one before.
    #[must_use]
    pub fn after(mut self, last: Option<&Self>) -> Self {
        if let (FailureCause::Network { tries }, Some(last)) = (&mut self.cause, last)
            && let FailureCause::Network { tries: before } = last.cause
            && last.basis == self.basis
        {
            *tries = before.saturating_add(1);
        }
        self
    }

    /// Returns the wait before the background build repeats this one, if it does.
    pub fn pause(&self) -> Option<Duration> {
        match self.cause {
            FailureCause::Network { tries } if tries < TRIES => {
                Some(FIRST_PAUSE * 2_u32.pow(tries.saturating_sub(1)))
            }
            _ => None,
        }
    }

    /// Returns the seconds until the background build repeats this one, if it does.
    pub fn wait(&self, now: SystemTime) -> Option<u64> {
        let pause = self.pause()?.as_secs();
        Some(self.at.saturating_add(pause).saturating_sub(seconds(now)))
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
        let wait = match self.cause {
            FailureCause::Stopped => return self.basis == basis,
            FailureCause::Inputs => RETRY,
            FailureCause::Network { .. } => self.pause().map_or(RETRY, |pause| pause + SLACK),
        };
        self.basis == basis && seconds(now) < self.at.saturating_add(wait.as_secs())
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
    fn a_failure_of_the_network_is_repeated_with_growing_pauses() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let failure = Failure::new("no").temporary();
        let failed = || BuildFailure::new([7; 16], now, &failure);
        let (mut last, mut pauses) = (failed(), Vec::new());
        while let Some(pause) = last.pause() {
            assert!(last.applies([7; 16], now + pause));
            pauses.push(pause.as_secs());
            last = failed().after(Some(&last));
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920]);
        assert!(!last.applies([7; 16], now + RETRY));
        let other = BuildFailure::new([8; 16], now, &failure).after(Some(&last));
        assert_eq!(other.pause(), Some(FIRST_PAUSE), "other inputs start again");
        let stopped = BuildFailure::stopped([7; 16], now);
        assert_eq!(stopped.pause(), None);
        assert!(stopped.applies([7; 16], now + 1000 * RETRY));
        assert!(!stopped.applies([8; 16], now));
    }

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
