//! Chooses the wheels of a locked Python application for one interpreter. The lockfile has the packages for every
//! Python that the application runs on, so nothing is resolved.

use super::marker::{Marker, TargetEnvironment};
use crate::{
    lockfile::{Artifact, LockedPackage, runs_on},
    package::{Invalid, PackageName, System, Version, WheelName},
};

/// The reason why an application cannot be installed for an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitApplication {
    #[error("it needs Python {wanted}, and this is Python {found}")]
    Python {
        /// The versions that its publisher names.
        wanted: String,
        found: Version,
    },
    #[error("`{package}` has no wheel for Python {python} on {system}")]
    NoWheel {
        /// The name and version.
        package: String,
        python: Version,
        system: System,
    },
    /// Another package would replace a file of the application.
    #[error("the package `{package}` has a file of the same name, `{file}`")]
    SameFile { package: PackageName, file: String },
    /// A line of the lockfile cannot be parsed.
    #[error(transparent)]
    Line(#[from] Invalid),
}

/// One line of a locked application.
struct ApplicationLine {
    name: PackageName,
    version: Version,
    marker: Marker,
}

impl ApplicationLine {
    fn parse(text: &str) -> Result<Self, UnfitApplication> {
        let (exact, marker) = text.split_once(';').unwrap_or((text, ""));
        let pair = exact.split_once("==");
        let (name, version) = pair.ok_or_else(|| Invalid::new("an exact requirement", text))?;
        Ok(Self {
            name: name.trim().parse()?,
            version: version.trim().parse()?,
            marker: marker.parse()?,
        })
    }
}

/// Returns one wheel for each package of an application on an interpreter, in the order of the packages; none for
/// another tool.
pub fn choose_wheels<'a>(
    locked: &'a LockedPackage,
    python: &Version,
    system: System,
) -> Result<Vec<&'a Artifact>, UnfitApplication> {
    let Some(application) = &locked.application else {
        return Ok(Vec::new());
    };
    if !runs_on(&application.python, python) {
        return Err(UnfitApplication::Python {
            wanted: application.python.clone(),
            found: python.clone(),
        });
    }
    let target = TargetEnvironment::new(python, system);
    let minor = python.release().get(1).copied().unwrap_or_default();
    let minor = u32::try_from(minor).unwrap_or_default();
    let artifacts = locked.artifacts.get(&system).map(Vec::as_slice);
    let files: Vec<(WheelName<'_>, &Artifact)> = artifacts
        .unwrap_or_default()
        .iter()
        .filter_map(|artifact| Some((WheelName::parse(&artifact.part)?, artifact)))
        .collect();
    let mut chosen = Vec::new();
    for text in &application.packages {
        let line = ApplicationLine::parse(text)?;
        if !line.marker.holds(&target) {
            continue;
        }
        let fitting = files
            .iter()
            .filter(|(wheel, _)| wheel.name == line.name && wheel.version == line.version)
            .filter_map(|(wheel, artifact)| {
                // A wheel for this platform is preferred to one for all platforms: it is faster.
                let platform = wheel.platform_rank(system);
                let platform = platform.or_else(|| wheel.is_everywhere().then_some((2, 0, 0)))?;
                Some(((wheel.python_rank(minor)?, platform), *artifact))
            });
        let (_, best) =
            fitting
                .min_by_key(|(rank, _)| *rank)
                .ok_or_else(|| UnfitApplication::NoWheel {
                    package: format!("{} {}", line.name, line.version),
                    python: python.clone(),
                    system,
                })?;
        chosen.push(best);
    }
    Ok(chosen)
}
