//! Which wheels of a locked Python application an interpreter gets. Nothing is resolved: what is locked holds
//! for every Python that the application runs on.

use crate::{
    lockfile::{Artifact, LockedPackage, runs_on},
    package::{Invalid, PackageName, System, Version, WheelName},
    python::{Environment, Marker},
};

/// An application that cannot be made for an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It does not run on this Python.
    #[error("it needs Python {wanted}, and this is Python {found}")]
    Python {
        /// What its publisher says.
        wanted: String,
        /// The interpreter.
        found: Version,
    },
    /// A package has no wheel here.
    #[error("`{package}` has no wheel for Python {python} on {system}")]
    NoWheel {
        /// The package, with its version.
        package: String,
        /// The interpreter.
        python: Version,
        /// The system.
        system: System,
    },
    /// A line of the lockfile has no meaning.
    #[error(transparent)]
    Line(#[from] Invalid),
}

/// One line of a locked application: an exact package, and when it counts.
struct Line {
    name: PackageName,
    version: Version,
    marker: Marker,
}

impl Line {
    fn parse(text: &str) -> Result<Self, Unfit> {
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

/// Returns one wheel for each package that `locked` needs on an interpreter, in the order of the packages;
/// of a tool that is no application there are none.
pub fn wheels<'a>(
    locked: &'a LockedPackage,
    python: &Version,
    system: System,
) -> Result<Vec<&'a Artifact>, Unfit> {
    let Some(application) = &locked.application else {
        return Ok(Vec::new());
    };
    if !runs_on(&application.python, python) {
        return Err(Unfit::Python {
            wanted: application.python.clone(),
            found: python.clone(),
        });
    }
    let environment = Environment::new(python, system);
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
        let line = Line::parse(text)?;
        if !line.marker.holds(&environment) {
            continue;
        }
        let fitting = files
            .iter()
            .filter(|(wheel, _)| wheel.name == line.name && wheel.version == line.version)
            .filter_map(|(wheel, artifact)| {
                // Where both are there the wheel for this platform is the faster one.
                let platform = wheel.platform_rank(system);
                let platform = platform.or_else(|| wheel.is_everywhere().then_some((2, 0, 0)))?;
                Some(((wheel.python_rank(minor)?, platform), *artifact))
            });
        let (_, best) = fitting
            .min_by_key(|(rank, _)| *rank)
            .ok_or_else(|| Unfit::NoWheel {
                package: format!("{} {}", line.name, line.version),
                python: python.clone(),
                system,
            })?;
        chosen.push(best);
    }
    Ok(chosen)
}
