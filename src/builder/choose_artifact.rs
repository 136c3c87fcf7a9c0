//! Decides for each tool whether its artifact or a host tool is used.

use std::{
    path::{Path, PathBuf},
    thread,
};

use super::{
    Builder, Error, ShellPart, Unavailable, UnbuiltPart, UnbuiltParts,
    built_shell::{BuildNotice, ToolOrigin},
    offline::UnservedTool,
    request::{BuildRequest, RequestedTool},
};
use crate::{
    config::ToolsFrom,
    lockfile::{Artifact, LockedPackage},
    manifest,
    package::{Glibc, Source, System, Tool, Version, WheelName},
    sources::{
        glibc,
        host::{self, HostSearch, HostTool},
    },
    store::{self, Downloads, Object, Recipe, StorePath},
    util::digest_input::DigestInput,
};

/// A tool that is ready for use.
#[derive(Debug, Clone)]
pub(super) struct ServedTool {
    pub(super) tool: Tool,
    pub(super) version: Version,
    pub(super) from: ServedFrom,
    pub(super) notice: Option<BuildNotice>,
    /// True if its programs are not in the dev shell.
    pub(super) hidden: bool,
}

/// The place of a tool's programs.
#[derive(Debug, Clone)]
pub(super) enum ServedFrom {
    /// A store object, with its programs in `bin`.
    Object(PathBuf),
    /// Programs of the host, by name.
    Host(Vec<(String, PathBuf)>),
}

/// The tools of a request as far as they could be got.
#[derive(Debug, Default)]
pub(super) struct ServedTools {
    /// In the order of the request.
    pub(super) tools: Vec<ServedTool>,
    pub(super) unbuilt: UnbuiltParts,
}

impl ServedTools {
    /// Returns the tools if none is missing.
    pub(super) fn complete(self) -> Result<Vec<ServedTool>, Error> {
        self.unbuilt.complete()?;
        Ok(self.tools)
    }
}

impl ServedTool {
    /// Returns the version if a host tool serves.
    pub(super) fn host_version(&self) -> Option<&Version> {
        matches!(self.from, ServedFrom::Host(_)).then_some(&self.version)
    }

    /// Returns the place of the tool.
    pub(super) fn origin(&self) -> ToolOrigin {
        match &self.from {
            ServedFrom::Object(directory) => ToolOrigin::Store(directory.clone()),
            ServedFrom::Host(programs) => {
                let main = programs.first().map(|(_, path)| path.clone());
                ToolOrigin::host(main.unwrap_or_default())
            }
        }
    }

    /// Adds what distinguishes it from other builds and versions of the tool to the key of an object. `program` is the
    /// real path of its program.
    pub(super) fn identify(&self, program: &Path, input: &mut DigestInput) {
        match &self.from {
            ServedFrom::Object(directory) => input.os(directory.file_name().unwrap_or_default()),
            ServedFrom::Host(_) => input.os(program),
        }
        input.bytes(self.version.as_str());
    }

    /// Returns the program of this name.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        match &self.from {
            ServedFrom::Object(directory) => Some(directory.join("bin").join(name)),
            ServedFrom::Host(programs) => {
                let mut named = programs.iter().filter(|(program, _)| program == name);
                named.next().map(|(_, path)| path.clone())
            }
        }
    }
}

/// The result of getting a tool from the store.
pub(super) enum ManagedTool {
    Served(ServedTool),
    /// Nothing is wrong with the artifact, but it cannot be used here.
    Unavailable(Unavailable),
}

impl ManagedTool {
    /// Returns the tool of an object that was installed, or could not be.
    pub(super) fn from_install(
        requested: &RequestedTool<'_>,
        locked: &LockedPackage,
        installed: Result<PathBuf, store::Error>,
    ) -> Result<Self, Error> {
        match installed {
            Ok(directory) => Ok(Self::Served(ServedTool {
                tool: requested.tool.clone(),
                version: locked.version.clone(),
                from: ServedFrom::Object(directory),
                notice: None,
                hidden: requested.hidden,
            })),
            Err(store::Error::Fetch(error)) if error.is_unreachable() => {
                Ok(Self::Unavailable(Unavailable::Unreachable(error)))
            }
            Err(reason) => Err(Error::Install {
                tool: Box::new(requested.tool.clone()),
                version: locked.version.clone(),
                reason: Box::new(reason),
            }),
        }
    }
}

impl Builder<'_> {
    /// Gets every tool, in the order of the request; downloads overlap.
    ///
    /// Python applications and crates come last, because they need the Python, uv and rust of the others.
    pub(super) fn serve(&self, request: &BuildRequest<'_>) -> ServedTools {
        self.serve_with(request, &|_| ())
    }

    /// Gets every tool as `serve` does, and calls `on_served` with each that needs no other one as soon as it is ready.
    pub(super) fn serve_with(
        &self,
        request: &BuildRequest<'_>,
        on_served: &(dyn Fn(&ServedTool) + Sync),
    ) -> ServedTools {
        let independent = |requested: &RequestedTool<'_>| !requested.needs_others();
        let is_conda = |requested: &RequestedTool<'_>| requested.tool.source == Source::Conda;
        // All conda tools have one prefix, so one of them gets it for all.
        let conda = request.tools.iter().position(is_conda);
        let conda_tool = conda.map(|position| request.tools[position].tool);
        let mut first = serve_all(
            request,
            &|requested| {
                independent(requested)
                    && (!is_conda(requested) || Some(requested.tool) == conda_tool)
            },
            &|requested| {
                let served = self.serve_one(request, requested, &[]);
                served.inspect(on_served)
            },
        );
        if let Some(position) = conda {
            self.share_prefix(request, position, &mut first);
        }
        let served: Vec<&ServedTool> = first.iter().flatten().flatten().collect();
        let rest = serve_all(
            request,
            &|requested| !independent(requested),
            &|requested| self.serve_one(request, requested, &served),
        );
        let results: Vec<_> = first
            .into_iter()
            .zip(rest)
            .map(|(one, other)| one.or(other))
            .collect();
        let mut all = ServedTools::default();
        if self.client.is_offline() {
            let unserved = request.tools.iter().zip(&results);
            let unserved = unserved.filter_map(|(requested, result)| match result {
                Some(Ok(_)) | None => None,
                Some(Err(error)) => Some(UnservedTool { requested, error }),
            });
            all.unbuilt.offline = self.offline_error(request, unserved);
        }
        for (requested, result) in request.tools.iter().zip(results) {
            match result {
                None => {}
                Some(Ok(served)) => all.tools.push(served),
                Some(Err(error)) => all.unbuilt.parts.push(UnbuiltPart {
                    part: ShellPart::Tool(requested.tool.clone()),
                    error,
                }),
            }
        }
        put_causes_first(&mut all.unbuilt.parts);
        all
    }

    /// Gives the other conda tools the prefix of the one at `position`, or host tools if there is no prefix.
    fn share_prefix(
        &self,
        request: &BuildRequest<'_>,
        position: usize,
        results: &mut [Option<Result<ServedTool, Error>>],
    ) {
        let (prefix, reason) = match &results[position] {
            Some(Ok(served)) => match (&served.from, &served.notice) {
                (ServedFrom::Object(prefix), _) => (Some(prefix.clone()), String::new()),
                (_, Some(BuildNotice::HostServes { reason, .. })) => (None, reason.clone()),
                _ => (None, String::new()),
            },
            Some(Err(error)) => (None, error.to_string()),
            None => return,
        };
        for (requested, result) in request.tools.iter().zip(results).skip(position + 1) {
            if requested.tool.source != Source::Conda {
                continue;
            }
            let shared = prefix.as_ref().zip(requested.locked);
            let served = shared.map(|(prefix, locked)| ServedTool {
                tool: requested.tool.clone(),
                version: locked.version.clone(),
                from: ServedFrom::Object(prefix.clone()),
                notice: None,
                hidden: requested.hidden,
            });
            *result = served
                .or_else(|| {
                    let managed = request.tools_from == ToolsFrom::Managed;
                    let found =
                        (!managed).then(|| self.requested_host_tools(request, requested))?;
                    let tool = choose_host_tool(request, requested, &found)?;
                    Some(host_serves(requested, tool, reason.clone()))
                })
                .map(Ok);
        }
    }

    fn serve_one(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
        served: &[&ServedTool],
    ) -> Result<ServedTool, Error> {
        let unavailable = match self.managed(request, requested, served)? {
            ManagedTool::Served(served) => return Ok(served),
            ManagedTool::Unavailable(unavailable) => unavailable,
        };
        let mut found = Vec::new();
        // A host tool counts as the usual build.
        let flavoured =
            requested.tool.source == Source::Python && !requested.request.components.is_empty();
        if request.tools_from != ToolsFrom::Managed && !flavoured {
            found = self.requested_host_tools(request, requested);
            if let Some(tool) = choose_host_tool(request, requested, &found) {
                let reason = match &unavailable {
                    Unavailable::HostOnly => String::new(),
                    Unavailable::Unreachable(error) => error.in_short(),
                    other => other.to_string(),
                };
                return Ok(host_serves(requested, tool, reason));
            }
        }
        let accepted = manifest::whole(requested.request);
        let locked = requested.locked.map(|locked| locked.version.to_string());
        Err(Error::Unavailable {
            tool: Box::new(requested.tool.clone()),
            wanted: locked.clone().unwrap_or_else(|| accepted.clone()),
            accepted: match locked {
                Some(version) if request.locked => version,
                _ => accepted,
            },
            only_locked: request.locked,
            managed: Box::new(unavailable),
            host: (request.tools_from != ToolsFrom::Managed)
                .then(|| found.into_iter().map(|tool| tool.version).collect()),
        })
    }

    /// Returns the tool from the store, installing it if it is missing.
    fn managed(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
        served: &[&ServedTool],
    ) -> Result<ManagedTool, Error> {
        if request.tools_from == ToolsFrom::Host {
            return Ok(ManagedTool::Unavailable(Unavailable::HostOnly));
        }
        let Some(locked) = requested.locked else {
            return Ok(ManagedTool::Unavailable(Unavailable::NotLocked));
        };
        // Another source has its own checks, which an application skips.
        if locked.supplier.source == Source::Pypi && locked.application.is_some() {
            return self.application(request, requested, locked, served);
        }
        let Some(artifacts) = locked.artifacts.get(&request.system) else {
            return Ok(ManagedTool::Unavailable(Unavailable::NoArtifact(
                request.system,
            )));
        };
        if locked.supplier.source == Source::Conda {
            return self.conda_tool(request, requested, locked, artifacts);
        }
        if locked.supplier.source == Source::Cargo {
            return self.crate_tool(request, requested, locked, artifacts, served);
        }
        let Some(recipe) = Recipe::of(locked.supplier.source) else {
            return Ok(ManagedTool::Unavailable(Unavailable::NotLocked));
        };
        if recipe == Recipe::Wheel
            && !self.is_foreign(request)
            && let Some(unavailable) = newer_glibc(artifacts, request.system)
        {
            return Ok(ManagedTool::Unavailable(unavailable));
        }
        let object = Object {
            name: &locked.supplier.package,
            version: &locked.version,
            recipe,
            artifacts,
            layout: &requested.request.release_options(requested.tool).layout(),
        };
        let installed = self.install(requested.tool, locked, &object);
        ManagedTool::from_install(requested, locked, installed)
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
        self.install_named(&format!("{tool} {}", locked.version), object)
    }

    /// Installs an object under a name for its progress.
    pub(super) fn install_named(
        &self,
        name: &str,
        object: &Object<'_>,
    ) -> Result<PathBuf, store::Error> {
        let sizes = object.artifacts.iter().map(|artifact| artifact.size);
        let total = sizes.sum::<Option<u64>>();
        let meter = self.progress.start(name, "downloading", total);
        let downloads = Downloads {
            client: self.client,
            config: self.config,
            directory: &self.context.directories.cache.join("downloads"),
        };
        let installed = self.store.install(object, &downloads, &*meter);
        meter.finish();
        installed
    }

    /// Returns the host tools for a request; those that do not serve it may be missing if another one does.
    fn requested_host_tools(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
    ) -> Vec<HostTool> {
        let is_locked = |version: &Version| {
            requested
                .locked
                .is_some_and(|locked| locked.version == *version)
        };
        self.host_tools(request, requested.tool, &|version| {
            is_locked(version) || !request.locked && requested.admits(version)
        })
    }

    /// Returns the host tools for a tool; versions that are not `wanted` may be missing if another one is.
    pub(super) fn host_tools(
        &self,
        request: &BuildRequest<'_>,
        tool: &Tool,
        wanted: &dyn Fn(&Version) -> bool,
    ) -> Vec<HostTool> {
        host::find(tool, &self.host_search(request), wanted)
    }

    /// Returns the search for programs of the machine: without those of the project.
    pub(super) fn host_search(&self, request: &BuildRequest<'_>) -> HostSearch<'_> {
        let (env, directories) = (&self.context.env, &self.context.directories);
        HostSearch::for_project(env, directories, request.root)
    }
}

/// Gets every tool that `selected` accepts with `serve`; the others are `None`.
fn serve_all(
    request: &BuildRequest<'_>,
    selected: &(dyn Fn(&RequestedTool<'_>) -> bool + Sync),
    serve: &(dyn Fn(&RequestedTool<'_>) -> Result<ServedTool, Error> + Sync),
) -> Vec<Option<Result<ServedTool, Error>>> {
    thread::scope(|scope| {
        let threads: Vec<_> = request
            .tools
            .iter()
            .map(|requested| selected(requested).then(|| scope.spawn(|| serve(requested))))
            .collect();
        let joined = threads.into_iter().map(|thread| {
            let result = thread.map(thread::ScopedJoinHandle::join);
            result.map(|one| one.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        joined.collect()
    })
}

/// Puts the parts that only lack another missing tool after it, and says so in their errors.
pub(super) fn put_causes_first(parts: &mut [UnbuiltPart]) {
    let missing: Vec<Tool> = parts
        .iter()
        .filter_map(|unbuilt| match &unbuilt.part {
            ShellPart::Tool(tool) => Some(tool.clone()),
            _ => None,
        })
        .collect();
    for unbuilt in parts.iter_mut() {
        let is_missing = |tool: &str| missing.iter().any(|missing| missing.name.as_str() == tool);
        match &unbuilt.error {
            Error::ApplicationNeeds { application, tool } if is_missing(tool) => {
                unbuilt.error = Error::NeedsMissing {
                    application: application.clone(),
                    tool,
                };
            }
            Error::PythonNeeds { lock, tool } if is_missing(tool) => {
                unbuilt.error = Error::PythonNeedsMissing {
                    lock: lock.clone(),
                    tool,
                };
            }
            _ => {}
        }
    }
    parts.sort_by_key(|unbuilt| {
        matches!(
            unbuilt.error,
            Error::NeedsMissing { .. } | Error::PythonNeedsMissing { .. }
        )
    });
}

/// Returns why wheels do not run on this machine: the lockfile may be from one with a newer glibc.
pub(super) fn newer_glibc<'a>(
    wheels: impl IntoIterator<Item = &'a Artifact>,
    system: System,
) -> Option<Unavailable> {
    let needed = wheels.into_iter().filter_map(|wheel| {
        let file = wheel.url.path_segments()?.next_back()?;
        WheelName::parse(file)?.glibc(system)
    });
    let needed = needed.max().filter(|needed| *needed > Glibc::FLOOR)?;
    let machine = glibc::of_machine().filter(|machine| *machine < needed)?;
    Some(Unavailable::NewerGlibc { needed, machine })
}

/// Chooses the locked version, else one that the manifest admits: packages were resolved for the locked minor version,
/// so the newest of those that have most of their numbers in common with it.
fn choose_host_tool<'a>(
    request: &BuildRequest<'_>,
    requested: &RequestedTool<'_>,
    found: &'a [HostTool],
) -> Option<&'a HostTool> {
    let locked = requested.locked.and_then(|locked| {
        let mut same = found.iter().filter(|tool| tool.version == locked.version);
        same.next()
    });
    if locked.is_some() || request.locked {
        return locked;
    }
    let common_numbers = |version: &Version| {
        let locked = requested.locked.map(|locked| locked.version.release());
        let pairs = locked.into_iter().flatten().zip(version.release());
        pairs.take_while(|(one, other)| one == other).count()
    };
    found
        .iter()
        .filter(|tool| requested.admits(&tool.version))
        .max_by_key(|tool| (common_numbers(&tool.version), &tool.version))
}

fn host_serves(requested: &RequestedTool<'_>, tool: &HostTool, reason: String) -> ServedTool {
    let program = tool.programs.first().map(|(_, path)| path.clone());
    ServedTool {
        tool: requested.tool.clone(),
        version: tool.version.clone(),
        from: ServedFrom::Host(tool.programs.clone()),
        hidden: requested.hidden,
        notice: Some(BuildNotice::HostServes {
            tool: requested.tool.clone(),
            wanted: requested.locked.map(|locked| locked.version.clone()),
            found: tool.version.clone(),
            program: program.unwrap_or_default(),
            reason,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_lack_a_missing_tool_come_after_it() {
        let unbuilt = |tool: &str, error| UnbuiltPart {
            part: ShellPart::Tool(tool.parse().unwrap()),
            error,
        };
        let needs = |tool: &'static str| Error::ApplicationNeeds {
            application: Box::new("pypi:black".parse().unwrap()),
            tool,
        };
        let mut parts = vec![
            unbuilt("pypi:black", needs("python")),
            unbuilt("pypi:black", needs("uv")),
            unbuilt("python", Error::CondaScripts),
            UnbuiltPart {
                part: ShellPart::PythonPackages,
                error: Error::PythonNeeds {
                    lock: "uv.lock".into(),
                    tool: "python",
                },
            },
        ];
        put_causes_first(&mut parts);
        let errors: Vec<String> = parts.iter().map(|one| one.error.to_string()).collect();
        assert_eq!(errors[0], "`black` needs `uv`");
        assert_eq!(errors[2], "`black` needs `python`, which is missing");
        let packages = "the packages of `uv.lock` need `python`, which is missing";
        assert_eq!(errors[3], packages);
    }
}
