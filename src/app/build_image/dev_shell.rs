//! The dev shell of an image, built for the platform of the image.

use crate::{
    app::{
        approved_entries::approved_conda,
        build_mode::BuildMode,
        build_request::{BuildInputs, BuildOptions},
        dev_shells::find_dev_shell,
        lock, missing_parts,
        programs::{self, CheckedShell},
        session::Session,
    },
    builder::{Builder, BuiltShell, Error as BuildError, PartialBuild, RequestedTool},
    config::{Config, ToolsFrom},
    manifest::{DevShell, ImageRequest, ShellName},
    package::System,
    project::{Project, approval::Trusted},
    report::failure::Failure,
    store::Store,
};

/// Distinguishes profiles of images from those of dev shells with the same tools.
const IMAGE_PROFILE: &[u8] = b"image";

/// Builds the dev shell of an image: managed tools only, and no group that the image does not ask for.
pub(super) fn build_shell(
    session: &Session<'_>,
    project: &Trusted<Project>,
    request: &ImageRequest,
    name: &ShellName,
    system: System,
) -> Result<BuiltShell, Failure> {
    let current = lock::bring_up_to_date(session, project, BuildMode::Foreground)?;
    for name in &current.changed {
        session.reporter.note(&format!("wrote {name}"));
    }
    // An image is complete or not built.
    current.unlocked.complete()?;
    // Personal layers of the manifest are not for others.
    let mut shell: DevShell = find_dev_shell(project.get().team(), name)?.clone();
    let groups = request.groups.clone().unwrap_or_default();
    shell.python.groups = groups
        .into_iter()
        .map(|group| group.map(|name| name.to_string()))
        .collect();
    shell.python.groups_named = true;
    let config = Config {
        tools_from: ToolsFrom::Managed,
        ..session.config()?.clone()
    };
    let native = session.context.system == Some(system);
    let inputs = BuildInputs::of(project.get(), &shell, current.lockfile, &current.unlocked)?;
    if let Some(failure) = missing_parts::failure_of(&inputs.failed) {
        return Err(failure);
    }
    let build_options = BuildOptions {
        system,
        locked: session.options.locked,
        mode: BuildMode::Foreground,
    };
    let mut wanted = inputs.request(project.get(), name, &config, build_options);
    wanted.approved_conda = approved_conda(session, project.get(), inputs.shell, &inputs.lockfile)?;
    // The image needs another profile: it has no variables and scripts of the dev shell, and not the uv that the manifest
    // implies for packages.
    wanted.extra = IMAGE_PROFILE;
    for requested in &mut wanted.tools {
        requested.hidden |= is_implied(&shell, requested);
    }
    inputs.refuse_untrusted(session, system)?;
    let checked = CheckedShell {
        inputs: &inputs,
        system,
        is_built: false,
    };
    programs::check_places(session, project.get(), checked)?;
    if let Some(own) = session.context.system
        && own != system
    {
        // Programs of this machine's system, such as uv, install the packages for the other one.
        inputs.refuse_untrusted(session, own)?;
    }
    let client = session.client()?;
    let store = Store::open(&session.context.directories.data);
    let shown = session.reporter.progress();
    let caches = session.caches()?;
    let builder = Builder {
        caches: &caches,
        context: session.context,
        config: &config,
        store: &store,
        client: &client,
        progress: &*shown,
    };
    let built = builder
        .find_or_build(&wanted)
        .and_then(PartialBuild::complete)
        .map_err(|error| {
            let failure = Failure::from(&error);
            match &error {
                BuildError::CondaUnapproved { packages } => {
                    programs::refuse_conda(session, project.get(), &inputs, packages)
                }
                BuildError::Unavailable { .. } | BuildError::PythonInstall { .. } if !native => {
                    failure.note(format!("the image is for {system}"))
                }
                _ => failure,
            }
        })?;
    programs::check(session, project.get(), &inputs, &built)?;
    Ok(built)
}

/// Returns whether a tool is only in a dev shell because its Python packages are installed with it.
fn is_implied(shell: &DevShell, requested: &RequestedTool<'_>) -> bool {
    let python = &shell.python;
    let place = python.lock.as_ref().map(|lock| &lock.origin);
    let origin = &requested.request.requirement.origin;
    requested.tool.is_uv() && place.or(python.place.as_ref()) == Some(origin)
}
