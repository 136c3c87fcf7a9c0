//! One requirement on a Python package: `uvicorn[standard]>=0.30; python_version < "4"`.

use std::{collections::BTreeSet, str::FromStr};

use super::marker::{Marker, normalize};
use crate::{
    lockfile::{PythonKey, PythonSet, is_plain_marker},
    package::{Invalid, PackageName},
    util::{address::check_address, redact::redact_text},
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
    /// The marker as it was written; empty for none.
    condition: String,
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
        &self.condition
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
        let letters = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.');
        let end = text.find(|one| !letters(one)).unwrap_or(text.len());
        let (name, mut rest) = (&text[..end], text[end..].trim_start());
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
        // An address ends at a blank, as for uv: it may have `;` in it.
        let address = rest.strip_prefix('@').map(str::trim_start);
        let (url, versions, marker) = if let Some(address) = address {
            let (url, rest) = address
                .split_once(char::is_whitespace)
                .unwrap_or((address, ""));
            let rest = rest.trim_start();
            let marker = rest.strip_prefix(';');
            if url.is_empty() || (marker.is_none() && !rest.is_empty()) {
                return Err(invalid());
            }
            (Some(url), "", marker.unwrap_or_default())
        } else {
            let (versions, marker) = rest.split_once(';').unwrap_or((rest, ""));
            (None, versions.trim(), marker)
        };
        if let Some(url) = url
            && check_address(url).is_err()
        {
            let expected = "a requirement with an address that all programs read alike";
            return Err(Invalid::new(expected, &redact_text(text)));
        }
        // uv reads such a name as a file, and more than a comparison as a part of an address or path.
        if names_archive(name) || !is_plain_marker(marker) {
            return Err(invalid());
        }
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
            condition: marker.trim().to_owned(),
            marker: marker.parse()?,
            is_project_build: false,
            versions,
            text: text.to_owned(),
        })
    }
}

/// Returns a requirement or constraint of a list that its locked packages do not meet. A lockfile alone cannot leave
/// them, and it can leave out only the requirements in `optional`.
pub fn find_unmet<'k>(
    key: &'k PythonKey,
    set: &PythonSet,
    optional: &BTreeSet<String>,
) -> Option<&'k str> {
    let locked = set.packages.iter();
    let locked = locked.filter_map(|one| one.requirement.parse::<PythonRequirement>().ok());
    let locked: Vec<_> = locked.collect();
    let is_left_out =
        |text: &String| set.left_out.contains(text) && optional.contains(text.as_str());
    let bounds = VersionBounds::of(key, is_left_out);
    let is_missing = |requirement: &PythonRequirement| {
        requirement.marker_text().is_empty()
            && !locked.iter().any(|one| one.name == requirement.name)
    };
    let is_met = |requirement: &PythonRequirement, all: &[(&str, PythonRequirement)]| {
        locked.iter().all(|one| admits(requirement, one, all))
    };
    let VersionBounds {
        asked,
        overriding,
        constraints,
    } = &bounds;
    let mut unmet = asked.iter();
    let unmet = unmet.find(|(_, one)| is_missing(one) || !is_met(one, asked));
    let bounding = || {
        let mut lists = [overriding, constraints].into_iter();
        lists.find_map(|all| all.iter().find(|(_, one)| !is_met(one, all)))
    };
    unmet.or_else(bounding).map(|(text, _)| *text)
}

/// Returns a set without the packages that a requirement of the list does not admit.
pub fn admitted_packages(key: &PythonKey, set: &PythonSet) -> PythonSet {
    let bounds = VersionBounds::of(key, |_| false);
    let mut admitted = set.clone();
    admitted.packages.retain(|package| {
        let Ok(locked) = package.requirement.parse::<PythonRequirement>() else {
            return false;
        };
        let lists = [&bounds.asked, &bounds.overriding, &bounds.constraints];
        let mut all = lists
            .iter()
            .flat_map(|all| all.iter().map(move |one| (all, one)));
        all.all(|(all, (_, requirement))| admits(requirement, &locked, all))
    });
    admitted
}

/// The requirements of a list that bound versions, with their texts.
struct VersionBounds<'k> {
    /// Those that are not replaced.
    asked: Vec<(&'k str, PythonRequirement)>,
    overriding: Vec<(&'k str, PythonRequirement)>,
    /// Those without a condition: one with a condition bounds only some of the versions of its package.
    constraints: Vec<(&'k str, PythonRequirement)>,
}

impl<'k> VersionBounds<'k> {
    fn of(key: &'k PythonKey, is_left_out: impl Fn(&String) -> bool) -> Self {
        let parse = |text: &'k String| Some((text.as_str(), text.parse().ok()?));
        let overriding: Vec<(&str, PythonRequirement)> =
            key.overrides.iter().filter_map(parse).collect();
        let is_overridden = |name: &PackageName| {
            let mut overriding = overriding.iter();
            overriding.any(|(_, one)| one.name == *name)
        };
        let asked = key.requirements.iter();
        let asked = asked.filter(|text| !is_left_out(text) && !is_built_metadata(text));
        let asked = asked.filter_map(parse);
        let constraints = key.constraints.iter().filter_map(parse);
        let has_no_condition = |(_, one): &(&str, PythonRequirement)| one.marker_text().is_empty();
        Self {
            constraints: constraints.filter(has_no_condition).collect(),
            asked: asked.filter(|(_, one)| !is_overridden(&one.name)).collect(),
            overriding,
        }
    }
}

/// Returns whether a requirement, one of `all`, admits a locked package; it bounds no package of another name.
fn admits(
    requirement: &PythonRequirement,
    locked: &PythonRequirement,
    all: &[(&str, PythonRequirement)],
) -> bool {
    if locked.name != requirement.name {
        return true;
    }
    // The addresses themselves were compared with the requirements.
    let admits_version = |asked: &PythonRequirement| {
        let version = locked.exact.as_deref();
        locked.url.is_some()
            || asked.url.is_none() && version.is_some_and(|version| asked.admits(version))
    };
    if requirement.marker_text().is_empty() {
        return admits_version(requirement);
    }
    // Requirements with conditions divide the versions among themselves.
    let mut same = all.iter().filter(|(_, asked)| asked.name == locked.name);
    same.any(|(_, asked)| admits_version(asked))
}

fn exact(versions: &str) -> Option<&str> {
    let version = versions.strip_prefix("==")?;
    let version = version.strip_prefix('=').unwrap_or(version);
    (!version.contains(['*', ','])).then_some(version)
}

fn names_archive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        ".whl", ".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".lzma", ".tbz", ".txz",
        ".tlz",
    ]
    .iter()
    .any(|end| name.ends_with(end))
}

fn is_specifier_list(versions: &str) -> bool {
    // `===` admits versions that PEP 440 does not know.
    match versions.strip_prefix("===") {
        Some(text) => text
            .bytes()
            .all(|one| one.is_ascii_alphanumeric() || b".!+_-".contains(&one)),
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
        let attached = "a@https://x.example/a.whl;'/../b.whl'!=os_name";
        let attached: PythonRequirement = attached.parse().unwrap();
        let address = "https://x.example/a.whl;'/../b.whl'!=os_name";
        assert_eq!(attached.url.as_deref(), Some(address));
        assert_eq!(attached.marker_text(), "");
        for bad in [
            "a @ https://x.example/a.whl; os_name == 'posix'",
            "a @ https://x.example/a.whl b",
            "x.zip ; os_name == 'posix'",
            "X.Tar.GZ",
            "a ; '/../b' != os_name",
            "a ; os_name == '${TOKEN}'",
            "a===/../b",
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
