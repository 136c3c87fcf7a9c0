//! `[trust]` in `config.toml`: where the user does not want to be asked, and where nothing may ever run.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::remote::Remote;

/// The user's rules about trust. Without any, every project is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustRules {
    /// Projects here and below are allowed, whatever their content.
    pub allow: Vec<PathBuf>,
    /// Projects here and below are denied; wins over everything.
    pub deny: Vec<PathBuf>,
    /// Repositories whose remotes are all among these are allowed, whatever their content.
    pub remotes: Vec<Remote>,
    /// Projects, by exact path, whose files others may own or change.
    pub shared: Vec<PathBuf>,
}

/// What the rules say about a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Its content needs no approval.
    Allowed,
    /// Nothing of it may be used.
    Denied,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawTrust {
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    remotes: Vec<String>,
    #[serde(default)]
    shared: Vec<String>,
}

impl RawTrust {
    /// Checks the values; the error names the key and the value.
    pub(super) fn check(self, home: Option<&Path>) -> Result<TrustRules, (String, String)> {
        let paths = |key: &str, list: Vec<String>| {
            let paths = list.into_iter().map(|text| {
                absolute(&text, home).ok_or_else(|| {
                    let expected = "a whole path such as `/srv/work` or `~/work`";
                    (format!("`{text}` in `trust.{key}` is not {expected}"), text)
                })
            });
            paths.collect::<Result<Vec<_>, _>>()
        };
        let remotes = self.remotes.into_iter().map(|text| {
            Remote::named(&text).ok_or_else(|| {
                let expected = "a server and an owner such as `github.com/acme`";
                (
                    format!("`{text}` in `trust.remotes` is not {expected}"),
                    text,
                )
            })
        });
        Ok(TrustRules {
            remotes: remotes.collect::<Result<_, _>>()?,
            allow: paths("allow", self.allow)?,
            deny: paths("deny", self.deny)?,
            shared: paths("shared", self.shared)?,
        })
    }
}

impl TrustRules {
    /// Returns what the rules say about the project at `root`, whose repository has these remotes.
    ///
    /// Paths are compared by whole components: `~/work` does not hold `~/workshop`.
    pub fn ruling(&self, root: &Path, remotes: &[Remote]) -> Option<Ruling> {
        let holds = |list: &[PathBuf]| list.iter().any(|path| root.starts_with(path));
        let known = |remote: &Remote| self.remotes.iter().any(|known| remote.is_below(known));
        if holds(&self.deny) {
            Some(Ruling::Denied)
        } else if holds(&self.allow) || (!remotes.is_empty() && remotes.iter().all(known)) {
            Some(Ruling::Allowed)
        } else {
            None
        }
    }
}

/// Returns a path without `..`, with the home directory for `~`, and as the file system has it if it is there.
fn absolute(text: &str, home: Option<&Path>) -> Option<PathBuf> {
    let path = match text.strip_prefix('~') {
        Some("") => home?.to_owned(),
        Some(rest) => home?.join(rest.strip_prefix('/')?),
        None => PathBuf::from(text),
    };
    let plain = path.is_absolute()
        && path.parent().is_some()
        && !path.components().any(|part| part.as_os_str() == "..");
    // A project's root is canonical, so that is what is compared.
    plain.then(|| path.canonicalize().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<TrustRules, String> {
        let raw: RawTrust = toml::from_str(text).map_err(|error| error.to_string())?;
        raw.check(Some(Path::new("/nonexistent/home")))
            .map_err(|(message, _)| message)
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
            assert_eq!(rules.ruling(Path::new(path), &[]), expected, "{path}");
        }
    }

    #[test]
    fn every_remote_must_be_known() {
        let rules = rules("remotes = [\"github.com/acme\"]\n").unwrap();
        let ruling = |urls: &[&str]| {
            let remotes: Vec<Remote> = urls.iter().filter_map(|url| Remote::of_url(url)).collect();
            assert_eq!(remotes.len(), urls.len());
            rules.ruling(Path::new("/x"), &remotes)
        };
        let known = "https://github.com/acme/app.git";
        assert_eq!(ruling(&[known]), Some(Ruling::Allowed));
        assert_eq!(ruling(&[]), None);
        assert_eq!(ruling(&[known, "git@github.com:evil/app.git"]), None);
        assert_eq!(ruling(&["https://github.com/acme-evil/app"]), None);
    }

    #[test]
    fn what_would_hold_everything_is_no_rule() {
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
