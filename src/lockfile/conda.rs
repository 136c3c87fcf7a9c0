//! Conda packages locked for the requirements of a dev shell, for every system at once.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    ops::Range,
};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{
    address::lockable,
    entry_origin::EntryOrigin,
    problem::{Problem, SpannedProblem},
    values::{invalid, line, quoted, value},
};
use crate::{
    package::{
        CondaChannel, CondaFloors, CondaRequirement, Glibc, MacosVersion, Sha256, System,
        conda_package_of,
    },
    util::{
        address::parse_address,
        redact::{redact_invalid, redact_url},
    },
};

/// Locked packages by the requirements that they answer, sorted.
pub type CondaSets = BTreeMap<CondaKey, CondaSet>;

/// The request that a set answers. Dev shells with the same request share one set.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CondaKey {
    /// The channels, the one that wins first.
    pub channels: Vec<CondaChannel>,
    /// The requirements as text, sorted.
    pub requirements: Vec<String>,
    pub floors: CondaFloors,
}

/// The packages that meet the requirements of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CondaSet {
    pub origin: EntryOrigin,
    /// The packages for each system that can be served, sorted by name.
    pub packages: BTreeMap<System, Vec<LockedConda>>,
}

/// One exact package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedConda {
    pub name: String,
    pub version: String,
    pub build: String,
    /// The public address, never that of a mirror.
    pub url: Url,
    pub sha256: Sha256,
    pub size: Option<u64>,
    /// The requirements on other packages.
    pub depends: Vec<String>,
}

impl LockedConda {
    /// Returns the name, version and build of the package at an address.
    pub fn identity(url: &Url) -> Option<(String, String, String)> {
        let file = url.path_segments()?.next_back()?;
        let file = percent_encoding::percent_decode_str(file)
            .decode_utf8()
            .ok()?;
        let stem = file
            .strip_suffix(".conda")
            .or_else(|| file.strip_suffix(".tar.bz2"))?;
        let mut parts = stem.rsplitn(3, '-');
        let (build, version, name) = (parts.next()?, parts.next()?, parts.next()?);
        // They become a component of a path.
        let plain = |text: &str| {
            let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+!~".contains(&byte);
            (1..=200).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(named)
        };
        [name, version, build]
            .into_iter()
            .all(plain)
            .then(|| (name.to_owned(), version.to_owned(), build.to_owned()))
    }
}

impl CondaKey {
    /// Returns a requirement that the packages do not meet. A lockfile alone cannot leave the requirements.
    pub fn find_unmet(&self, set: &CondaSet) -> Option<&str> {
        let is_met = |text: &&String| {
            let Ok(requirement) = text.parse::<CondaRequirement>() else {
                return false;
            };
            let mut for_it = set
                .packages
                .iter()
                .filter(|(system, _)| requirement.systems().contains(**system));
            for_it.all(|(_, packages)| {
                let mut same = packages.iter().filter(|one| one.name == requirement.name());
                same.any(|one| {
                    let channel = requirement.channel();
                    requirement.admits(&one.version, &one.build)
                        && channel.is_none_or(|channel| channel.has(&one.url))
                })
            })
        };
        let unmet = self.requirements.iter().find(|text| !is_met(text));
        unmet.map(String::as_str)
    }
}

impl fmt::Display for CondaKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "conda packages {}", self.requirements.join(", "))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CondaBlock {
    channels: Vec<Spanned<String>>,
    requirements: Vec<Spanned<String>>,
    glibc: Option<Spanned<String>>,
    macos: Option<Spanned<String>>,
    packages: Vec<Spanned<CondaLine>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CondaLine {
    system: Spanned<String>,
    url: Spanned<String>,
    sha256: Spanned<String>,
    size: Option<u64>,
    #[serde(default)]
    depends: Vec<Spanned<String>>,
}

/// Stands for every system where a package is the same on all.
const ANY: &str = "any";
/// The directory of a channel for packages of every system.
const NOARCH: &str = "noarch";
/// The most packages of a set for one system: each conda tool of a dev shell is a copy of them. Large environments have
/// 1,000.
const PACKAGES: usize = 2_000;

/// Reads the blocks.
pub(super) fn read(blocks: Vec<Spanned<CondaBlock>>) -> Result<CondaSets, SpannedProblem> {
    let mut sets = CondaSets::new();
    for block in blocks {
        let span = block.span();
        let raw = block.into_inner();
        let mut requirements = Vec::new();
        for text in &raw.requirements {
            value::<CondaRequirement>(text)?;
            requirements.push(text.get_ref().clone());
        }
        requirements.sort();
        let default = CondaFloors::default();
        let key = CondaKey {
            channels: raw.channels.iter().map(value).collect::<Result<_, _>>()?,
            requirements,
            floors: CondaFloors {
                glibc: raw
                    .glibc
                    .as_ref()
                    .map(value::<Glibc>)
                    .transpose()?
                    .unwrap_or(default.glibc),
                macos: raw
                    .macos
                    .as_ref()
                    .map(value::<MacosVersion>)
                    .transpose()?
                    .unwrap_or(default.macos),
            },
        };
        let mut set = CondaSet::default();
        let mut places = BTreeMap::new();
        for package in raw.packages {
            let at = package.span();
            let (name, systems) = add(&mut set, package.into_inner(), &at)?;
            places.extend(
                systems
                    .into_iter()
                    .map(|one| ((one, name.clone()), at.clone())),
            );
        }
        for (system, packages) in &set.packages {
            // Its files could replace those of a package that the dev shell asks for.
            if let Some(package) = unneeded(&key, *system, packages) {
                let at = places.remove(&(*system, package.clone()));
                let system = *system;
                return Err(Problem::Unneeded { package, system }.at(at.unwrap_or(span)));
            }
        }
        for packages in set.packages.values_mut() {
            packages.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let name = format!("the set of {key}");
        if sets.insert(key, set).is_some() {
            return Err(Problem::Duplicate(name).at(span));
        }
    }
    Ok(sets)
}

/// Returns a package that no chain of dependencies leads to from the requirements.
fn unneeded(key: &CondaKey, system: System, packages: &[LockedConda]) -> Option<String> {
    let mut by_name: BTreeMap<String, &LockedConda> = packages
        .iter()
        .map(|one| (one.name.to_ascii_lowercase(), one))
        .collect();
    let requirements = key.requirements.iter();
    let requirements = requirements.filter_map(|text| text.parse::<CondaRequirement>().ok());
    let mut pending: Vec<String> = requirements
        .filter(|one| one.systems().contains(system))
        .map(|one| one.name().to_owned())
        .collect();
    while let Some(name) = pending.pop() {
        if let Some(package) = by_name.remove(&name) {
            let depends = package.depends.iter();
            pending.extend(depends.filter_map(|one| conda_package_of(one)));
        }
    }
    by_name.into_values().next().map(|one| one.name.clone())
}

/// Adds a package, and returns its name and systems.
fn add(
    set: &mut CondaSet,
    raw: CondaLine,
    at: &Range<usize>,
) -> Result<(String, Vec<System>), SpannedProblem> {
    let address = parse_address(raw.url.get_ref()).ok();
    let url = address
        .filter(|url| url.scheme() == "file" || lockable(url))
        .ok_or_else(|| Problem::Address(redact_invalid(raw.url.get_ref())).at(raw.url.span()))?;
    let (name, version, build) = LockedConda::identity(&url).ok_or_else(|| {
        invalid(
            "the address of a conda package",
            redact_url(&url).as_str(),
            raw.url.span(),
        )
    })?;
    let mut depends = Vec::new();
    for one in raw.depends {
        if one.get_ref().contains(char::is_control) {
            return Err(invalid("a requirement", one.get_ref(), one.span()));
        }
        depends.push(one.into_inner());
    }
    let package = LockedConda {
        name,
        version,
        build,
        url,
        sha256: value(&raw.sha256)?,
        size: raw.size,
        depends,
    };
    let systems = if raw.system.get_ref() == ANY {
        System::ALL.to_vec()
    } else {
        vec![value(&raw.system)?]
    };
    let place = package.url.path_segments();
    let place = place.and_then(|mut segments| segments.nth_back(1));
    for &system in &systems {
        if ![Some(NOARCH), Some(system.conda_subdir())].contains(&place) {
            let found = redact_url(&package.url);
            let expected = "the address of a conda package for its system";
            return Err(invalid(expected, found.as_str(), raw.url.span()));
        }
        let there = set.packages.entry(system).or_default();
        if there.len() >= PACKAGES {
            let limit = PACKAGES;
            return Err(Problem::TooManyPackages { limit, system }.at(at.clone()));
        }
        if there.iter().any(|other| other.name == package.name) {
            let name = format!("`{}` for {system}", package.name);
            return Err(Problem::Duplicate(name).at(at.clone()));
        }
        there.push(package.clone());
    }
    Ok((package.name, systems))
}

/// Writes the blocks.
pub(super) fn print(text: &mut String, sets: &CondaSets) {
    for (key, set) in sets {
        text.push_str("\n[[conda]]\n");
        let channels: Vec<String> = key.channels.iter().map(ToString::to_string).collect();
        line(text, "channels", list(&channels));
        line(text, "requirements", list(&key.requirements));
        line(text, "glibc", quoted(&key.floors.glibc.to_string()));
        line(text, "macos", quoted(&key.floors.macos.to_string()));
        text.push_str("packages = [\n");
        let everywhere = |package: &LockedConda| {
            System::ALL.iter().all(|system| {
                let there = set.packages.get(system);
                there.is_some_and(|there| there.contains(package))
            })
        };
        let first = set
            .packages
            .values()
            .next()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for package in first.iter().filter(|one| everywhere(one)) {
            print_package(text, ANY, package);
        }
        for (system, packages) in &set.packages {
            for package in packages.iter().filter(|one| !everywhere(one)) {
                print_package(text, system.as_str(), package);
            }
        }
        text.push_str("]\n");
    }
}

fn print_package(text: &mut String, system: &str, package: &LockedConda) {
    // Writing to a string cannot fail.
    let _infallible = write!(
        text,
        "  {{ system = \"{system}\", url = {}, sha256 = \"{}\"",
        quoted(package.url.as_str()),
        package.sha256,
    );
    if let Some(size) = package.size {
        let _infallible = write!(text, ", size = {size}");
    }
    if !package.depends.is_empty() {
        let _infallible = write!(text, ", depends = {}", list(&package.depends));
    }
    text.push_str(" },\n");
}

fn list(texts: &[String]) -> String {
    let words: Vec<String> = texts.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::{parse, print};

    fn block(packages: &str) -> String {
        format!(
            "# written by devsh, do not edit\nversion = 1\n\n[[conda]]\nchannels = [\"conda-forge\"]\n\
             requirements = [\"libpq >=16\", \"tzdata\"]\nglibc = \"2.28\"\nmacos = \"13.0\"\npackages = [\n{packages}]\n"
        )
    }

    #[test]
    fn sets_are_written_as_they_were_read() {
        let digest = "a".repeat(64);
        let server = "https://conda.anaconda.org/conda-forge";
        let text = block(&format!(
            "  {{ system = \"any\", url = \"{server}/noarch/tzdata-2026a-h1_0.conda\", sha256 = \"{digest}\" }},\n  \
             {{ system = \"linux-x86_64\", url = \"{server}/linux-64/libpq-16.2-h33b98f1_0.conda\", \
             sha256 = \"{digest}\", size = 12, depends = [\"__glibc >=2.17,<3.0.a0\"] }},\n"
        ));
        let lockfile = parse("l", &text).unwrap();
        assert_eq!(print(&lockfile), text);
        let set = lockfile.conda.values().next().unwrap();
        assert_eq!(set.packages.len(), 4);
        let names =
            |system| -> Vec<&str> { set.packages[&system].iter().map(|one| &*one.name).collect() };
        assert_eq!(names(System::LinuxX86_64), ["libpq", "tzdata"]);
        assert_eq!(names(System::MacosAarch64), ["tzdata"]);
    }

    #[test]
    fn a_package_of_another_system_is_refused() {
        for (system, directory, fits) in [
            ("any", "noarch", true),
            ("any", "linux-64", false),
            ("linux-x86_64", "noarch", true),
            ("linux-x86_64", "linux-64", true),
            ("linux-x86_64", "osx-64", false),
            ("macos-aarch64", "osx-arm64", true),
        ] {
            let text = block(&format!(
                "  {{ system = \"{system}\", url = \"https://conda.anaconda.org/conda-forge/{directory}/libpq-1-0.conda\", \
                 sha256 = \"{}\" }},\n",
                "a".repeat(64)
            ));
            let read = parse("l", &text);
            assert_eq!(read.is_ok(), fits, "{system} {directory}: {read:?}");
        }
    }

    #[test]
    fn a_set_has_a_limit() {
        let line = |number: usize| {
            let next = number + 1;
            format!(
                "  {{ system = \"any\", url = \"https://conda.anaconda.org/conda-forge/noarch/a{number}-1-0.conda\", \
                 sha256 = \"{}\", depends = [\"a{next}\"] }},\n",
                "a".repeat(64)
            )
        };
        let all = |count: usize| {
            let lines: String = (0..count).map(line).collect();
            parse("l", &block(&lines).replace("\"tzdata\"", "\"a0\""))
        };
        all(PACKAGES).unwrap();
        let error = all(PACKAGES + 1).unwrap_err();
        let limit = PACKAGES;
        let system = System::ALL[0];
        assert_eq!(error.problem, Problem::TooManyPackages { limit, system });
    }

    #[test]
    fn a_package_that_nothing_needs_is_refused() {
        let line = |name: &str, depends: &str| {
            format!(
                "  {{ system = \"linux-x86_64\", url = \"https://conda.anaconda.org/conda-forge/linux-64/{name}-1-0.conda\", \
                 sha256 = \"{}\", depends = [{depends}] }},\n",
                "a".repeat(64)
            )
        };
        let chain = line("libpq", "\"conda-forge::B >=1\"") + &line("b", "\"c\"") + &line("c", "");
        parse("l", &block(&chain)).unwrap();
        // Packages that need each other are not needed by the dev shell.
        let text = block(&(chain + &line("x", "\"y\"") + &line("y", "\"x\", \"libpq\"")));
        let error = parse("l", &text).unwrap_err();
        let system = System::LinuxX86_64;
        let package = "x".to_owned();
        assert_eq!(error.problem, Problem::Unneeded { package, system });
        assert!(text[error.span].contains("/x-1-0.conda"));
    }

    #[test]
    fn a_package_of_another_channel_does_not_meet_a_requirement() {
        for (channel, unmet) in [("conda-forge", None), ("bioconda", Some("conda-forge::jq"))] {
            let text = format!(
                "# written by devsh, do not edit\nversion = 1\n\n[[conda]]\n\
                 channels = [\"conda-forge\", \"bioconda\"]\nrequirements = [\"conda-forge::jq\"]\n\
                 packages = [\n  {{ system = \"any\", url = \"https://conda.anaconda.org/{channel}/noarch/jq-1-0.conda\", \
                 sha256 = \"{}\" }},\n]\n",
                "a".repeat(64)
            );
            let lockfile = parse("l", &text).unwrap();
            let (key, set) = lockfile.conda.iter().next().unwrap();
            assert_eq!(key.find_unmet(set), unmet, "{channel}");
        }
    }

    #[test]
    fn a_wrong_package_is_refused() {
        let digest = "a".repeat(64);
        let server = "https://conda.anaconda.org/conda-forge";
        for (file, sha256) in [
            ("libpq-16.2.conda", digest.as_str()),
            ("libpq-16.2-0.zip", &digest),
            ("..%2fx-1-0.conda", &digest),
            ("libpq-16.2-0.conda", "short"),
        ] {
            let line = format!(
                "  {{ system = \"any\", url = \"{server}/noarch/{file}\", sha256 = \"{sha256}\" }},\n"
            );
            assert!(parse("l", &block(&line)).is_err(), "{file}");
            let twice = line.repeat(2);
            assert!(parse("l", &block(&twice)).is_err(), "{file}");
        }
    }
}
