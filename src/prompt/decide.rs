//! Decides what happens to a host shell at a prompt. Pure.

use crate::env::Env;

use super::{load::Loading, session_var::ShellSession};

/// The next step for a host shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptDecision {
    /// Nothing changes.
    Keep,
    /// Load a dev shell into an environment without one.
    Load,
    /// Undo the loaded dev shell, then load the same or another one.
    Reload,
    /// Undo the loaded dev shell.
    Unload,
}

/// Decides by the dev shell that the host shell has loaded and the one that it should have loaded.
///
/// A new host shell that inherited a session loads it again: rc files have put other entries first on `PATH`, and
/// aliases are not inherited. A required variable that the user has set since decides other values.
pub fn decide(
    session: Option<&ShellSession>,
    desired: Option<&Loading<'_>>,
    new_shell: bool,
    env: &Env,
) -> PromptDecision {
    match (session, desired) {
        (None, None) => PromptDecision::Keep,
        (None, Some(_)) => PromptDecision::Load,
        (Some(_), None) => PromptDecision::Unload,
        (Some(session), Some(desired))
            if !new_shell && desired.is_loaded_in(session) && session.awaits_all(env) =>
        {
            PromptDecision::Keep
        }
        (Some(_), Some(_)) => PromptDecision::Reload,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        env::EnvDiff, manifest::ShellName, prompt::record::Record, util::secret_key::SecretKey,
    };

    #[test]
    fn every_case_is_decided() {
        let dev = ShellName::dev();
        let test: ShellName = "test".parse().unwrap();
        let (one, mut other) = (Record::default(), Record::default());
        other.content.summary = "other".to_owned();
        let session = |project| ShellSession {
            project,
            record: one.id(),
            pinned: false,
            quiet: false,
            is_complete: true,
            awaited: Vec::new(),
            diff: EnvDiff::default(),
        };
        let loaded = session(Some(("/a".into(), ShellName::dev())));
        let interrupted = session(None);
        let key = SecretKey::new(["/state".into(), "/data".into()]);
        let desire = |root, shell, record| Loading {
            root: Path::new(root),
            shell,
            record,
            pinned: false,
            program: Path::new("/devsh"),
            key: &key,
        };
        let same = desire("/a", &dev, &one);
        let table = [
            (None, None, false, PromptDecision::Keep),
            (None, Some(same), true, PromptDecision::Load),
            (Some(&loaded), Some(same), false, PromptDecision::Keep),
            (Some(&loaded), Some(same), true, PromptDecision::Reload),
            (
                Some(&loaded),
                Some(desire("/a", &dev, &other)),
                false,
                PromptDecision::Reload,
            ),
            (
                Some(&loaded),
                Some(desire("/a", &test, &one)),
                false,
                PromptDecision::Reload,
            ),
            (
                Some(&loaded),
                Some(desire("/b", &dev, &one)),
                false,
                PromptDecision::Reload,
            ),
            (Some(&loaded), None, false, PromptDecision::Unload),
            (
                Some(&interrupted),
                Some(same),
                false,
                PromptDecision::Reload,
            ),
            (Some(&interrupted), None, true, PromptDecision::Unload),
        ];
        for (session, desired, new_shell, decision) in table {
            assert_eq!(
                decide(session, desired.as_ref(), new_shell, &Env::default()),
                decision,
                "{session:?} {desired:?}"
            );
        }
    }
}
