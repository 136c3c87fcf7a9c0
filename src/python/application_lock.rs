//! Makes the locked form of a Python application from uv's answer, without packages that no supported system needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, RangeInclusive},
};

use pep508_rs::MarkerTree;
use url::Url;

use super::{
    application_wheels::choose_wheels,
    lock_formats::PackageWheels,
    marker::{Marker, TargetEnvironment},
};
use crate::{
    lockfile::{Application, Artifact, EntryOrigin, LockedPackage, lockable, runs_on, wheel_name},
    package::{
        Supplier, System, Version, WheelName,
        wheel::{MINORS, PlatformRank},
    },
};

/// Returns the minor version of the oldest Python 3 that a publisher names (`>=3.10`).
pub fn oldest_python(wanted: &str) -> u32 {
    let runs = |minor: &u32| python(*minor).is_some_and(|python| runs_on(wanted, &python));
    MINORS.into_iter().find(runs).unwrap_or(*MINORS.start())
}

/// Returns an application with all its packages, for the systems on which every package has a wheel for at least
/// one Python. An address that cannot be locked is the error.
pub fn lock_application(
    supplier: &Supplier,
    version: &Version,
    python: &str,
    packages: &[PackageWheels],
) -> Result<LockedPackage, Url> {
    let minors = oldest_python(python)..=*MINORS.end();
    let mut application = Application {
        python: python.to_owned(),
        packages: Vec::new(),
    };
    let mut artifacts: BTreeMap<System, Vec<Artifact>> = BTreeMap::new();
    for package in packages {
        let targets = marker_targets(&package.marker, &minors);
        if targets.is_empty() {
            continue;
        }
        application.packages.push(line(package, *minors.start()));
        for (system, artifact) in usable_wheels(package, &targets)? {
            artifacts.entry(system).or_default().push(artifact);
        }
    }
    application.packages.sort();
    for parts in artifacts.values_mut() {
        parts.sort_by(|one, other| one.part.cmp(&other.part));
        parts.dedup_by(|one, other| one.part == other.part);
    }
    let mut locked = LockedPackage {
        origin: EntryOrigin::Chosen,
        version: version.clone(),
        supplier: supplier.clone(),
        build: None,
        checked: None,
        verified: None,
        artifacts,
        application: Some(application),
    };
    let whole = |system: System| {
        let mut pythons = minors.clone().filter_map(self::python);
        pythons.any(|python| choose_wheels(&locked, &python, system).is_ok())
    };
    let systems: BTreeSet<System> = System::ALL.into_iter().filter(|one| whole(*one)).collect();
    locked
        .artifacts
        .retain(|system, _| systems.contains(system));
    Ok(locked)
}

fn python(minor: u32) -> Option<Version> {
    format!("3.{minor}.0").parse().ok()
}

/// Returns the systems and minor versions of Python for which a marker holds.
fn marker_targets(marker: &str, minors: &RangeInclusive<u32>) -> BTreeSet<(System, u32)> {
    let marker = marker.parse::<Marker>().unwrap_or_default();
    // Markers on a patch release are rare: the first one and one that never exists represent them all.
    let holds = |system, minor| {
        let pythons = [0, 999].map(|patch| format!("3.{minor}.{patch}").parse::<Version>());
        let mut pythons = pythons.into_iter().flatten();
        pythons.any(|python| marker.holds(&TargetEnvironment::new(&python, system)))
    };
    let all = System::ALL
        .into_iter()
        .flat_map(|system| minors.clone().map(move |minor| (system, minor)));
    all.filter(|(system, minor)| holds(*system, *minor))
        .collect()
}

/// Returns the line for a package; its marker assumes the oldest Python or a newer one.
fn line(package: &PackageWheels, oldest: u32) -> String {
    let exact = format!("{}=={}", package.name, package.version);
    let marker = package.marker.parse::<MarkerTree>().unwrap_or_default();
    let oldest = pep440_rs::Version::new([3, u64::from(oldest)]);
    let marker = marker.simplify_python_versions(Bound::Included(&oldest), Bound::Unbounded);
    match marker.contents() {
        Some(marker) => format!("{exact} ; {marker}"),
        None => exact,
    }
}

/// Returns the wheels for any of the targets: of those that differ only in the platform, for each system the one
/// that runs on most machines.
fn usable_wheels(
    package: &PackageWheels,
    targets: &BTreeSet<(System, u32)>,
) -> Result<Vec<(System, Artifact)>, Url> {
    type Tags = (System, String, String);
    let mut best: BTreeMap<Tags, (PlatformRank, Artifact)> = BTreeMap::new();
    for wheel in &package.wheels {
        let url = &wheel.url;
        let part = wheel_name(url).unwrap_or_default();
        let Some(tags) = WheelName::parse(&part) else {
            continue;
        };
        let fitting = targets
            .iter()
            .filter(|(_, minor)| tags.python_rank(*minor).is_some());
        let systems: BTreeSet<System> = fitting.map(|(system, _)| *system).collect();
        if !systems.is_empty() && !lockable(url) {
            return Err(url.clone());
        }
        for system in systems {
            let rank = tags.platform_rank(system);
            let Some(rank) = rank.or_else(|| tags.is_everywhere().then_some((2, 0, 0))) else {
                continue;
            };
            let artifact = Artifact {
                part: part.clone(),
                url: url.clone(),
                digest: wheel.sha256.into(),
                size: wheel.size,
            };
            let place = (system, tags.python.to_owned(), tags.abi.to_owned());
            match best.get(&place) {
                Some((known, _)) if *known <= rank => {}
                _ => drop(best.insert(place, (rank, artifact))),
            }
        }
    }
    let all = best.into_iter();
    Ok(all
        .map(|((system, ..), (_, artifact))| (system, artifact))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        manifest::Text,
        package::Source,
        python::{UnfitApplication, read_pylock_wheels},
    };

    /// Returns a package as uv writes it, with wheels of these tags.
    fn package(name: &str, marker: &str, tags: &[&str]) -> String {
        let wheels: Vec<String> = tags
            .iter()
            .map(|tags| {
                let digest = blake3::hash(format!("{name}{tags}").as_bytes()).to_hex();
                format!("{{ url = \"https://h/{name}-1.0-{tags}.whl\", hashes = {{ sha256 = \"{digest}\" }} }}")
            })
            .collect();
        let wheels = wheels.join(", ");
        format!(
            "[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\nmarker = \"{marker}\"\nwheels = [{wheels}]\n"
        )
    }

    fn supplier() -> Supplier {
        Supplier::new(Source::Pypi, "tool").unwrap()
    }

    fn locked(packages: &[String]) -> LockedPackage {
        let answer = read_pylock_wheels(&Text::new("answer", &packages.concat())).unwrap();
        lock_application(&supplier(), &"1.0".parse().unwrap(), ">=3.10", &answer).unwrap()
    }

    fn parts(locked: &LockedPackage, system: System) -> Vec<&str> {
        let parts = locked.artifacts.get(&system).into_iter().flatten();
        parts.map(|artifact| artifact.part.as_str()).collect()
    }

    fn chosen(
        locked: &LockedPackage,
        python: &str,
        system: System,
    ) -> Result<Vec<String>, UnfitApplication> {
        let wheels = choose_wheels(locked, &python.parse().unwrap(), system)?;
        Ok(wheels.into_iter().map(|wheel| wheel.part.clone()).collect())
    }

    const LINUX: System = System::LinuxX86_64;

    #[test]
    fn packages_that_no_system_needs_are_left_out() {
        let always = "python_full_version >= '3.10'";
        let locked = locked(&[
            package(
                "app",
                always,
                &["py3-none-any", "cp39-cp39-manylinux2014_x86_64"],
            ),
            package("colour", "sys_platform == 'win32'", &["py3-none-any"]),
            package(
                "old",
                "python_full_version == '3.10.*'",
                &[
                    "cp310-cp310-manylinux2014_x86_64",
                    "cp311-cp311-manylinux2014_x86_64",
                    "py3-none-any",
                ],
            ),
        ]);
        let application = locked.application.as_ref().unwrap();
        let lines = ["app==1.0", "old==1.0 ; python_full_version < '3.11'"];
        assert_eq!(application.packages, lines);
        let expected = [
            "app-1.0-py3-none-any.whl",
            "old-1.0-cp310-cp310-manylinux2014_x86_64.whl",
            "old-1.0-py3-none-any.whl",
        ];
        assert_eq!(parts(&locked, LINUX), expected);
    }

    #[test]
    fn an_interpreter_gets_one_wheel_of_each_package() {
        let locked = locked(&[
            package(
                "app",
                "",
                &[
                    "py3-none-any",
                    "cp311-cp311-manylinux_2_17_x86_64",
                    "cp311-cp311-manylinux_2_28_x86_64",
                ],
            ),
            package("old", "python_full_version < '3.11'", &["py3-none-any"]),
        ]);
        let on = |python| chosen(&locked, python, LINUX);
        let native = "app-1.0-cp311-cp311-manylinux_2_17_x86_64.whl";
        assert_eq!(on("3.11.2").unwrap(), [native]);
        let pure = "app-1.0-py3-none-any.whl";
        assert_eq!(on("3.12.0").unwrap(), [pure]);
        assert_eq!(on("3.10.4").unwrap(), [pure, "old-1.0-py3-none-any.whl"]);
        assert!(matches!(on("3.9.1"), Err(UnfitApplication::Python { .. })));
    }

    #[test]
    fn an_application_is_for_the_systems_that_have_every_wheel() {
        let locked = locked(&[
            package("app", "", &["py3-none-any"]),
            package(
                "native",
                "sys_platform == 'linux'",
                &["cp312-abi3-manylinux2014_x86_64"],
            ),
        ]);
        let systems: Vec<System> = locked.artifacts.keys().copied().collect();
        let expected = [LINUX, System::MacosAarch64, System::MacosX86_64];
        assert_eq!(systems, expected);
        let error = chosen(&locked, "3.11.0", LINUX).unwrap_err();
        let text = "`native 1.0` has no wheel for Python 3.11.0 on linux-x86_64";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_marker_that_always_holds_is_left_out() {
        let line = |marker: &str| {
            let text = package("app", marker, &["py3-none-any"]);
            let answer = read_pylock_wheels(&Text::new("answer", &text)).unwrap();
            line(&answer[0], 10)
        };
        let always = "python_full_version >= '3.10'";
        for (marker, expected) in [
            ("", "app==1.0"),
            (always, "app==1.0"),
            (
                &format!("{always} and os_name == 'posix'"),
                "app==1.0 ; os_name == 'posix'",
            ),
            ("os_name == 'posix'", "app==1.0 ; os_name == 'posix'"),
        ] {
            assert_eq!(line(marker), expected);
        }
        for always in [
            format!("{always} or os_name == 'nt'"),
            "python_version >= '3.8'".to_owned(),
        ] {
            assert_eq!(line(&always), "app==1.0");
        }
    }

    #[test]
    fn the_oldest_python_follows_the_publisher() {
        for (wanted, minor) in [
            (">=3.10", 10),
            ("", 9),
            (">=3.7,<4", 9),
            ("==3.12.*", 12),
            ("x", 9),
        ] {
            assert_eq!(oldest_python(wanted), minor, "{wanted}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_locked_is_named() {
        let text = package("app", "", &["py3-none-any"]).replace("https:", "http:");
        let answer = read_pylock_wheels(&Text::new("answer", &text)).unwrap();
        let refused =
            lock_application(&supplier(), &"1.0".parse().unwrap(), "", &answer).unwrap_err();
        assert_eq!(refused.as_str(), "http://h/app-1.0-py3-none-any.whl");
    }
}
