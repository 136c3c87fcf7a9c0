//! The Python environment of a dev shell: exact packages in a store object, and editable installs of the project's
//! own directories.
//!
//! The object depends on the interpreter and on the packages that the dev shell really gets, so two clones share it,
//! and another change of the lockfile does not make a new one. Editable installs belong to one checkout: they are
//! made in a temporary directory, and the profile takes them.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::{
    Builder, Error, HostPython, ShellPart, UnbuiltPart,
    built_shell::BuildNotice,
    built_wheels::UnbuiltPackages,
    choose_artifact::{ServedFrom, ServedTool},
    conda::CondaEnvironment,
    package_wheels::packages_label,
    profile_name::{checkout_digest, profiles_directory},
    request::{BuildRequest, PythonPackages, interpreter_rank},
};
use crate::{
    env::pathlist,
    fetch::Meter,
    package::{PackageName, Source, System, Tool, Version},
    python::{
        EditableInstall, Interpreter, PackageInstall, PackageSource, PythonPins, Selection,
        SelectionPart, Uv, UvError, compile_in_background, minor_version,
    },
    store::{self, BuiltObject, Object, Recipe},
    util::{digest_input::DigestInput, files, vars},
};

/// The time after which the user learns how to end a build of the project, which can compile for minutes.
const LONG_BUILD: Duration = Duration::from_secs(4);
/// Counts changes in how environments are made.
const FORMAT: u64 = 2;

/// A Python environment and its interpreter.
#[derive(Debug)]
pub(super) struct PythonEnvironment {
    /// The store object with the packages.
    pub(super) object: PathBuf,
    pub(super) interpreter: Interpreter,
    pub(super) editable: Option<EditableInstalls>,
    /// True if the project has changed since the editable installs were made.
    pub(super) is_earlier: bool,
}

impl PythonEnvironment {
    /// Returns whether the project is installed as it is now.
    pub(super) const fn has_project(&self) -> bool {
        self.editable.is_some() && !self.is_earlier
    }
}

/// Returns the Python of the host that replaces the locked one, if it has another minor version.
fn find_host_python(served: &[ServedTool]) -> Option<HostPython> {
    let (python, _) = interpreter_of(served)?;
    let Some(BuildNotice::HostServes {
        wanted: Some(locked),
        found,
        reason,
        ..
    }) = &python.notice
    else {
        return None;
    };
    (minor_version(locked) != minor_version(found)).then(|| HostPython {
        locked: locked.clone(),
        found: found.clone(),
        reason: reason.clone(),
    })
}

/// Editable installs in a temporary directory, which is locked.
#[derive(Debug)]
pub(super) struct EditableInstalls {
    pub(super) directory: PathBuf,
    /// Names what was installed, for the next profile of the checkout.
    pub(super) key: String,
    _lock: File,
}

/// The editable installs that an environment gets.
enum EditableOutcome {
    /// Those of the project as it is now.
    Current(EditableInstalls),
    /// Those of an earlier state, if there are any: the project must not be built now.
    Earlier(Option<EditableInstalls>),
}

impl EditableInstalls {
    /// Removes the files that the profile did not take.
    pub(super) fn discard(self) -> Result<(), Error> {
        Ok(store::remove_tree(&self.directory)?)
    }
}

/// Returns the tool that is the interpreter of a dev shell, and its program.
fn interpreter_of<'s>(
    served: impl IntoIterator<Item = &'s ServedTool>,
) -> Option<(&'s ServedTool, PathBuf)> {
    let pythons = served.into_iter().filter_map(|one| {
        let rank = interpreter_rank(&one.tool, one.hidden)?;
        Some((rank, one, one.program("python")?))
    });
    let (_, served, program) = pythons.min_by_key(|(rank, ..)| *rank)?;
    Some((served, program))
}

/// Returns the interpreter of a dev shell.
pub(super) fn find_interpreter<'s>(
    served: impl IntoIterator<Item = &'s ServedTool>,
) -> Result<Option<Interpreter>, Error> {
    let Some((served, program)) = interpreter_of(served) else {
        return Ok(None);
    };
    let program = fs::canonicalize(&program).map_err(files::at("read", &program))?;
    let mut input = DigestInput::default();
    served.identify(&program, &mut input);
    Ok(Some(Interpreter {
        packages_visible: served.tool.is_conda_python(),
        build_variables: Vec::new(),
        program,
        version: served.version.clone(),
        identity: input.into_bytes(),
    }))
}

/// Returns `PATH` for builds: they find the tools of the dev shell, such as the compiler of a Rust extension, then
/// those of its conda packages, then those of the host.
fn path_of_builds(
    served: &[ServedTool],
    conda: Option<&CondaEnvironment>,
    host: &OsStr,
) -> OsString {
    let prefix = conda.map(|conda| conda.prefix.join("bin"));
    let prefix = prefix.iter().map(|directory| directory.as_os_str());
    let host = pathlist::split(host);
    let known: Vec<&OsStr> = prefix.chain(host).collect();
    let tools = served.iter().filter(|one| !one.tool.is_interpreter());
    let directories: Vec<PathBuf> = tools
        .filter_map(|one| match &one.from {
            ServedFrom::Object(directory) => Some(directory.join("bin")),
            ServedFrom::Host(programs) => Some(programs.first()?.1.parent()?.to_owned()),
        })
        .filter(|directory| !known.contains(&directory.as_os_str()))
        .collect();
    let directories = directories.iter().map(|directory| directory.as_os_str());
    pathlist::join(directories.chain(known.iter().copied()))
}

/// Returns what the builds of packages use, for their keys: the libraries of the conda prefix, and the compilers of the
/// dev shell. Other tools are left out, or each new version of a linter would build all packages again.
fn identify_build_tools(served: &[ServedTool], conda: Option<&CondaEnvironment>) -> Vec<u8> {
    let prefix = conda.and_then(|conda| conda.prefix.file_name());
    let mut used = prefix.map_or_else(Vec::new, |name| name.as_encoded_bytes().to_vec());
    let compilers = served
        .iter()
        .filter(|one| matches!(one.tool.source, Source::Rust | Source::Node | Source::Go));
    let mut input = DigestInput::default();
    for compiler in compilers {
        let program = match &compiler.from {
            ServedFrom::Object(_) => None,
            ServedFrom::Host(programs) => programs.first().map(|(_, path)| path.as_path()),
        };
        input.bytes(compiler.tool.to_string());
        compiler.identify(program.unwrap_or(Path::new("")), &mut input);
    }
    used.extend(input.into_bytes());
    used
}

/// The programs that install Python packages. For another system they are those of this machine in the same versions:
/// wheels are only unpacked.
#[derive(Debug)]
pub(super) struct Installer {
    pub(super) uv: PathBuf,
    pub(super) python: Interpreter,
    /// The `PATH` on which uv finds git. It leaves out the directories of the project: their programs need no
    /// approval.
    pub(super) path: OsString,
    /// The other system.
    pub(super) platform: Option<System>,
}

impl Installer {
    /// Gives an environment the interpreter that it is for.
    pub(super) fn finish(
        &self,
        uv: &Uv<'_>,
        environment: &Path,
        interpreter: &Interpreter,
    ) -> Result<(), UvError> {
        match self.platform {
            None => Ok(()),
            Some(_) => uv.retarget(environment, &interpreter.program),
        }
    }
}

/// Refuses packages whose own build would have to run on another system.
fn refuse_builds(pins: &PythonPins, system: System) -> Result<(), Error> {
    let built = pins.packages.iter().find_map(|pin| match &pin.source {
        PackageSource::Repository(_) => Some(format!("the Python package `{}`", pin.name)),
        _ => None,
    });
    let project = pins
        .directories
        .first()
        .map(|directory| match &**directory {
            "." => "the project itself, a Python package,".to_owned(),
            directory => format!("the Python package in `{directory}`"),
        });
    match built.or(project) {
        None => Ok(()),
        Some(what) => Err(Error::Foreign { what, system }),
    }
}

/// The directory of a profile with its editable installs as uv made them.
pub(super) const EDITABLE: &str = ".editable";

/// The name of editable installs: a digest of the directories and the minor version of Python, and one of the state of
/// the directories.
struct EditableKey {
    directories: String,
    state: String,
}

impl EditableKey {
    fn of(packages: &PythonPackages, pins: &PythonPins, python: &Version, root: &Path) -> Self {
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(minor_version(python));
        input.list(pins.directories.iter(), DigestInput::bytes);
        let directories = short_digest(input);
        Self {
            directories,
            state: editable_state(packages, pins, root),
        }
    }

    fn name(&self) -> String {
        format!("{}-{}", self.directories, self.state)
    }

    /// Returns whether the editable installs of this name are of the same directories, in any state.
    fn is_of(&self, name: &str) -> bool {
        name.split_once('-')
            .is_some_and(|(directories, _)| directories == self.directories)
    }
}

fn short_digest(input: DigestInput) -> String {
    blake3::hash(&input.into_bytes()).to_hex()[..32].to_owned()
}

/// Returns a digest of the state of the directories.
fn editable_state(packages: &PythonPackages, pins: &PythonPins, root: &Path) -> String {
    let mut input = DigestInput::default();
    input.bytes(packages.project);
    input.list(pins.directories.iter(), |input, directory| {
        let root = root.join(directory);
        for place in [root.join("src"), root] {
            let modules = modules(&place);
            input.list(modules.iter(), DigestInput::os);
        }
    });
    short_digest(input)
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

/// Returns editable installs of the same directories in the profiles of the checkout, the newest first.
fn kept_installs(data: &Path, root: &Path, key: &EditableKey) -> Vec<PathBuf> {
    let checkout = format!("-{}", checkout_digest(root, 8));
    let profiles = files::list(&profiles_directory(data)).unwrap_or_default();
    let own = profiles.into_iter().filter(|profile| {
        let name = profile.file_name().unwrap_or_default();
        name.to_string_lossy().ends_with(&checkout)
    });
    let kept = own.flat_map(|profile| files::list(&profile.join(EDITABLE)).unwrap_or_default());
    let kept = kept.filter(|kept| key.is_of(&file_name(kept)));
    let mut kept: Vec<_> = kept
        .map(|kept| (files::Stamp::of(&kept).map(|stamp| stamp.mtime), kept))
        .collect();
    kept.sort();
    kept.into_iter().rev().map(|(_, kept)| kept).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Does some work, and says after a while how to end it.
fn notice_wait<T>(meter: &dyn Meter, wait: Duration, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (working, end) = mpsc::channel::<()>();
        scope.spawn(move || {
            if end.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                meter.notice(
                    "still building; Ctrl-C stops it until `devsh sync`, the approval stays",
                );
            }
        });
        let done = work();
        drop(working);
        done
    })
}

fn needs(packages: &PythonPackages, tool: &'static str) -> Error {
    Error::PythonNeeds {
        lock: packages.lock.clone(),
        tool,
    }
}

/// Packages to install, and their Python.
pub(super) struct ChosenPackages {
    interpreter: Interpreter,
    pins: PythonPins,
    name: PackageName,
    key: Vec<u8>,
    inputs: Vec<String>,
}

impl ChosenPackages {
    pub(super) fn new(
        packages: &PythonPackages,
        interpreter: Interpreter,
        pins: PythonPins,
    ) -> Result<Self, Error> {
        let name: Option<PackageName> = "python-packages".parse().ok();
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(&interpreter.identity);
        input.bytes(pins.to_bytes());
        Ok(Self {
            name: name.ok_or_else(|| needs(packages, "python"))?,
            key: input.into_bytes(),
            inputs: pins.packages.iter().map(ToString::to_string).collect(),
            interpreter,
            pins,
        })
    }

    /// Returns their object.
    fn object(&self) -> BuiltObject<'_> {
        BuiltObject {
            name: &self.name,
            version: &self.interpreter.version,
            recipe: Recipe::Environment,
            key: &self.key,
            inputs: &self.inputs,
            is_received: false,
        }
    }
}

/// Packages in the store, and what they were chosen for.
pub(super) struct InstalledPackages {
    object: PathBuf,
    interpreter: Interpreter,
    pins: PythonPins,
}

impl Builder<'_> {
    /// Returns the store object with the packages of a selection, installing them if it is missing.
    pub(super) fn install_selected(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        served: &[ServedTool],
        conda: Option<&CondaEnvironment>,
    ) -> Result<InstalledPackages, Error> {
        let (interpreter, pins) = self.choose_packages(request, packages, served, conda)?;
        let chosen = ChosenPackages::new(packages, interpreter, pins)?;
        let object = match self.install_without_uv(request, &chosen)? {
            Some(object) => object,
            None => self.install_with_uv(request, packages, &chosen, served)?,
        };
        Ok(InstalledPackages {
            object,
            interpreter: chosen.interpreter,
            pins: chosen.pins,
        })
    }

    /// Returns the interpreter for a selection, and the exact packages that it gets.
    pub(super) fn choose_packages(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        served: &[ServedTool],
        conda: Option<&CondaEnvironment>,
    ) -> Result<(Interpreter, PythonPins), Error> {
        let interpreter = find_interpreter(served)?;
        let mut interpreter = interpreter.ok_or_else(|| needs(packages, "python"))?;
        if let Some(conda) = conda {
            interpreter.build_variables = conda.build_variables(&self.context.env);
        }
        if !packages.builds.is_empty() {
            let used = identify_build_tools(served, conda);
            interpreter.identity.extend(used);
        }
        let host = self.host_search(request).path();
        let path = path_of_builds(served, conda, &host);
        interpreter.build_variables.push((vars::PATH.into(), path));
        let pins = packages
            .pins(Some(&interpreter.version), request.system)
            .map_err(|error| Error::PythonSelection {
                lock: packages.lock.clone(),
                error,
            })?;
        if self.is_foreign(request) {
            refuse_builds(&pins, request.system)?;
        }
        Ok((interpreter, pins))
    }

    /// Takes out of a request the packages that cannot be installed, and returns them with the error of each.
    ///
    /// `early` is the result of installing all of them, if that was tried.
    pub(super) fn reduce_python(
        &self,
        request: &mut BuildRequest<'_>,
        served: &[ServedTool],
        conda: Option<&CondaEnvironment>,
        early: Option<Result<(), Error>>,
    ) -> Result<Vec<UnbuiltPart>, Error> {
        let host_python = find_host_python(served);
        let unbuilt = self.reduce_python_of(request, served, conda, early, host_python.as_ref())?;
        let explain = |UnbuiltPart { part, error }| UnbuiltPart {
            part,
            error: match &host_python {
                Some(python) => error.on_host_python(python),
                None => error,
            },
        };
        Ok(unbuilt.into_iter().map(explain).collect())
    }

    /// Takes out of a request the packages that have no wheel. If the others still cannot be installed, it takes out
    /// the groups and extras that fail, or all packages if those of the project itself fail. It returns what it took
    /// out, with the error of each.
    fn reduce_python_of(
        &self,
        request: &mut BuildRequest<'_>,
        served: &[ServedTool],
        conda: Option<&CondaEnvironment>,
        early: Option<Result<(), Error>>,
        host_python: Option<&HostPython>,
    ) -> Result<Vec<UnbuiltPart>, Error> {
        let Some(mut packages) = request.python.clone() else {
            return Ok(Vec::new());
        };
        let installed = |packages: &PythonPackages| {
            self.install_selected(request, packages, served, conda)
                .map(drop)
        };
        let Err(mut error) = early.unwrap_or_else(|| installed(&packages)) else {
            return Ok(Vec::new());
        };
        let Error::PythonInstall { lock, output, .. } = &error else {
            return Err(error);
        };
        let UnbuiltPackages {
            without_wheel,
            mut replaced,
        } = self.packages_without_wheel(request, &packages, served, conda, host_python);
        let mut unbuilt = Vec::new();
        if !without_wheel.is_empty() {
            let is_permitted = without_wheel.is_subset(&packages.builds);
            unbuilt.push(UnbuiltPart {
                part: ShellPart::UnbuiltPackages(without_wheel.clone()),
                error: Error::PythonBuild {
                    lock: lock.clone(),
                    may_build: is_permitted && request.runs_package_code,
                    is_permitted,
                    packages: without_wheel.clone(),
                    output: output.clone(),
                },
            });
        }
        if let Some(python) = host_python.filter(|_| !replaced.is_empty()) {
            unbuilt.push(UnbuiltPart {
                part: ShellPart::UnbuiltPackages(replaced.clone()),
                error: Error::PythonReplaced {
                    lock: lock.clone(),
                    packages: replaced.clone(),
                    python: python.clone(),
                },
            });
        }
        if !unbuilt.is_empty() {
            replaced.extend(without_wheel);
            packages.without = replaced;
            match installed(&packages) {
                Ok(()) => {
                    request.python = Some(packages);
                    return Ok(unbuilt);
                }
                // The others have problems of their own.
                Err(other) => error = other,
            }
        }
        let parts: Vec<SelectionPart> = packages.selection.parts().collect();
        packages.selection = Selection::default();
        if parts.is_empty() || installed(&packages).is_err() {
            request.python = None;
            unbuilt.push(UnbuiltPart {
                part: ShellPart::PythonPackages,
                error,
            });
            return Ok(unbuilt);
        }
        for part in parts {
            let more = PythonPackages {
                selection: packages.selection.with(&part),
                ..packages.clone()
            };
            match installed(&more) {
                Ok(()) => packages = more,
                Err(error) => unbuilt.push(UnbuiltPart {
                    part: ShellPart::PackagesOf(part),
                    error,
                }),
            }
        }
        request.python = Some(packages);
        Ok(unbuilt)
    }

    /// Returns the packages that have no wheel and were not built.
    fn packages_without_wheel(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        served: &[ServedTool],
        conda: Option<&CondaEnvironment>,
        host_python: Option<&HostPython>,
    ) -> UnbuiltPackages {
        if self.is_foreign(request) {
            return UnbuiltPackages::default();
        }
        let chosen = self.choose_packages(request, packages, served, conda);
        let Ok((interpreter, pins)) = chosen else {
            return UnbuiltPackages::default();
        };
        let locked = host_python.map(|python| &python.locked);
        self.unbuilt_packages(request, &pins, &interpreter, locked)
    }

    /// Returns the Python environment that `request` asks for, if any, and why the project is not in it.
    pub(super) fn python_environment(
        &self,
        request: &BuildRequest<'_>,
        served: &[ServedTool],
        conda: Option<&CondaEnvironment>,
    ) -> Result<Option<(PythonEnvironment, Option<Error>)>, Error> {
        let Some(packages) = &request.python else {
            return Ok(None);
        };
        let InstalledPackages {
            object,
            interpreter,
            pins,
        } = self.install_selected(request, packages, served, conda)?;
        let find_installer =
            || self.installer(request, served, &interpreter, &|tool| needs(packages, tool));
        let installed = (!pins.directories.is_empty()).then(|| {
            self.install_editable(
                request,
                packages,
                &pins,
                &interpreter.version,
                find_installer,
            )
        });
        let (editable, failed) = match installed {
            Some(Ok(EditableOutcome::Current(editable))) => (Some(editable), None),
            Some(Ok(EditableOutcome::Earlier(editable))) => {
                let has_earlier = editable.is_some();
                (editable, Some(Error::ProjectNotBuilt { has_earlier }))
            }
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let environment = PythonEnvironment {
            object,
            interpreter,
            editable,
            is_earlier: failed.is_some(),
        };
        Ok(Some((environment, failed)))
    }

    /// Returns the store object with exactly these packages if it is there, if a cache has it, or if devsh can install
    /// their wheels itself.
    pub(super) fn install_without_uv(
        &self,
        request: &BuildRequest<'_>,
        chosen: &ChosenPackages,
    ) -> Result<Option<PathBuf>, Error> {
        let built = chosen.object();
        let found = self
            .store
            .find(&store::StorePath::of_built(&built))
            .or_else(|| self.receive(&built, "the python packages"));
        if found.is_some() {
            return Ok(found);
        }
        self.install_package_wheels(request, &built, &chosen.pins, &chosen.interpreter)
            .map_err(Error::from)
    }

    /// Returns the store object with exactly these packages, which uv installs if it is missing.
    pub(super) fn install_with_uv(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        chosen: &ChosenPackages,
        served: &[ServedTool],
    ) -> Result<PathBuf, Error> {
        let (pins, interpreter) = (&chosen.pins, &chosen.interpreter);
        let installer =
            self.installer(request, served, interpreter, &|tool| needs(packages, tool))?;
        let built_wheels = match installer.platform {
            None => self.built_wheels(request, packages, pins, &self.uv(&installer)),
            // Nothing is built for another system.
            Some(_) => BTreeMap::new(),
        };
        let built = BuiltObject {
            is_received: built_wheels.values().any(|wheel| wheel.is_received),
            ..chosen.object()
        };
        let label = packages_label(pins.packages.len());
        let meter = self.progress.start(&label, "installing", None);
        let mut is_new = false;
        let made = self.store.build(&built, &*meter, |place| {
            is_new = true;
            let uv = self.uv(&installer);
            let builds = request.runs_package_code && installer.platform.is_none();
            let install = PackageInstall {
                pins,
                root: request.root,
                builds: builds.then_some(&packages.builds),
                built: &built_wheels,
            };
            uv.install_packages(install, place, &*meter)
                .and_then(|()| installer.finish(&uv, place, interpreter))
                .map_err(|error| {
                    // Without options, packages that have no wheel are found and named.
                    if pins.options.is_empty() {
                        Error::install(&packages.lock, error)
                    } else {
                        Error::install_packages(&packages.lock, error)
                    }
                })
        });
        meter.finish();
        if let Ok(place) = &made
            && is_new
            && installer.platform.is_none()
        {
            compile_in_background(interpreter, place);
        }
        made
    }

    /// Installs the directories of the project, or takes what an earlier build of this checkout installed.
    fn install_editable(
        &self,
        request: &BuildRequest<'_>,
        packages: &PythonPackages,
        pins: &PythonPins,
        python: &Version,
        find_installer: impl FnOnce() -> Result<Installer, Error>,
    ) -> Result<EditableOutcome, Error> {
        let data = &self.context.directories.data;
        let parent = data.join("building");
        files::create_private_dir(&parent)?;
        let directory = parent.join(checkout_digest(request.root, 16));
        let lock = files::lock(&directory.with_extension("lock"))?;
        store::remove_tree(&directory)?;
        let folder = packages.lock.parent().unwrap_or(Path::new(""));
        let root = request.root.join(folder);
        let wanted = EditableKey::of(packages, pins, python, &root);
        let kept = kept_installs(data, request.root, &wanted);
        let (current, earlier): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .partition(|kept| file_name(kept) == wanted.name());
        let usable = if request.build_project {
            Vec::new()
        } else {
            earlier
        };
        for kept in current.into_iter().chain(usable) {
            if files::copy_tree(&kept, &directory).is_err() {
                // Garbage collection removed it.
                store::remove_tree(&directory)?;
                continue;
            }
            let key = file_name(&kept);
            let is_current = key == wanted.name();
            let editable = EditableInstalls {
                directory,
                key,
                _lock: lock,
            };
            return Ok(if is_current {
                EditableOutcome::Current(editable)
            } else {
                EditableOutcome::Earlier(Some(editable))
            });
        }
        if !request.build_project {
            return Ok(EditableOutcome::Earlier(None));
        }
        let installer = find_installer()?;
        request.refuse_changed_project()?;
        let meter = self.progress.start("the project", "installing", None);
        let uv = self.uv(&installer);
        let install = EditableInstall {
            root: &root,
            directories: &pins.directories,
            settings: packages.build_settings.as_deref(),
        };
        let made = notice_wait(&*meter, LONG_BUILD, || {
            uv.install_editable(install, &directory, &*meter)
        });
        meter.finish();
        made.map_err(|error| Error::build_project(&packages.lock, error))?;
        Ok(EditableOutcome::Current(EditableInstalls {
            directory,
            key: wanted.name(),
            _lock: lock,
        }))
    }

    /// Returns uv with the user's environment and settings.
    pub(super) fn uv<'u>(&'u self, installer: &'u Installer) -> Uv<'u> {
        Uv {
            program: &installer.uv,
            interpreter: &installer.python,
            env: &self.context.env,
            path: &installer.path,
            index: self.config.pypi.as_str(),
            offline: self.client.is_offline(),
            platform: installer.platform,
        }
    }

    /// Returns the programs that install packages for an interpreter.
    pub(super) fn installer<'s>(
        &self,
        request: &BuildRequest<'_>,
        served: impl IntoIterator<Item = &'s ServedTool>,
        interpreter: &Interpreter,
        needs: &dyn Fn(&'static str) -> Error,
    ) -> Result<Installer, Error> {
        if !self.is_foreign(request) {
            // uv starts the interpreter, which runs what other packages add to its prefix.
            if interpreter.packages_visible && !request.runs_package_code {
                return Err(Error::CondaPython);
            }
            let uv = self.find_uv(request, served).ok_or_else(|| needs("uv"))?;
            return Ok(Installer {
                uv,
                python: interpreter.clone(),
                path: self.host_search(request).path(),
                platform: None,
            });
        }
        if interpreter.packages_visible {
            return Err(Error::Foreign {
                what: "an environment on the `python` of conda".to_owned(),
                system: request.system,
            });
        }
        let uv = self.program_for_here(request, "uv")?;
        let python = self.program_for_here(request, "python")?;
        let python = python.ok_or_else(|| needs("python"))?;
        let python = fs::canonicalize(&python).map_err(files::at("read", &python))?;
        Ok(Installer {
            uv: uv.ok_or_else(|| needs("uv"))?,
            python: Interpreter {
                program: python,
                ..interpreter.clone()
            },
            path: self.host_search(request).path(),
            platform: Some(request.system),
        })
    }

    /// Returns a program of a dev shell for another system, in its version for this machine.
    fn program_for_here(
        &self,
        request: &BuildRequest<'_>,
        name: &str,
    ) -> Result<Option<PathBuf>, Error> {
        let mut tools = request.tools.iter();
        let requested = tools.find(|requested| requested.tool.to_string() == name);
        let found = requested.and_then(|requested| {
            let locked = requested.locked?;
            let artifacts = locked.artifacts.get(&self.context.system?)?;
            Some((requested, locked, artifacts))
        });
        let Some((requested, locked, artifacts)) = found else {
            return Ok(None);
        };
        let Some(recipe) = Recipe::of(locked.supplier.source) else {
            return Ok(None);
        };
        let object = Object {
            name: &locked.supplier.package,
            version: &locked.version,
            recipe,
            artifacts,
            layout: &requested.request.release_options(requested.tool).layout(),
        };
        let place = self
            .install(requested.tool, locked, &object)
            .map_err(|reason| Error::Install {
                tool: Box::new(requested.tool.clone()),
                version: locked.version.clone(),
                reason: Box::new(reason),
            })?;
        Ok(Some(place.join("bin").join(name)))
    }

    /// Returns the program uv: the dev shell's, else the host's.
    pub(super) fn find_uv<'s>(
        &self,
        request: &BuildRequest<'_>,
        served: impl IntoIterator<Item = &'s ServedTool>,
    ) -> Option<PathBuf> {
        let uv: Tool = "uv".parse().ok()?;
        let own = served.into_iter().find(|served| served.tool.is_uv());
        own.and_then(|served| served.program("uv")).or_else(|| {
            let found = self
                .host_tools(request, &uv, &|_| true)
                .into_iter()
                .next()?;
            found.programs.into_iter().next().map(|(_, path)| path)
        })
    }
}
