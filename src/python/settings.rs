//! The settings with which a project chooses where its Python packages come from and how they are resolved.
//!
//! They are kept as options of a list of requirements, which uv and pip understand alike.

use std::collections::HashSet;

use super::scope::Scope;
use crate::manifest::Origin;

/// Options that decide which files uv installs for exact packages. The others only matter for resolving.
const OF_INSTALLATION: [&str; 8] = [
    "--index ",
    "--default-index ",
    "--extra-index-url ",
    "--index-url ",
    "--find-links ",
    "--no-index",
    "--no-binary ",
    "--only-binary ",
];
/// Options of the project that uv takes as arguments, not as lines of a list.
const ARGUMENTS: [&str; 6] = [
    "--index ",
    "--default-index ",
    "--prerelease=",
    "--resolution=",
    INDEX_STRATEGY,
    "--fork-strategy=",
];

/// The option for the order in which uv asks indexes, and whether it goes on after the first that has a package.
const INDEX_STRATEGY: &str = "--index-strategy=";

/// A setting of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSetting {
    pub(super) scope: Scope,
    pub(super) kind: SettingKind,
    /// The setting as an option of a list of requirements.
    pub text: String,
    pub origin: Origin,
}

/// The meaning of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SettingKind {
    /// The public index counts, next to others that replace it.
    PublicIndex,
    /// Another index counts.
    Index {
        /// The name by which uv finds credentials for it (`UV_INDEX_NAME_PASSWORD`).
        name: Option<String>,
        url: String,
        rank: IndexRank,
        /// True if the public index does not count.
        replaces_public: bool,
    },
    /// A page or directory with files counts.
    FindLinks(String),
    /// No index counts.
    NoIndex,
    /// `--no-binary NAME` or `--only-binary NAME`.
    Build(String),
    /// A list of constraints at an address (`-c https://…`), which uv fetches.
    RemoteConstraints(String),
    /// An option for uv as it is locked.
    Verbatim(String),
}

/// The order in which indexes are asked. uv takes a package from the first index that has it, so another project
/// on the public index cannot take the name of a private package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IndexRank {
    First,
    InOrder,
    Last,
}

impl PackageSetting {
    /// Returns whether the setting names a place other than the public index from which packages or requirements come.
    pub fn names_place(&self) -> bool {
        match self.kind {
            SettingKind::Index { .. }
            | SettingKind::FindLinks(_)
            | SettingKind::NoIndex
            | SettingKind::RemoteConstraints(_) => true,
            SettingKind::PublicIndex | SettingKind::Build(_) | SettingKind::Verbatim(_) => false,
        }
    }

    /// Returns the setting for an approval: with the user's variables that uv sends to an index of this name.
    pub(super) fn to_approve(&self) -> String {
        let SettingKind::Index {
            name: Some(name), ..
        } = &self.kind
        else {
            return self.text.clone();
        };
        let letter = |one: char| match one {
            'a'..='z' | 'A'..='Z' | '0'..='9' => one.to_ascii_uppercase(),
            _ => '_',
        };
        let name: String = name.chars().map(letter).collect();
        format!(
            "{} (gets UV_INDEX_{name}_USERNAME and UV_INDEX_{name}_PASSWORD, if you have them)",
            self.text
        )
    }

    /// Returns whether the setting takes part in the choice between places. The public index and the strategy do so
    /// where another place is named.
    pub fn chooses_place(&self) -> bool {
        match &self.kind {
            SettingKind::PublicIndex => true,
            SettingKind::Verbatim(line) => line.starts_with(INDEX_STRATEGY),
            _ => self.names_place(),
        }
    }
}

/// Returns the settings as lines of a list of requirements and arguments of uv, without repetitions.
pub(super) fn option_lines(settings: &[&PackageSetting]) -> Vec<String> {
    let mut indexes: Vec<(IndexRank, Option<&str>, &str)> = Vec::new();
    let mut known = HashSet::new();
    let (mut replaced, mut public) = (false, false);
    let mut others = Vec::new();
    for setting in settings {
        match &setting.kind {
            SettingKind::PublicIndex => public = true,
            SettingKind::Index {
                name,
                url,
                rank,
                replaces_public,
            } => {
                replaced |= replaces_public;
                if known.insert(url) {
                    indexes.push((*rank, name.as_deref(), url));
                }
            }
            SettingKind::FindLinks(place) => others.push(format!("--find-links {place}")),
            SettingKind::NoIndex => others.push("--no-index".to_owned()),
            SettingKind::Build(line)
            | SettingKind::RemoteConstraints(line)
            | SettingKind::Verbatim(line) => others.push(line.clone()),
        }
    }
    indexes.sort_by_key(|(rank, ..)| *rank);
    // uv asks the default index last. Without an option that is the public one.
    let default = if public || !replaced {
        None
    } else {
        indexes.pop()
    };
    let extra = indexes.iter().map(|(_, name, url)| match name {
        Some(name) => format!("--index {name}={url}"),
        None => format!("--extra-index-url {url}"),
    });
    let default = default.map(|(_, name, url)| match name {
        Some(name) => format!("--default-index {name}={url}"),
        None => format!("--index-url {url}"),
    });
    let mut known = HashSet::new();
    let lines = extra.chain(default).chain(others);
    lines.filter(|line| known.insert(line.clone())).collect()
}

/// Returns whether an option matters for installing exact packages.
pub fn is_of_installation(option: &str) -> bool {
    OF_INSTALLATION
        .iter()
        .any(|start| option.starts_with(start))
}

/// Options for uv, by how it takes them.
#[derive(Debug, Default)]
pub(super) struct UvOptions<'o> {
    pub(super) arguments: Vec<&'o str>,
    /// Lines at the begin of a list of requirements.
    pub(super) lines: String,
    /// True if they replace the public index.
    pub(super) replaces_index: bool,
}

impl<'o> UvOptions<'o> {
    pub(super) fn new(options: &'o [String]) -> Self {
        let mut all = Self::default();
        for option in options {
            let default = ["--default-index ", "--index-url "];
            all.replaces_index |= default.iter().any(|start| option.starts_with(start));
            let argument = ARGUMENTS.iter().any(|start| option.starts_with(start));
            if argument {
                all.arguments.extend(option.splitn(2, ' '));
            } else {
                all.lines.push_str(option);
                all.lines.push('\n');
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(kind: SettingKind) -> PackageSetting {
        PackageSetting {
            scope: Scope::Always,
            kind,
            text: String::new(),
            origin: Origin {
                file: "requirements.txt".into(),
                line: 1,
                is_preset: false,
            },
        }
    }

    fn index(url: &str, rank: IndexRank, replaces_public: bool) -> PackageSetting {
        setting(SettingKind::Index {
            name: None,
            url: url.to_owned(),
            rank,
            replaces_public,
        })
    }

    fn lines(settings: &[PackageSetting]) -> Vec<String> {
        option_lines(&settings.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_public_index_is_asked_last_or_not_at_all() {
        let extra = index("https://extra", IndexRank::InOrder, false);
        let own = index("https://own", IndexRank::First, true);
        assert_eq!(
            lines(std::slice::from_ref(&extra)),
            ["--extra-index-url https://extra"]
        );
        assert_eq!(
            lines(&[extra.clone(), own.clone()]),
            ["--extra-index-url https://own", "--index-url https://extra"]
        );
        assert_eq!(
            lines(&[extra, own, setting(SettingKind::PublicIndex)]),
            [
                "--extra-index-url https://own",
                "--extra-index-url https://extra"
            ]
        );
    }
}
