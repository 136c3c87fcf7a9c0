//! The record: the precomputed answer for a prompt, in one file.
//!
//! It is written when a dev shell is ready. A prompt reads it instead of the manifest and the lockfile, unless one of
//! the files that it was made from has changed.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::{
    env::{EnvPlan, HostShell, VarName},
    manifest::{AliasName, ShellName},
    project::{approval::project_key, watch::Watched},
    util::{
        binary::{self, Damaged},
        files, machine,
    },
};

use super::session_var::RecordId;

/// A dev shell that is ready to be loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Directories that must exist: the profile and the store objects behind it.
    ///
    /// The first field, see `RecordHead`.
    #[serde(with = "binary::paths")]
    pub objects: Vec<PathBuf>,
    /// Files whose change makes the record stale; the approval is one of them.
    pub watched: Vec<Watched>,
    /// Files of the objects that show damage without a look at the others.
    pub sealed: Vec<Watched>,
    /// The machine on which packages for newer systems were compared with it; `None` without such packages.
    pub machine: Option<String>,
    /// True if a host tool is in use whose version is not the locked one.
    pub drifted: bool,
    /// The scripts of Python packages that nobody has approved. They hide no program of the user.
    pub scripts: UnapprovedScripts,
    /// The versions of lockfiles that it was built from.
    pub versions: LockedVersions,
    /// When to try the missing parts again, if that can help.
    pub retry: Option<Retry>,
    /// The content that is loaded.
    pub content: Content,
}

/// Scripts that a dev shell may have as long as they hide no program of the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnapprovedScripts {
    pub names: BTreeSet<String>,
    /// The directories of `PATH` in which no program had one of these names.
    #[serde(with = "binary::paths")]
    pub searched: Vec<PathBuf>,
}

/// A later try of a build that lacks parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The earliest time, in seconds since 1970.
    pub at: u64,
    /// The pause before it, in seconds; the next one is longer.
    pub pause: u64,
}

impl Retry {
    /// Returns the seconds until then.
    pub fn wait(self, now: SystemTime) -> u64 {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH);
        self.at
            .saturating_sub(seconds.unwrap_or_default().as_secs())
    }
}

/// A part that the manifest asks for and the dev shell lacks. The JSON form is part of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPart {
    /// The part in words.
    pub name: String,
    /// The cause, one line.
    pub reason: String,
    pub hint: Option<String>,
    /// True if the dev shell is complete without it.
    pub is_left_out: bool,
    /// The directory below the root that alone needs it; nothing if any directory does.
    pub directory: Option<String>,
}

impl MissingPart {
    /// Returns whether a command in a directory needs it, by the path below the root of the project.
    pub fn is_needed_in(&self, directory: &Path) -> bool {
        let needs = |of_part: &String| {
            directory.starts_with(of_part) || Path::new(of_part).starts_with(directory)
        };
        !self.is_left_out && self.directory.as_ref().is_none_or(needs)
    }
}

/// The content of lockfiles about a dev shell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedVersions {
    /// The version of each tool.
    pub tools: BTreeMap<String, String>,
    /// A digest of each lockfile of another tool, by its name.
    pub lockfiles: BTreeMap<String, String>,
}

impl fmt::Display for MissingPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "missing: {}: {}", self.name, self.reason)
    }
}

/// The content of a dev shell. Its digest names the record: the same content needs no reload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The environment id, hexadecimal.
    pub environment: String,
    /// The message of an activation.
    pub summary: String,
    /// Host tools that replace locked ones, one line each.
    pub host_tools: Vec<String>,
    /// Changes of the environment.
    pub plan: EnvPlan,
    /// Parts that could not be locked or built.
    pub missing: Vec<MissingPart>,
    /// Variables that the host shell must have.
    pub required: Vec<RequiredVariable>,
    pub aliases: Vec<(AliasName, String)>,
    /// Variables that enter scripts may set although they can lead to the execution of code.
    pub granted: BTreeSet<VarName>,
    /// Scripts to run on enter.
    pub enter: Vec<String>,
    /// Scripts to run on leave.
    pub leave: Vec<String>,
    /// Scripts for the host shell itself, in order.
    pub user_scripts: Vec<UserScript>,
    /// The time limit of an enter or leave script, in seconds.
    pub timeout: u64,
    /// True if activation and deactivation print no message.
    pub quiet: bool,
}

/// A variable that a dev shell takes from the host shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredVariable {
    pub name: VarName,
    /// The manifest's advice on how to get it.
    pub help: String,
    /// The place in the manifest that requires it, as `file:line`.
    pub place: String,
}

/// A script of `[hooks] source`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserScript {
    /// The host shell that runs it.
    pub host: HostShell,
    pub text: String,
}

/// A record in its file.
#[derive(Serialize, Deserialize)]
struct StoredRecord<'a> {
    format: u64,
    #[serde(with = "binary::path")]
    root: PathBuf,
    record: Cow<'a, Record>,
}

/// The beginning of a stored record. Every format begins like this, so that the garbage collector of any devsh
/// version finds the objects in use.
#[derive(Deserialize)]
struct RecordHead {
    #[serde(rename = "format")]
    _format: u64,
    #[serde(with = "binary::path")]
    root: PathBuf,
    #[serde(with = "binary::paths")]
    objects: Vec<PathBuf>,
}

/// Version of the stored form; every change of `Record` raises it.
const FORMAT: u64 = 13;
/// Longest record that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// Returns the directory for the state of a project.
pub fn project_directory(state: &Path, root: &Path) -> PathBuf {
    state.join("projects").join(project_key(root))
}

impl Record {
    /// Returns the file of a dev shell's record.
    pub fn path(state: &Path, root: &Path, shell: &ShellName) -> PathBuf {
        project_directory(state, root).join(format!("{shell}.record"))
    }

    /// Reads the record of a dev shell, if there is one and everything it was made from is unchanged.
    ///
    /// A file that was written just before the record was made must be read to be compared. Once its stamp is old
    /// enough at `now`, the record is stored again without its digest.
    pub fn fresh(state: &Path, root: &Path, shell: &ShellName, now: SystemTime) -> Option<Self> {
        let mut record = Self::stored(state, root, shell)?;
        if !record.is_usable(|_| false) {
            return None;
        }
        let settled: Vec<Watched> = record
            .watched
            .iter()
            .map(|file| file.settled(now))
            .collect();
        if settled != record.watched {
            record.watched = settled;
            // The old record stays valid when the home is read-only.
            let _stored = record.store(state, root, shell);
        }
        Some(record)
    }

    /// Reads the record of a dev shell, fresh or not.
    pub fn stored(state: &Path, root: &Path, shell: &ShellName) -> Option<Self> {
        let bytes = files::read_private(&Self::path(state, root, shell), LIMIT).ok()??;
        Self::from_bytes(&bytes, root)
    }

    /// Reads all records with the roots of their projects, without damaged ones.
    pub fn all(state: &Path) -> Result<Vec<(PathBuf, Self)>, files::Error> {
        let found = read_all(state)?;
        Ok(found
            .iter()
            .filter_map(|bytes| decode(bytes).ok())
            .collect())
    }

    /// Reads the objects of all records with the roots of their projects, also of records that another version of
    /// devsh wrote.
    pub fn needs(state: &Path) -> Result<Vec<(PathBuf, Vec<PathBuf>)>, files::Error> {
        let found = read_all(state)?;
        let heads = found.iter().filter_map(|bytes| {
            let head: RecordHead = binary::decode_head(bytes).ok()?;
            Some((head.root, head.objects))
        });
        Ok(heads.collect())
    }

    /// Reads a record of the project at `root`; a damaged one counts as none.
    pub fn from_bytes(bytes: &[u8], root: &Path) -> Option<Self> {
        // The root guards against a record that was copied or a key that collides.
        let (own, record) = decode(bytes).ok()?;
        (own == root).then_some(record)
    }

    /// Stores the record.
    pub fn store(&self, state: &Path, root: &Path, shell: &ShellName) -> Result<(), files::Error> {
        let path = Self::path(state, root, shell);
        files::create_private_dir(path.parent().unwrap_or(state))?;
        files::write_atomic(&path, &encode(self, root))
    }

    /// Returns whether its objects exist and everything it was made from is unchanged, except the files that
    /// `may_change` names.
    pub fn is_usable(&self, may_change: impl Fn(&Watched) -> bool) -> bool {
        // Machines can share a home directory.
        let same_machine = |compared: &String| *compared == machine::identity();
        let mut watched = self.watched.iter();
        self.machine.as_ref().is_none_or(same_machine)
            && watched.all(|file| may_change(file) || file.is_unchanged())
            && self.objects.iter().all(|object| object.exists())
            && self.sealed.iter().all(Watched::is_unchanged)
    }

    /// Returns whether no part is missing, except those that are left out.
    pub fn is_complete(&self) -> bool {
        self.content.missing.iter().all(|part| part.is_left_out)
    }

    /// Returns whether the missing parts should be tried again at `now`.
    pub fn is_due(&self, now: SystemTime) -> bool {
        self.retry.is_some_and(|retry| retry.wait(now) == 0)
    }

    /// Returns the digest of the content.
    pub fn id(&self) -> RecordId {
        let mut id = RecordId::default();
        id.copy_from_slice(&blake3::hash(&binary::encode(&self.content)).as_bytes()[..16]);
        id
    }
}

/// Returns the bytes of all records.
fn read_all(state: &Path) -> Result<Vec<Vec<u8>>, files::Error> {
    let mut found = Vec::new();
    for project in files::list(&state.join("projects"))? {
        for path in files::list(&project)? {
            if path
                .extension()
                .is_some_and(|extension| extension == "record")
            {
                found.extend(files::read_own(&path, LIMIT)?);
            }
        }
    }
    Ok(found)
}

fn encode(record: &Record, root: &Path) -> Vec<u8> {
    binary::encode(&StoredRecord {
        format: FORMAT,
        root: root.to_owned(),
        record: Cow::Borrowed(record),
    })
}

fn decode(bytes: &[u8]) -> Result<(PathBuf, Record), Damaged> {
    let stored: StoredRecord<'static> = binary::decode(bytes)?;
    if stored.format == FORMAT {
        Ok((stored.root, stored.record.into_owned()))
    } else {
        Err(Damaged)
    }
}

#[cfg(test)]
mod tests;
