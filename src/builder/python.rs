//! The Python environment of a dev shell: exact packages in a store object, and the project's own directories
//! installed where they are.
//!
//! The object depends on the interpreter and on the packages that the dev shell really gets, so two clones
//! share it, and a change elsewhere in the lockfile makes no new one. What belongs to one checkout, the
//! project installed in editable form, is made aside and becomes a part of the profile.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    Builder, Error, PythonPackages, Request,
    choose_artifact::{From, Served},
    installer::Installer,
    profile,
};
use crate::{
    package::{PackageName, Source, System, Tool, Version},
    python::{Environment, Missing, Pins},
    store::{self, BuiltObject, Recipe},
    util::{codec::Writer, files},
};

/// Counts changes in how environments are made.
const FORMAT: u64 = 1;

/// An environment that is there, and the interpreter it stands on.
#[derive(Debug)]
pub(super) struct PythonEnvironment {
    /// The store object with the packages.
    pub(super) object: PathBuf,
    pub(super) interpreter: PathBuf,
    pub(super) version: Version,
    /// The project's own directories, installed.
    pub(super) own: Option<Own>,
}

/// The project's own directories, installed aside; the profile takes them.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) directory: PathBuf,
    _lock: File,
}

impl Own {
    /// Removes what the profile did not take.
    pub(super) fn discard(self) -> Result<(), Error> {
        Ok(store::remove_tree(&self.directory)?)
    }
}

/// An interpreter that packages are installed for.
#[derive(Debug)]
pub(super) struct Interpreter {
    pub(super) program: PathBuf,
    pub(super) version: Version,
    /// What it is, without a place of this machine if it is of the store.
    pub(super) identity: Vec<u8>,
}

impl PythonPackages {
    /// Returns the exact packages for an interpreter.
    pub(super) fn pins(&self, python: Option<&Version>, system: System) -> Result<Pins, Missing> {
        let unknown = || "3".parse::<Version>().ok();
        let version = python.cloned().or_else(unknown);
        version.map_or_else(
            || Ok(Pins::default()),
            |version| {
                let on = Environment::new(&version, system);
                self.locked.select(&self.selection, &on)
            },
        )
    }
}

impl Interpreter {
    /// Returns the interpreter that serves in a dev shell.
    pub(super) fn of<'s>(
        served: impl IntoIterator<Item = &'s Served>,
    ) -> Result<Option<Self>, Error> {
        let mut pythons = served
            .into_iter()
            .filter(|one| one.tool.source == Source::Python);
        let Some((served, program)) = pythons.find_map(|one| Some((one, one.program("python")?)))
        else {
            return Ok(None);
        };
        let program = fs::canonicalize(&program).map_err(files::at("read", &program))?;
        let mut writer = Writer::default();
        match &served.from {
            From::Object(directory) => writer.os(directory.file_name().unwrap_or_default()),
            From::Host(_) => writer.os(&program),
        }
        writer.bytes(served.version.as_str());
        Ok(Some(Self {
            program,
            version: served.version.clone(),
            identity: writer.into_bytes(),
        }))
    }
}

impl Builder<'_> {
    /// Returns the Python environment that `request` asks for, if it does.
    pub(super) fn python(
        &self,
        request: &Request<'_>,
        served: &[Served],
    ) -> Result<Option<PythonEnvironment>, Error> {
        let Some(packages) = &request.python else {
            return Ok(None);
        };
        let needs = |tool| Error::PythonNeeds {
            lock: packages.lock.clone(),
            tool,
        };
        let interpreter = Interpreter::of(served)?.ok_or_else(|| needs("python"))?;
        let pins = packages
            .pins(Some(&interpreter.version), request.system)
            .map_err(|missing| Error::PythonMissing {
                lock: packages.lock.clone(),
                missing,
            })?;
        let uv = || self.uv(request, served).ok_or_else(|| needs("uv"));
        let name: Option<PackageName> = "python-packages".parse().ok();
        let name = name.ok_or_else(|| needs("python"))?;
        let object = self.packages(
            (&name, &interpreter.version),
            (&interpreter, &pins),
            (&packages.lock, request.build_project),
            uv,
        )?;
        let own = if request.build_project && !pins.directories.is_empty() {
            Some(self.own(request, packages, (&interpreter, &pins), &uv()?)?)
        } else {
            None
        };
        Ok(Some(PythonEnvironment {
            object,
            interpreter: interpreter.program,
            version: interpreter.version,
            own,
        }))
    }

    /// Returns the object with exactly these packages, making it if it is not there.
    pub(super) fn packages(
        &self,
        (name, version): (&PackageName, &Version),
        (interpreter, pins): (&Interpreter, &Pins),
        (lock, builds): (&Path, bool),
        uv: impl FnOnce() -> Result<PathBuf, Error>,
    ) -> Result<PathBuf, Error> {
        let mut writer = Writer::default();
        writer.number(FORMAT);
        writer.bytes(&interpreter.identity);
        writer.bytes(pins.to_bytes());
        let key = writer.into_bytes();
        let lines = pins.packages.iter();
        let inputs: Vec<String> = lines.map(ToString::to_string).collect();
        let built = BuiltObject {
            name,
            version,
            recipe: Recipe::Environment,
            key: &key,
            inputs: &inputs,
        };
        if let Some(place) = self.store.find(&store::StorePath::of_built(&built)) {
            return Ok(place);
        }
        let uv = uv()?;
        let what = match inputs.len() {
            1 => "1 python package".to_owned(),
            many => format!("{many} python packages"),
        };
        let what = if name.as_str() == "python-packages" {
            what
        } else {
            format!("{name} {version}")
        };
        let meter = self.progress.start(&what, None);
        let made = self.store.build(&built, &*meter, |place| {
            meter.phase("installing");
            let installer = Installer::new(self, &uv, interpreter, lock);
            installer.packages(pins, place, builds)
        });
        meter.finish();
        made
    }

    /// Installs the project's own directories aside.
    fn own(
        &self,
        request: &Request<'_>,
        packages: &PythonPackages,
        (interpreter, pins): (&Interpreter, &Pins),
        uv: &Path,
    ) -> Result<Own, Error> {
        let parent = self.context.directories.data.join("building");
        files::create_private_dir(&parent)?;
        let directory = parent.join(profile::checkout(request.root, 16));
        let lock = files::lock(&directory.with_extension("lock"))?;
        store::remove_tree(&directory)?;
        let meter = self.progress.start("the project", None);
        meter.phase("installing");
        let installer = Installer::new(self, uv, interpreter, &packages.lock);
        let below = packages.lock.parent().unwrap_or(Path::new(""));
        let made = installer.own(&request.root.join(below), &pins.directories, &directory);
        meter.finish();
        made?;
        Ok(Own {
            directory,
            _lock: lock,
        })
    }

    /// Returns uv: the dev shell's own, else the machine's.
    pub(super) fn uv<'s>(
        &self,
        request: &Request<'_>,
        served: impl IntoIterator<Item = &'s Served>,
    ) -> Option<PathBuf> {
        let own = served
            .into_iter()
            .find(|served| served.tool.source == Source::Pypi && served.tool.name.as_str() == "uv")
            .and_then(|served| served.program("uv"));
        own.or_else(|| {
            let tool: Tool = "uv".parse().ok()?;
            let found = self.host_tools(request, &tool).into_iter().next()?;
            found.programs.into_iter().next().map(|(_, path)| path)
        })
    }
}
