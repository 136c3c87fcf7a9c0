//! Decides for each tool what serves: its artifact, or what the machine has.

use std::{
    path::{Path, PathBuf},
    thread,
};

use super::{Builder, Error, Notice, Request, ToolOrigin, Unavailable, Wanted};
use crate::{
    config::ToolsFrom,
    lockfile::LockedPackage,
    manifest,
    package::{Source, Tool, Version},
    sources::host::{self, HostTool, Search},
    store::{self, Downloads, Object, Recipe, StorePath},
    util::files,
};

/// What serves as one tool.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) tool: Tool,
    pub(super) version: Version,
    pub(super) from: From,
    pub(super) notice: Option<Notice>,
    /// Whether its programs stay out of the dev shell.
    pub(super) hidden: bool,
}

/// Where programs of a tool come from.
#[derive(Debug)]
pub(super) enum From {
    /// A store object, with its programs in `bin`.
    Object(PathBuf),
    /// Programs of the machine, by name.
    Host(Vec<(String, PathBuf)>),
}

impl Served {
    /// Returns the version if a host tool serves.
    pub(super) fn host_version(&self) -> Option<&Version> {
        matches!(self.from, From::Host(_)).then_some(&self.version)
    }

    /// Returns where the tool is.
    pub(super) fn origin(&self) -> ToolOrigin {
        match &self.from {
            From::Object(directory) => ToolOrigin::Store(directory.clone()),
            From::Host(programs) => {
                let main = programs.first().map(|(_, path)| path.clone());
                let program = main.unwrap_or_default();
                ToolOrigin::Host {
                    seal: seal(&program),
                    program,
                }
            }
        }
    }

    /// Returns the program of this name.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        match &self.from {
            From::Object(directory) => Some(directory.join("bin").join(name)),
            From::Host(programs) => {
                let mut named = programs.iter().filter(|(program, _)| program == name);
                named.next().map(|(_, path)| path.clone())
            }
        }
    }
}

/// Returns what serves once a tool's object was made, or could not be.
///
/// The errors are those of [`Builder::managed`].
pub(super) fn of_object(
    wanted: &Wanted<'_>,
    locked: &LockedPackage,
    made: Result<PathBuf, store::Error>,
) -> Result<Result<Served, Unavailable>, Error> {
    match made {
        Ok(directory) => Ok(Ok(Served {
            tool: wanted.tool.clone(),
            version: locked.version.clone(),
            from: From::Object(directory),
            notice: None,
            hidden: wanted.hidden,
        })),
        Err(store::Error::Fetch(error)) if error.is_unreachable() => {
            Ok(Err(Unavailable::Unreachable(error)))
        }
        Err(reason) => Err(Error::Install {
            tool: Box::new(wanted.tool.clone()),
            version: locked.version.clone(),
            reason: Box::new(reason),
        }),
    }
}

impl Builder<'_> {
    /// Returns what serves as each tool, in their order; downloads overlap.
    ///
    /// Python applications come last, as they stand on what the others are.
    pub(super) fn serve(&self, request: &Request<'_>) -> Result<Vec<Served>, Error> {
        let tools = &request.tools;
        let alone = |wanted: &Wanted<'_>| wanted.application().is_none();
        let mut results = self.serve_all(request, &|wanted| alone(wanted), &[]);
        let failed = results.iter().flatten().any(Result::is_err);
        if !failed {
            let served: Vec<&Served> = results.iter().flatten().flatten().collect();
            let rest = self.serve_all(request, &|wanted| !alone(wanted), &served);
            results = results
                .into_iter()
                .zip(rest)
                .map(|(one, other)| one.or(other))
                .collect();
        }
        if self.client.is_offline() {
            let unserved = tools.iter().zip(&results).filter_map(|(wanted, result)| {
                let error = result.as_ref().map(|result| result.as_ref().err());
                match error {
                    Some(None) => None,
                    Some(error) => Some((wanted, error)),
                    None => Some((wanted, None)),
                }
            });
            if let Some(error) = self.offline(request, unserved) {
                return Err(error);
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Returns what serves as each tool that `now` has; the others are left out.
    fn serve_all(
        &self,
        request: &Request<'_>,
        now: &(dyn Fn(&Wanted<'_>) -> bool + Sync),
        served: &[&Served],
    ) -> Vec<Option<Result<Served, Error>>> {
        thread::scope(|scope| {
            let threads: Vec<_> = request
                .tools
                .iter()
                .map(|wanted| {
                    now(wanted).then(|| scope.spawn(|| self.serve_one(request, wanted, served)))
                })
                .collect();
            let joined = threads.into_iter().map(|thread| {
                let result = thread.map(thread::ScopedJoinHandle::join);
                result.map(|one| one.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            });
            joined.collect()
        })
    }

    fn serve_one(
        &self,
        request: &Request<'_>,
        wanted: &Wanted<'_>,
        served: &[&Served],
    ) -> Result<Served, Error> {
        let unavailable = match self.managed(request, wanted, served)? {
            Ok(served) => return Ok(served),
            Err(unavailable) => unavailable,
        };
        let mut found = Vec::new();
        // What a machine has is taken to be the usual build.
        let flavoured =
            wanted.tool.source == Source::Python && !wanted.request.components.is_empty();
        if request.tools_from != ToolsFrom::Managed && !flavoured {
            found = self.host_tools(request, wanted.tool);
            if let Some(tool) = choose(request, wanted, &found) {
                return Ok(host_serves(wanted, tool, &unavailable));
            }
        }
        let accepted = manifest::whole(wanted.request);
        let locked = wanted.locked.map(|locked| locked.version.to_string());
        Err(Error::Unavailable {
            tool: Box::new(wanted.tool.clone()),
            wanted: locked.clone().unwrap_or_else(|| accepted.clone()),
            accepted: match locked {
                Some(version) if request.locked => version,
                _ => accepted,
            },
            managed: Box::new(unavailable),
            host: (request.tools_from != ToolsFrom::Managed)
                .then(|| found.into_iter().map(|tool| tool.version).collect()),
        })
    }

    /// Returns the tool from the store, installing it first where it is missing.
    ///
    /// The outer error is a fault; the inner one says that the artifact is out of reach.
    fn managed(
        &self,
        request: &Request<'_>,
        wanted: &Wanted<'_>,
        served: &[&Served],
    ) -> Result<Result<Served, Unavailable>, Error> {
        if request.tools_from == ToolsFrom::Host {
            return Ok(Err(Unavailable::HostOnly));
        }
        let Some(locked) = wanted.locked else {
            return Ok(Err(Unavailable::NotLocked));
        };
        if locked.application.is_some() {
            return self.application(request, (wanted, locked), served);
        }
        let Some(artifacts) = locked.artifacts.get(&request.system) else {
            return Ok(Err(Unavailable::NoArtifact(request.system)));
        };
        let object = Object {
            name: &wanted.tool.package,
            version: &locked.version,
            recipe: match wanted.tool.source {
                Source::Python => Recipe::Python,
                Source::Rust => Recipe::Rust,
                Source::Pypi => Recipe::Wheel,
                Source::Npm => Recipe::Npm,
            },
            artifacts,
        };
        let made = self.install(wanted.tool, locked, &object);
        of_object(wanted, locked, made)
    }

    pub(super) fn install(
        &self,
        tool: &Tool,
        locked: &LockedPackage,
        object: &Object<'_>,
    ) -> Result<PathBuf, store::Error> {
        if let Some(place) = self.store.find(&StorePath::of(object)) {
            return Ok(place);
        }
        let sizes = object.artifacts.iter().map(|artifact| artifact.size);
        let total = sizes.sum::<Option<u64>>();
        let meter = self
            .progress
            .start(&format!("{tool} {}", locked.version), total);
        let downloads = Downloads {
            client: self.client,
            config: self.config,
            directory: &self.context.directories.cache.join("downloads"),
        };
        let installed = self.store.install(object, &downloads, &*meter);
        meter.finish();
        installed
    }

    /// Returns what the machine has of a tool.
    pub(super) fn host_tools(&self, request: &Request<'_>, tool: &Tool) -> Vec<HostTool> {
        let directories = &self.context.directories;
        // Both by their names and as they really are: a link must not lead around the exclusion.
        let data = directories.data.canonicalize();
        let data = data.as_deref().unwrap_or(&directories.data);
        let exclude = [request.root, data, &directories.data];
        let search = Search {
            env: &self.context.env,
            home: directories.home.as_deref(),
            exclude: &exclude,
        };
        host::find(tool, &search)
    }
}

/// Returns what changes when a program is replaced; empty when it is gone.
pub(super) fn seal(program: &Path) -> String {
    let stamp = files::Stamp::of(program);
    stamp.map_or_else(String::new, |stamp| {
        format!("{}:{}.{:09}", stamp.size, stamp.mtime.0, stamp.mtime.1)
    })
}

/// Chooses the locked version, else the newest that the manifest admits.
fn choose<'a>(
    request: &Request<'_>,
    wanted: &Wanted<'_>,
    found: &'a [HostTool],
) -> Option<&'a HostTool> {
    let locked = wanted.locked.and_then(|locked| {
        let mut same = found.iter().filter(|tool| tool.version == locked.version);
        same.next()
    });
    if locked.is_some() || request.locked {
        return locked;
    }
    found
        .iter()
        .filter(|tool| wanted.admits(&tool.version))
        .max_by(|one, other| one.version.cmp(&other.version))
}

fn host_serves(wanted: &Wanted<'_>, tool: &HostTool, unavailable: &Unavailable) -> Served {
    let program = tool.programs.first().map(|(_, path)| path.clone());
    Served {
        tool: wanted.tool.clone(),
        version: tool.version.clone(),
        from: From::Host(tool.programs.clone()),
        hidden: wanted.hidden,
        notice: Some(Notice::HostServes {
            tool: wanted.tool.clone(),
            wanted: wanted.locked.map(|locked| locked.version.clone()),
            found: tool.version.clone(),
            program: program.unwrap_or_default(),
            reason: match unavailable {
                Unavailable::HostOnly => String::new(),
                other => other.to_string(),
            },
        }),
    }
}
