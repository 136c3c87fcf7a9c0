//! The session of a host shell, in the variables `DEVSH_*`.
//!
//! `DEVSH_DIFF` is set before all other variables and removed after them. `DEVSH_ROOT` and `DEVSH_SHELL` are set last.
//! So an interrupted activation is noticed and can be undone.
//!
//! Other programs can set variables too, and to undo a session sets any variable. So a session is signed with a key
//! that only the user can read, and one with another signature counts as none.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
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
    util::{binary, files, secret_key::SecretKey, vars},
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
    /// True if `devsh enter` started the host shell, which then keeps its dev shell in every directory.
    pub pinned: bool,
    /// True if the deactivation prints no message.
    pub quiet: bool,
    /// True if no part was missing.
    pub is_complete: bool,
    /// The required variables that were missing.
    pub awaited: Vec<VarName>,
    /// The steps that undo it.
    pub diff: EnvDiff,
}

/// The content of `DEVSH_DIFF`.
#[derive(Serialize, Deserialize)]
struct SessionVariable<'a> {
    format: u64,
    record: RecordId,
    pinned: bool,
    quiet: bool,
    is_complete: bool,
    awaited: Cow<'a, [VarName]>,
    diff: Cow<'a, EnvDiff>,
}

/// Version of `SessionVariable`; every change of it raises this.
const FORMAT: u64 = 6;
/// Most bytes that the variables of devsh take in the environment. A longer session is stored in a file, and
/// `DEVSH_DIFF` has its path.
const INLINE: usize = 2 << 10;
/// Longest session that is read, in bytes.
const LIMIT: u64 = 4 << 20;

impl ShellSession {
    /// Reads the session of the host shell. A damaged one counts as none, and so does one that this user's devsh has not
    /// written, as after `sudo -E`.
    pub fn from_env(env: &Env, key: &SecretKey) -> Option<Self> {
        Self::read(env, key).ok()?
    }

    /// Reads the session as `from_env` does. An error says that there may be one which cannot be verified now.
    pub fn read(env: &Env, key: &SecretKey) -> Result<Option<Self>, files::Error> {
        let Some(signed) = Self::signed(env, key.directory()) else {
            return Ok(None);
        };
        let session = key.verify(&signed)?.and_then(Self::decode);
        Ok(session.map(|session| session.with_project(env)))
    }

    fn with_project(self, env: &Env) -> Self {
        let project = env.get(vars::DEVSH_ROOT).map(PathBuf::from).zip(
            env.get(vars::DEVSH_SHELL)
                .and_then(OsStr::to_str)
                .and_then(|name| name.parse().ok()),
        );
        Self { project, ..self }
    }

    fn signed(env: &Env, state: &Path) -> Option<Vec<u8>> {
        let encoded = env.get(vars::DEVSH_DIFF)?.to_str()?;
        let stored = encoded
            .starts_with('/')
            .then(|| stored(Path::new(encoded), state));
        let encoded = match &stored {
            Some(stored) => stored.as_deref()?,
            None => encoded,
        };
        URL_SAFE_NO_PAD.decode(encoded).ok()
    }

    /// Reads the content of `DEVSH_DIFF`, which does not name the project.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let variable: SessionVariable<'_> = binary::decode(bytes).ok()?;
        (variable.format == FORMAT).then(|| Self {
            project: None,
            record: variable.record,
            pinned: variable.pinned,
            quiet: variable.quiet,
            is_complete: variable.is_complete,
            awaited: variable.awaited.into_owned(),
            diff: variable.diff.into_owned(),
        })
    }

    /// Returns whether the host shell has loaded this dev shell with this content.
    pub fn has_loaded(&self, root: &Path, shell: &ShellName, record: RecordId) -> bool {
        let project = self.project.as_ref();
        self.record == record && project.is_some_and(|(had, name)| had == root && name == shell)
    }

    /// Returns whether `env` still lacks each required variable that was missing.
    pub fn awaits_all(&self, env: &Env) -> bool {
        self.awaited.iter().all(|name| env.get(name).is_none())
    }

    /// Returns the value of `DEVSH_DIFF`; nothing without a key.
    fn encoded(&self, key: &SecretKey) -> Option<String> {
        let message = binary::encode(&SessionVariable {
            format: FORMAT,
            record: self.record,
            pinned: self.pinned,
            quiet: self.quiet,
            is_complete: self.is_complete,
            awaited: Cow::Borrowed(&self.awaited),
            diff: Cow::Borrowed(&self.diff),
        });
        Some(URL_SAFE_NO_PAD.encode(key.sign(&message)?))
    }

    /// Writes the session into an environment; a long one into a file below the state directory.
    ///
    /// If no file can be written, a long session goes into the variable. Returns false if it does not fit there.
    /// Without a key `DEVSH_DIFF` stays unset: the dev shell cannot be undone.
    pub fn write(&self, env: &mut Env, key: &SecretKey) -> bool {
        if let Some(encoded) = self.encoded(key)
            && !self.write_diff(env, encoded, key.directory())
        {
            return false;
        }
        if let Some((root, shell)) = &self.project {
            env.set(vars::DEVSH_ROOT, root);
            env.set(vars::DEVSH_SHELL, shell.as_str());
        }
        true
    }

    fn write_diff(&self, env: &mut Env, encoded: String, state: &Path) -> bool {
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

/// Returns the directory of stored sessions.
pub fn files(state: &Path) -> PathBuf {
    state.join("sessions")
}

/// Removes stored sessions that were last used before `since` and that no process has in its environment.
///
/// `since` is the time of the oldest activation among the running host shells.
pub fn prune(state: &Path, since: SystemTime) {
    let is_old = |path: &PathBuf| {
        let written = path.metadata().and_then(|metadata| metadata.modified());
        written.is_ok_and(|written| written < since)
    };
    let mut unused = files::list(&files(state)).unwrap_or_default();
    unused.retain(is_old);
    if unused.is_empty() {
        return;
    }
    let used = sessions_of_processes();
    for path in unused {
        if !used.contains(path.as_os_str().as_bytes()) {
            // A file that stays uses little space.
            let _left = fs::remove_file(path);
        }
    }
}

/// Returns the values of `DEVSH_DIFF` with which the processes of the user were started, on Linux. An editor or a
/// terminal multiplexer can outlive the host shell that started it.
fn sessions_of_processes() -> BTreeSet<Vec<u8>> {
    let prefix = format!("{}=", vars::DEVSH_DIFF);
    let processes = files::list(Path::new("/proc")).unwrap_or_default();
    // Those of other users, and those that have just ended, cannot be read.
    let environments = processes
        .iter()
        .filter_map(|process| files::read_own(&process.join("environ"), LIMIT).ok()?);
    let mut sessions = BTreeSet::new();
    for environment in environments {
        let values = environment.split(|byte| *byte == 0);
        let values = values.filter_map(|entry| entry.strip_prefix(prefix.as_bytes()));
        sessions.extend(values.map(<[u8]>::to_vec));
    }
    sessions
}

/// Stores a session in a private file. The name is a digest of the content, so it is written once. The mtime is the
/// time of the last use.
fn store(encoded: &str, state: &Path) -> Option<PathBuf> {
    let directory = files(state);
    let path = directory.join(&blake3::hash(encoded.as_bytes()).to_hex()[..32]);
    let again = files::touch_own(&path);
    if again.is_err() && !path.exists() {
        files::create_private_dir(&directory).ok()?;
        files::write_atomic(&path, encoded.as_bytes()).ok()?;
    }
    Some(path)
}

/// Reads a stored session. Other files must not even be opened: a path in a variable is anyone's.
fn stored(path: &Path, state: &Path) -> Option<String> {
    if path.parent() != Some(&files(state)) {
        return None;
    }
    String::from_utf8(files::read_private(path, LIMIT).ok()??).ok()
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
            is_complete: true,
            awaited: vec!["TOKEN".parse().unwrap()],
            diff: EnvDiff::between(&Env::default(), &target),
        }
    }

    fn key(directory: &tempfile::TempDir) -> SecretKey {
        SecretKey::new([directory.path().to_owned(), "/dev/null".into()])
    }

    #[test]
    fn a_session_round_trips_through_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let key = key(&directory);
        let mut env = Env::default();
        assert!(session().write(&mut env, &key));
        assert_eq!(ShellSession::from_env(&env, &key), Some(session()));
        env.unset(vars::DEVSH_ROOT);
        assert_eq!(ShellSession::from_env(&env, &key).unwrap().project, None);
        env.set("A", "1");
        let loaded = ShellSession::from_env(&env, &key).unwrap();
        assert_eq!(loaded.unload(&env).0, Env::default());
    }

    #[test]
    fn a_long_session_is_stored_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let key = key(&directory);
        let mut base = Env::default();
        base.set("LONG", "x".repeat(INLINE));
        let long = ShellSession {
            diff: EnvDiff::between(&base, &Env::default()),
            ..session()
        };
        let mut env = Env::default();
        assert!(long.write(&mut env, &key));
        assert!(env.get(vars::DEVSH_DIFF).unwrap().len() < 200);
        assert_eq!(ShellSession::from_env(&env, &key), Some(long.clone()));
        // A file elsewhere is never read.
        let stored = PathBuf::from(env.get(vars::DEVSH_DIFF).unwrap());
        let copy = directory.path().join("copy");
        fs::copy(&stored, &copy).unwrap();
        env.set(vars::DEVSH_DIFF, copy);
        assert_eq!(ShellSession::from_env(&env, &key), None);
        // If the file cannot be written, the session is in the variable.
        fs::remove_dir_all(files(directory.path())).unwrap();
        fs::write(files(directory.path()), "").unwrap();
        let mut whole = Env::default();
        assert!(long.write(&mut whole, &key));
        assert_eq!(ShellSession::from_env(&whole, &key), Some(long));
        env.set(vars::DEVSH_DIFF, stored);
        assert_eq!(ShellSession::from_env(&env, &key), None);
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
            fs::File::open(path)
                .unwrap()
                .set_modified(hours(3))
                .unwrap();
        }
        store("older", state.path()).unwrap();
        prune(state.path(), hours(2));
        let left: Vec<bool> = stored.iter().map(|path| path.exists()).collect();
        assert_eq!(left, [false, true, true]);
    }

    #[test]
    fn a_session_with_another_key_is_none() {
        let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut env = Env::default();
        assert!(session().write(&mut env, &key(&theirs)));
        assert_eq!(ShellSession::from_env(&env, &key(&mine)), None);
        let mut own = Env::default();
        assert!(session().write(&mut own, &key(&mine)));
        assert_eq!(ShellSession::from_env(&env, &key(&mine)), None);
        // Without a key the environment has no way back, but still names what is loaded.
        let mut unsigned = Env::default();
        assert!(session().write(
            &mut unsigned,
            &SecretKey::new(["/dev/null".into(), "/dev/null".into()])
        ));
        assert_eq!(unsigned.get(vars::DEVSH_DIFF), None);
        assert_eq!(unsigned.get(vars::DEVSH_SHELL).unwrap(), "dev");
    }

    proptest! {
        #[test]
        fn a_tampered_session_is_none(at in 0usize..200, character in "[A-Za-z0-9_-]") {
            let directory = tempfile::tempdir().unwrap();
            let key = key(&directory);
            let text = session().encoded(&key).unwrap();
            let at = at % text.len();
            let mut tampered = text.clone();
            tampered.replace_range(at..=at, &character);
            let mut env = Env::default();
            env.set(vars::DEVSH_DIFF, tampered.clone());
            prop_assert_eq!(ShellSession::from_env(&env, &key).is_some(), tampered == text);
        }
    }
}
