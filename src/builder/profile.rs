//! The profile: a directory whose `bin` links every program of a dev shell, so `PATH` gains one entry.
//!
//! With a Python environment the profile is itself a virtual environment.
//!
//! Invariant: a profile is complete or absent; it is made under a temporary name and renamed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    Error,
    built_shell::{BuildNotice, BuiltShell, RealisedTool, ToolOrigin},
    choose_artifact::{ServedFrom, ServedTool},
    conda::CondaEnvironment,
    guards::Guard,
    identity::EnvironmentId,
    profile_name::{ProfileName, profiles_directory},
    profile_record,
    python_env::{EDITABLE, PythonEnvironment},
    request::BuildRequest,
};
use crate::{
    env::{Change, VarName},
    package::{ProgramName, Source, Tool},
    python::{VirtualEnv, make_venv, minor_version},
    store::{self, Store},
    util::{executables::list_executables, files, vars},
};

/// The programs of a profile.
#[derive(Default)]
struct ProfilePrograms {
    /// The programs that are linked, by name.
    linked: BTreeMap<String, ProfileProgram>,
    /// The names of all programs of each tool.
    by_tool: BTreeMap<Tool, Vec<String>>,
    /// The names of all scripts of Python packages.
    of_packages: BTreeSet<String>,
    /// The names of all scripts of the project and other directories that are installed as packages.
    of_directories: BTreeSet<String>,
    conflicts: Vec<BuildNotice>,
}

/// A program of a profile.
struct ProfileProgram {
    /// The tool that has it; `None` for the scripts of Python packages.
    tool: Option<Tool>,
    target: PathBuf,
    /// The script in front of it.
    guard: Option<Guard>,
}

/// The environments that a profile is made of, without its tools.
pub(super) struct Environments {
    pub(super) conda: Option<CondaEnvironment>,
    pub(super) python: Option<PythonEnvironment>,
}

/// Builds and publishes the profile of these tools.
pub(super) fn build_profile(
    data: &Path,
    store: &Store,
    request: &BuildRequest<'_>,
    served: Vec<ServedTool>,
    environments: &Environments,
) -> Result<BuiltShell, Error> {
    let python = environments.python.as_ref();
    let with_project = python.is_some_and(PythonEnvironment::has_project);
    let (id, name) = ProfileName::of_served(request, &served, with_project);
    let envs = profiles_directory(data);
    files::create_private_dir(&envs)?;
    let _lock = files::lock(&envs.join(".lock"))?;
    let pass = store::leases::pass(data);
    let _leased = store.lease_profile(name.as_str());
    let programs = ProfilePrograms::collect(&served, environments)?;
    let profile = envs.join(name.as_str());
    let built = describe(id, profile, served, environments, &programs);
    // An intact profile may be in use, so it is not replaced.
    let existing = profile_record::read(&built.profile);
    drop(pass);
    let reusable =
        existing.is_some_and(|existing| without_reasons(&existing) == without_reasons(&built));
    if !reusable {
        let temporary = envs.join(".building");
        store::remove_tree(&temporary)?;
        link_programs(&temporary, &programs.linked)?;
        if let Some(editable) = python.and_then(|python| python.editable.as_ref()) {
            let kept = temporary.join(EDITABLE).join(&editable.key);
            files::copy_tree(&editable.directory, &kept)?;
        }
        if let Some(python) = python {
            let venv = VirtualEnv {
                interpreter: &python.interpreter,
                packages: &python.object,
                editable: python.editable.as_ref().map(|one| &*one.directory),
            };
            make_venv(&temporary, venv)?;
            store::sync_tree(&temporary)?;
        }
        profile_record::write(&temporary, &built)?;
        publish(&temporary, &built.profile)?;
    }
    if !built.is_managed() {
        let pointer = ProfileName::managed(request, with_project).host_pointer();
        replace_link(&envs, &pointer, &name)?;
    }
    Ok(built)
}

/// Clears the reasons for host tools, which differ from day to day without changing the profile.
fn without_reasons(built: &BuiltShell) -> BuiltShell {
    let mut built = built.clone();
    for notice in &mut built.notices {
        if let BuildNotice::HostServes { reason, .. } = notice {
            reason.clear();
        }
    }
    built
}

fn link_programs(profile: &Path, programs: &BTreeMap<String, ProfileProgram>) -> Result<(), Error> {
    let bin = profile.join("bin");
    fs::create_dir_all(&bin).map_err(files::at("create", &bin))?;
    for (name, program) in programs {
        let place = bin.join(name);
        match program.guard {
            Some(guard) => guard.write(&place, &program.target)?,
            None => link(&program.target, &place)?,
        }
    }
    Ok(())
}

/// Makes or replaces the link `pointer` to a profile.
fn replace_link(envs: &Path, pointer: &str, name: &ProfileName) -> Result<(), Error> {
    let (pointer, temporary) = (envs.join(pointer), envs.join(".pointer"));
    match fs::remove_file(&temporary) {
        Err(error) if !files::is_absent(&error) => {
            return Err(files::at("remove", &temporary)(error).into());
        }
        _ => {}
    }
    link(Path::new(name.as_str()), &temporary)?;
    fs::rename(&temporary, &pointer).map_err(files::at("write", &pointer))?;
    Ok(files::sync_dir(envs)?)
}

fn describe(
    id: EnvironmentId,
    profile: PathBuf,
    served: Vec<ServedTool>,
    Environments { conda, python }: &Environments,
    programs: &ProfilePrograms,
) -> BuiltShell {
    let python = python.as_ref();
    let (mut tools, mut objects, mut notices) = (Vec::new(), Vec::new(), Vec::new());
    for one in served {
        let origin = one.origin();
        if let ToolOrigin::Store(object) = &origin {
            objects.push(object.clone());
        }
        notices.extend(one.notice);
        tools.push(RealisedTool {
            programs: programs.by_tool.get(&one.tool).cloned().unwrap_or_default(),
            tool: one.tool,
            version: one.version,
            origin,
        });
    }
    notices.extend(programs.conflicts.iter().cloned());
    objects.extend(python.map(|python| python.object.clone()));
    if let Some(conda) = conda {
        objects.extend(conda.packages.iter().cloned());
        notices.extend(
            conda
                .notices()
                .into_iter()
                .map(|note| BuildNotice::Conda { note }),
        );
    }
    objects.sort();
    objects.dedup();
    // uv must use this environment without changing it.
    let place = || profile.clone().into_os_string();
    let variables = [
        (vars::VIRTUAL_ENV, place()),
        (vars::UV_PROJECT_ENVIRONMENT, place()),
        (vars::UV_NO_SYNC, "1".into()),
    ];
    let env = variables
        .into_iter()
        .filter(|_| python.is_some())
        .filter_map(|(name, value)| Some((name.parse::<VarName>().ok()?, Change::Set(value))));
    let unneeded = conda.as_ref().map(|conda| conda.notes.unneeded.clone());
    let conda = conda.iter().flat_map(|conda| conda.env.iter().cloned());
    let env = conda.chain(env);
    BuiltShell {
        env: env.collect(),
        id,
        profile,
        tools,
        package_programs: programs.of_packages.iter().cloned().collect(),
        directory_programs: programs.of_directories.iter().cloned().collect(),
        unneeded_packages: unneeded.unwrap_or_default(),
        objects,
        notices,
    }
}

impl ProfilePrograms {
    /// Adds a script that explains a program which no tool has so far.
    fn explain(&mut self, name: &str, guard: Guard) {
        let program = ProfileProgram {
            tool: None,
            target: PathBuf::new(),
            guard: Some(guard),
        };
        self.linked.entry(name.to_owned()).or_insert(program);
    }

    /// Collects the programs of all tools; of two with the same name the one of the earlier tool is linked.
    fn collect(served: &[ServedTool], environments: &Environments) -> Result<Self, Error> {
        let Environments { conda, python } = environments;
        let mut all = Self::default();
        // The prefix of conda packages has programs that no tool asks for, so it comes last.
        let is_conda = |one: &&ServedTool| one.tool.source == Source::Conda;
        // It is the same for all conda tools.
        let listed = conda.as_ref().map(|conda| list_programs(&conda.prefix));
        let listed = listed.transpose()?;
        let shown = || served.iter().filter(|one| !one.hidden);
        for one in shown()
            .filter(|one| !is_conda(one))
            .chain(shown().filter(is_conda))
        {
            let listed = listed.as_deref().filter(|_| is_conda(&one));
            let programs = one.programs(listed)?;
            let of_tool = |name: &&String| {
                let conda = conda.as_ref().filter(|_| is_conda(&one));
                conda.is_none_or(|conda| conda.is_program_of(one.tool.package.as_str(), name))
            };
            let names = programs.iter().map(|(name, _)| name).filter(of_tool);
            let names: BTreeSet<String> = names.cloned().collect();
            let names = names.into_iter().collect();
            all.by_tool.insert(one.tool.clone(), names);
            let is_stored = matches!(one.from, ServedFrom::Object(_));
            let is_main_python = is_stored && names_python(&one.tool);
            for (name, path) in programs {
                let known = all.linked.get(&name);
                if known.is_some() && is_conda(&one) {
                    continue;
                }
                if let Some(used) = known.and_then(|program| program.tool.clone()) {
                    all.conflicts.push(BuildNotice::Conflict {
                        program: name,
                        used,
                        hidden: one.tool.clone(),
                    });
                    continue;
                }
                let program = ProfileProgram {
                    tool: Some(one.tool.clone()),
                    guard: Guard::of(&one.tool, &name).filter(|_| is_stored),
                    target: path,
                };
                all.linked.insert(name, program);
            }
            if is_main_python && python.is_none() {
                all.explain("pip", Guard::PIP);
                all.explain("pip3", Guard::PIP);
            }
            if is_stored && one.tool.name.as_str() == "rust" {
                all.explain("rust-analyzer", Guard::RUST_ANALYZER);
            }
        }
        if let Some(python) = python {
            // Tools come before the scripts of packages.
            let editable = python.editable.as_ref();
            let editable = editable.map(|one| (&one.directory, &mut all.of_directories));
            let packages = (&python.object, &mut all.of_packages);
            for (directory, names) in editable.into_iter().chain([packages]) {
                for (name, target) in list_programs(directory)? {
                    if !is_interpreter(&name) {
                        names.insert(name.clone());
                        let program = ProfileProgram {
                            tool: None,
                            target,
                            guard: None,
                        };
                        all.linked.entry(name).or_insert(program);
                    }
                }
            }
        }
        Ok(all)
    }
}

/// Returns whether a tool is the Python with the names `python` and `python3`.
fn names_python(tool: &Tool) -> bool {
    tool.is_interpreter() && tool.python_minor().is_none()
}

impl ServedTool {
    /// Returns the programs of this tool for a dev shell; `listed` has those of its object if they are known.
    fn programs(
        &self,
        listed: Option<&[(String, PathBuf)]>,
    ) -> Result<Vec<(String, PathBuf)>, Error> {
        match &self.from {
            ServedFrom::Object(directory) => {
                let mut all = match listed {
                    Some(listed) => listed.to_vec(),
                    None => list_programs(directory)?,
                };
                if self.tool.python_minor().is_some() {
                    // Only the first Python gets the names `python` and `python3`.
                    let own = self.tool.name.as_str();
                    let config = format!("{own}-config");
                    all.retain(|(name, _)| name == own || *name == config);
                } else if self.tool.is_interpreter() {
                    // A guard has their names.
                    all.retain(|(name, _)| !name.starts_with("pip"));
                }
                Ok(all)
            }
            ServedFrom::Host(programs) if self.tool.source == Source::Python => {
                let path = programs.first().map(|(_, path)| path.clone());
                let path = path.unwrap_or_default();
                let minor = format!("python{}", minor_version(&self.version));
                let mut names = vec!["python".to_owned(), "python3".to_owned(), minor];
                if self.tool.python_minor().is_some() {
                    names = vec![self.tool.name.to_string()];
                }
                Ok(names.into_iter().map(|name| (name, path.clone())).collect())
            }
            ServedFrom::Host(programs) => Ok(programs.clone()),
        }
    }
}

/// Returns the programs of an object. A file with another name than a program may have is not linked.
fn list_programs(object: &Path) -> Result<Vec<(String, PathBuf)>, files::Error> {
    let mut programs = list_executables(&object.join("bin"))?;
    programs.retain(|(name, _)| name.parse::<ProgramName>().is_ok());
    Ok(programs)
}

fn is_interpreter(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || b".t".contains(&byte))
    })
}

fn link(target: &Path, place: &Path) -> Result<(), files::Error> {
    symlink(target, place).map_err(files::at("link", place))
}

/// Gives the finished profile its name; one that is there under it is replaced.
fn publish(temporary: &Path, place: &Path) -> Result<(), Error> {
    files::sync_dir(&temporary.join("bin"))?;
    files::sync_dir(temporary)?;
    // If the file system can swap two names, a running shell always has a profile.
    let replaced = if store::exchange(temporary, place) {
        temporary.to_owned()
    } else {
        let replaced = place.with_file_name(".replaced");
        store::remove_tree(&replaced)?;
        match fs::rename(place, &replaced) {
            Err(error) if !files::is_absent(&error) => {
                return Err(files::at("replace", place)(error).into());
            }
            _ => {}
        }
        fs::rename(temporary, place).map_err(files::at("publish", place))?;
        replaced
    };
    if let Some(parent) = place.parent() {
        files::sync_dir(parent)?;
    }
    // The next crash cleanup removes what is left.
    let _left = store::remove_tree(&replaced);
    Ok(())
}
