//! The table `trust`: projects that need no approval, and projects that are always denied.

use std::path::{Path, PathBuf};

use super::remote::Remote;

/// The user's rules about trust. Without any, every project needs an approval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustRules {
    /// Projects in these directories and below are allowed with any content.
    pub allow: Vec<PathBuf>,
    /// Projects in these directories and below are denied; this wins over every other rule.
    pub deny: Vec<PathBuf>,
    /// Repositories with no other remotes than these are allowed with any content.
    pub remotes: Vec<Remote>,
    /// Exact paths of projects whose files other users may own or change.
    pub shared: Vec<PathBuf>,
    /// The treatment of a changed lockfile.
    pub lockfiles: LockfileTrust,
}

/// The part that versions in lockfiles have in an approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LockfileTrust {
    /// They change without an approval.
    #[default]
    Follow,
    /// Every change needs an approval.
    Ask,
}

/// The decision of the rules about a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Its content needs no approval.
    Allowed,
    /// Its content must not be used.
    Denied,
}

impl TrustRules {
    /// Returns the decision about the project at `root`; `vouched` is true if the remotes of a repository that tracks it
    /// are known.
    pub fn ruling(&self, root: &Path, vouched: bool) -> Option<Ruling> {
        if self.denies(root) {
            Some(Ruling::Denied)
        } else if holds(&self.allow, root) || vouched {
            Some(Ruling::Allowed)
        } else {
            None
        }
    }

    /// Returns whether there are remotes and all are known.
    pub fn knows(&self, remotes: &[Remote]) -> bool {
        let known = |remote: &Remote| self.remotes.iter().any(|known| remote.is_below(known));
        !remotes.is_empty() && remotes.iter().all(known)
    }

    /// Returns whether nothing in the directory `place` may be used.
    pub fn denies(&self, place: &Path) -> bool {
        holds(&self.deny, place)
    }
}

/// Returns whether a directory is one of the list or below it.
///
/// Paths are compared by whole components: `~/work` does not hold `~/workshop`.
fn holds(list: &[PathBuf], place: &Path) -> bool {
    list.iter().any(|path| place.starts_with(path))
}

/// Returns a path without `..`, with the home directory for `~`, and canonical if it exists.
pub(super) fn absolute(text: &str, home: Option<&Path>) -> Option<PathBuf> {
    let path = match text.strip_prefix('~') {
        Some("") => home?.to_owned(),
        Some(rest) => home?.join(rest.strip_prefix('/')?),
        None => PathBuf::from(text),
    };
    let plain = path.is_absolute()
        && path.parent().is_some()
        && !path.components().any(|part| part.as_os_str() == "..");
    // It is compared with the root of a project, which is canonical.
    plain.then(|| path.canonicalize().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::Settings;

    fn rules(text: &str) -> Result<TrustRules, String> {
        let text = format!("[trust]\n{text}");
        Settings::parse(&text, Some(Path::new("/nonexistent/home")))
            .map(|settings| settings.trust.unwrap_or_default())
            .map_err(|problem| problem.message)
    }

    #[test]
    fn whole_components_count_and_deny_wins() {
        let rules = rules(
            "allow = [\"/nonexistent/work\", \"~/src\"]\ndeny = [\"/nonexistent/work/evil\"]\n",
        );
        let rules = rules.unwrap();
        for (path, expected) in [
            ("/nonexistent/work", Some(Ruling::Allowed)),
            ("/nonexistent/work/a/b", Some(Ruling::Allowed)),
            ("/nonexistent/workshop", None),
            ("/nonexistent", None),
            ("/nonexistent/work/evil", Some(Ruling::Denied)),
            ("/nonexistent/work/evil/a", Some(Ruling::Denied)),
            ("/nonexistent/work/evil-not", Some(Ruling::Allowed)),
            ("/nonexistent/home/src/a", Some(Ruling::Allowed)),
            ("/nonexistent/home", None),
        ] {
            assert_eq!(rules.ruling(Path::new(path), false), expected, "{path}");
        }
    }

    #[test]
    fn every_remote_must_be_known() {
        let rules = rules("remotes = [\"github.com/acme\"]\n").unwrap();
        let ruling = |urls: &[&str]| {
            let remotes: Vec<Remote> = urls.iter().filter_map(|url| Remote::of_url(url)).collect();
            assert_eq!(remotes.len(), urls.len());
            rules.ruling(Path::new("/x"), rules.knows(&remotes))
        };
        let known = "https://github.com/acme/app.git";
        assert_eq!(ruling(&[known]), Some(Ruling::Allowed));
        assert_eq!(ruling(&[]), None);
        assert_eq!(ruling(&[known, "git@github.com:evil/app.git"]), None);
        assert_eq!(ruling(&["https://github.com/acme-evil/app"]), None);
    }

    #[test]
    fn rules_that_would_match_every_project_are_refused() {
        for text in [
            "allow = [\"/\"]",
            "allow = [\"work\"]",
            "allow = [\"../x\"]",
            "allow = [\"/a/../b\"]",
            "allow = [\"~work\"]",
            "remotes = [\"github.com\"]",
            "remotes = [\"\"]",
            "alow = []",
        ] {
            assert!(rules(text).is_err(), "{text}");
        }
    }
}
