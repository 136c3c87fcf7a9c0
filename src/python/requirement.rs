//! One requirement on a Python package: `uvicorn[standard]>=0.30; python_version < "4"`.

use std::str::FromStr;

use super::marker::{Marker, normalize};
use crate::package::{Invalid, PackageName};

/// The fragment with the digest of a build's inputs. It changes the requirement on the metadata of a project when they
/// change, so it is resolved again.
pub(super) const INPUTS: &str = "#inputs=";

/// Returns whether a requirement stands for the dependencies of a project that only its build system knows.
pub fn is_built_metadata(requirement: &str) -> bool {
    requirement.contains("file://") && requirement.contains(INPUTS)
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
    text: String,
}

impl PythonRequirement {
    /// Returns the requirement on one line, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
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
            text: text.to_owned(),
        })
    }
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
