//! Requirements on something that no index has: a directory, a file or a repository, with extras and a condition
//! (`-e .[dev]`, `./wheels/a-1-py3-none-any.whl`, `git+https://host/a.git@main#egg=a`).

use super::fields::file_url;
use crate::package::{PackageName, WheelName};

/// The ends of archives that pip installs.
const ARCHIVES: [&str; 7] = [
    ".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar",
];

/// A place that a line of a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequirementLocation {
    /// The path or address, without extras.
    place: String,
    /// The name before the place (`name @ https://…`), as it is written.
    name: Option<String>,
    /// Extras, normalised.
    pub(super) extras: Vec<String>,
    /// The condition; empty for none.
    pub(super) marker: String,
}

impl RequirementLocation {
    /// Reads the text of a requirement or of an editable one.
    pub(super) fn parse(written: &str) -> Self {
        let (place, marker) = written.split_once(" ;").unwrap_or((written, ""));
        let place = place.trim();
        let (name, place) = match place.split_once(" @ ") {
            Some((name, place)) if !is_address(name) => (Some(name.trim()), place.trim()),
            _ => (None, place),
        };
        let bracket = place.strip_suffix(']').and_then(|one| one.rsplit_once('['));
        let (place, extras) = match bracket {
            // The extras of a repository are in its fragment: `#egg=name[extra]`.
            Some((place, extras)) if !place.contains('#') => (place, extras),
            _ => (place, ""),
        };
        let extras = extras.split(',').map(str::trim);
        let extras = extras.filter(|one| !one.is_empty());
        let extras = extras.filter_map(|one| one.parse::<PackageName>().ok());
        Self {
            place: place.trim_end().to_owned(),
            name: name.map(str::to_owned),
            extras: extras.map(|one| one.to_string()).collect(),
            marker: marker.trim().to_owned(),
        }
    }

    /// Returns whether the text is a place without the name of a package, or a local path with one.
    pub(super) fn is_unnamed(&self) -> bool {
        let local = is_local(&self.place);
        if self.name.is_some() {
            return local;
        }
        local || is_address(&self.place)
    }

    /// Returns the directory, relative to the list, in its shortest form.
    pub(super) fn directory(&self) -> Option<&str> {
        let path = self.place.strip_prefix("file://").unwrap_or(&self.place);
        if is_address(path) || is_archive(path) {
            return None;
        }
        let path = path.trim_end_matches('/');
        let path = path.strip_prefix("./").unwrap_or(path);
        Some(if path.is_empty() { "." } else { path })
    }

    /// Returns the requirement on the file or repository, with its name if that is known without fetching it.
    pub(super) fn to_requirement(&self, folder: &str) -> String {
        let (address, fragment) = self.place.split_once('#').unwrap_or((&self.place, ""));
        let parts: Vec<&str> = fragment.split('&').filter(|one| !one.is_empty()).collect();
        let egg = parts.iter().find_map(|one| one.strip_prefix("egg="));
        let others = parts.iter().filter(|one| !one.starts_with("egg="));
        let others: Vec<&str> = others.copied().collect();
        let mut address = if is_address(address) {
            address.to_owned()
        } else {
            file_url(folder, address)
        };
        let own_name = named_archive(&address);
        if !others.is_empty() {
            address.push('#');
            address.push_str(&others.join("&"));
        }
        let extras = if self.extras.is_empty() {
            String::new()
        } else {
            format!("[{}]", self.extras.join(","))
        };
        let name = self.name.as_deref().or(egg).or(own_name.as_deref());
        let mut text = name.map_or_else(
            || address.clone(),
            |name| format!("{name}{extras} @ {address}"),
        );
        if !self.marker.is_empty() {
            text.push_str(" ; ");
            text.push_str(&self.marker);
        }
        text
    }
}

/// Returns whether an address is of a repository.
pub(super) fn is_repository(address: &str) -> bool {
    ["git+", "hg+", "svn+", "bzr+"]
        .iter()
        .any(|start| address.starts_with(start))
}

/// Returns whether a text is an address of a host or a local file, not a path.
pub(super) fn is_address(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let letter = |one: u8| one.is_ascii_alphanumeric() || matches!(one, b'+' | b'-' | b'.');
    scheme.is_some_and(|scheme| {
        scheme.len() > 1 && scheme.bytes().all(letter) && text.contains("://")
    })
}

/// Returns whether pip takes a text for a local path, not for a name.
fn is_local(text: &str) -> bool {
    if text.contains("://") {
        return false;
    }
    let path = text.split('#').next().unwrap_or_default();
    let starts = ["./", "../", "/", "~"]
        .iter()
        .any(|one| path.starts_with(one));
    starts || path == "." || path == ".." || is_archive(path)
}

/// Returns whether a path is of a wheel or a source distribution.
pub(super) fn is_archive(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    ARCHIVES.iter().any(|end| path.ends_with(end))
}

/// Returns the name of a wheel or source distribution, by the name of its file.
fn named_archive(address: &str) -> Option<String> {
    let path = address.split(['?', '#']).next()?;
    let file = path.rsplit('/').next()?;
    if let Some(wheel) = WheelName::parse(file) {
        return Some(wheel.name.to_string());
    }
    let stem = ARCHIVES.iter().find_map(|end| file.strip_suffix(end))?;
    let (name, version) = stem.rsplit_once('-')?;
    let name: PackageName = name.parse().ok()?;
    let numbered = version.starts_with(|one: char| one.is_ascii_digit());
    numbered.then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_names() {
        for (text, unnamed, directory) in [
            (".", true, Some(".")),
            (".[dev]", true, Some(".")),
            ("./lib[a, B_c]", true, Some("lib")),
            ("../lib/", true, Some("../lib")),
            ("./w/a-1-py3-none-any.whl", true, None),
            ("w/a-1-py3-none-any.whl", true, None),
            ("git+https://h/a.git@main#egg=a", true, None),
            ("https://h/a-1.tar.gz", true, None),
            ("idna==3", false, Some("idna==3")),
            ("a @ https://h/a.whl", false, None),
            ("a @ ./w/a-1-py3-none-any.whl", true, None),
        ] {
            let location = RequirementLocation::parse(text);
            assert_eq!(location.is_unnamed(), unnamed, "{text}");
            assert_eq!(location.directory(), directory, "{text}");
        }
        let extras = RequirementLocation::parse("./lib[a, B_c]").extras;
        assert_eq!(extras, ["a", "b-c"]);
    }

    #[test]
    fn places_become_requirements() {
        for (text, expected) in [
            (
                "./w/My_A-1-py3-none-any.whl[x] ; os_name == 'posix'",
                "my-a[x] @ file://${PROJECT_ROOT}/sub/w/My_A-1-py3-none-any.whl ; os_name == 'posix'",
            ),
            ("/w/a-1.tar.gz", "a @ file:///w/a-1.tar.gz"),
            (
                "git+https://h/a.git@main#egg=a[x]&subdirectory=s",
                "a[x] @ git+https://h/a.git@main#subdirectory=s",
            ),
            ("git+https://h/a.git@main", "git+https://h/a.git@main"),
            ("https://h/archive/main.zip", "https://h/archive/main.zip"),
            (
                "a @ ./w/a b-1.zip",
                "a @ file://${PROJECT_ROOT}/sub/w/a%20b-1.zip",
            ),
        ] {
            assert_eq!(
                RequirementLocation::parse(text).to_requirement("sub"),
                expected
            );
        }
    }
}
