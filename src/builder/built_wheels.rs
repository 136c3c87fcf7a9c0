//! Wheels that are built from source distributions: each is an object of its own, so one change of a lockfile builds
//! only the package that changed, and a team shares each build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    Builder,
    request::{BuildRequest, PythonPackages},
};
use crate::{
    fetch::{ExpectedFile, Meter},
    lockfile::runs_on,
    package::{PackageName, Sha256, System, Version, WheelName},
    python::{BuiltWheel, Interpreter, PackageSource, PythonPin, PythonPins, Uv},
    sources::pypi::{self, IndexFile},
    store::{self, BuiltObject, ObjectRecord, Recipe, StorePath},
    util::{digest_input::DigestInput, files, parallel},
};

/// Counts changes in how wheels are built.
const FORMAT: u64 = 1;
/// The number of pages of the index that are read at the same time.
const PARALLEL: usize = 8;

/// Packages without a wheel for an interpreter.
#[derive(Debug, Default)]
pub(super) struct UnbuiltPackages {
    pub(super) without_wheel: BTreeSet<String>,
    /// Those with a wheel for the locked Python.
    pub(super) replaced: BTreeSet<String>,
}

/// A package that may be built, and what decides its wheel.
struct WheelRequest<'a> {
    pin: &'a PythonPin,
    name: PackageName,
    version: Version,
    key: Vec<u8>,
}

impl<'a> WheelRequest<'a> {
    fn new(pin: &'a PythonPin, interpreter: &Interpreter) -> Option<Self> {
        let version = pin.version.as_deref()?;
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(&interpreter.identity);
        input.bytes(&pin.name);
        input.bytes(version);
        input.list(pin.digests.iter(), DigestInput::bytes);
        Some(Self {
            pin,
            name: pin.name.parse().ok()?,
            version: version.parse().ok()?,
            key: input.into_bytes(),
        })
    }

    /// Returns the object with its wheel.
    fn built<'o>(&'o self, inputs: &'o [String]) -> BuiltObject<'o> {
        BuiltObject {
            name: &self.name,
            version: &self.version,
            recipe: Recipe::BuiltWheel,
            key: &self.key,
            inputs,
            is_received: false,
        }
    }

    /// Returns the locked ones of the files of an index that are for a Python.
    fn locked<'f>(
        &self,
        files: &'f [IndexFile],
        python: &Version,
    ) -> impl Iterator<Item = &'f IndexFile> {
        files.iter().filter(|file| {
            let digest = format!("sha256:{}", file.artifact.digest.hex());
            self.pin.digests.contains(&digest) && runs_on(&file.python, python)
        })
    }

    /// Returns whether a locked wheel of the index fits.
    fn has_wheel(&self, files: &[IndexFile], python: &Version, system: System) -> bool {
        let minor = python.release().get(1).copied().unwrap_or_default();
        let minor = u32::try_from(minor).unwrap_or_default();
        self.locked(files, python).any(|file| {
            WheelName::parse(&file.name).is_some_and(|wheel| {
                let platform = wheel.is_everywhere() || wheel.any_platform_rank(system).is_some();
                platform && wheel.python_rank(minor).is_some()
            })
        })
    }

    /// Returns the source distribution to build; nothing if a wheel of the index fits, or if there is none.
    fn source<'f>(
        &self,
        files: &'f [IndexFile],
        python: &Version,
        system: System,
    ) -> Option<&'f IndexFile> {
        if self.has_wheel(files, python, system) {
            return None;
        }
        let is_source = |file: &&IndexFile| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+!".contains(&byte);
            let ends = [".tar.gz", ".zip"];
            file.name.bytes().all(plain) && ends.iter().any(|end| file.name.ends_with(end))
        };
        self.locked(files, python).find(is_source)
    }
}

impl Builder<'_> {
    /// Returns the wheels of packages that may run their own build, by package: from the store, and if code may run now,
    /// from a cache or built. A package without one is left to the installation, which reports its failure.
    pub(super) fn built_wheels(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        pins: &PythonPins,
        uv: &Uv<'_>,
    ) -> BTreeMap<String, BuiltWheel> {
        // Options can name other places for files, and force or forbid builds.
        if !pins.options.is_empty() {
            return BTreeMap::new();
        }
        let may_build = |pin: &&PythonPin| {
            pin.source == PackageSource::Index(None) && packages.builds.contains(&pin.name)
        };
        let built = pins.packages.iter().filter(may_build).filter_map(|pin| {
            let wanted = WheelRequest::new(pin, uv.interpreter)?;
            let directory = self.built_wheel(request, &wanted, uv)?;
            let wheel = wheel_in(&directory)?;
            let digest = Sha256::read(fs::File::open(wheel).ok()?).ok()?;
            let record = ObjectRecord::read(&directory).ok().flatten();
            let built = BuiltWheel {
                directory,
                digest,
                is_received: record.is_none_or(|record| record.received),
            };
            Some((pin.name.clone(), built))
        });
        built.collect()
    }

    fn built_wheel(
        &self,
        request: &BuildRequest<'_>,
        wanted: &WheelRequest<'_>,
        uv: &Uv<'_>,
    ) -> Option<PathBuf> {
        let label = format!("{} {}", wanted.name, wanted.version);
        let inputs = [wanted.pin.to_string()];
        let built = wanted.built(&inputs);
        if let Some(place) = self.store.find(&StorePath::of_built(&built)) {
            return Some(place);
        }
        if !request.runs_package_code {
            return None;
        }
        if let Some(place) = self.receive(&built, &label) {
            return Some(place);
        }
        let listed = pypi::files(&wanted.name, self.sources(request.system));
        let listed = listed
            .inspect_err(|error| tracing::debug!(%error, "no list of files"))
            .ok()?;
        let file = wanted.source(&listed, &uv.interpreter.version, request.system)?;
        let meter = self.progress.start(&label, "building a wheel of", None);
        let made = self.store.build(&built, &*meter, |place| {
            self.build_wheel(file, uv, place, &*meter)
        });
        meter.finish();
        // The installation builds it again, and its error is the one to report.
        made.inspect_err(|error| tracing::debug!(%error, "no wheel"))
            .ok()
    }

    /// Returns the packages of the public index that have no wheel for an interpreter and that were not built either.
    /// If it replaces the `locked` Python, those with a wheel only for that one are apart.
    pub(super) fn unbuilt_packages(
        &self,
        request: &BuildRequest<'_>,
        pins: &PythonPins,
        interpreter: &Interpreter,
        locked: Option<&Version>,
    ) -> UnbuiltPackages {
        let mut unbuilt = UnbuiltPackages::default();
        // Options can name other places for files.
        if !pins.options.is_empty() {
            return unbuilt;
        }
        let public = pins.packages.iter();
        let public = public.filter(|pin| pin.source == PackageSource::Index(None));
        let wanted: Vec<WheelRequest<'_>> = public
            .filter_map(|pin| WheelRequest::new(pin, interpreter))
            .collect();
        let sources = self.sources(request.system);
        // True if a package has a wheel for the locked Python, false if it has none.
        let lacks_wheel = parallel::map(PARALLEL, &wanted, |wanted| {
            let files = pypi::files(&wanted.name, sources).ok()?;
            let (version, system) = (&interpreter.version, request.system);
            if wanted.has_wheel(&files, version, system) {
                return None;
            }
            let is_replaced = locked.is_some_and(|locked| wanted.has_wheel(&files, locked, system));
            let can_be_built = wanted.source(&files, version, system).is_some();
            (is_replaced || can_be_built).then_some(is_replaced)
        });
        for (wanted, lacks_wheel) in wanted.iter().zip(lacks_wheel) {
            let Some(is_replaced) = lacks_wheel else {
                continue;
            };
            let inputs = [wanted.pin.to_string()];
            let built = wanted.built(&inputs);
            if self.store.find(&StorePath::of_built(&built)).is_none() {
                let packages = if is_replaced {
                    &mut unbuilt.replaced
                } else {
                    &mut unbuilt.without_wheel
                };
                packages.insert(wanted.pin.name.clone());
            }
        }
        unbuilt
    }

    fn build_wheel(
        &self,
        file: &IndexFile,
        uv: &Uv<'_>,
        place: &Path,
        meter: &dyn Meter,
    ) -> Result<(), super::Error> {
        let directory = self.context.directories.cache.join("downloads");
        let expected = ExpectedFile {
            digest: file.artifact.digest,
            size: file.artifact.size,
        };
        let download = self
            .client
            .download(&file.artifact.url, &expected, &directory, meter)
            .map_err(store::Error::from)?;
        let work = tempfile::tempdir_in(&directory).map_err(files::at("create", &directory))?;
        let source = work.path().join(&file.name);
        download
            .copy_to(&source)
            .map_err(files::at("write", &source))?;
        let out = work.path().join("wheels");
        uv.build_wheel(&source, &out, meter)
            .map_err(|error| super::Error::install(Path::new(&file.name), error))?;
        let wheel = wheel_in(&out).ok_or_else(|| store::Error::Damaged {
            path: file.name.clone(),
        })?;
        let target = place.join(wheel.file_name().unwrap_or_default());
        fs::copy(&wheel, &target).map_err(files::at("write", &target))?;
        download.discard();
        Ok(())
    }
}

/// Returns the wheel in a directory.
fn wheel_in(directory: &Path) -> Option<PathBuf> {
    let mut listed = files::list(directory).ok()?.into_iter();
    listed.find(|path| path.extension().is_some_and(|end| end == "whl"))
}
