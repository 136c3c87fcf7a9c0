//! One requirement as Python files write it: `uvicorn[standard]>=0.30; python_version < "4"`.

use std::str::FromStr;

use super::marker::{Marker, normal};
use crate::package::{Invalid, PackageName};

/// A requirement taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRequirement {
    /// The package, normalised.
    pub name: PackageName,
    /// Extras of the package, normalised.
    pub extras: Vec<String>,
    /// The versions wanted (`>=0.30`), or nothing.
    pub versions: String,
    /// The address that it comes from, if it does not come from an index.
    pub url: Option<String>,
    /// When it counts.
    pub marker: Marker,
    text: String,
}

impl PythonRequirement {
    /// Returns the requirement on one line, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the one version that is wanted (`==1.2`), if it is one.
    pub fn exact(&self) -> Option<&str> {
        let version = self.versions.strip_prefix("==")?;
        let version = version.strip_prefix('=').unwrap_or(version).trim();
        (!version.contains(['*', ','])).then_some(version)
    }
}

impl FromStr for PythonRequirement {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("a requirement on a Python package", text);
        let text = text.trim();
        // It becomes a line of a file of requirements and must not become two, or an option.
        if text.contains(char::is_control) || text.len() > 4000 {
            return Err(invalid());
        }
        let (head, marker) = match text.split_once(" @ ") {
            Some((_, address)) => {
                let (_, marker) = address.split_once(" ;").unwrap_or((address, ""));
                (text.split_once(" ;").map_or(text, |(head, _)| head), marker)
            }
            None => text.split_once(';').unwrap_or((text, "")),
        };
        let letters = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.');
        let end = head.find(|one| !letters(one)).unwrap_or(head.len());
        let (name, mut rest) = (&head[..end], head[end..].trim_start());
        let mut extras = Vec::new();
        if let Some(inner) = rest.strip_prefix('[') {
            let (list, after) = inner.split_once(']').ok_or_else(invalid)?;
            let names = list.split(',').map(str::trim).filter(|one| !one.is_empty());
            if !names.clone().all(|one| one.chars().all(letters)) {
                return Err(invalid());
            }
            extras = names.map(normal).collect();
            rest = after.trim_start();
        }
        let url = rest
            .strip_prefix('@')
            .map(|address| address.trim().to_owned());
        if url
            .as_ref()
            .is_some_and(|url| url.is_empty() || url.contains(char::is_whitespace))
        {
            return Err(invalid());
        }
        let versions = if url.is_some() { "" } else { rest };
        let versions = versions
            .strip_prefix('(')
            .and_then(|one| one.trim_end().strip_suffix(')'))
            .unwrap_or(versions);
        let versions: String = versions.split_whitespace().collect();
        if !versions.is_empty() && !specifiers(&versions) {
            return Err(invalid());
        }
        Ok(Self {
            name: name.parse().map_err(|_| invalid())?,
            extras,
            versions,
            url,
            marker: marker.parse()?,
            text: text.to_owned(),
        })
    }
}

fn specifiers(versions: &str) -> bool {
    // `===` admits any text; everything else is what PEP 440 says.
    versions.strip_prefix("===").map_or_else(
        || pep440_rs::VersionSpecifiers::from_str(versions).is_ok(),
        |text| {
            text.bytes()
                .all(|one| one.is_ascii_graphic() && one != b',')
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_taken_apart() {
        let one: PythonRequirement = "Uvicorn[standard, HTTP_x] >=0.30, <1; python_version < '4'"
            .parse()
            .unwrap();
        assert_eq!(one.name.as_str(), "uvicorn");
        assert_eq!(one.extras, ["standard", "http-x"]);
        assert_eq!(one.versions, ">=0.30,<1");
        assert_ne!(one.marker, Marker::default());
        let pinned: PythonRequirement = "a == 1.2+cpu".parse().unwrap();
        assert_eq!(pinned.exact(), Some("1.2+cpu"));
        assert_eq!("a==1.*".parse::<PythonRequirement>().unwrap().exact(), None);
        assert_eq!(
            "a (>=1)".parse::<PythonRequirement>().unwrap().versions,
            ">=1"
        );
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
            "a @ ",
            "a ; nonsense",
            "./a",
            "https://x",
        ] {
            assert!(bad.parse::<PythonRequirement>().is_err(), "{bad:?}");
        }
    }
}
