//! The session: what one host shell has loaded, kept in `DEVSH_*` variables.
//!
//! `DEVSH_DIFF` is written before the first change and removed after the last one, `DEVSH_ROOT` and
//! `DEVSH_SHELL` are written last: an activation that was interrupted can still be undone, and is seen.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    env::{Env, EnvDiff, VarName, codec},
    fsx,
    manifest::ShellName,
    vars,
    wire::{Damaged, Reader, Writer},
};

/// Identifies a record by its content.
pub type RecordId = [u8; 16];

/// What a host shell has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The project; nothing when its activation was interrupted.
    pub project: Option<(PathBuf, ShellName)>,
    /// Which record was loaded.
    pub record: RecordId,
    /// Whether the host shell was started by `devsh enter` and stays in its dev shell.
    pub pinned: bool,
    /// How to undo it.
    pub diff: EnvDiff,
}

/// First field of `DEVSH_DIFF`.
const FORMAT: u64 = 2;

impl Session {
    /// Reads the session of the host shell; a damaged one counts as none.
    pub fn from_env(env: &Env) -> Option<Self> {
        let encoded = env.get(vars::DEVSH_DIFF)?.to_str()?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (record, pinned, diff) = decode(&bytes).ok()?;
        let project = env.get(vars::DEVSH_ROOT).map(PathBuf::from).zip(
            env.get(vars::DEVSH_SHELL)
                .and_then(OsStr::to_str)
                .and_then(|name| name.parse().ok()),
        );
        Some(Self {
            project,
            record,
            pinned,
            diff,
        })
    }

    /// Returns the value of `DEVSH_DIFF`.
    pub fn encoded(&self) -> OsString {
        let mut writer = Writer::default();
        writer.number(FORMAT);
        // What another user had loaded, as `sudo -E` hands it down, is none of this one's.
        writer.number(fsx::user().into());
        writer.bytes(self.record);
        writer.number(u64::from(self.pinned));
        writer.bytes(codec::encode(&self.diff));
        URL_SAFE_NO_PAD.encode(writer.into_bytes()).into()
    }

    /// Puts the session into an environment, for a program that is started in it.
    pub fn write(&self, env: &mut Env) {
        env.set(vars::DEVSH_DIFF, self.encoded());
        if let Some((root, shell)) = &self.project {
            env.set(vars::DEVSH_ROOT, root);
            env.set(vars::DEVSH_SHELL, shell.as_str());
        }
    }

    /// Returns `env` without what the session loaded, and the names of values that the user changed.
    pub fn unload(&self, env: &Env) -> (Env, Vec<VarName>) {
        let (mut reverted, kept) = self.diff.revert(env);
        Self::erase(&mut reverted);
        (reverted, kept)
    }

    /// Removes every trace of a session from `env`.
    pub fn erase(env: &mut Env) {
        for name in [vars::DEVSH_ROOT, vars::DEVSH_SHELL, vars::DEVSH_DIFF] {
            env.unset(name);
        }
    }
}

/// Returns the host shell's own environment: `env` without any session.
pub fn host_env(env: &Env) -> Env {
    if let Some(session) = Session::from_env(env) {
        return session.unload(env).0;
    }
    let mut env = env.clone();
    Session::erase(&mut env);
    env
}

fn decode(bytes: &[u8]) -> Result<(RecordId, bool, EnvDiff), Damaged> {
    let mut reader = Reader::new(bytes);
    if reader.number()? != FORMAT || reader.number()? != u64::from(fsx::user()) {
        return Err(Damaged);
    }
    let record = reader.array()?;
    let pinned = match reader.number()? {
        0 => false,
        1 => true,
        _ => return Err(Damaged),
    };
    let diff = codec::decode(reader.bytes()?)?;
    reader.finish()?;
    Ok((record, pinned, diff))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session() -> Session {
        let mut target = Env::default();
        target.set("A", "1");
        target.set("PATH", "/x:/y");
        Session {
            project: Some((PathBuf::from("/a\nb"), ShellName::dev())),
            record: [7; 16],
            pinned: true,
            diff: EnvDiff::between(&Env::default(), &target),
        }
    }

    #[test]
    fn a_session_travels_in_the_environment() {
        let mut env = Env::default();
        session().write(&mut env);
        assert_eq!(Session::from_env(&env), Some(session()));
        env.unset(vars::DEVSH_ROOT);
        assert_eq!(Session::from_env(&env).unwrap().project, None);
        env.set("A", "1");
        assert_eq!(host_env(&env), Env::default());
    }

    #[test]
    fn the_session_of_another_user_is_none() {
        let bytes = URL_SAFE_NO_PAD.decode(session().encoded().into_string().unwrap());
        let bytes = bytes.unwrap();
        let mut other = Writer::default();
        other.number(FORMAT);
        other.number(u64::from(fsx::user()) + 1);
        let mut start = Writer::default();
        start.number(FORMAT);
        start.number(fsx::user().into());
        let mut forged = other.into_bytes();
        forged.extend_from_slice(&bytes[start.into_bytes().len()..]);
        assert!(decode(&bytes).is_ok());
        assert_eq!(decode(&forged), Err(Damaged));
    }

    proptest! {
        #[test]
        fn a_tampered_session_is_none_or_harmless(at in 0usize..200, character in "[ -~]") {
            let mut text = session().encoded().into_string().unwrap();
            let at = at % text.len();
            text.replace_range(at..=at, &character);
            let mut env = Env::default();
            env.set(vars::DEVSH_DIFF, text);
            let _session = Session::from_env(&env);
        }
    }
}
