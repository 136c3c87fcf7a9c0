//! The file that an entry of `extends` names.

use std::fmt;

use url::Url;

use super::MANIFEST;
use crate::util::{address::parse_address, paths::join_text};

/// A file to extend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtendSource {
    /// A file or directory of this machine, as written.
    Path(String),
    /// A file of a web server.
    Https(Url),
    /// A file of a Git repository.
    Git(GitSource),
}

/// A file of a Git repository at a revision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitSource {
    /// The repository: `https`, `ssh` or `file`.
    pub repository: Url,
    /// A tag, branch or commit; empty for what the repository shows first.
    pub revision: String,
    /// The file, relative to the repository's root.
    pub path: String,
}

impl ExtendSource {
    /// Returns what `entry` names, if it names anything.
    pub fn parse(entry: &str) -> Option<Self> {
        if let Some(rest) = entry.strip_prefix("git+") {
            return git(rest).map(Self::Git);
        }
        if entry.starts_with("https://") || entry.starts_with("http://") {
            let url = parse_address(entry).ok()?;
            let anonymous = url.username().is_empty() && url.password().is_none();
            let file = url.fragment().is_none() && !url.path().ends_with('/');
            return (anonymous && file && (url.scheme() == "https" || is_local(&url)))
                .then_some(Self::Https(url));
        }
        let path = !entry.is_empty() && !entry.contains("://") && !entry.starts_with('-');
        path.then(|| Self::Path(entry.to_owned()))
    }

    /// Returns the source that `entry` of this file names, if it may name it.
    pub fn beside(&self, entry: &str) -> Option<Self> {
        let other = Self::parse(entry)?;
        let Self::Path(path) = &other else {
            // The user was asked only about the place of the first file.
            let allowed = !self.is_remote() || !other.is_local() || other.shares_place(self);
            return allowed.then_some(other);
        };
        match self {
            Self::Path(_) => Some(other),
            Self::Https(url) => {
                // Joined to `https:`, a backslash is a slash: `\\host` would be another server.
                let is_relative = !path.starts_with('/') && !path.contains('\\');
                let joined = url.join(path).ok()?;
                is_relative.then(|| Self::parse(joined.as_str()))?
            }
            Self::Git(git) => {
                let folder = git.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let path = join_text(folder, path);
                let inside = is_inside(&path) && !entry.starts_with('/');
                inside.then(|| {
                    Self::Git(GitSource {
                        path,
                        ..git.clone()
                    })
                })
            }
        }
    }

    /// Returns whether it is on a server or in a repository of this machine.
    fn is_local(&self) -> bool {
        match self {
            Self::Path(_) => true,
            Self::Https(url) => is_local(url),
            Self::Git(git) => git.repository.scheme() == "file" || is_local(&git.repository),
        }
    }

    /// Returns whether it is on the server, or in the repository, of another file.
    fn shares_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Https(one), Self::Https(other)) => one.origin() == other.origin(),
            (Self::Git(one), Self::Git(other)) => one.repository == other.repository,
            _ => false,
        }
    }

    /// Returns whether the file must be fetched.
    pub const fn is_remote(&self) -> bool {
        !matches!(self, Self::Path(_))
    }
}

impl fmt::Display for ExtendSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => formatter.write_str(path),
            Self::Https(url) => url.fmt(formatter),
            Self::Git(git) => {
                let GitSource {
                    repository,
                    revision,
                    path,
                } = git;
                write!(formatter, "git+{repository}#{revision}:{path}")
            }
        }
    }
}

fn git(rest: &str) -> Option<GitSource> {
    let (repository, place) = rest.split_once('#').unwrap_or((rest, ""));
    let (revision, path) = place.split_once(':').unwrap_or((place, MANIFEST));
    let url = parse_address(repository).ok()?;
    let known = match url.scheme() {
        // Over ssh the name is part of the address, and no secret.
        "ssh" => url.password().is_none(),
        "https" => url.username().is_empty() && url.password().is_none(),
        "http" => is_local(&url),
        "file" => true,
        _ => false,
    };
    let path = join_text("", path);
    let named = revision.is_empty() || is_revision(revision);
    (known && named && is_inside(&path) && url.query().is_none()).then(|| GitSource {
        repository: url,
        revision: revision.to_owned(),
        path,
    })
}

/// A name that git cannot take for an option or an expression.
fn is_revision(name: &str) -> bool {
    name.len() <= 128
        && !name.starts_with(['-', '/', '.'])
        && !name.contains("..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte))
}

fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with("..")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b":\\*?[".contains(&byte))
}

fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_files() {
        for (entry, shown) in [
            ("./team.toml", "./team.toml"),
            ("..", ".."),
            ("https://h/x.toml", "https://h/x.toml"),
            (
                "git+https://h/o/r.git#v3:a/b.toml",
                "git+https://h/o/r.git#v3:a/b.toml",
            ),
            (
                "git+https://h/o/r.git#v3",
                "git+https://h/o/r.git#v3:devshell.toml",
            ),
            ("git+ssh://git@h/o/r", "git+ssh://git@h/o/r#:devshell.toml"),
            (
                "git+file:///srv/r#main:./x.toml",
                "git+file:///srv/r#main:x.toml",
            ),
        ] {
            assert_eq!(ExtendSource::parse(entry).unwrap().to_string(), shown);
        }
        for entry in [
            "",
            "-x",
            "ftp://h/x",
            "http://h/x.toml",
            "https://me:secret@h/x.toml",
            "https://h/",
            "git+http://h/r#v1",
            "git+ext::sh -c x",
            "git+https://h/r#--upload-pack=x",
            "git+https://h/r#v1..v2",
            "git+https://h/r#HEAD^{/x}",
            "git+https://h/r#v1:../x.toml",
            "git+https://h/r?x#v1",
            r"https://evil.example\@h/x.toml",
            r"git+ssh://evil.example\@h/r#v1",
        ] {
            assert_eq!(ExtendSource::parse(entry), None, "{entry}");
        }
    }

    #[test]
    fn a_fetched_file_names_files_next_to_it() {
        let beside = |source: &str, entry: &str| {
            let source = ExtendSource::parse(source).unwrap();
            source.beside(entry).map(|other| other.to_string())
        };
        let git = "git+https://h/r#v3:a/b.toml";
        assert_eq!(
            beside(git, "./c.toml").as_deref(),
            Some("git+https://h/r#v3:a/c.toml")
        );
        assert_eq!(
            beside(git, "../c.toml").as_deref(),
            Some("git+https://h/r#v3:c.toml")
        );
        assert_eq!(beside(git, "../../c.toml"), None);
        assert_eq!(beside(git, "/etc/c.toml"), None);
        assert_eq!(
            beside("https://h/a/b.toml", "c.toml").as_deref(),
            Some("https://h/a/c.toml")
        );
        assert_eq!(beside("https://h/a/b.toml", "/c.toml"), None);
        let https = "https://h/a/b.toml";
        for local in [
            "git+file:///srv/r#:x.toml",
            "http://127.0.0.1:8000/x.toml",
            "https://localhost/x.toml",
            "git+ssh://git@localhost/r#:x.toml",
        ] {
            assert_eq!(beside(https, local), None, "{local}");
            assert_eq!(beside(git, local), None, "{local}");
            assert_eq!(beside("./team.toml", local).as_deref(), Some(local));
            assert_eq!(beside(local, local).as_deref(), Some(local));
        }
        assert_eq!(
            beside("http://127.0.0.1:1/x.toml", "http://127.0.0.1:2/x.toml"),
            None
        );
        assert!(beside(https, "https://other/x.toml").is_some());
        assert_eq!(beside("https://h/a/b.toml", r"\\evil.example\c.toml"), None);
        assert_eq!(beside("https://h/a/b.toml", r"a\..\c.toml"), None);
    }
}
