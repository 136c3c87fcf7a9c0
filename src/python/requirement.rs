//! One requirement on a Python package: `uvicorn[standard]>=0.30; python_version < "4"`.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

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

/// The versions that a requirement admits.
#[derive(Debug, Clone, PartialEq, Eq)]
enum AdmittedVersions {
    All,
    /// A text that a version must equal (`===1.2`): PEP 440 need not know it.
    Identical(String),
    /// Comparisons (`>=0.30,<1`).
    Compared(pep440_rs::VersionSpecifiers),
}

impl FromStr for AdmittedVersions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.is_empty() {
            return Ok(Self::All);
        }
        let Some(version) = text.strip_prefix("===") else {
            return text.parse().map(Self::Compared).map_err(drop);
        };
        let mut bytes = version.bytes();
        let is_version = bytes.all(|one| one.is_ascii_alphanumeric() || b".!+_-".contains(&one));
        is_version
            .then(|| Self::Identical(version.to_owned()))
            .ok_or(())
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
    versions: AdmittedVersions,
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
        match &self.versions {
            AdmittedVersions::All => true,
            AdmittedVersions::Identical(text) => text == version,
            AdmittedVersions::Compared(versions) => match version.parse() {
                Ok(version) => versions.contains(&version),
                Err(_) => self.exact.as_deref() == Some(version),
            },
        }
    }

    /// Returns whether it admits a locked version of its package. The addresses themselves are compared elsewhere.
    fn admits_locked(&self, locked: &Self) -> bool {
        let version = locked.exact.as_deref();
        locked.url.is_some()
            || self.url.is_none() && version.is_some_and(|version| self.admits(version))
    }

    /// Returns whether it can be one of several with conditions that divide the versions among themselves.
    const fn is_divided(&self) -> bool {
        !self.condition.is_empty()
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
        Ok(Self {
            name: name.parse().map_err(|_| invalid())?,
            extras,
            exact: exact(&versions).map(str::to_owned),
            url: url.map(str::to_owned),
            condition: marker.trim().to_owned(),
            marker: marker.parse()?,
            is_project_build: false,
            versions: versions.parse().map_err(|()| invalid())?,
            text: text.to_owned(),
        })
    }
}

/// The most versions of one package in a set that devsh compares with the requirements: uv locks a handful.
const MAX_VERSIONS: usize = 100;

/// Returns a requirement or constraint of a list that its locked packages do not meet. A lockfile alone cannot leave
/// them, and it can leave out only the requirements in `optional`.
pub fn find_unmet<'k>(
    key: &'k PythonKey,
    set: &PythonSet,
    optional: &BTreeSet<String>,
) -> Option<&'k str> {
    let left_out: BTreeSet<&str> = set.left_out.iter().map(String::as_str).collect();
    let is_left_out = |text: &str| left_out.contains(text) && optional.contains(text);
    let VersionBounds {
        asked,
        overriding,
        constraints,
    } = VersionBounds::of(key, is_left_out);
    let locked = locked_by_name(set);
    let is_missing = |requirement: &PythonRequirement| {
        requirement.marker_text().is_empty() && !locked.contains_key(&requirement.name)
    };
    let missing = asked.iter().find(|(_, one)| is_missing(one));
    let unmet = missing.map(|(text, _)| *text);
    unmet
        .or_else(|| first_unmet(&asked, &locked))
        .or_else(|| first_unmet(&overriding, &locked))
        .or_else(|| first_unmet(&constraints, &locked))
}

/// Returns a set without the packages that a requirement of the list does not admit.
pub fn admitted_packages(key: &PythonKey, set: &PythonSet) -> PythonSet {
    let VersionBounds {
        asked,
        overriding,
        constraints,
    } = VersionBounds::of(key, |_| false);
    let lists = [&asked, &overriding, &constraints]
        .map(|bounds| by_name(bounds.iter().map(|(_, one)| one)));
    let locked = locked_by_name(set);
    let is_admitted = |locked: &PythonRequirement| {
        let mut same = lists.iter().filter_map(|list| list.get(&locked.name));
        same.all(|same| {
            let mut plain = same.iter().filter(|one| !one.is_divided());
            let has_divided = same.iter().any(|one| one.is_divided());
            plain.all(|one| one.admits_locked(locked))
                && (!has_divided || same.iter().any(|one| one.admits_locked(locked)))
        })
    };
    let admitted: BTreeSet<&str> = locked
        .values()
        .filter(|versions| versions.len() <= MAX_VERSIONS)
        .flatten()
        .filter(|one| is_admitted(one))
        .map(PythonRequirement::as_str)
        .collect();
    let mut kept = set.clone();
    kept.packages
        .retain(|package| admitted.contains(package.requirement.trim()));
    kept
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
    fn of(key: &'k PythonKey, is_left_out: impl Fn(&str) -> bool) -> Self {
        let parse = |text: &'k String| Some((text.as_str(), text.parse().ok()?));
        let overriding: Vec<(&str, PythonRequirement)> =
            key.overrides.iter().filter_map(parse).collect();
        let replaced: BTreeSet<&PackageName> =
            overriding.iter().map(|(_, one)| &one.name).collect();
        let asked = key.requirements.iter();
        let asked = asked.filter(|text| !is_left_out(text) && !is_built_metadata(text));
        let asked = asked.filter_map(parse);
        let asked = asked.filter(|(_, one)| !replaced.contains(&one.name));
        let constraints = key.constraints.iter().filter_map(parse);
        Self {
            constraints: constraints.filter(|(_, one)| !one.is_divided()).collect(),
            asked: asked.collect(),
            overriding,
        }
    }
}

type ByName<'r, R> = BTreeMap<&'r PackageName, Vec<R>>;

fn by_name<'r>(
    requirements: impl Iterator<Item = &'r PythonRequirement>,
) -> ByName<'r, &'r PythonRequirement> {
    let mut by_name = ByName::new();
    for one in requirements {
        by_name.entry(&one.name).or_default().push(one);
    }
    by_name
}

/// Returns the locked versions of each package.
fn locked_by_name(set: &PythonSet) -> BTreeMap<PackageName, Vec<PythonRequirement>> {
    let mut by_name: BTreeMap<PackageName, Vec<PythonRequirement>> = BTreeMap::new();
    let locked = set.packages.iter();
    for one in locked.filter_map(|one| one.requirement.parse::<PythonRequirement>().ok()) {
        by_name.entry(one.name.clone()).or_default().push(one);
    }
    by_name
}

/// Returns the text of the first of these requirements that does not admit each locked version of its package.
fn first_unmet<'k>(
    bounds: &[(&'k str, PythonRequirement)],
    locked: &BTreeMap<PackageName, Vec<PythonRequirement>>,
) -> Option<&'k str> {
    let versions = |name: &PackageName| locked.get(name).map_or(&[][..], Vec::as_slice);
    let same = by_name(bounds.iter().map(|(_, one)| one));
    // Requirements with conditions divide the versions among themselves.
    let fits: BTreeSet<&PackageName> = same
        .iter()
        .filter(|(name, same)| {
            let mut versions = versions(name).iter();
            versions.all(|one| same.iter().any(|asked| asked.admits_locked(one)))
        })
        .map(|(name, _)| *name)
        .collect();
    let is_met = |requirement: &PythonRequirement| {
        let versions = versions(&requirement.name);
        let is_admitted = if requirement.is_divided() {
            fits.contains(&requirement.name)
        } else {
            versions.iter().all(|one| requirement.admits_locked(one))
        };
        is_admitted && versions.len() <= MAX_VERSIONS
    };
    let mut bounds = bounds.iter();
    bounds.find(|(_, one)| !is_met(one)).map(|(text, _)| *text)
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
