//! One requirement on a Python package: `uvicorn[standard]>=0.30; python_version < "4"`.

use std::str::FromStr;

use super::marker::{Marker, normalize};
use crate::{
    lockfile::{PythonKey, PythonSet},
    package::{Invalid, PackageName},
};

/// The fragment with the digest of a build's inputs.
const INPUTS: &str = "#inputs=";

/// Returns whether an approved requirement means the dependencies of a project that only its build system knows.
pub fn is_built_metadata(requirement: &str) -> bool {
    requirement.contains("file://") && requirement.contains(INPUTS)
}

/// The requirement on the dependencies of a project that only its build system knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BuiltMetadata {
    name: String,
    address: String,
}

impl BuiltMetadata {
    /// Takes the name of the project, the address of its directory and a digest of what its build reads.
    pub(super) fn new(name: &str, directory: &str, inputs: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: format!("{directory}{INPUTS}{inputs}"),
        }
    }

    /// Returns the requirement, with the dependencies of an extra too if one is given.
    pub(super) fn to_requirement(&self, extra: Option<&str>) -> String {
        let extra = extra.map(|extra| format!("[{extra}]"));
        format!(
            "{}{} @ {}",
            self.name,
            extra.unwrap_or_default(),
            self.address
        )
    }
}

/// A parsed requirement.
///
/// The crate `pep508_rs` is not used for this: it panics on names and extras that end in a dash (`a[b-]`), and
/// requirements are read before anyone approved their project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRequirement {
    /// The package, normalised.
    pub name: PackageName,
    /// Extras of the package, normalised.
    pub extras: Vec<String>,
    /// The one admitted version (`==1.2`), if it is exact.
    pub exact: Option<String>,
    /// The address (`name @ https://…`), if it does not come from an index.
    pub url: Option<String>,
    pub marker: Marker,
    /// True if devsh made the requirement: it means the metadata that a build of the project gives.
    is_project_build: bool,
    /// The admitted versions (`>=0.30,<1`); empty for all.
    versions: String,
    text: String,
}

impl PythonRequirement {
    /// Returns the requirement on the metadata of a project, with an extra if one is given. It changes with the digest of
    /// the build's inputs, so it is resolved again then.
    pub(super) fn of_project_build(
        metadata: &BuiltMetadata,
        extra: Option<&str>,
    ) -> Result<Self, Invalid> {
        Ok(Self {
            is_project_build: true,
            ..metadata.to_requirement(extra).parse()?
        })
    }

    /// Returns whether devsh made the requirement for a build of the project. A text that looks the same is none.
    pub(super) const fn is_project_build(&self) -> bool {
        self.is_project_build
    }

    /// Returns the requirement on one line, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the versions admit an exact one. A version that PEP 440 does not know is only equal to itself.
    pub fn admits(&self, version: &str) -> bool {
        if let Some(exact) = self.versions.strip_prefix("===") {
            return exact == version;
        }
        let parsed = version.parse::<pep440_rs::Version>();
        let versions = pep440_rs::VersionSpecifiers::from_str(&self.versions);
        match (versions, parsed) {
            (Ok(versions), Ok(version)) => versions.contains(&version),
            _ => self.versions.is_empty() || self.exact.as_deref() == Some(version),
        }
    }

    /// Returns the condition as it was written; empty for none.
    pub(super) fn marker_text(&self) -> &str {
        split_marker(&self.text).1.trim()
    }
}

impl FromStr for PythonRequirement {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("a requirement on a Python package", text);
        let text = text.trim();
        // It becomes one line of a list of requirements, so it must not hold a line break.
        if text.contains(char::is_control) || text.len() > 4000 {
            return Err(invalid());
        }
        let (head, marker) = split_marker(text);
        let letters = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.');
        let end = head.find(|one| !letters(one)).unwrap_or(head.len());
        let (name, mut rest) = (&head[..end], head[end..].trim());
        let mut extras = Vec::new();
        if let Some(inner) = rest.strip_prefix('[') {
            let (list, after) = inner.split_once(']').ok_or_else(invalid)?;
            let names = list.split(',').map(str::trim).filter(|one| !one.is_empty());
            if !names.clone().all(|one| one.chars().all(letters)) {
                return Err(invalid());
            }
            extras = names.map(normalize).collect();
            rest = after.trim_start();
        }
        let url = rest.strip_prefix('@').map(str::trim);
        if url.is_some_and(|url| url.is_empty() || url.contains(char::is_whitespace)) {
            return Err(invalid());
        }
        let versions = if url.is_some() { "" } else { rest };
        let inner = versions
            .strip_prefix('(')
            .and_then(|one| one.strip_suffix(')'));
        let versions: String = inner.unwrap_or(versions).split_whitespace().collect();
        if !versions.is_empty() && !is_specifier_list(&versions) {
            return Err(invalid());
        }
        Ok(Self {
            name: name.parse().map_err(|_| invalid())?,
            extras,
            exact: exact(&versions).map(str::to_owned),
            url: url.map(str::to_owned),
            marker: marker.parse()?,
            is_project_build: false,
            versions,
            text: text.to_owned(),
        })
    }
}

/// Returns a requirement of a list that its locked packages do not meet. A lockfile alone cannot leave the requirements.
pub fn find_unmet<'k>(key: &'k PythonKey, set: &PythonSet) -> Option<&'k str> {
    let parse = |text: &String| text.parse::<PythonRequirement>().ok();
    let overridden: Vec<_> = key.overrides.iter().filter_map(parse).collect();
    let is_overridden = |name: &PackageName| overridden.iter().any(|one| one.name == *name);
    let locked = set.packages.iter().map(|one| &one.requirement);
    let locked: Vec<_> = locked.filter_map(parse).collect();
    let asked = key.requirements.iter().filter_map(|text| {
        let requirement = parse(text)?;
        // The address of a package decides its version, and it was compared with the requirements.
        let is_open = requirement.url.is_some()
            || is_overridden(&requirement.name)
            || set.left_out.contains(text);
        (!is_open).then_some((text.as_str(), requirement))
    });
    let asked: Vec<_> = asked.collect();
    let is_met = |requirement: &PythonRequirement| {
        let mut same = locked.iter().filter(|one| one.name == requirement.name);
        let admits = |asked: &PythonRequirement, locked: &PythonRequirement| {
            let version = locked.exact.as_deref();
            locked.url.is_some() || version.is_some_and(|version| asked.admits(version))
        };
        if requirement.marker_text().is_empty() {
            return same.clone().next().is_some() && same.all(|one| admits(requirement, one));
        }
        // Requirements with conditions divide the versions among themselves.
        same.all(|one| {
            let mut others = asked.iter().filter(|(_, asked)| asked.name == one.name);
            others.any(|(_, asked)| admits(asked, one))
        })
    };
    let unmet = asked.iter().find(|(_, requirement)| !is_met(requirement));
    unmet.map(|(text, _)| *text)
}

fn split_marker(text: &str) -> (&str, &str) {
    // An address may contain `;`, so a space must come before the one that begins the marker.
    let separator = if text.contains(" @ ") { " ;" } else { ";" };
    text.split_once(separator).unwrap_or((text, ""))
}

fn exact(versions: &str) -> Option<&str> {
    let version = versions.strip_prefix("==")?;
    let version = version.strip_prefix('=').unwrap_or(version);
    (!version.contains(['*', ','])).then_some(version)
}

fn is_specifier_list(versions: &str) -> bool {
    // `===` admits any text; everything else follows PEP 440.
    match versions.strip_prefix("===") {
        Some(text) => text
            .bytes()
            .all(|one| one.is_ascii_graphic() && one != b','),
        None => pep440_rs::VersionSpecifiers::from_str(versions).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_parsed() {
        let one: PythonRequirement = "Uvicorn[standard, HTTP_x] >=0.30, <1; python_version < '4'"
            .parse()
            .unwrap();
        assert_eq!(one.name.as_str(), "uvicorn");
        assert_eq!(one.extras, ["standard", "http-x"]);
        assert_eq!(one.exact, None);
        assert_ne!(one.marker, Marker::default());
        let pinned: PythonRequirement = "a == 1.2+cpu".parse().unwrap();
        assert_eq!(pinned.exact.as_deref(), Some("1.2+cpu"));
        let exact = |text: &str| text.parse::<PythonRequirement>().unwrap().exact;
        assert_eq!(exact("a==1.*"), None);
        assert_eq!(exact("a (== 1)").as_deref(), Some("1"));
        let direct: PythonRequirement = "a @ https://x.example/a;b.whl ; os_name == 'posix'"
            .parse()
            .unwrap();
        assert_eq!(direct.url.as_deref(), Some("https://x.example/a;b.whl"));
        for bad in [
            "",
            "-r x",
            "--index-url https://evil.example",
            "a b",
            "a\n--pre",
            "a >",
            "a[b",
            "a[b-",
            "a @ ",
            "a ; nonsense",
            "./a",
            "https://x",
        ] {
            assert!(bad.parse::<PythonRequirement>().is_err(), "{bad:?}");
        }
    }
}
