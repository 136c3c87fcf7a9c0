//! Installs the wheels that a lockfile names with their addresses.
//!
//! devsh downloads them while it still gets the other tools, and starts no program for it. uv installs everything else:
//! packages that must be built, files of other places, and wheels that do not follow their specification.

use std::path::PathBuf;

use super::{Builder, request::BuildRequest};
use crate::{
    fetch,
    lockfile::Artifact,
    package::{Glibc, System, WheelName},
    python::{
        Interpreter, PackageSource, PythonPin, PythonPins, compile_in_background, minor_version,
        venv_settings,
    },
    sources::glibc,
    store::{self, BuiltObject, Downloads, EnvironmentPython, PackageWheel},
};

impl Builder<'_> {
    /// Returns the object with exactly these packages, installing their wheels if it is missing; nothing if uv must
    /// install them: it may have wheels that cannot be reached, and it accepts odd ones.
    pub(super) fn install_package_wheels(
        &self,
        request: &BuildRequest<'_>,
        built: &BuiltObject<'_>,
        pins: &PythonPins,
        interpreter: &Interpreter,
    ) -> Result<Option<PathBuf>, store::Error> {
        // The prefix of conda has packages too, and options change which files are used.
        if interpreter.packages_visible || !pins.options.is_empty() || pins.packages.is_empty() {
            return Ok(None);
        }
        let machine = if self.is_foreign(request) {
            Some(Glibc::FLOOR)
        } else {
            glibc::of_machine()
        };
        let wheels = pins.packages.iter();
        let wheels: Option<Vec<PackageWheel>> = wheels
            .map(|pin| self.package_wheel(pin, request.system, machine))
            .collect();
        let Some(wheels) = wheels else {
            return Ok(None);
        };
        let label = packages_label(wheels.len());
        let total = wheels.iter().try_fold(0_u64, |total, wheel| {
            total.checked_add(wheel.artifact.size?)
        });
        let meter = self.progress.start(&label, "downloading", total);
        let minor = minor_version(&interpreter.version);
        let python = EnvironmentPython {
            minor: &minor,
            program: &interpreter.program,
            settings: &venv_settings(interpreter, false),
        };
        let downloads = Downloads {
            client: self.client,
            config: self.config,
            directory: &self.context.directories.cache.join("downloads"),
        };
        let installed = self
            .store
            .install_wheels(built, python, &wheels, &downloads, &*meter);
        meter.finish();
        match installed {
            Ok(place) => {
                if !self.is_foreign(request) {
                    compile_in_background(interpreter, &place);
                }
                Ok(Some(place))
            }
            Err(error) if is_left_to_uv(&error) => {
                tracing::debug!(%error, "uv installs the packages");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the wheel of a package if devsh can install it on a machine with this glibc.
    fn package_wheel(
        &self,
        pin: &PythonPin,
        system: System,
        machine: Option<Glibc>,
    ) -> Option<PackageWheel> {
        let wheel = pin.wheel.as_ref()?;
        // uv asks the right index for the files that are elsewhere.
        let is_of_index = match &pin.source {
            PackageSource::Index(None) => self.config.is_file_of_index(&wheel.url),
            // The wheel was chosen among those below the address of this index.
            PackageSource::Index(Some(_)) => true,
            _ => false,
        };
        if !is_of_index {
            return None;
        }
        let file = wheel.url.path_segments()?.next_back()?;
        let name = WheelName::parse(file)?;
        // uv knows which macOS this is.
        let runs = name.is_everywhere()
            || system.is_linux()
                && machine.is_some_and(|machine| {
                    name.glibc(system).is_none_or(|needed| needed <= machine)
                });
        runs.then(|| PackageWheel {
            artifact: Artifact {
                part: file.to_owned(),
                url: wheel.url.clone(),
                digest: wheel.sha256.into(),
                size: wheel.size,
            },
            name: name.name,
            version: name.version,
        })
    }
}

/// Returns whether uv may still be able to install the packages.
const fn is_left_to_uv(error: &store::Error) -> bool {
    use fetch::Error as Fetch;
    matches!(
        error,
        store::Error::Unpack { .. }
            | store::Error::Fetch(
                Fetch::Offline { .. } | Fetch::Unreachable { .. } | Fetch::Status { .. }
            )
    )
}

/// Returns the name of packages for their progress.
pub(super) fn packages_label(count: usize) -> String {
    match count {
        1 => "1 python package".to_owned(),
        count => format!("{count} python packages"),
    }
}
