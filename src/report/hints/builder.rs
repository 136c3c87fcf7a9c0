//! Hints for dev shells that cannot be built.

use crate::{
    builder::{self, BuildRule, CrateFailure, HostPython, MissingArtifact, Unavailable},
    config::units::bytes,
    package::{Tool, Version},
    python::{UnfitApplication, minor_version},
    report::failure::Failure,
    store,
};

use super::{WITHOUT_MANIFEST, purpose};

/// The build backend of projects that Poetry made before 1.1, as Python names it.
const OLD_POETRY_BACKEND: &str = "'poetry.masonry.api'";

impl From<&builder::Error> for Failure {
    fn from(error: &builder::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            builder::Error::Install {
                reason,
                tool,
                version,
            } => describe_installation(reason, tool, version),
            builder::Error::Offline { missing } => list_missing(failure, missing),
            builder::Error::CondaUnapproved { .. } => {
                failure.hint("review them with `devsh allow`")
            }
            builder::Error::CondaScripts => failure
                .note("scripts run only when you build, not in the background of a prompt")
                .hint("run `devsh sync`"),
            builder::Error::CondaPython => failure
                .note("conda packages can add code to their `python`, which runs only when you build, not in the background of a prompt")
                .hint("run `devsh sync`"),
            builder::Error::ProjectNotBuilt { .. } => failure
                .hint("run `devsh sync`: code of the project runs only when you build, not in the background of a prompt"),
            builder::Error::ProjectChanged { .. } => failure
                .note("a build of the project would run what you have not approved")
                .hint("review the change with `devsh allow`"),
            builder::Error::CrateNotBuilt { .. } => failure
                .note("crates are compiled only when you build, not in the background of a prompt")
                .hint("run `devsh sync`"),
            builder::Error::CrateBuild { reason, .. } => add_crate_hint(failure, reason),
            builder::Error::CondaActivation(_) => {
                failure.note("the scripts run without network, with an empty home")
            }
            builder::Error::Foreign { system, .. } => failure
                .note(format!("its code must run on {system}"))
                .hint("build it on a machine of that platform"),
            builder::Error::Unavailable {
                tool,
                accepted,
                only_locked,
                managed,
                host,
                ..
            } => {
                let mut failure = add_host_versions(failure, tool, accepted, host.as_deref());
                if *only_locked && host.as_ref().is_some_and(|versions| !versions.is_empty()) {
                    failure = failure.note("`--locked` accepts no other version of the host");
                }
                add_unavailable_hint(failure, tool, managed)
            }
            builder::Error::PythonSelection { .. } => {
                failure.hint("create the lockfile again with the tool that wrote it")
            }
            builder::Error::Unfit {
                tool,
                reason: UnfitApplication::SameFile { .. },
                ..
            } => failure
                .note("the lockfile may have been edited or merged wrongly")
                .hint(restore_lockfile(tool)),
            builder::Error::Unfit { .. } => {
                failure.hint("ask for another version of it, or for another `python`")
            }
            builder::Error::PythonNeeds { tool, .. }
            | builder::Error::ApplicationNeeds { tool, .. } => {
                failure.hint(format!("add it with `devsh add {tool}`"))
            }
            builder::Error::PythonInstall { output, builds, .. }
            | builder::Error::PythonResolve { output, builds, .. } => {
                add_uv_output(failure, output, *builds)
            }
            builder::Error::PythonBuild {
                packages,
                is_permitted,
                may_build,
                output,
                ..
            } => {
                if *may_build {
                    return output.iter().fold(failure, Self::detail);
                }
                if *is_permitted {
                    return failure
                        .note("no prompt builds a package")
                        .hint("`devsh sync` builds it");
                }
                let names = packages.iter().map(|name| format!("\"{name}\""));
                let names: Vec<String> = names.collect();
                let (it, build) = if names.len() == 1 {
                    ("it", "its own build")
                } else {
                    ("they", "their own builds")
                };
                failure
                    .hint(format!("`devsh allow` asks whether {it} may run {build}"))
                    .hint(format!(
                        "to let all of a team run {build}, write `build = [{}]` below `[python]` in `devshell.toml`",
                        names.join(", ")
                    ))
            }
            // The missing tool has its own hint.
            builder::Error::NeedsMissing { .. } | builder::Error::PythonNeedsMissing { .. } => {
                failure
            }
            builder::Error::PythonReplaced { python, .. } => add_host_python_hint(failure, python),
            builder::Error::OnHostPython { error, python } => {
                let failure = Self::from(&**error).note(format!(
                    "Python {} of the host replaces the locked {}",
                    python.found, python.locked
                ));
                add_host_python_hint(failure, python)
            }
            builder::Error::PythonVariable { name, .. } => {
                failure.hint(format!("set it, for example with `export {name}=…`"))
            }
            builder::Error::ProjectBuild { output } => {
                let failure = output.iter().fold(failure, Self::detail);
                if output.iter().any(|line| line.contains(OLD_POETRY_BACKEND)) {
                    add_poetry_hint(failure)
                } else {
                    failure
                }
            }
            builder::Error::NpmResolve { output, .. } => output.iter().fold(failure, Self::detail),
            builder::Error::Source(error) => Self::from(&**error),
            builder::Error::Store(error) => Self::from(error),
            builder::Error::File(error) => Self::from(error),
        }
    }
}

fn add_poetry_hint(failure: Failure) -> Failure {
    failure
        .note("Poetry itself installs a project without this build backend, which makes no editable installs")
        .hint(
            "replace both lines of `[build-system]`: `requires = [\"poetry-core\"]`, \
             `build-backend = \"poetry.core.masonry.api\"`",
        )
}

/// Adds why a Python of the host replaces the locked one, and what ends that.
fn add_host_python_hint(failure: Failure, python: &HostPython) -> Failure {
    let HostPython { locked, reason, .. } = python;
    failure
        .note(format!("cannot get `python` {locked}: {reason}"))
        .hint(format!(
            "install Python {} on this machine, then run `devsh sync`",
            minor_version(locked)
        ))
}

fn restore_lockfile(tool: &Tool) -> String {
    format!("restore `devshell.lock`, or lock it again with `devsh lock --upgrade {tool}`")
}

fn describe_installation(reason: &store::Error, tool: &Tool, version: &Version) -> Failure {
    let edited = |message: String| {
        Failure::new(message)
            .note(reason.to_string())
            .note("the lockfile was edited or merged wrongly; nothing was added to the store")
            .hint(restore_lockfile(tool))
    };
    match reason {
        store::Error::OtherPackage { .. } => edited(format!(
            "the artifact of `{tool}` {version} is another package"
        )),
        store::Error::NotRequested { .. } => edited(format!(
            "`{tool}` {version} is locked with a package too many"
        )),
        _ => purpose(
            Failure::from(reason),
            &format!("to install `{tool}` {version}"),
        ),
    }
}

fn add_crate_hint(failure: Failure, reason: &CrateFailure) -> Failure {
    match reason {
        CrateFailure::NoLinker => failure.hint(
            "install a C compiler: `apt install gcc`, `dnf install gcc`, or `xcode-select --install`",
        ),
        CrateFailure::NoLockFile => failure.hint("ask for another version of it"),
        CrateFailure::NoAddress | CrateFailure::OtherCrate(_) => {
            failure.hint("lock it again with `devsh lock --upgrade`")
        }
        CrateFailure::LockFile(_) | CrateFailure::File(_) => failure,
        CrateFailure::Cargo { output } => output.iter().fold(failure, Failure::detail),
    }
}

/// Adds which versions of the tool the machine has; `None` if no host tool may replace it.
fn add_host_versions(
    failure: Failure,
    tool: &Tool,
    accepted: &str,
    host: Option<&[Version]>,
) -> Failure {
    let Some(versions) = host else {
        return failure.note("no tool of the host may replace it here");
    };
    if versions.is_empty() {
        return failure.note(format!("this machine has no `{}`", tool.name));
    }
    let mut versions = versions.to_vec();
    versions.sort();
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    failure.note(format!(
        "this machine has {}, and {accepted} is needed",
        versions.join(", ")
    ))
}

fn add_unavailable_hint(failure: Failure, tool: &Tool, reason: &Unavailable) -> Failure {
    match reason {
        Unavailable::Unreachable(cause) => {
            let cause = Failure::from(cause);
            let failure = cause.hints.into_iter().fold(failure, Failure::hint);
            if cause.is_temporary {
                failure.temporary()
            } else {
                failure
            }
        }
        Unavailable::OlderSystem { what, machine, .. } => failure.hint(format!(
            "write `{} = \"{machine}\"` into `[conda]` of `devshell.toml` and run `devsh lock`; {WITHOUT_MANIFEST}",
            what.to_lowercase()
        )),
        Unavailable::OlderKernel { .. } => {
            failure.hint("remove the conda packages from the manifest, or use a newer system")
        }
        Unavailable::NotLocked => failure.hint("run `devsh lock`"),
        Unavailable::NoArtifact(_) => {
            failure.hint("ask for a version that is published for this system")
        }
        Unavailable::NewerGlibc { machine, .. } => failure.hint(format!(
            "lock for this machine: set `sources.glibc = \"{machine}\"` in `config.toml` and run `devsh lock --upgrade {}`",
            tool.name
        )),
        Unavailable::HostOnly => {
            failure.hint("install it, or set `tools-from = \"auto\"` in `config.toml`")
        }
    }
}

/// Adds the last lines of uv, and which packages could be built: uv may have failed for a package without a wheel.
fn add_uv_output(failure: Failure, output: &[String], builds: BuildRule) -> Failure {
    let failure = output.iter().fold(failure, Failure::detail);
    match builds {
        BuildRule::Never => failure,
        BuildRule::NotApproved => failure
            .note("no package is built for a manifest that has changed since you allowed it")
            .hint("review the change with `devsh allow`, which resolves them too"),
        BuildRule::NotAtPrompts => failure
            .note("no prompt builds a package")
            .hint("`devsh sync` tries with the builds that you have allowed"),
        BuildRule::Named => failure.note(
            "a package without a wheel runs its own build only if `[python]` of `devshell.toml` names it: `build = [\"NAME\"]`",
        ),
    }
}

/// Adds a line for each artifact: tool, version and part, server, size.
fn list_missing(failure: Failure, missing: &[MissingArtifact]) -> Failure {
    let names: Vec<String> = missing
        .iter()
        .map(|one| {
            format!("{} {} {}", one.tool, one.version, one.part)
                .trim_end()
                .to_owned()
        })
        .collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let wide = width(&mut names.iter().map(String::len));
    let host = width(&mut missing.iter().map(|one| one.host.len()));
    let lines = missing.iter().zip(&names).map(|(one, name)| {
        let size = one.size.map_or_else(|| "size unknown".to_owned(), bytes);
        format!("{name:wide$}  {:host$}  {size}", one.host)
    });
    let failure = lines.fold(failure, Failure::detail);
    failure.hint("run `devsh sync` once without `--offline`")
}
