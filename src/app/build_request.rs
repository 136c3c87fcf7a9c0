//! The request to the builder: a dev shell, its locked packages and its Python packages.

use std::collections::BTreeSet;

use url::Url;

use crate::{
    builder::{self, PythonPackages, RequestedTool, ShellPart},
    config::Config,
    lockfile::{EntryOrigin, LockedPackage, Lockfile},
    manifest::{DevShell, EnvValue, NamedRequest, ShellName, ToolRequest},
    package::{PackageName, Source, System, Tool},
    project::Project,
    report::{failure::Failure, hints},
    sources::{self, github},
    util::digest_input::DigestInput,
};

use super::{
    build_mode::BuildMode,
    conda_packages,
    dev_shells::find_dev_shell,
    locked_addresses::{LockedArtifact, is_named_by_crate, refuse_untrusted},
    missing_parts::{FailedPart, Unlocked},
    python_packages, python_tools,
    session::Session,
};

/// The options of a build.
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions {
    pub system: System,
    pub locked: bool,
    pub mode: BuildMode,
}

/// The data that a request to the builder borrows.
pub struct BuildInputs<'a> {
    pub shell: &'a DevShell,
    pub lockfile: Lockfile,
    pub python: Option<PythonPackages>,
    /// The origin of the Python packages in `devshell.lock`. Those of the project's own lockfile are always read.
    pub packages_origin: EntryOrigin,
    /// The packages of repositories that `devshell.lock` has, with their addresses and commits.
    pub commits: Vec<(PackageName, String)>,
    /// Tools that other tools need and that are not on PATH.
    hidden: Vec<NamedRequest>,
    extra: Vec<u8>,
    is_more_than_tools: bool,
    /// The parts that cannot be built because they have no locked version.
    pub failed: Vec<FailedPart>,
}

impl<'a> BuildInputs<'a> {
    pub fn new(
        project: &'a Project,
        shell: &ShellName,
        lockfile: Lockfile,
        unlocked: &Unlocked,
    ) -> Result<Self, Failure> {
        Self::of(
            project,
            find_dev_shell(project.preview(), shell)?,
            lockfile,
            unlocked,
        )
    }

    /// Returns the inputs of a dev shell that the manifest does not have in this form.
    pub fn of(
        project: &'a Project,
        shell: &'a DevShell,
        lockfile: Lockfile,
        unlocked: &Unlocked,
    ) -> Result<Self, Failure> {
        let mut lockfile = lockfile;
        conda_packages::add_tools(&mut lockfile, shell);
        let conda = conda_packages::key(shell)?.filter(|_| {
            // An older set still serves.
            conda_packages::of_shell(&lockfile, shell).is_none()
        });
        let unlocked_tool = |(tool, request): (&Tool, &ToolRequest)| {
            let unlocked = if tool.source == Source::Conda {
                unlocked.conda(conda.as_ref()?)?
            } else {
                unlocked.tool(tool, request)?
            };
            Some(FailedPart {
                part: ShellPart::Tool(tool.clone()),
                failure: unlocked.failure.clone(),
                may_pass: unlocked.is_unreachable,
                is_left_out: unlocked.is_left_out,
            })
        };
        let mut failed: Vec<FailedPart> = shell.tools.iter().filter_map(unlocked_tool).collect();
        let mut python = python_packages::of_shell(project, shell, &lockfile, unlocked);
        if let Err(failure) = &python
            && let Some(earlier) = python_packages::earlier_of_shell(project, shell, &lockfile)
        {
            failed.push(FailedPart {
                part: ShellPart::ListChanges(earlier.lock.display().to_string()),
                failure: failure.clone(),
                may_pass: false,
                is_left_out: false,
            });
            python = Ok(Some(earlier));
        }
        // Without Python its packages are left out too.
        let no_python = failed
            .iter()
            .find(|failed| failed.is_left_out && failed.part.is_python())
            .map(|failed| failed.failure.clone());
        let has_packages = !matches!(python, Ok(None));
        let python = match no_python.filter(|_| has_packages) {
            Some(failure) => Err(FailedPart {
                part: ShellPart::PythonPackages,
                failure,
                may_pass: false,
                is_left_out: true,
            }),
            None => python.map_err(|failure| FailedPart {
                part: ShellPart::PythonPackages,
                failure,
                may_pass: unlocked.may_pass(),
                is_left_out: false,
            }),
        };
        let python = python.unwrap_or_else(|part| {
            failed.push(part);
            None
        });
        if python.is_some() {
            let left_out = python_packages::left_out(project, shell, &lockfile)?.into_iter();
            failed.extend(left_out.map(|(part, failure)| FailedPart {
                part: ShellPart::PackagesOf(part),
                failure,
                may_pass: false,
                is_left_out: true,
            }));
        }
        Ok(Self {
            failed,
            packages_origin: python_packages::origin(project, shell, &lockfile),
            commits: python_packages::locked_commits(project, shell, &lockfile),
            is_more_than_tools: is_more_than_tools(shell),
            hidden: python_tools::hidden(project, shell, &lockfile),
            shell,
            lockfile,
            python,
            extra: extra(shell),
        })
    }

    /// Returns the artifacts of this dev shell, with the packages that they belong to; without those whose addresses the
    /// approved manifest spells itself, and those of the conda channels that it names.
    fn artifacts(&self, system: System) -> impl Iterator<Item = LockedArtifact<'_>> {
        let hidden = self.hidden.iter().map(NamedRequest::pair);
        let all = self.shell.tools.iter().chain(hidden);
        let packages = all.filter_map(|(tool, request)| {
            let package = self.lockfile.locked(tool, request)?;
            Some((tool, request, package))
        });
        let channels = self.shell.conda_channels().unwrap_or_default();
        let artifacts = packages.flat_map(move |(tool, request, package)| {
            // The manifest, which was approved, spells the address of a plain download.
            let spelled = (package.supplier.source == Source::Url)
                .then(|| download_address(tool, request, package, system))
                .flatten();
            // `check_places` checks the servers that a crate names.
            let is_place = package.supplier.source == Source::Url
                && is_named_by_crate(tool, &package.supplier);
            LockedArtifact::all(tool, package, system)
                .filter(move |one| !is_place && Some(&one.artifact.url) != spelled.as_ref())
        });
        artifacts.filter(move |one| !one.is_of(&channels))
    }

    /// Fails if the lockfile leads to a server that is not one of the supplier's, to another package, or to another release
    /// than the manifest asks for.
    pub fn refuse_untrusted(&self, session: &Session<'_>, system: System) -> Result<(), Failure> {
        refuse_untrusted(session, self.artifacts(system))?;
        let hidden = self.hidden.iter().map(NamedRequest::pair);
        for (tool, request) in self.shell.tools.iter().chain(hidden) {
            let locked = self.lockfile.locked(tool, request);
            // The crate names its files, and it was compared.
            let locked = locked.filter(|locked| {
                locked.supplier.source == Source::Github
                    && !is_named_by_crate(tool, &locked.supplier)
            });
            let Some(locked) = locked else { continue };
            let repository = tool.from_supplier(&locked.supplier);
            for artifact in locked.artifacts.get(&system).into_iter().flatten() {
                let (version, url) = (&locked.version, &artifact.url);
                if !github::is_chosen(&repository, request, version, system, url) {
                    return Err(hints::other_release(tool, version, url));
                }
            }
        }
        Ok(())
    }

    pub fn request<'b>(
        &'b self,
        project: &'b Project,
        shell: &'b ShellName,
        config: &Config,
        options: BuildOptions,
    ) -> builder::BuildRequest<'b> {
        let wanted = |hidden| {
            move |(tool, request)| RequestedTool {
                tool,
                request,
                locked: self.lockfile.locked(tool, request),
                hidden,
            }
        };
        let shown = self.shell.tools.iter().map(wanted(false));
        let hidden = self.hidden.iter().map(NamedRequest::pair);
        let tools = shown.chain(hidden.map(wanted(true)));
        // A host tool may serve for a tool whose source cannot be reached.
        let tools = tools.filter(|one| {
            let mut failed = self.failed.iter();
            let part = ShellPart::Tool(one.tool.clone());
            !failed.any(|failed| failed.part == part && !failed.may_pass)
        });
        builder::BuildRequest {
            root: project.root(),
            project_files: project.closure().contents(),
            shell,
            system: options.system,
            tools: tools.collect(),
            python: self.python.clone(),
            tools_from: config.tools_from,
            locked: options.locked,
            build_project: options.mode != BuildMode::Background,
            runs_package_code: options.mode != BuildMode::Background,
            approved_conda: Some(BTreeSet::new()),
            is_more_than_tools: self.is_more_than_tools,
            conda_floors: self.shell.conda_floors(),
            extra: &self.extra,
        }
    }
}

/// Returns whether a dev shell is of use without any tool and package.
fn is_more_than_tools(shell: &DevShell) -> bool {
    !(shell.env.is_empty()
        && shell.aliases.is_empty()
        && shell.enter.is_empty()
        && shell.source_scripts.scripts.is_empty())
}

/// Encodes everything else that distinguishes environments; it contains no paths of this machine.
fn extra(shell: &DevShell) -> Vec<u8> {
    let mut input = DigestInput::default();
    input.list(shell.env.iter(), |input, (name, value)| {
        input.bytes(name.as_str());
        let (kind, before, after): (u64, &[String], &[String]) = match &value.value {
            EnvValue::Set(text) => (0, std::slice::from_ref(text), &[]),
            EnvValue::Default(text) => (1, std::slice::from_ref(text), &[]),
            EnvValue::Required(_) => (2, &[], &[]),
            EnvValue::Extend { prepend, append } => (3, prepend, append),
            EnvValue::Unset => (4, &[], &[]),
        };
        input.number(kind);
        input.list(before.iter(), DigestInput::bytes);
        input.list(after.iter(), DigestInput::bytes);
    });
    input.list(shell.aliases.iter(), |input, (name, value)| {
        input.bytes(name.as_str());
        input.bytes(&value.value);
    });
    for scripts in [&shell.enter, &shell.leave] {
        input.list(scripts.iter(), |input, script| input.bytes(&script.value));
    }
    if !shell.source_scripts.scripts.is_empty() {
        let scripts = shell.source_scripts.scripts.iter();
        input.list(scripts, |input, (host, list)| {
            input.bytes(host.as_str());
            input.list(list.iter(), |input, script| input.bytes(&script.value));
        });
    }
    input.into_bytes()
}

/// Returns the address that the settings of a plain download have for the locked version.
fn download_address(
    tool: &Tool,
    request: &ToolRequest,
    package: &LockedPackage,
    system: System,
) -> Option<Url> {
    let options = request.release_options(tool);
    let address = sources::url::address(tool, &options, package.version.as_str(), system);
    address.ok().flatten()
}
