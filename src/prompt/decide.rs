//! Decides what happens to a host shell at a prompt. Pure.

use std::path::Path;

use crate::manifest::ShellName;

use super::session_var::{RecordId, Session};

/// What happens to a host shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Everything stays as it is.
    Keep,
    /// A dev shell is loaded into the untouched environment.
    Load,
    /// What is loaded is undone and the dev shell is loaded again, or another one.
    Reload,
    /// What is loaded is undone.
    Unload,
}

/// A dev shell that the host shell should have loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The project.
    pub root: &'a Path,
    /// The dev shell.
    pub shell: &'a ShellName,
    /// The record that is to be loaded.
    pub record: RecordId,
}

/// Decides, from what the host shell has and what it should have.
///
/// In a new host shell that inherited a session, rc files have run since and put other entries first on
/// `PATH`, and aliases were not inherited: what is loaded is loaded again.
pub fn decide(session: Option<&Session>, wanted: Option<Wanted<'_>>, new_shell: bool) -> Decision {
    let Some(session) = session else {
        return if wanted.is_some() {
            Decision::Load
        } else {
            Decision::Keep
        };
    };
    let Some(wanted) = wanted else {
        return Decision::Unload;
    };
    let same = session.record == wanted.record
        && session
            .project
            .as_ref()
            .is_some_and(|(root, shell)| root == wanted.root && shell == wanted.shell);
    if same && !new_shell {
        Decision::Keep
    } else {
        Decision::Reload
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::EnvDiff;

    #[test]
    fn every_case_is_decided() {
        let dev = ShellName::dev();
        let test: ShellName = "test".parse().unwrap();
        let session = |project| Session {
            project,
            record: [1; 16],
            pinned: false,
            quiet: false,
            diff: EnvDiff::default(),
        };
        let loaded = session(Some(("/a".into(), ShellName::dev())));
        let interrupted = session(None);
        let want = |root: &'static str, shell, record| {
            Some(Wanted {
                root: Path::new(root),
                shell,
                record: [record; 16],
            })
        };
        let table = [
            (None, None, false, Decision::Keep),
            (None, want("/a", &dev, 1), true, Decision::Load),
            (Some(&loaded), want("/a", &dev, 1), false, Decision::Keep),
            (Some(&loaded), want("/a", &dev, 1), true, Decision::Reload),
            (Some(&loaded), want("/a", &dev, 2), false, Decision::Reload),
            (Some(&loaded), want("/a", &test, 1), false, Decision::Reload),
            (Some(&loaded), want("/b", &dev, 1), false, Decision::Reload),
            (Some(&loaded), None, false, Decision::Unload),
            (
                Some(&interrupted),
                want("/a", &dev, 1),
                false,
                Decision::Reload,
            ),
            (Some(&interrupted), None, true, Decision::Unload),
        ];
        for (session, wanted, new_shell, decision) in table {
            assert_eq!(
                decide(session, wanted, new_shell),
                decision,
                "{session:?} {wanted:?}"
            );
        }
    }
}
