//! Names of tools, of packages and of their sources.
//!
//! Invariant: a `PackageName` consists of safe path components, so it cannot lead out of the store.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Invalid,
    catalogue::{CATALOGUE, CatalogueEntry},
    source::{Source, Supplier},
};

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

impl PackageName {
    /// Parses a name as the source writes it.
    pub fn of(source: Source, text: &str) -> Result<Self, Invalid> {
        let plain = |text: &str, more: &[u8]| {
            let named = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
            !text.is_empty() && text.len() <= 100 && text.bytes().all(named)
        };
        let (valid, expected) = match source {
            Source::Npm => return Self::npm(text),
            Source::Github => {
                let part = |part: &str| plain(part, b"._-") && !part.starts_with(['.', '-']);
                let repository = text.split_once('/');
                let valid = repository.is_some_and(|(owner, name)| part(owner) && part(name));
                (valid, "a repository such as `cli/cli`")
            }
            Source::Cargo => {
                let valid = plain(text, b"_-")
                    && !text.starts_with(|first: char| !first.is_ascii_alphabetic());
                (valid, "the name of a crate")
            }
            Source::Conda => {
                let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
                let valid = plain(text, b"_.-") && lower && !text.starts_with(['.', '-']);
                (valid, "the name of a conda package")
            }
            _ => return text.parse(),
        };
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(expected, text))
        }
    }

    /// Parses a name of any source, as the record of a store object has it.
    pub fn recorded(text: &str) -> Result<Self, Invalid> {
        match text.contains('/') {
            true if text.starts_with('@') => Self::npm(text),
            true => Self::of(Source::Github, text),
            false => text.parse(),
        }
    }

    /// Returns the usual name of the program in a package: `biome` for `@biomejs/biome`.
    fn usual_name(&self) -> Result<Self, Invalid> {
        // The package of the later Yarn has the name of its directory.
        if self.0 == "@yarnpkg/cli-dist" {
            return "yarn".parse();
        }
        let last = self.0.rsplit('/').next().unwrap_or_default();
        last.trim_matches(|one: char| !one.is_ascii_alphanumeric())
            .parse()
    }
}

/// Returns whether `text` is a place where npm installs a package, relative to `node_modules`: `a`,
/// `@b/c/node_modules/d`.
pub fn is_npm_place(text: &str) -> bool {
    text.split("/node_modules/")
        .all(|name| PackageName::npm(name).is_ok())
}

/// Returns the name of the package that belongs at a place (`chalk`, `a/node_modules/@b/c`).
pub fn name_of_npm_place(place: &str) -> &str {
    place
        .rsplit_once("/node_modules/")
        .map_or(place, |(_, name)| name)
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
    /// The source that is asked first.
    pub source: Source,
    /// The package's name at that source. It can differ: `just` is `rust-just` on the Python index.
    pub package: PackageName,
}

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

    /// Returns whether the tool is a Python interpreter, of its own source or of conda.
    pub fn is_interpreter(&self) -> bool {
        self.source == Source::Python || self.is_conda_python()
    }

    /// Returns whether the tool is the Python of conda.
    pub fn is_conda_python(&self) -> bool {
        self.source == Source::Conda && self.package.as_str() == "python"
    }

    /// Returns whether the tool is uv, which installs Python packages.
    pub fn is_uv(&self) -> bool {
        self.short_name().is_some_and(|short| short.name == "uv")
    }

    /// Returns whether the tool can be a Python application. Only its wheel decides.
    pub fn may_be_application(&self) -> bool {
        let short = self.short_name();
        self.source == Source::Pypi && short.is_none_or(|short| short.is_application)
    }

    /// Returns every short name, sorted.
    pub fn short_names() -> impl Iterator<Item = &'static str> {
        CATALOGUE.iter().map(|short| short.name)
    }

    /// Returns the packages that can serve the tool, in the order in which their sources are asked.
    pub fn suppliers(&self) -> Vec<Supplier> {
        let own = Supplier {
            source: self.source,
            package: self.package.clone(),
        };
        let others = self.short_name().into_iter().flat_map(|short| {
            let packages = short.suppliers.iter().skip(1);
            packages.filter_map(|(source, package)| Supplier::new(*source, package).ok())
        });
        std::iter::once(own).chain(others).collect()
    }

    /// Returns the position of a supplier in `suppliers`; nothing if it cannot serve the tool.
    ///
    /// A crate can name a release with its programs, which counts as the crate. A crate that only replaces another source
    /// names none that the tool does not have.
    pub fn supplier_rank(&self, supplier: &Supplier) -> Option<usize> {
        let mut suppliers = self.suppliers().into_iter();
        let is_release = matches!(supplier.source, Source::Github | Source::Url);
        suppliers
            .position(|one| one == *supplier)
            .or_else(|| (is_release && self.source == Source::Cargo).then_some(0))
    }

    /// Returns the supplier of a lock entry that names none: the sources of devsh 0.1 were the only ones then.
    pub fn unnamed_supplier(&self) -> Supplier {
        let suppliers = self.suppliers();
        let old = [Source::Npm, Source::Pypi, Source::Python, Source::Rust];
        let first = suppliers.iter().find(|one| old.contains(&one.source));
        first.or(suppliers.first()).cloned().unwrap_or(Supplier {
            source: self.source,
            package: self.package.clone(),
        })
    }

    /// Returns the tool under the same name, as the package of one supplier.
    #[must_use]
    pub fn from_supplier(&self, supplier: &Supplier) -> Self {
        Self {
            name: self.name.clone(),
            source: supplier.source,
            package: supplier.package.clone(),
        }
    }

    fn short_name(&self) -> Option<&'static CatalogueEntry> {
        let short = CatalogueEntry::find(self.name.as_str())?;
        let first = (self.source, self.package.as_str());
        (short.suppliers.first() == Some(&first)).then_some(short)
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
        if text.contains(':') {
            let supplier: Supplier = text.parse()?;
            // `pypi:rust-just` and `just` are the same tool.
            let package = (supplier.source, supplier.package.as_str());
            let short = CATALOGUE
                .iter()
                .find(|short| short.suppliers.first() == Some(&package));
            return Ok(Self {
                name: match short {
                    Some(short) => short.name.parse()?,
                    None => supplier.package.usual_name()?,
                },
                source: supplier.source,
                package: supplier.package,
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
        let short = CatalogueEntry::find(text).ok_or_else(|| Invalid::new("a known tool", text))?;
        let mut suppliers = short.suppliers.iter();
        let (source, package) = suppliers
            .next()
            .ok_or_else(|| Invalid::new("a known tool", text))?;
        Ok(Self {
            name: text.parse()?,
            source: *source,
            package: PackageName::of(*source, package)?,
        })
    }
}

impl fmt::Display for Tool {
    /// Writes the shortest form that parses back to this tool.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.short_name().is_some() || self.python_minor().is_some() {
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
    fn a_tool_has_the_usual_name_of_its_program() {
        for (text, name) in [
            ("npm:@biomejs/biome", "biome"),
            ("npm:@yarnpkg/cli-dist", "yarn"),
            ("pypi:rust-just", "just"),
        ] {
            assert_eq!(text.parse::<Tool>().unwrap().name.as_str(), name);
        }
    }

    #[test]
    fn tools_print_as_they_parse() {
        for text in [
            "ruff",
            "python",
            "just",
            "pre-commit",
            "mypy",
            "pypi:ruff-lsp",
            "prettier",
            "npm:@team/tool",
            "npm:lodash.merge",
            "github:ruff/ruff",
            "github:BurntSushi/rip_grep.x",
            "cargo:cargo_metadata",
            "conda:libgcc_s.x",
            "conda:_openmp_mutex",
            "terraform",
            "url:tool",
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
            "node:npm",
            "github:cli",
            "github:../cli",
            "github:cli/..",
            "github:cli/cli/x",
            "cargo:1x",
            "conda:Git",
            "conda:../x",
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

    #[test]
    fn suppliers_of_a_tool_are_in_order() {
        let suppliers = |tool: &str| -> Vec<String> {
            let tool: Tool = tool.parse().unwrap();
            tool.suppliers().iter().map(ToString::to_string).collect()
        };
        assert_eq!(suppliers("ruff"), ["pypi:ruff"]);
        assert_eq!(suppliers("fd"), ["github:sharkdp/fd", "cargo:fd-find"]);
        assert_eq!(suppliers("pypi:ruff-lsp"), ["pypi:ruff-lsp"]);
        assert_eq!(suppliers("python3.13"), ["python:python"]);
        for tool in Tool::short_names() {
            let tool: Tool = tool.parse().unwrap();
            assert!(
                tool.suppliers().contains(&tool.unnamed_supplier()),
                "{tool}"
            );
        }
    }
}
