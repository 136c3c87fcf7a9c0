//! The catalogue of usual tools, from `shells/tools.toml`: what each is for, and where devsh takes it from.

use super::{Source, System, Tool};

/// A usual tool.
#[derive(Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    pub name: &'static str,
    /// Its purpose, without a full stop.
    pub description: &'static str,
    /// Its home page.
    pub home: &'static str,
    /// A group of tools, such as `kubernetes`.
    pub kind: &'static str,
    /// The programs that people call; the first one has the tool's version.
    pub programs: &'static [&'static str],
    /// The command that prints the version.
    pub version_command: &'static [&'static str],
    /// Its names in the files of other tools.
    pub also: &'static [&'static str],
    /// True if it is a Python application.
    pub is_application: bool,
    /// The systems for which a source has it.
    pub systems: &'static [System],
    /// The packages that can serve it, in the order in which their sources are asked; never empty.
    pub suppliers: &'static [(Source, &'static str)],
    pub release: CatalogueRelease,
}

/// Settings of a tool for the sources `github` and `url`.
#[derive(Debug, PartialEq, Eq)]
pub struct CatalogueRelease {
    /// The name of the asset of a release.
    pub asset: &'static [(System, &'static str)],
    /// The address of the download.
    pub url: &'static [(System, &'static str)],
    /// The address of a file with the SHA-256 of the download.
    pub checksums: &'static [(System, &'static str)],
    /// The key with which the publisher signs a plain download.
    pub minisign: Option<&'static str>,
    /// The programs, as paths in the archive.
    pub bin: &'static [&'static str],
    /// The text in front of the version in the name of a tag.
    pub tag_prefix: Option<&'static str>,
    /// The package whose versions are those of a plain download: `github:helm/helm`.
    pub versions: Option<&'static str>,
    /// The words for operating systems and processors in these texts: `macos`, `osx`.
    pub words: &'static [(&'static str, &'static str)],
}

/// Every tool, sorted by name.
pub const CATALOGUE: &[CatalogueEntry] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

impl CatalogueEntry {
    /// Returns the tool with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        let at = CATALOGUE.binary_search_by(|entry| entry.name.cmp(name));
        at.ok().map(|at| &CATALOGUE[at])
    }

    /// Returns the entry of a tool that a manifest names by its short name.
    pub fn of(tool: &Tool) -> Option<&'static Self> {
        let entry = Self::find(tool.name.as_str())?;
        let first = (tool.source, tool.package.as_str());
        (entry.suppliers.first() == Some(&first)).then_some(entry)
    }

    /// Returns the tool with this name in the files of other tools: `golang`, `aqua:cli/cli`, `ubi:cli/cli`.
    pub fn find_other_name(name: &str) -> Option<&'static Self> {
        if let Some((prefix, package)) = name.split_once(':') {
            // A package of Go is a directory in a repository, which may have releases.
            let in_repository = package
                .strip_prefix("github.com/")
                .filter(|_| prefix == "go");
            let package = in_repository.map_or_else(|| package.to_owned(), repository_of);
            let repository = in_repository.is_some() || matches!(prefix, "aqua" | "github" | "ubi");
            let prefix = if repository { "github" } else { prefix };
            return CATALOGUE.iter().find(|entry| {
                let repository = entry.release.versions.and_then(|one| one.split_once(':'));
                let packages = entry.suppliers.iter();
                let packages = packages.map(|(source, package)| (source.as_str(), *package));
                packages
                    .chain(repository)
                    .any(|(source, own)| source == prefix && own.eq_ignore_ascii_case(&package))
            });
        }
        Self::find(name).or_else(|| CATALOGUE.iter().find(|entry| entry.also.contains(&name)))
    }
}

/// Returns `OWNER/NAME` of a path in a repository.
fn repository_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').take(2).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests;
