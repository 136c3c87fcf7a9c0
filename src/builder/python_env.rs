//! The Python environment of a dev shell: exact packages in a store object, and editable installs of the project's
//! own directories.
//!
//! The object depends on the interpreter and on the packages that the dev shell really gets, so two clones share it,
//! and another change of the lockfile does not make a new one. Editable installs belong to one checkout: they are
//! made in a temporary directory, and the profile takes them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    Builder, Error,
    choose_artifact::{ServedFrom, ServedTool},
    profile_name::checkout_digest,
    request::{BuildRequest, PythonPackages},
};
use crate::{
    package::{PackageName, Source, Tool},
    python::{Interpreter, PackageInstall, PythonPins, Uv},
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
    let mut pythons = served
        .into_iter()
        .filter(|one| one.tool.source == Source::Python);
    let Some((served, program)) = pythons.find_map(|one| Some((one, one.program("python")?)))
    else {
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
        program,
        version: served.version.clone(),
        identity: input.into_bytes(),
    }))
}

impl Builder<'_> {
    /// Returns the Python environment that `request` asks for, if any.
    pub(super) fn python_environment(
        &self,
        request: &BuildRequest<'_>,
        served: &[ServedTool],
    ) -> Result<Option<PythonEnvironment>, Error> {
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
        let editable = if request.build_project && !pins.directories.is_empty() {
            let program = find_uv()?;
            let uv = self.uv(&program, &interpreter);
            Some(self.install_editable(request, packages, &pins, uv)?)
        } else {
            None
        };
        Ok(Some(PythonEnvironment {
            object,
            interpreter,
            editable,
        }))
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
        let program = find_uv()?;
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
                builds: request.build_project.then_some(&packages.builds),
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
        let meter = self.progress.start("the project", "installing", None);
        let folder = packages.lock.parent().unwrap_or(Path::new(""));
        let root = request.root.join(folder);
        let made = uv.install_editable(&root, &pins.directories, &directory);
        meter.finish();
        made.map_err(|error| Error::install(&packages.lock, error))?;
        Ok(EditableInstalls {
            directory,
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
