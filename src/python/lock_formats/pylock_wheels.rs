//! The packages and wheels of a `pylock.toml` from uv, for locking a Python application.

use serde::Deserialize;
use toml::Spanned;

use super::fields::lock_error;
use crate::{
    manifest::{Error, Text},
    package::{Invalid, PackageName, Sha256, Version},
    python::locked_wheel::LockedWheel,
};

/// An exact package with all its wheels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageWheels {
    pub name: PackageName,
    pub version: Version,
    /// Scope it counts; empty for always.
    pub marker: String,
    pub wheels: Vec<LockedWheel>,
}

#[derive(Deserialize)]
struct PylockFile {
    #[serde(default)]
    packages: Vec<PylockPackage>,
}

#[derive(Deserialize)]
struct PylockPackage {
    name: Spanned<String>,
    version: Spanned<String>,
    #[serde(default)]
    marker: String,
    wheels: Vec<PylockWheel>,
}

#[derive(Deserialize)]
struct PylockWheel {
    url: Spanned<String>,
    size: Option<u64>,
    hashes: PylockHashes,
}

#[derive(Deserialize)]
struct PylockHashes {
    sha256: Spanned<String>,
}

/// Reads the packages of a `pylock.toml`; each must come from an index and have wheels.
pub fn read_pylock_wheels(file: &Text) -> Result<Vec<PackageWheels>, Error> {
    let raw: PylockFile = toml::from_str(file.as_str()).map_err(|error| {
        let span = error.span().unwrap_or_default();
        lock_error(file, span, error.message())
    })?;
    raw.packages
        .into_iter()
        .map(|one| package(file, one))
        .collect()
}

fn package(file: &Text, raw: PylockPackage) -> Result<PackageWheels, Error> {
    let name: Result<PackageName, Invalid> = raw.name.get_ref().parse();
    let name = name.map_err(|invalid| file.error(raw.name.span(), invalid))?;
    let version: Result<Version, Invalid> = raw.version.get_ref().parse();
    let version = version.map_err(|invalid| file.error(raw.version.span(), invalid))?;
    let wheels = raw.wheels.into_iter().map(|wheel| {
        let digest: Result<Sha256, Invalid> = wheel.hashes.sha256.get_ref().parse();
        let sha256 = digest.map_err(|invalid| file.error(wheel.hashes.sha256.span(), invalid))?;
        let url = wheel.url.get_ref().parse();
        let unread = || Invalid::new("the address of a wheel", wheel.url.get_ref());
        Ok(LockedWheel {
            url: url.map_err(|_| file.error(wheel.url.span(), unread()))?,
            sha256,
            size: wheel.size,
        })
    });
    Ok(PackageWheels {
        name,
        version,
        marker: raw.marker,
        wheels: wheels.collect::<Result<_, Error>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_with_their_wheels() {
        let digest = "0".repeat(64);
        let one = format!(
            "[[packages]]\nname = \"Py_YAML\"\nversion = \"6.0\"\nmarker = \"python_version < '3.11'\"\nwheels = [{{ url = \"https://h/a.whl\", upload-time = 2026-01-01T00:00:00Z, size = 7, hashes = {{ sha256 = \"{digest}\" }} }}]\n"
        );
        let read = |text: &str| read_pylock_wheels(&Text::new("pylock.toml", text));
        let expected = PackageWheels {
            name: "py-yaml".parse().unwrap(),
            version: "6.0".parse().unwrap(),
            marker: "python_version < '3.11'".to_owned(),
            wheels: vec![LockedWheel {
                url: "https://h/a.whl".parse().unwrap(),
                sha256: digest.parse().unwrap(),
                size: Some(7),
            }],
        };
        assert_eq!(read(&one).unwrap(), [expected]);
        for (from, to) in [
            (digest.as_str(), "0"),
            ("wheels", "files"),
            ("version", "wersion"),
            ("https://h/a.whl", "a.whl"),
        ] {
            assert!(read(&one.replace(from, to)).is_err(), "{to}");
        }
    }
}
