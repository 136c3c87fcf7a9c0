//! Conda channels, requirements on their packages, and the oldest systems that an environment is for.
//!
//! The grammar of requirements is conda's own (`numpy 2.*`, `gdal >=3.8 *_cpu`, `bioconda::samtools`), read by rattler. After a
//! semicolon a requirement can name the systems that it is for (`libpq >=16 ; linux`).

use std::{fmt, str::FromStr};

use rattler_conda_types::{MatchSpec, PackageNameMatcher, ParseMatchSpecOptions, VersionSpec};
use url::Url;

use super::{Glibc, Invalid, LONGEST_REQUIREMENT, Requirement, System, SystemSet};
use crate::util::{address::parse_address, redact::redact_invalid};

/// The server of channels that are named without an address.
pub const CONDA: &str = "https://conda.anaconda.org/";
/// The oldest Linux that packages are chosen for.
pub const OLDEST_KERNEL: &str = "4.18";
/// The channel of a dev shell that names none.
pub const CONDA_FORGE: &str = "conda-forge";

/// A channel by its address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CondaChannel(Url);

impl CondaChannel {
    /// Returns the address, ending in `/`.
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Returns whether an address is that of a package in the channel: a file in one of its directories. Directories below
    /// these belong to other channels, such as `team/label/dev` to a channel next to `team`.
    pub fn has(&self, url: &Url) -> bool {
        let Some(below) = url.as_str().strip_prefix(self.0.as_str()) else {
            return false;
        };
        let names: Vec<Vec<u8>> = below
            .split('/')
            .map(|name| percent_encoding::percent_decode_str(name).collect())
            .collect();
        let is_name = |name: &Vec<u8>| {
            let is_plain = !name.iter().any(|byte| matches!(byte, b'/' | b'\\'));
            is_plain && !matches!(name.as_slice(), b"" | b"." | b"..")
        };
        names.len() == 2 && names.iter().all(is_name)
    }
}

impl FromStr for CondaChannel {
    type Err = Invalid;

    /// Parses a name (`conda-forge`, `conda-forge/label/rc`) or an address.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid::new(
                "a conda channel (a name, or an address without a password)",
                &redact_invalid(text),
            )
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        let address = if text.contains("://") {
            text.to_owned()
        } else if text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(named)
        {
            format!("{CONDA}{text}")
        } else {
            return Err(invalid());
        };
        let mut url = parse_address(&address).map_err(|_| invalid())?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            // A token belongs to the user's settings, not into a file of the project.
            && !url.path().contains("/t/");
        if !plain || !matches!(url.scheme(), "https" | "http" | "file") {
            return Err(invalid());
        }
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for CondaChannel {
    /// Writes the shortest form that parses back to this channel.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.0.as_str();
        let short = address.strip_prefix(CONDA).unwrap_or(address);
        formatter.write_str(short.trim_end_matches('/'))
    }
}

/// A requirement on one conda package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaRequirement {
    text: String,
    name: String,
    channel: Option<CondaChannel>,
    spec: MatchSpec,
    systems: SystemSet,
}

impl CondaRequirement {
    /// Returns the requirement on `package` that a version requirement of `[tools]` means: a bare number is a prefix.
    pub fn of_tool(package: &str, requirement: &Requirement) -> Result<Self, Invalid> {
        let text = requirement.as_str();
        let alternatives: Vec<String> = text.split("||").map(conda_version).collect();
        match alternatives.join("|").as_str() {
            "" => package.parse(),
            version => format!("{package} {version}").parse(),
        }
    }

    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the name of the package, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the channel that the package must come from, if the requirement names one.
    pub const fn channel(&self) -> Option<&CondaChannel> {
        self.channel.as_ref()
    }

    /// Returns the requirement as rattler reads it.
    pub const fn spec(&self) -> &MatchSpec {
        &self.spec
    }

    /// Returns the systems that the requirement is for.
    pub const fn systems(&self) -> &SystemSet {
        &self.systems
    }

    /// Returns the text of a requirement that is only for these systems.
    pub fn limited(text: &str, systems: &SystemSet) -> String {
        if systems.is_all() {
            text.to_owned()
        } else {
            format!("{text} ; {systems}")
        }
    }

    /// Returns whether the requirement admits a version and build of its package.
    pub fn admits(&self, version: &str, build: &str) -> bool {
        let admits_version = self.spec.version.as_ref().is_none_or(|wanted| {
            let version = rattler_conda_types::Version::from_str(version);
            version.is_ok_and(|version| wanted.matches(&version))
        });
        let wanted = self.spec.build.as_ref();
        admits_version && wanted.is_none_or(|wanted| wanted.matches(build))
    }

    /// Returns whether the requirement admits every version and build.
    pub fn is_any(&self) -> bool {
        let version = self.spec.version.as_ref();
        version.is_none_or(|version| *version == VersionSpec::Any) && self.spec.build.is_none()
    }
}

impl FromStr for CondaRequirement {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let invalid = || {
            Invalid::new(
                "a requirement on a conda package: a name, a version, a build and a channel (`libpq >=16`)",
                text,
            )
        };
        if text.len() > LONGEST_REQUIREMENT
            || text.contains(char::is_control)
            || text.starts_with("__")
        {
            return Err(invalid());
        }
        let (package, systems) = match text.split_once(';') {
            Some((package, systems)) => (package.trim(), systems.parse().map_err(|_| invalid())?),
            None => (text, SystemSet::all()),
        };
        let options = ParseMatchSpecOptions::lenient().with_exact_names_only(true);
        let spec = MatchSpec::from_str(package, options).map_err(|_| invalid())?;
        let PackageNameMatcher::Exact(name) = &spec.name else {
            return Err(invalid());
        };
        // devsh compares only these fields with the lockfile. An index has no package with its own address.
        let compared = MatchSpec {
            name: spec.name.clone(),
            version: spec.version.clone(),
            build: spec.build.clone(),
            channel: spec.channel.clone(),
            ..MatchSpec::default()
        };
        if spec != compared {
            return Err(invalid());
        }
        let channel = spec.channel.as_ref().map(|channel| {
            let address: &Url = channel.base_url.as_ref();
            address.as_str().parse::<CondaChannel>()
        });
        Ok(Self {
            text: text.to_owned(),
            name: name.as_normalized().to_owned(),
            channel: channel.transpose().map_err(|_| invalid())?,
            spec,
            systems,
        })
    }
}

impl fmt::Display for CondaRequirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Returns the package that a dependency names; nothing for a property of the system (`__glibc`).
pub fn conda_package_of(dependency: &str) -> Option<String> {
    let name = dependency.trim();
    let name = name.rsplit_once("::").map_or(name, |(_, name)| name);
    let end = name.find(|one: char| !one.is_ascii_alphanumeric() && !"-_.".contains(one));
    let name = &name[..end.unwrap_or(name.len())];
    (!name.is_empty() && !name.starts_with("__")).then(|| name.to_ascii_lowercase())
}

/// Returns one alternative of a requirement of devsh in conda's grammar.
fn conda_version(alternative: &str) -> String {
    let parts = alternative.split(',').map(str::trim);
    let parts = parts.filter(|part| !matches!(*part, "" | "*" | "latest"));
    let parts: Vec<String> = parts
        .map(|part| {
            if let Some(base) = part.strip_prefix('^') {
                caret(base.trim()).unwrap_or_else(|| part.to_owned())
            } else if let Some(base) = part.strip_prefix('~').filter(|rest| !rest.starts_with('='))
            {
                tilde(base.trim()).unwrap_or_else(|| part.to_owned())
            } else if part.starts_with(|first: char| first.is_ascii_digit()) && !part.ends_with('*')
            {
                // Three numbers are one version, as for all tools; fewer are a prefix.
                let exact = part.split('.').count() > 2;
                format!(
                    "{}{part}{}",
                    if exact { "==" } else { "" },
                    if exact { "" } else { ".*" }
                )
            } else {
                part.to_owned()
            }
        })
        .collect();
    parts.join(",")
}

fn numbers(base: &str) -> Option<Vec<u64>> {
    base.split('.').map(|number| number.parse().ok()).collect()
}

fn caret(base: &str) -> Option<String> {
    let release = numbers(base)?;
    let kept = release.iter().position(|number| *number != 0);
    below_next(base, &release, kept.unwrap_or(release.len() - 1))
}

fn tilde(base: &str) -> Option<String> {
    let release = numbers(base)?;
    below_next(base, &release, 1.min(release.len() - 1))
}

fn below_next(base: &str, release: &[u64], kept: usize) -> Option<String> {
    let mut next = release.get(..=kept)?.to_vec();
    let last = next.last_mut()?;
    *last = last.checked_add(1)?;
    let next: Vec<String> = next.iter().map(u64::to_string).collect();
    Some(format!(">={base},<{}", next.join(".")))
}

/// The oldest systems on which an environment must run. They are declared and never detected, so every machine locks the
/// same packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CondaFloors {
    pub glibc: Glibc,
    pub macos: MacosVersion,
}

impl Default for CondaFloors {
    fn default() -> Self {
        Self {
            glibc: Glibc::FLOOR,
            macos: MacosVersion {
                major: 13,
                minor: 0,
            },
        }
    }
}

/// A version of macOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MacosVersion {
    major: u32,
    minor: u32,
}

impl fmt::Display for MacosVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for MacosVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Ok(Self { major, minor }),
            _ => Err(Invalid::new("a version of macOS (`13.0`)", text)),
        }
    }
}

impl System {
    /// Returns the directory of a channel for this system.
    pub const fn conda_subdir(self) -> &'static str {
        match self {
            Self::LinuxAarch64 => "linux-aarch64",
            Self::LinuxX86_64 => "linux-64",
            Self::MacosAarch64 => "osx-arm64",
            Self::MacosX86_64 => "osx-64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_names_or_addresses() {
        for (text, address, shown) in [
            (
                "conda-forge",
                "https://conda.anaconda.org/conda-forge/",
                "conda-forge",
            ),
            (
                "https://conda.anaconda.org/conda-forge",
                "https://conda.anaconda.org/conda-forge/",
                "conda-forge",
            ),
            (
                "conda-forge/label/rc",
                "https://conda.anaconda.org/conda-forge/label/rc/",
                "conda-forge/label/rc",
            ),
            (
                "https://a.example/x/",
                "https://a.example/x/",
                "https://a.example/x",
            ),
            (
                "file:///srv/channel",
                "file:///srv/channel/",
                "file:///srv/channel",
            ),
        ] {
            let channel: CondaChannel = text.parse().unwrap();
            assert_eq!(channel.url().as_str(), address, "{text}");
            assert_eq!(channel.to_string(), shown, "{text}");
        }
        for bad in [
            "",
            "../x",
            "a b",
            "ftp://a.example/x",
            "https://me:secret@a.example/x",
            "https://a.example/t/secret/x",
            "https://a.example/conda/t/secret/x",
            "https://a.example/x?token=1",
        ] {
            assert!(bad.parse::<CondaChannel>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_inside_of_its_channel_only() {
        let channel: CondaChannel = "https://a.example/x".parse().unwrap();
        for (address, inside) in [
            ("https://a.example/x/noarch/a.conda", true),
            ("https://a.example/x/label/dev/noarch/a.conda", false),
            ("https://a.example/x/a.conda", false),
            ("https://a.example/x/dev%2Fnoarch/a.conda", false),
            ("https://a.example/x/%2e%2e/a.conda", false),
            ("https://a.example/xy/noarch/a.conda", false),
            ("https://a.example/x/%2e%2e%2fy/a.conda", false),
            ("https://b.example/x/a.conda", false),
        ] {
            assert_eq!(channel.has(&address.parse().unwrap()), inside, "{address}");
        }
    }

    #[test]
    fn requirements_are_in_the_grammar_of_conda() {
        for (text, name) in [
            ("numpy 2.*", "numpy"),
            ("libpq >=16,<17", "libpq"),
            ("gdal[version='>=3.8', build='*_cpu']", "gdal"),
            ("bioconda::samtools", "samtools"),
            ("_openmp_mutex", "_openmp_mutex"),
            ("python=3.12", "python"),
            ("libpq >=16 ; linux, macos-aarch64", "libpq"),
        ] {
            let parsed: CondaRequirement = text.parse().unwrap();
            assert_eq!(parsed.name(), name, "{text}");
            assert_eq!(parsed.to_string(), text);
        }
        let channel = "bioconda::samtools".parse::<CondaRequirement>().unwrap();
        assert_eq!(channel.channel().unwrap().to_string(), "bioconda");
        let limited = "libpq >=16 ; linux".parse::<CondaRequirement>().unwrap();
        assert!(limited.systems().contains(System::LinuxAarch64));
        assert!(!limited.systems().contains(System::MacosX86_64));
        assert!(limited.admits("16.1", "0") && !limited.admits("15.1", "0"));
        for bad in [
            "",
            "numpy >>1",
            "__glibc >=2.17",
            "*",
            "a\nb",
            "https://a.example/noarch/a-1-0.conda",
            "numpy[subdir=linux-64]",
            "numpy[build_number='>=2']",
            "numpy[md5='00000000000000000000000000000000']",
            "numpy[license=MIT]",
            "numpy ; windows",
            "numpy ;",
        ] {
            assert!(bad.parse::<CondaRequirement>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn versions_of_tools_mean_what_they_mean_for_all_tools() {
        for (requirement, expected) in [
            ("16", "x 16.*"),
            ("16.2", "x 16.2.*"),
            ("16.2.1", "x ==16.2.1"),
            ("*", "x"),
            ("latest", "x"),
            (">=16, <17", "x >=16,<17"),
            ("^1.2.3", "x >=1.2.3,<2"),
            ("~1.2", "x >=1.2,<1.3"),
            ("15 || 16", "x 15.*|16.*"),
            ("1.2.*", "x 1.2.*"),
            ("~=1.2", "x ~=1.2"),
        ] {
            let requirement: Requirement = requirement.parse().unwrap();
            let parsed = CondaRequirement::of_tool("x", &requirement).unwrap();
            assert_eq!(parsed.as_str(), expected, "{requirement}");
        }
    }
}
