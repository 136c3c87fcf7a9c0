//! Conda tools: the packages of a dev shell's environment, linked into one prefix that all of them share.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::PathBuf,
};

use super::{
    Builder, Error, Unavailable,
    choose_artifact::{ManagedTool, ServedFrom, ServedTool},
    conda_activation::{self, Activation},
    request::{BuildRequest, RequestedTool},
};
use crate::{
    env::{Change, Env, VarName, pathlist},
    lockfile::{Artifact, LockedConda, LockedPackage},
    package::{CondaFloors, OLDEST_KERNEL, PackageName, Source, System, Version},
    sources::glibc,
    store::{self, Object, PrefixNotes, PrefixPackages, Recipe, StorePath},
    util::{binary, files, machine, parallel, vars},
};

/// Packages that are downloaded and unpacked at the same time.
const PARALLEL: usize = 4;
/// Longest accepted file with the changes of activation scripts, in bytes.
const LIMIT: u64 = 1 << 20;
/// Packages of compilers: with one of them the libraries of the environment are found by builds.
const COMPILERS: [&str; 9] = [
    "c-compiler",
    "clang",
    "clangxx",
    "compilers",
    "cxx-compiler",
    "fortran-compiler",
    "gcc",
    "gfortran",
    "gxx",
];

/// Returns whether a package is a compiler, alone (`gcc`) or with the system that it builds for (`gcc_linux-64`).
fn is_compiler(package: &str, system: System) -> bool {
    let name = package.strip_suffix(system.conda_subdir());
    let name = name.and_then(|name| name.strip_suffix('_'));
    COMPILERS.contains(&name.unwrap_or(package))
}

/// The prefix of a dev shell.
#[derive(Debug)]
pub(super) struct CondaEnvironment {
    pub(super) prefix: PathBuf,
    pub(super) notes: PrefixNotes,
    /// The objects of the packages.
    pub(super) packages: Vec<PathBuf>,
    pub(super) env: Vec<(VarName, Change)>,
}

impl Builder<'_> {
    /// Returns a conda tool from the prefix of its dev shell.
    pub(super) fn conda_tool(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
        locked: &LockedPackage,
        artifacts: &[Artifact],
    ) -> Result<ManagedTool, Error> {
        let unavailable = older_system(request.conda_floors);
        if let Some(unavailable) = unavailable.filter(|_| !self.is_foreign(request)) {
            return Ok(ManagedTool::Unavailable(unavailable));
        }
        let installed = self.link_conda(request, requested, artifacts);
        ManagedTool::from_install(requested, locked, installed.map(|(prefix, _)| prefix))
    }

    /// Installs the packages and links the prefix.
    fn link_conda(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
        artifacts: &[Artifact],
    ) -> Result<(PathBuf, Vec<PathBuf>), store::Error> {
        let results = parallel::map(PARALLEL, artifacts, |artifact| {
            let identity = LockedConda::identity(&artifact.url);
            let (name, version) = identity
                .and_then(|(name, version, _)| {
                    let name = PackageName::of(Source::Conda, &name).ok()?;
                    Some((name, Version::opaque(&version).ok()?))
                })
                .ok_or_else(|| store::Error::OtherPackage {
                    name: artifact.part.clone(),
                    version: String::new(),
                })?;
            let object = Object {
                name: &name,
                version: &version,
                recipe: Recipe::CondaPackage,
                artifacts: std::slice::from_ref(artifact),
                layout: &crate::package::ReleaseOptions::default(),
            };
            if let Some(place) = self.store.find(&StorePath::of(&object)) {
                return Ok(place);
            }
            self.install_named(&format!("{name} {version}"), &object)
        });
        let objects: Vec<PathBuf> = results.into_iter().collect::<Result<_, _>>()?;
        let meter = self
            .progress
            .start(&requested.tool.to_string(), "linking", None);
        let tools = request.tools.iter().map(|requested| requested.tool);
        let names = tools.filter(|tool| tool.source == Source::Conda);
        let packages = PrefixPackages {
            objects: &objects,
            requested: &names.map(|tool| tool.package.to_string()).collect(),
            system: request.system,
        };
        let prefix = self.store.link_prefix(packages, &*meter);
        meter.finish();
        Ok((prefix?, objects))
    }

    /// Returns the conda packages that no requested one needs, with their programs; none if they cannot be installed.
    pub fn unneeded_conda_packages(
        &self,
        request: &BuildRequest<'_>,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, store::Error> {
        let mut tools = request.tools.iter();
        let conda = tools.find(|requested| requested.tool.source == Source::Conda);
        let prefix = conda.and_then(|requested| {
            let artifacts = requested.locked?.artifacts.get(&request.system)?;
            let (prefix, _) = self.link_conda(request, requested, artifacts).ok()?;
            Some(prefix)
        });
        prefix.map_or_else(
            || Ok(BTreeMap::new()),
            |prefix| Ok(PrefixNotes::read(&prefix)?.unneeded),
        )
    }

    /// Returns the environment of the conda tools that were served, with the variables of its packages.
    pub(super) fn conda_environment(
        &self,
        request: &BuildRequest<'_>,
        served: &[ServedTool],
    ) -> Result<Option<CondaEnvironment>, Error> {
        let conda = request
            .tools
            .iter()
            .zip(served)
            .find_map(|(requested, served)| {
                let ServedFrom::Object(prefix) = &served.from else {
                    return None;
                };
                let is_conda = requested.tool.source == Source::Conda;
                is_conda
                    .then_some((requested, prefix))
                    .zip(requested.locked)
            });
        let Some(((requested, prefix), locked)) = conda else {
            return Ok(None);
        };
        let artifacts = locked.artifacts.get(&request.system).map(Vec::as_slice);
        let artifacts = artifacts.unwrap_or_default();
        let failed = |reason| Error::Install {
            tool: Box::new(requested.tool.clone()),
            version: locked.version.clone(),
            reason: Box::new(reason),
        };
        let (_, packages) = self
            .link_conda(request, requested, artifacts)
            .map_err(failed)?;
        let notes = PrefixNotes::read(prefix).map_err(failed)?;
        if let Some(approved) = &request.approved_conda
            && !notes.unneeded.keys().all(|name| approved.contains(name))
        {
            return Err(Error::CondaUnapproved {
                packages: notes.unneeded,
            });
        }
        let mut env = Vec::new();
        let mut add = |name: &str, change: Change| {
            env.extend(name.parse::<VarName>().ok().map(|name| (name, change)));
        };
        add(
            vars::CONDA_PREFIX,
            Change::Set(prefix.clone().into_os_string()),
        );
        let is_compiler = |artifact: &Artifact| is_compiler(&artifact.part, request.system);
        if artifacts.iter().any(is_compiler) {
            let front = |paths: &[&str]| Change::Extend {
                before: paths
                    .iter()
                    .map(|path| prefix.join(path).into_os_string())
                    .collect(),
                after: Vec::new(),
            };
            add(
                "PKG_CONFIG_PATH",
                front(&["lib/pkgconfig", "share/pkgconfig"]),
            );
            add("CMAKE_PREFIX_PATH", front(&[""]));
            add("LIBRARY_PATH", front(&["lib"]));
        }
        let activation = Activation {
            prefix,
            context: self.context,
        };
        let changed = if activation.has_scripts() {
            if self.is_foreign(request) {
                return Err(Error::Foreign {
                    what: "the environment of the conda packages".to_owned(),
                    system: request.system,
                });
            }
            self.activate(request, &activation)?
        } else {
            activation.run().map_err(Error::CondaActivation)?
        };
        env.extend(changed);
        Ok(Some(CondaEnvironment {
            notes,
            prefix: prefix.clone(),
            packages,
            env,
        }))
    }
}

impl Builder<'_> {
    /// Returns the changes of the activation scripts of a prefix, which run once: the prefix never changes.
    fn activate(
        &self,
        request: &BuildRequest<'_>,
        activation: &Activation<'_>,
    ) -> Result<Vec<(VarName, Change)>, Error> {
        let name = activation.prefix.file_name().unwrap_or_default();
        let directory = self.context.directories.state.join("conda");
        let kept = directory.join(name);
        if let Some(bytes) = files::read_private(&kept, LIMIT)?
            && let Ok(changes) = binary::decode(&bytes)
        {
            return Ok(changes);
        }
        if !request.runs_package_code {
            return Err(Error::CondaScripts);
        }
        let changes = activation.run().map_err(Error::CondaActivation)?;
        files::create_private_dir(&directory)?;
        files::write_atomic(&kept, &binary::encode(&changes))?;
        Ok(changes)
    }
}

impl CondaEnvironment {
    /// Returns the variables with which builds find the libraries of the prefix.
    pub(super) fn build_variables(&self, host: &Env) -> Vec<(OsString, OsString)> {
        let mut variables = Vec::new();
        for (name, change) in &self.env {
            let name = name.as_str();
            // uv would take the prefix for an environment to install into.
            if [vars::PATH, vars::CONDA_PREFIX].contains(&name) {
                continue;
            }
            let value = match change {
                Change::Set(value) => value.clone(),
                Change::Extend { before, after } => {
                    let own = host.get(name).filter(|value| !value.is_empty());
                    let [before, after] =
                        [before, after].map(|list| list.iter().map(OsString::as_os_str));
                    pathlist::join(before.chain(own).chain(after))
                }
                _ => continue,
            };
            variables.push((name.into(), value));
        }
        variables
    }

    /// Returns whether a program of the prefix counts as one of a requested package: no other one has it alone.
    pub(super) fn is_program_of(&self, package: &str, program: &str) -> bool {
        let PrefixNotes {
            programs, unneeded, ..
        } = &self.notes;
        let own = programs.get(package);
        let has = |programs: &BTreeSet<String>| programs.contains(program);
        own.is_some_and(has) || !programs.values().chain(unneeded.values()).any(has)
    }

    /// Returns lines about the packages that the user should know.
    pub(super) fn notices(&self) -> Vec<String> {
        let notes = &self.notes;
        let scripts = notes.scripts.iter().map(|package| {
            format!("the conda package `{package}` has a script that runs after an installation by other tools; devsh did not run it")
        });
        let clobbered = notes.clobbered.iter().map(|file| {
            format!(
                "`{}` is in the conda packages `{}` and `{}`; that of `{}` is used",
                file.path,
                file.from,
                file.others.join("`, `"),
                file.from
            )
        });
        let unset = notes.unset.iter().map(|package| {
            format!("the conda package `{package}` would set variables, but no package that you ask for says that it needs it; devsh did not set them")
        });
        scripts.chain(clobbered).chain(unset).collect()
    }
}

/// Returns the version of a kernel by its release (`4.9.0-8-amd64`) if packages may need a newer one.
fn older_kernel(release: &str) -> Option<String> {
    let numbers = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.split(|one: char| !one.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    let (major, minor) = numbers(release)?;
    ((major, minor) < numbers(OLDEST_KERNEL)?).then(|| format!("{major}.{minor}"))
}

/// Returns why the environment does not run on this machine.
pub(super) fn older_system(floors: CondaFloors) -> Option<Unavailable> {
    if cfg!(target_os = "linux") {
        if let Some(machine) = machine::kernel_release().as_deref().and_then(older_kernel) {
            return Some(Unavailable::OlderKernel { machine });
        }
        let machine = glibc::of_machine().filter(|machine| *machine < floors.glibc)?;
        return Some(Unavailable::OlderSystem {
            what: "glibc",
            needed: floors.glibc.to_string(),
            machine: machine.to_string(),
        });
    }
    let machine = conda_activation::macos_version().filter(|machine| *machine < floors.macos)?;
    Some(Unavailable::OlderSystem {
        what: "macOS",
        needed: floors.macos.to_string(),
        machine: machine.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::older_kernel;

    #[test]
    fn an_old_kernel_is_found_by_its_release() {
        for (release, older) in [
            ("4.9.0-8-amd64", Some("4.9")),
            ("3.10.0-1160.el7.x86_64", Some("3.10")),
            ("4.18.0-553.el8", None),
            ("6.18.44", None),
            ("unknown", None),
        ] {
            assert_eq!(older_kernel(release).as_deref(), older, "{release}");
        }
    }
}
