//! The session of a host shell, in the variables `DEVSH_*`.
//!
//! `DEVSH_DIFF` is set before all other variables and removed after them. `DEVSH_ROOT` and `DEVSH_SHELL` are set last.
//! So an interrupted activation is noticed and can be undone.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use serde::{Deserialize, Serialize};

use crate::{
    env::{
        Env, EnvDiff, VarName,
        limits::{VARIABLE, length},
    },
    manifest::ShellName,
    util::{binary, files, vars},
};

/// Identifies a record by its content.
pub type RecordId = [u8; 16];

/// The dev shell that a host shell has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellSession {
    /// The project and the dev shell; `None` after an interrupted activation.
    pub project: Option<(PathBuf, ShellName)>,
    /// The loaded record.
    pub record: RecordId,
    /// Whether `devsh enter` started the host shell, which then keeps its dev shell in every directory.
    pub pinned: bool,
    /// Whether the deactivation prints no message.
    pub quiet: bool,
    /// How to undo it.
    pub diff: EnvDiff,
}

/// The content of `DEVSH_DIFF`.
#[derive(Serialize, Deserialize)]
struct SessionVariable<'a> {
    format: u64,
    user: u32,
    record: RecordId,
    pinned: bool,
    quiet: bool,
    diff: Cow<'a, EnvDiff>,
}

/// Version of `SessionVariable`; every change of it raises this.
const FORMAT: u64 = 3;
/// Most bytes that the variables of devsh take in the environment. A longer session is stored in a file, and
/// `DEVSH_DIFF` has its path.
const INLINE: usize = 2 << 10;
/// Longest session that is read, in bytes.
const LIMIT: u64 = 4 << 20;

impl ShellSession {
    /// Reads the session of the host shell; a damaged one counts as none.
    ///
    /// A session of another user (`sudo -E`) can be undone, but its project does not count as loaded.
    pub fn from_env(env: &Env) -> Option<Self> {
        let encoded = env.get(vars::DEVSH_DIFF)?.to_str()?;
        let stored = encoded.starts_with('/').then(|| stored(Path::new(encoded)));
        let encoded = match &stored {
            Some(stored) => stored.as_deref()?,
            None => encoded,
        };
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let variable: SessionVariable<'_> = binary::decode(&bytes).ok()?;
        if variable.format != FORMAT {
            return None;
        }
        let own = variable.user == files::user();
        let project = env.get(vars::DEVSH_ROOT).map(PathBuf::from).zip(
            env.get(vars::DEVSH_SHELL)
                .and_then(OsStr::to_str)
                .and_then(|name| name.parse().ok()),
        );
        Some(Self {
            project: project.filter(|_| own),
            record: variable.record,
            pinned: variable.pinned && own,
            quiet: variable.quiet,
            diff: variable.diff.into_owned(),
        })
    }

    /// Returns whether the host shell has loaded this dev shell with this content.
    pub fn has_loaded(&self, root: &Path, shell: &ShellName, record: RecordId) -> bool {
        let project = self.project.as_ref();
        self.record == record && project.is_some_and(|(had, name)| had == root && name == shell)
    }

    /// Returns the value of `DEVSH_DIFF`.
    fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode(binary::encode(&SessionVariable {
            format: FORMAT,
            user: files::user(),
            record: self.record,
            pinned: self.pinned,
            quiet: self.quiet,
            diff: Cow::Borrowed(&self.diff),
        }))
    }

    /// Writes the session into an environment; a long one into a file below `state`.
    ///
    /// If no file can be written, a long session goes into the variable. Returns false if it does not fit there.
    pub fn write(&self, env: &mut Env, state: &Path) -> bool {
        let encoded = self.encoded();
        let others = self.project.as_ref().map_or(0, |(root, shell)| {
            length(vars::DEVSH_ROOT, root) + length(vars::DEVSH_SHELL, shell.as_str())
        });
        let inline = length(vars::DEVSH_DIFF, &encoded) + others <= INLINE;
        let place = (!inline).then(|| store(&encoded, state)).flatten();
        let value = place.map_or_else(|| encoded.into(), PathBuf::into_os_string);
        if length(vars::DEVSH_DIFF, &value) > VARIABLE {
            return false;
        }
        env.set(vars::DEVSH_DIFF, value);
        if let Some((root, shell)) = &self.project {
            env.set(vars::DEVSH_ROOT, root);
            env.set(vars::DEVSH_SHELL, shell.as_str());
        }
        true
    }

    /// Returns `env` without the loaded dev shell, and the variables that keep the user's values.
    pub fn unload(&self, env: &Env) -> (Env, Vec<VarName>) {
        let (mut reverted, kept) = self.diff.revert(env);
        Self::erase(&mut reverted);
        (reverted, kept)
    }

    /// Removes the variables of a session from `env`.
    pub fn erase(env: &mut Env) {
        for name in [vars::DEVSH_ROOT, vars::DEVSH_SHELL, vars::DEVSH_DIFF] {
            env.unset(name);
        }
    }
}

/// Returns `env` without the loaded dev shell, if there is one.
pub fn host_env(env: &Env) -> Env {
    if let Some(session) = ShellSession::from_env(env) {
        return session.unload(env).0;
    }
    let mut env = env.clone();
    ShellSession::erase(&mut env);
    env
}

/// Returns the directory of stored sessions.
pub fn files(state: &Path) -> PathBuf {
    state.join("sessions")
}

/// Removes stored sessions that were last used before `since`.
///
/// `since` is the time of the oldest activation among the running host shells.
pub fn prune(state: &Path, since: SystemTime) {
    for entry in fs::read_dir(files(state)).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        if written.is_ok_and(|written| written < since) {
            // A file that stays uses little space.
            let _left = fs::remove_file(entry.path());
        }
    }
}

/// Stores a session in a private file. The name is a digest of the content, so it is written once. The mtime is the
/// time of the last use.
fn store(encoded: &str, state: &Path) -> Option<PathBuf> {
    let directory = files(state);
    let path = directory.join(&blake3::hash(encoded.as_bytes()).to_hex()[..32]);
    let again = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
    if again.is_err() && !path.exists() {
        files::create_private_dir(&directory).ok()?;
        files::write_atomic(&path, encoded.as_bytes()).ok()?;
    }
    Some(path)
}

fn stored(path: &Path) -> Option<String> {
    String::from_utf8(files::read_bounded(path, LIMIT).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session() -> ShellSession {
        let mut target = Env::default();
        target.set("A", "1");
        target.set("PATH", "/x:/y");
        ShellSession {
            project: Some((PathBuf::from("/a\nb"), ShellName::dev())),
            record: [7; 16],
            pinned: true,
            quiet: true,
            diff: EnvDiff::between(&Env::default(), &target),
        }
    }

    #[test]
    fn a_session_round_trips_through_the_environment() {
        let mut env = Env::default();
        assert!(session().write(&mut env, Path::new("/nonexistent")));
        assert_eq!(ShellSession::from_env(&env), Some(session()));
        env.unset(vars::DEVSH_ROOT);
        assert_eq!(ShellSession::from_env(&env).unwrap().project, None);
        env.set("A", "1");
        assert_eq!(host_env(&env), Env::default());
    }

    #[test]
    fn a_long_session_is_stored_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut base = Env::default();
        base.set("LONG", "x".repeat(INLINE));
        let long = ShellSession {
            diff: EnvDiff::between(&base, &Env::default()),
            ..session()
        };
        let mut env = Env::default();
        assert!(long.write(&mut env, directory.path()));
        assert!(env.get(vars::DEVSH_DIFF).unwrap().len() < 200);
        assert_eq!(ShellSession::from_env(&env), Some(long.clone()));
        // With a read-only home it is in the variable.
        let mut whole = Env::default();
        assert!(long.write(&mut whole, Path::new("/dev/null")));
        assert_eq!(ShellSession::from_env(&whole), Some(long));
        fs::remove_dir_all(directory.path()).unwrap();
        assert_eq!(ShellSession::from_env(&env), None);
    }

    #[test]
    fn unused_stored_sessions_are_pruned() {
        let state = tempfile::tempdir().unwrap();
        let stored: Vec<PathBuf> = ["old", "older", "new"]
            .iter()
            .map(|text| store(text, state.path()).unwrap())
            .collect();
        let now = SystemTime::now();
        let hours = |hours| now - std::time::Duration::from_hours(hours);
        for path in &stored[..2] {
            File::open(path).unwrap().set_modified(hours(3)).unwrap();
        }
        store("older", state.path()).unwrap();
        prune(state.path(), hours(2));
        let left: Vec<bool> = stored.iter().map(|path| path.exists()).collect();
        assert_eq!(left, [false, true, true]);
    }

    #[test]
    fn a_session_of_another_user_can_only_be_undone() {
        let session = session();
        let theirs = binary::encode(&SessionVariable {
            format: FORMAT,
            user: files::user() + 1,
            record: session.record,
            pinned: true,
            quiet: false,
            diff: Cow::Borrowed(&session.diff),
        });
        let mut env = Env::default();
        assert!(session.write(&mut env, Path::new("/nonexistent")));
        env.set(vars::DEVSH_DIFF, URL_SAFE_NO_PAD.encode(theirs));
        let theirs = ShellSession::from_env(&env).unwrap();
        assert_eq!((theirs.project, theirs.pinned), (None, false));
        assert_eq!(theirs.diff, session.diff);
    }

    proptest! {
        #[test]
        fn a_tampered_session_is_none_or_harmless(at in 0usize..200, character in "[ -~]") {
            let mut text = session().encoded();
            let at = at % text.len();
            text.replace_range(at..=at, &character);
            let mut env = Env::default();
            env.set(vars::DEVSH_DIFF, text);
            let _session = ShellSession::from_env(&env);
        }
    }
}
