//! The `[conda]` table: channels, packages and the oldest systems of a dev shell.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    DevShell, Error, Located, Origin, Tables,
    form::{Field, TableForm},
    overlay::{overlay_list, text_of},
    schema::CondaField,
};
use crate::package::{
    CONDA_FORGE, CondaChannel, CondaFloors, CondaRequirement, Glibc, Invalid, MacosVersion, Source,
    System, Tool,
};

/// The conda packages and channels of a dev shell that are not tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CondaRequest {
    /// The channels, the one that wins first; without any it is conda-forge.
    pub channels: Vec<Located<String>>,
    /// Requirements on packages, sorted, without duplicates.
    pub packages: Vec<Located<String>>,
    /// The oldest glibc that the packages must run with.
    pub glibc: Option<Located<Glibc>>,
    /// The oldest macOS that the packages must run on.
    pub macos: Option<Located<MacosVersion>>,
}

impl CondaRequest {
    /// Merges `upper` into this table; `removed` has its removals by key.
    pub(super) fn overlay(
        &mut self,
        upper: &Self,
        removed: &BTreeMap<&'static str, BTreeSet<String>>,
    ) {
        if upper.glibc.is_some() {
            self.glibc.clone_from(&upper.glibc);
        }
        if upper.macos.is_some() {
            self.macos.clone_from(&upper.macos);
        }
        for (key, list, more) in [
            (CHANNELS, &mut self.channels, &upper.channels),
            (PACKAGES, &mut self.packages, &upper.packages),
        ] {
            overlay_list(list, more, removed.get(key), text_of);
        }
    }

    pub(super) fn sort(&mut self) {
        self.packages
            .sort_by(|one, other| one.value.cmp(&other.value));
    }

    /// Returns the tools that the packages for this machine are, each with the place that asks for it.
    pub(super) fn tools(&self) -> impl Iterator<Item = (Tool, &Origin)> {
        self.packages.iter().filter_map(|package| {
            let requirement: CondaRequirement = package.value.parse().ok()?;
            let mut systems = System::current().into_iter();
            if !systems.all(|system| requirement.systems().contains(system)) {
                return None;
            }
            let name = format!("{}:{}", Source::Conda, requirement.name());
            Some((name.parse().ok()?, &package.origin))
        })
    }
}

/// The key of removed channels.
const CHANNELS: &str = "conda.channels";
/// The key of removed packages.
const PACKAGES: &str = "conda.packages";

/// Reads `[conda]`.
pub(super) fn read(table: &TableForm<'_, CondaField>, into: &mut Tables) -> Result<(), Error> {
    for field in table.fields() {
        let Field { field, .. } = field?;
        match field {
            CondaField::Channels(list) => {
                let channels = list.added.into_iter();
                into.conda.channels = channels.map(|one| one.map(|one| one.0)).collect();
                into.removed.insert(CHANNELS, list.removed);
            }
            CondaField::Packages(list) => {
                let packages = list.added.into_iter();
                into.conda.packages = packages.map(|one| one.map(|one| one.0)).collect();
                into.removed.insert(PACKAGES, list.removed);
            }
            CondaField::Glibc(glibc) => into.conda.glibc = Some(glibc),
            CondaField::Macos(macos) => into.conda.macos = Some(macos),
        }
    }
    Ok(())
}

/// A requirement on a conda package and the place that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRequirement {
    pub requirement: CondaRequirement,
    pub origin: Origin,
}

impl DevShell {
    /// Returns the requirements on conda packages, of the table and of the tools.
    pub fn conda_requirements(&self) -> Result<Vec<PlacedRequirement>, Invalid> {
        let mut all = Vec::new();
        let mut names = BTreeSet::new();
        for package in &self.conda.packages {
            let requirement: CondaRequirement = package.value.parse()?;
            names.insert(requirement.name().to_owned());
            all.push(PlacedRequirement {
                requirement,
                origin: package.origin.clone(),
            });
        }
        for (tool, request) in &self.tools {
            if tool.source != Source::Conda {
                continue;
            }
            let wanted = std::iter::once(&request.requirement).chain(&request.floors);
            for one in wanted {
                let requirement = CondaRequirement::of_tool(tool.package.as_str(), &one.value)?;
                // The table says more than a tool without a version.
                let is_new = names.insert(requirement.name().to_owned());
                if is_new || !requirement.is_any() {
                    all.push(PlacedRequirement {
                        requirement,
                        origin: one.origin.clone(),
                    });
                }
            }
        }
        all.sort_by(|one, other| one.requirement.as_str().cmp(other.requirement.as_str()));
        all.dedup_by(|one, other| one.requirement.as_str() == other.requirement.as_str());
        Ok(all)
    }

    /// Returns the conda channels, the one that wins first. Those that only requirements name come last, as in conda.
    pub fn conda_channels(&self) -> Result<Vec<CondaChannel>, Invalid> {
        let mut channels = self.listed_channels()?;
        channels.extend(self.named_channels().into_keys());
        Ok(channels)
    }

    /// Returns the channels that only requirements name, with the places that have them.
    pub fn named_channels(&self) -> BTreeMap<CondaChannel, Origin> {
        // Locking reports what cannot be read.
        let listed = self.listed_channels().unwrap_or_default();
        let listed: BTreeSet<CondaChannel> = listed.into_iter().collect();
        let requirements = self.conda_requirements().unwrap_or_default();
        let named = requirements.into_iter().filter_map(|one| {
            let channel = one.requirement.channel()?.clone();
            (!listed.contains(&channel)).then_some((channel, one.origin))
        });
        named.collect()
    }

    fn listed_channels(&self) -> Result<Vec<CondaChannel>, Invalid> {
        let listed = &self.conda.channels;
        if listed.is_empty() {
            return Ok(vec![CONDA_FORGE.parse()?]);
        }
        listed.iter().map(|one| one.value.parse()).collect()
    }

    /// Returns the oldest systems that conda packages must run on.
    pub fn conda_floors(&self) -> CondaFloors {
        let default = CondaFloors::default();
        CondaFloors {
            glibc: self
                .conda
                .glibc
                .as_ref()
                .map_or(default.glibc, |one| one.value),
            macos: self
                .conda
                .macos
                .as_ref()
                .map_or(default.macos, |one| one.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{merge, parse};

    #[test]
    fn tools_and_packages_are_requirements_of_one_environment() {
        let text = "[tools]\n'conda:postgresql' = '16'\n'conda:gdal' = '*'\n[conda]\n\
            channels = ['conda-forge', 'bioconda']\npackages = ['libpq >=16', 'gdal >=3.8']\nglibc = '2.34'\n\
            [shells.a]\nconda.packages = { add = ['zlib'], remove = ['libpq >=16'] }\n";
        let manifest = merge(&[parse("devshell.toml", text).unwrap()]).unwrap();
        let requirements = |name: &str| -> Vec<String> {
            let shell = &manifest.shells[&name.parse().unwrap()];
            let all = shell.conda_requirements().unwrap();
            all.iter()
                .map(|one| format!("{} {}", one.requirement, one.origin))
                .collect()
        };
        assert_eq!(
            requirements("dev"),
            [
                "gdal >=3.8 devshell.toml:6",
                "libpq >=16 devshell.toml:6",
                "postgresql 16.* devshell.toml:2",
            ]
        );
        assert_eq!(
            requirements("a"),
            [
                "gdal >=3.8 devshell.toml:6",
                "postgresql 16.* devshell.toml:2",
                "zlib devshell.toml:9",
            ]
        );
        let dev = &manifest.shells[&"dev".parse().unwrap()];
        let tools: Vec<String> = dev.tools.keys().map(ToString::to_string).collect();
        assert!(tools.contains(&"conda:libpq".to_owned()), "{tools:?}");
        assert_eq!(dev.conda_floors().glibc.to_string(), "2.34");
        assert_eq!(dev.conda_channels().unwrap().len(), 2);
    }

    #[test]
    fn wrong_values_are_errors_at_their_place() {
        for (text, message) in [
            (
                "packages = ['numpy >>1']",
                "is not a requirement on a conda package",
            ),
            (
                "channels = ['https://me:pw@x.example/c']",
                "is not a conda channel",
            ),
            ("glibc = 'new'", "is not a version of glibc"),
            ("macos = 'new'", "is not a version of macOS"),
            ("package = []", "unknown key `package` in `[conda]`"),
        ] {
            let error = parse("devshell.toml", &format!("[conda]\n{text}\n")).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(error.origin().to_string(), "devshell.toml:2");
        }
    }
}
