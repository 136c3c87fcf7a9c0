//! The Python environment of a dev shell: exact packages in a store object, and editable installs of the project's
//! own directories.
//!
//! The object depends on the interpreter and on the packages that the dev shell really gets, so two clones share it,
//! and another change of the lockfile does not make a new one. Editable installs belong to one checkout: they are
//! made in a temporary directory, and the profile takes them.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    Builder, Error,
    choose_artifact::{ServedFrom, ServedTool},
    profile_name::{checkout_digest, profiles_directory},
    request::{BuildRequest, PythonPackages, interpreter_rank},
};
use crate::{
    package::{PackageName, Tool, Version},
    python::{Interpreter, PackageInstall, PythonPins, Uv, minor_version},
    store::{self, BuiltObject, Recipe},
    util::{digest_input::DigestInput, files},
};

/// Counts changes in how environments are made.
const FORMAT: u64 = 1;

/// A Python environment and its interpreter.
#[derive(Debug)]
pub(super) struct PythonEnvironment {
    /// The store object with the packages.
    pub(super) object: PathBuf,
    pub(super) interpreter: Interpreter,
    pub(super) editable: Option<EditableInstalls>,
}

/// Editable installs in a temporary directory, which is locked.
#[derive(Debug)]
pub(super) struct EditableInstalls {
    pub(super) directory: PathBuf,
    /// Names what was installed, for the next profile of the checkout.
    pub(super) key: String,
    _lock: File,
}

impl EditableInstalls {
    /// Removes the files that the profile did not take.
    pub(super) fn discard(self) -> Result<(), Error> {
        Ok(store::remove_tree(&self.directory)?)
    }
}

/// Returns the interpreter of a dev shell.
pub(super) fn find_interpreter<'s>(
    served: impl IntoIterator<Item = &'s ServedTool>,
) -> Result<Option<Interpreter>, Error> {
    let pythons = served.into_iter().filter_map(|one| {
        let rank = interpreter_rank(&one.tool, one.hidden)?;
        Some((rank, one, one.program("python")?))
    });
    let Some((_, served, program)) = pythons.min_by_key(|(rank, ..)| *rank) else {
        return Ok(None);
    };
    let program = fs::canonicalize(&program).map_err(files::at("read", &program))?;
    let mut input = DigestInput::default();
    match &served.from {
        ServedFrom::Object(directory) => input.os(directory.file_name().unwrap_or_default()),
        ServedFrom::Host(_) => input.os(&program),
    }
    input.bytes(served.version.as_str());
    Ok(Some(Interpreter {
        packages_visible: served.tool.is_conda_python(),
        program,
        version: served.version.clone(),
        identity: input.into_bytes(),
    }))
}

/// The directory of a profile with its editable installs as uv made them.
pub(super) const EDITABLE: &str = ".editable";

/// Returns the name of the editable installs: what is installed, and for which minor version of Python.
fn editable_key(
    packages: &PythonPackages,
    pins: &PythonPins,
    python: &Version,
    root: &Path,
) -> String {
    let mut input = DigestInput::default();
    input.number(FORMAT);
    input.bytes(minor_version(python));
    input.bytes(packages.project);
    input.list(pins.directories.iter(), |input, directory| {
        input.bytes(directory);
        let root = root.join(directory);
        for place in [root.join("src"), root] {
            let modules = modules(&place);
            input.list(modules.iter(), DigestInput::os);
        }
    });
    blake3::hash(&input.into_bytes()).to_hex()[..32].to_owned()
}

/// Returns the names of the modules and packages in a directory, sorted. A build backend may list them.
fn modules(place: &Path) -> Vec<OsString> {
    let is_module = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "py") || path.join("__init__.py").exists()
    };
    let found = files::list(place).unwrap_or_default();
    let mut names: Vec<OsString> = found
        .into_iter()
        .filter(is_module)
        .filter_map(|path| path.file_name().map(ToOwned::to_owned))
        .collect();
    names.sort();
    names
}

/// Returns the same editable installs in another profile of the checkout.
fn kept_installs(data: &Path, root: &Path, key: &str) -> Option<PathBuf> {
    let checkout = format!("-{}", checkout_digest(root, 8));
    let profiles = files::list(&profiles_directory(data)).ok()?;
    let own = profiles.into_iter().filter(|profile| {
        let name = profile.file_name().unwrap_or_default();
        name.to_string_lossy().ends_with(&checkout)
    });
    own.map(|profile| profile.join(EDITABLE).join(key))
        .find(|kept| kept.is_dir())
}

impl Builder<'_> {
    /// Returns the Python environment that `request` asks for, if any, and why the project is not in it.
    pub(super) fn python_environment(
        &self,
        request: &BuildRequest<'_>,
        served: &[ServedTool],
    ) -> Result<Option<(PythonEnvironment, Option<Error>)>, Error> {
        let Some(packages) = &request.python else {
            return Ok(None);
        };
        let needs = |tool| Error::PythonNeeds {
            lock: packages.lock.clone(),
            tool,
        };
        let interpreter = find_interpreter(served)?.ok_or_else(|| needs("python"))?;
        let pins = packages
            .pins(Some(&interpreter.version), request.system)
            .map_err(|missing| Error::PythonMissing {
                lock: packages.lock.clone(),
                missing,
            })?;
        let find_uv = || self.find_uv(request, served).ok_or_else(|| needs("uv"));
        let object = self.package_object(request, packages, &interpreter, &pins, find_uv)?;
        let installed = (request.build_project && !pins.directories.is_empty()).then(|| {
            let program = find_uv()?;
            let uv = self.uv(&program, &interpreter);
            self.install_editable(request, packages, &pins, uv)
        });
        let (editable, failed) = match installed {
            Some(Ok(editable)) => (Some(editable), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let environment = PythonEnvironment {
            object,
            interpreter,
            editable,
        };
        Ok(Some((environment, failed)))
    }

    /// Returns the store object with exactly these packages, installing them if it is missing.
    fn package_object(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        interpreter: &Interpreter,
        pins: &PythonPins,
        find_uv: impl FnOnce() -> Result<PathBuf, Error>,
    ) -> Result<PathBuf, Error> {
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(&interpreter.identity);
        input.bytes(pins.to_bytes());
        let key = input.into_bytes();
        let name: Option<PackageName> = "python-packages".parse().ok();
        let name = name.ok_or_else(|| Error::PythonNeeds {
            lock: packages.lock.clone(),
            tool: "python",
        })?;
        let inputs: Vec<String> = pins.packages.iter().map(ToString::to_string).collect();
        let built = BuiltObject {
            name: &name,
            version: &interpreter.version,
            recipe: Recipe::Environment,
            key: &key,
            inputs: &inputs,
        };
        if let Some(place) = self.store.find(&store::StorePath::of_built(&built)) {
            return Ok(place);
        }
        if let Some(place) = self.receive(&built, "the python packages") {
            return Ok(place);
        }
        let program = find_uv()?;
        let built_wheels =
            self.built_wheels(request, packages, pins, &self.uv(&program, interpreter));
        let label = match inputs.len() {
            1 => "1 python package".to_owned(),
            count => format!("{count} python packages"),
        };
        let meter = self.progress.start(&label, "installing", None);
        let made = self.store.build(&built, &*meter, |place| {
            let uv = self.uv(&program, interpreter);
            let install = PackageInstall {
                pins,
                root: request.root,
                builds: request.runs_package_code.then_some(&packages.builds),
                built: &built_wheels,
            };
            uv.install_packages(install, place)
                .map_err(|error| Error::install_packages(&packages.lock, error))
        });
        meter.finish();
        made
    }

    fn install_editable(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        pins: &PythonPins,
        uv: Uv<'_>,
    ) -> Result<EditableInstalls, Error> {
        let parent = self.context.directories.data.join("building");
        files::create_private_dir(&parent)?;
        let directory = parent.join(checkout_digest(request.root, 16));
        let lock = files::lock(&directory.with_extension("lock"))?;
        store::remove_tree(&directory)?;
        let folder = packages.lock.parent().unwrap_or(Path::new(""));
        let root = request.root.join(folder);
        let key = editable_key(packages, pins, &uv.interpreter.version, &root);
        if let Some(kept) = kept_installs(&self.context.directories.data, request.root, &key) {
            if files::copy_tree(&kept, &directory).is_ok() {
                return Ok(EditableInstalls {
                    directory,
                    key,
                    _lock: lock,
                });
            }
            // Garbage collection removed it.
            store::remove_tree(&directory)?;
        }
        let meter = self.progress.start("the project", "installing", None);
        let made = uv.install_editable(&root, &pins.directories, &directory);
        meter.finish();
        made.map_err(|error| Error::install(&packages.lock, error))?;
        Ok(EditableInstalls {
            directory,
            key,
            _lock: lock,
        })
    }

    /// Returns uv for an interpreter, with the user's environment and settings.
    pub(super) fn uv<'u>(&'u self, program: &'u Path, interpreter: &'u Interpreter) -> Uv<'u> {
        Uv {
            program,
            interpreter,
            env: &self.context.env,
            index: self.config.pypi.as_str(),
            offline: self.client.is_offline(),
        }
    }

    /// Returns the program uv: the dev shell's, else the host's.
    pub(super) fn find_uv<'s>(
        &self,
        request: &BuildRequest<'_>,
        served: impl IntoIterator<Item = &'s ServedTool>,
    ) -> Option<PathBuf> {
        let uv: Tool = "uv".parse().ok()?;
        let own = served.into_iter().find(|served| served.tool == uv);
        own.and_then(|served| served.program("uv")).or_else(|| {
            let found = self.host_tools(request, &uv).into_iter().next()?;
            found.programs.into_iter().next().map(|(_, path)| path)
        })
    }
}
