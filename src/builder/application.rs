//! Python applications as tools. Each is a store object with its own environment, and a dev shell gets only the
//! scripts of the application itself, not those of its dependencies.
//!
//! The object depends only on the interpreter and the wheels, so all projects share it. devsh downloads the wheels by
//! their digests; uv installs these files without an index.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    Builder, Error, Unavailable,
    choose_artifact::{ManagedTool, ServedTool, newer_glibc},
    python_env::{Installer, find_interpreter},
    request::{BuildRequest, RequestedTool},
};
use crate::{
    fetch::{Download, Meter},
    lockfile::{Artifact, LockedPackage},
    package::{PackageName, WheelName},
    python::{Interpreter, UnfitApplication, WheelFiles, choose_wheels, compile_in_background},
    store::{self, BuiltObject, Downloads, Recipe, StorePath, WheelSummary},
    util::{digest_input::DigestInput, files, parallel},
};

/// Counts changes in how applications are installed.
const FORMAT: u64 = 3;
/// The environment's directory in the object, next to `bin` with the application's own scripts.
const ENVIRONMENT: &str = "environment";
/// Longest `RECORD` of a package that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// A wheel that was downloaded, and its parts.
struct DownloadedWheel<'a> {
    artifact: &'a Artifact,
    name: PackageName,
    download: Download,
    summary: WheelSummary,
}

impl Builder<'_> {
    /// Returns the application from the store, installing it if it is missing.
    pub(super) fn application(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
        locked: &LockedPackage,
        served: &[&ServedTool],
    ) -> Result<ManagedTool, Error> {
        if !locked.artifacts.contains_key(&request.system) {
            let unavailable = Unavailable::NoArtifact(request.system);
            return Ok(ManagedTool::Unavailable(unavailable));
        }
        let needs = |tool| Error::ApplicationNeeds {
            application: Box::new(requested.tool.clone()),
            tool,
        };
        // Every dev shell has the same application, also with other conda packages.
        let served_tools = || served.iter().copied();
        let own_pythons = served_tools().filter(|one| !one.tool.is_conda_python());
        let interpreter = find_interpreter(own_pythons)?.ok_or_else(|| needs("python"))?;
        let wheels = choose_wheels(locked, &interpreter.version, request.system);
        let wheels = wheels.map_err(|reason| Error::Unfit {
            tool: Box::new(requested.tool.clone()),
            version: locked.version.clone(),
            reason,
        })?;
        let is_own = |wheel: &&Artifact| {
            let name = WheelName::parse(&wheel.part);
            name.is_some_and(|name| {
                name.name == locked.supplier.package && name.version == locked.version
            })
        };
        if !wheels.iter().any(is_own) {
            return Err(Error::Unfit {
                tool: Box::new(requested.tool.clone()),
                version: locked.version.clone(),
                reason: UnfitApplication::NoWheel {
                    package: format!("{} {}", locked.supplier.package, locked.version),
                    python: interpreter.version,
                    system: request.system,
                },
            });
        }
        let unavailable = newer_glibc(wheels.iter().copied(), request.system);
        if let Some(unavailable) = unavailable.filter(|_| !self.is_foreign(request)) {
            return Ok(ManagedTool::Unavailable(unavailable));
        }
        let find_installer =
            || self.installer(request, served.iter().copied(), &interpreter, &needs);
        let installed = match self.install_application(
            requested,
            locked,
            &interpreter,
            &wheels,
            find_installer,
        ) {
            Ok(directory) => Ok(directory),
            Err(Error::Store(reason)) => Err(reason),
            Err(other) => return Err(other),
        };
        ManagedTool::from_install(requested, locked, installed)
    }

    fn install_application(
        &self,
        requested: &RequestedTool<'_>,
        locked: &LockedPackage,
        interpreter: &Interpreter,
        wheels: &[&Artifact],
        find_installer: impl FnOnce() -> Result<Installer, Error>,
    ) -> Result<PathBuf, Error> {
        let package = &locked.supplier.package;
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(&interpreter.identity);
        input.list(wheels.iter(), |input, wheel| {
            input.bytes(wheel.digest.as_bytes());
        });
        let key = input.into_bytes();
        let inputs: Vec<String> = wheels.iter().map(|wheel| wheel.part.clone()).collect();
        let built = BuiltObject {
            name: package,
            version: &locked.version,
            recipe: Recipe::Environment,
            key: &key,
            inputs: &inputs,
            is_received: false,
        };
        if let Some(place) = self.store.find(&StorePath::of_built(&built)) {
            return Ok(place);
        }
        let name = format!("{package} {}", locked.version);
        if let Some(place) = self.receive(&built, &name) {
            return Ok(place);
        }
        let installer = find_installer()?;
        let label = format!("{package} {}", locked.version);
        let total = wheels.iter().map(|wheel| wheel.size).sum();
        let meter = self.progress.start(&label, "downloading", total);
        let mut downloads = Vec::new();
        let made = self.store.build(&built, &*meter, |place| {
            let files = place.join(".wheels");
            fs::create_dir(&files).map_err(files::at("create", &files))?;
            let mut needed = needed_wheels(package, self.download_wheels(wheels, &*meter)?);
            check_files(requested, locked, &needed)?;
            for wheel in &mut needed {
                let place = files.join(&wheel.artifact.part);
                let copied = wheel.download.copy_to(&place);
                copied.map_err(files::at("write", &place))?;
            }
            let wheels: Vec<&Artifact> = needed.iter().map(|wheel| wheel.artifact).collect();
            downloads.extend(needed.into_iter().map(|wheel| wheel.download));
            meter.step("installing", None);
            let environment = place.join(ENVIRONMENT);
            fs::create_dir(&environment).map_err(files::at("create", &environment))?;
            let wheels = WheelFiles {
                directory: &files,
                requirements: &requirement_lines(&wheels),
            };
            let uv = self.uv(&installer);
            uv.install_wheels(wheels, &environment, &*meter)
                .and_then(|()| installer.finish(&uv, &environment, interpreter))
                .map_err(|error| Error::install(Path::new(&label), error))?;
            store::remove_tree(&files)?;
            link_own_scripts(package, place)
        });
        meter.finish();
        if let Ok(place) = &made {
            if !downloads.is_empty() && installer.platform.is_none() {
                compile_in_background(interpreter, &place.join(ENVIRONMENT));
            }
            downloads.into_iter().for_each(Download::discard);
        }
        made
    }

    /// Downloads wheels and reads their parts.
    fn download_wheels<'a>(
        &self,
        wheels: &[&'a Artifact],
        meter: &dyn Meter,
    ) -> Result<Vec<DownloadedWheel<'a>>, Error> {
        let downloads = Downloads {
            client: self.client,
            config: self.config,
            directory: &self.context.directories.cache.join("downloads"),
        };
        let results = parallel::map(8, wheels, |artifact| {
            let Some(wheel) = WheelName::parse(&artifact.part) else {
                return Ok(None);
            };
            let download = downloads.artifact(artifact, meter)?;
            let file = download.open();
            let file = file.map_err(files::at("read", Path::new(&artifact.part)))?;
            let summary = store::check_wheel(&wheel.name, &wheel.version, file)?;
            Ok(Some(DownloadedWheel {
                artifact,
                name: wheel.name,
                download,
                summary,
            }))
        });
        results.into_iter().filter_map(Result::transpose).collect()
    }
}

/// Returns the wheels that an application needs by their own metadata. Others are not installed: the lockfile alone
/// cannot bring a package into an application.
fn needed_wheels<'a>(
    application: &PackageName,
    wheels: Vec<DownloadedWheel<'a>>,
) -> Vec<DownloadedWheel<'a>> {
    let mut needed = BTreeSet::from([application.clone()]);
    let mut open = vec![application.clone()];
    while let Some(name) = open.pop() {
        let same = wheels.iter().filter(|wheel| wheel.name == name);
        for need in same.flat_map(|wheel| &wheel.summary.needs) {
            if needed.insert(need.clone()) {
                open.push(need.clone());
            }
        }
    }
    let is_needed = |wheel: &DownloadedWheel<'_>| needed.contains(&wheel.name);
    wheels.into_iter().filter(is_needed).collect()
}

/// Checks that no other wheel replaces a module or script of the application.
fn check_files(
    requested: &RequestedTool<'_>,
    locked: &LockedPackage,
    wheels: &[DownloadedWheel<'_>],
) -> Result<(), Error> {
    let application = &locked.supplier.package;
    let (own, others): (Vec<_>, Vec<_>) =
        wheels.iter().partition(|wheel| wheel.name == *application);
    let digest = |wheel: &DownloadedWheel<'_>, member: &str| {
        let file = wheel.download.open();
        let file = file.map_err(files::at("read", Path::new(&wheel.artifact.part)))?;
        store::digest_in_wheel(file, member).map_err(Error::from)
    };
    for own in own {
        for (place, member) in &own.summary.code {
            let same = others.iter().filter_map(|other| {
                let member = other.summary.code.get(place)?;
                Some((*other, member))
            });
            for (other, other_member) in same {
                // Packages of a namespace have the same `__init__.py`.
                if place.starts_with("bin/") || digest(own, member)? != digest(other, other_member)?
                {
                    return Err(Error::Unfit {
                        tool: Box::new(requested.tool.clone()),
                        version: locked.version.clone(),
                        reason: UnfitApplication::SameFile {
                            package: other.name.clone(),
                            file: place.clone(),
                        },
                    });
                }
            }
        }
    }
    Ok(())
}

/// Returns the lines with which uv installs exactly these wheels.
fn requirement_lines(wheels: &[&Artifact]) -> String {
    let lines = wheels.iter().filter_map(|artifact| {
        let wheel = WheelName::parse(&artifact.part)?;
        let digest = artifact.digest.hex();
        Some(format!(
            "{}=={} --hash=sha256:{digest}\n",
            wheel.name, wheel.version
        ))
    });
    lines.collect()
}

/// Links the scripts of `package` itself into the object's `bin`.
fn link_own_scripts(package: &PackageName, place: &Path) -> Result<(), Error> {
    let bin = place.join("bin");
    fs::create_dir(&bin).map_err(files::at("create", &bin))?;
    let mut any = false;
    for script in own_scripts(package, &place.join(ENVIRONMENT))? {
        let target = Path::new("..").join(ENVIRONMENT).join("bin").join(&script);
        let link = bin.join(&script);
        symlink(&target, &link).map_err(files::at("link", &link))?;
        any = true;
    }
    if any {
        return Ok(());
    }
    let package = package.clone();
    Err(store::Error::Library { package }.into())
}

/// Returns the names of the scripts in a package's `RECORD`.
fn own_scripts(package: &PackageName, environment: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let libraries = environment.join("lib");
    for packages in list_entries(&libraries)?
        .iter()
        .map(|one| one.join("site-packages"))
    {
        for information in list_entries(&packages)? {
            let name = information
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            let name = name.strip_suffix(".dist-info");
            let name = name.and_then(|name| name.rsplit_once('-')?.0.parse::<PackageName>().ok());
            if name.as_ref() != Some(package) {
                continue;
            }
            let record = files::read_bounded(&information.join("RECORD"), LIMIT)?;
            let record = String::from_utf8_lossy(&record.unwrap_or_default()).into_owned();
            let scripts = record.lines().filter_map(|line| {
                let (path, _) = line.split_once(',')?;
                let name = path.trim_matches('"').strip_prefix("../../../bin/")?;
                (!name.contains('/')).then(|| name.to_owned())
            });
            found.extend(scripts);
        }
    }
    Ok(found)
}

fn list_entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = fs::read_dir(directory).map_err(files::at("read", directory))?;
    let paths = read.map(|entry| Ok(entry.map_err(files::at("read", directory))?.path()));
    paths
        .collect::<Result<_, files::Error>>()
        .map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_a_package_with_a_longer_name_are_not_its_own() {
        let place = tempfile::tempdir().unwrap();
        let packages = place.path().join("lib/python3.12/site-packages");
        for (directory, script) in [("tool-1.0", "tool"), ("tool-x-1.0", "ls")] {
            let information = packages.join(format!("{directory}.dist-info"));
            fs::create_dir_all(&information).unwrap();
            let record = format!("../../../bin/{script},sha256=x,1\n");
            fs::write(information.join("RECORD"), record).unwrap();
        }
        let found = own_scripts(&"tool".parse().unwrap(), place.path()).unwrap();
        assert_eq!(found, ["tool"]);
    }
}
