//! The profile: a directory whose `bin` links every program of a dev shell, so `PATH` gains one entry.
//!
//! With a Python environment the profile is itself a virtual environment (`venv`).
//!
//! Invariant: a profile is whole or absent; it is made aside and renamed.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use super::{
    Error, Notice, Realised, RealisedTool, Request, ToolOrigin,
    choose_artifact::{From, Served},
    identity::EnvironmentId,
    python::PythonEnvironment,
    record, venv,
};
use crate::{
    env::{Change, VarName},
    package::{Source, Tool, Version},
    store::{self, Store},
    util::{files, vars},
};

/// The name of a profile's directory: the environment id, and the checkout where paths of it matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

impl Name {
    /// Returns the name for an id.
    pub(super) fn new(id: &EnvironmentId, request: &Request<'_>) -> Self {
        Self(if request.directories().is_empty() {
            id.to_string()
        } else {
            format!("{id}-{}", checkout(request.root, 8))
        })
    }

    /// Returns the name as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the directory that holds the profiles.
pub(super) fn directory(data: &Path) -> PathBuf {
    data.join("envs")
}

/// Returns the name of the link to what host tools serve for a wanted profile.
pub(super) fn host_pointer(wanted: &Name) -> String {
    format!("{}.host", wanted.as_str())
}

/// Returns the first `length` hexadecimal digits of the digest of a checkout's path.
pub(super) fn checkout(root: &Path, length: usize) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let digest = blake3::hash(root.as_os_str().as_bytes()).to_hex();
    digest[..length].to_owned()
}

/// Programs by name, each with the tool it is of and where it leads.
type Programs = BTreeMap<String, (Option<Tool>, PathBuf)>;

/// Builds and publishes the profile of what serves.
pub(super) fn build(
    (data, store): (&Path, &Store),
    request: &Request<'_>,
    served: Vec<Served>,
    python: Option<&PythonEnvironment>,
) -> Result<Realised, Error> {
    let id = EnvironmentId::served(request, &served);
    let name = Name::new(&id, request);
    let envs = directory(data);
    files::create_private_dir(&envs)?;
    let _lock = files::lock(&envs.join(".lock"))?;
    let pass = store::leases::pass(data);
    let _leased = store.lease_profile(name.as_str());
    let (programs, conflicts) = programs(&served, python)?;
    let profile = envs.join(name.as_str());
    let realised = realised(id, profile, served, (python, conflicts));
    // One that is as it should be may be in use: it is left alone.
    let there = record::read(&realised.profile);
    drop(pass);
    if !there.is_some_and(|there| without_reasons(&there) == without_reasons(&realised)) {
        let temporary = envs.join(".building");
        store::remove_tree(&temporary)?;
        link_programs(&temporary, &programs)?;
        if let Some(python) = python {
            venv::make(&temporary, python)?;
            store::sync_tree(&temporary)?;
        }
        record::write(&temporary, &realised)?;
        publish(&temporary, &realised.profile)?;
    }
    if !realised.is_managed() {
        let wanted = Name::new(
            &EnvironmentId::wanted(request, request.build_project),
            request,
        );
        point(&envs, &host_pointer(&wanted), &name)?;
    }
    Ok(realised)
}

/// Why a host tool serves may differ from day to day; the profile does not.
fn without_reasons(realised: &Realised) -> Realised {
    let mut realised = realised.clone();
    for notice in &mut realised.notices {
        if let Notice::HostServes { reason, .. } = notice {
            reason.clear();
        }
    }
    realised
}

fn link_programs(profile: &Path, programs: &Programs) -> Result<(), Error> {
    let bin = profile.join("bin");
    fs::create_dir_all(&bin).map_err(files::at("create", &bin))?;
    for (name, (_, target)) in programs {
        link(target, &bin.join(name))?;
    }
    Ok(())
}

/// Makes or replaces the link `pointer` to a profile.
fn point(envs: &Path, pointer: &str, name: &Name) -> Result<(), Error> {
    let (pointer, aside) = (envs.join(pointer), envs.join(".pointer"));
    match fs::remove_file(&aside) {
        Err(error) if !files::is_absent(&error) => {
            return Err(files::at("remove", &aside)(error).into());
        }
        _ => {}
    }
    link(Path::new(name.as_str()), &aside)?;
    fs::rename(&aside, &pointer).map_err(files::at("write", &pointer))?;
    Ok(files::sync_dir(envs)?)
}

fn realised(
    id: EnvironmentId,
    profile: PathBuf,
    served: Vec<Served>,
    (python, conflicts): (Option<&PythonEnvironment>, Vec<Notice>),
) -> Realised {
    let (mut tools, mut objects, mut notices) = (Vec::new(), Vec::new(), Vec::new());
    for one in served {
        let origin = one.origin();
        if let ToolOrigin::Store(object) = &origin {
            objects.push(object.clone());
        }
        notices.extend(one.notice);
        tools.push(RealisedTool {
            tool: one.tool,
            version: one.version,
            origin,
        });
    }
    notices.extend(conflicts);
    objects.extend(python.map(|python| python.object.clone()));
    objects.sort();
    objects.dedup();
    // Uv uses the environment as it is, and changes lockfiles alone.
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
    Realised {
        env: env.collect(),
        id,
        profile,
        tools,
        objects,
        notices,
    }
}

/// Collects the programs of all tools; of two with the same name the one of the earlier tool is used.
fn programs(
    served: &[Served],
    python: Option<&PythonEnvironment>,
) -> Result<(Programs, Vec<Notice>), Error> {
    let (mut programs, mut conflicts) = (Programs::new(), Vec::new());
    for one in served.iter().filter(|one| !one.hidden) {
        for (name, path) in one.programs()? {
            match programs.get(&name) {
                Some((Some(used), _)) => conflicts.push(Notice::Conflict {
                    program: name,
                    used: used.clone(),
                    hidden: one.tool.clone(),
                }),
                _ => {
                    programs.insert(name, (Some(one.tool.clone()), path));
                }
            }
        }
    }
    if let Some(python) = python {
        // The dev shell's own tools come before the scripts of its packages.
        let own = python.own.iter().map(|own| &own.directory);
        for directory in own.chain([&python.object]) {
            for (name, path) in executables(&directory.join("bin"))? {
                if !is_interpreter(&name) {
                    programs.entry(name).or_insert((None, path));
                }
            }
        }
    }
    Ok((programs, conflicts))
}

impl Served {
    /// Returns the programs that a dev shell gets of this tool.
    fn programs(&self) -> Result<Vec<(String, PathBuf)>, Error> {
        match &self.from {
            From::Object(directory) => {
                let mut all = executables(&directory.join("bin"))?;
                if self.tool.python_minor().is_some() {
                    // A further python is called by its own name, the first one by all names.
                    let own = self.tool.name.as_str();
                    let config = format!("{own}-config");
                    all.retain(|(name, _)| name == own || *name == config);
                } else if self.tool.source == Source::Python {
                    // `pip` here would change the store.
                    all.retain(|(name, _)| !name.starts_with("pip"));
                }
                Ok(all)
            }
            From::Host(programs) if self.tool.source == Source::Python => {
                let path = programs.first().map(|(_, path)| path.clone());
                let path = path.unwrap_or_default();
                let minor = format!("python{}", minor(&self.version));
                let mut names = vec!["python".to_owned(), "python3".to_owned(), minor];
                if self.tool.python_minor().is_some() {
                    names = vec![self.tool.name.to_string()];
                }
                Ok(names.into_iter().map(|name| (name, path.clone())).collect())
            }
            From::Host(programs) => Ok(programs.clone()),
        }
    }
}

/// Returns every executable file of a directory, sorted.
pub(super) fn executables(directory: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(files::at("read", directory))? {
        let entry = entry.map_err(files::at("read", directory))?;
        let path = entry.path();
        let executable = match fs::metadata(&path) {
            Ok(found) => found.is_file() && found.permissions().mode() & 0o111 != 0,
            // A link that leads nowhere.
            Err(error) if files::is_absent(&error) => false,
            Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => false,
            // A profile without it would count as whole.
            Err(error) => return Err(files::at("read", &path)(error).into()),
        };
        if let (true, Ok(name)) = (executable, entry.file_name().into_string()) {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

fn is_interpreter(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || b".t".contains(&byte))
    })
}

/// Returns `3.12` of `3.12.4`.
pub(super) fn minor(version: &Version) -> String {
    let numbers: Vec<_> = version
        .release()
        .iter()
        .take(2)
        .map(u64::to_string)
        .collect();
    numbers.join(".")
}

pub(super) fn link(target: &Path, place: &Path) -> Result<(), files::Error> {
    symlink(target, place).map_err(files::at("link", place))
}

/// Gives the finished profile its name; one that is there under it is replaced.
fn publish(temporary: &Path, place: &Path) -> Result<(), Error> {
    files::sync_dir(&temporary.join("bin"))?;
    files::sync_dir(temporary)?;
    // Two names change places at once where the file system can, so that a running shell is never without.
    let aside = if store::exchange(temporary, place) {
        temporary.to_owned()
    } else {
        let aside = place.with_file_name(".replaced");
        store::remove_tree(&aside)?;
        match fs::rename(place, &aside) {
            Err(error) if !files::is_absent(&error) => {
                return Err(files::at("replace", place)(error).into());
            }
            _ => {}
        }
        fs::rename(temporary, place).map_err(files::at("publish", place))?;
        aside
    };
    if let Some(parent) = place.parent() {
        files::sync_dir(parent)?;
    }
    // What stays is swept by the next run.
    let _left = store::remove_tree(&aside);
    Ok(())
}
