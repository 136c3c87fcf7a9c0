//! A manifest from what was detected, or an empty one of one person.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    config::ownership::Access,
    lockfile::Lockfile,
    manifest::{
        self, DevShell, ImportedSettings, Located, Manifest, NamedRequest, ShellName, ToolRequest,
        imports::{ENVRC, IMPORTED_FILES},
        presets::PresetNote,
    },
    package::{Requirement, Tool},
    project::{
        Project, ReadMode,
        approval::ApprovalState,
        detect::{self, SoughtPresets},
        import_files,
        locate::{MANIFEST, Place, ProjectKind},
        personal,
        reader::Inputs,
    },
    report::failure::{ExitStatus, Failure},
    util::{files, word_lists::join_with_and},
};

use super::{
    build_mode::BuildMode, edit_manifest, lock, lockfiles::all_requests, missing_parts::Unresolved,
    python_packages, resolve_requests, session::Session,
};

/// The options of `devsh init`.
#[derive(Debug, Clone, Default)]
pub struct InitRequest {
    /// Files to take over in addition to those that are taken over anyway.
    pub from: Vec<String>,
    /// True if shell code of other tools becomes `[hooks] enter`.
    pub keep_code: bool,
    /// The tools whose requirements will be replaced, so they are not checked.
    pub replaced: BTreeSet<Tool>,
}

/// A new manifest.
#[derive(Debug)]
pub struct InitReport {
    pub path: PathBuf,
    pub text: String,
    /// The dev shells that it gives.
    pub manifest: Manifest,
    /// Settings in the project's files that have no effect.
    pub notes: Vec<PresetNote>,
    /// The requests that could not be checked, because a source was not reached.
    pub unchecked: Vec<(NamedRequest, Failure)>,
    pub next: NextStep,
    /// The lockfiles that were written.
    pub lockfiles: Vec<String>,
}

impl InitReport {
    /// Returns a line about the requests that could not be checked.
    pub fn describe_unchecked(&self) -> Option<String> {
        let (_, failure) = self.unchecked.first()?;
        let places: BTreeSet<String> = self
            .unchecked
            .iter()
            .map(|(one, _)| format!("`{}` ({})", one.tool, one.request.requirement.origin))
            .collect();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let places = join_with_and(&places);
        Some(format!(
            "not checked: {places}: {}; `devsh lock` asks again",
            failure.error
        ))
    }
}

/// A new manifest of one person.
#[derive(Debug)]
pub struct PersonalManifest {
    pub path: PathBuf,
    pub text: String,
}

impl PersonalManifest {
    /// Returns the name of the file, as layers have it.
    pub fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// The next step of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// The project is allowed and locked.
    Nothing,
    Lock,
    Allow,
}

/// Writes a `devshell.toml` that follows the project's own files, after a check that its tools can be locked.
pub fn init_project(session: &Session<'_>, request: &InitRequest) -> Result<InitReport, Failure> {
    let (root, allowed) = root(session)?;
    let path = root.join(MANIFEST);
    let access = Access::of(session.context, &root, &session.config()?.trust.shared);
    let mut inputs = Inputs::new(&root, access, session.context.now);
    let detection = detect::detect(&mut inputs, SoughtPresets::ToFollow)
        .map_err(|error| inputs.conceal(error))?;
    let detected = manifest::merge(&detection.layers)?;
    let (mut settings, offered) = import_settings(session, &mut inputs, request)?;
    drop_unusable(session, &detected, &mut settings)?;
    let kept = ImportedSettings {
        enter: if request.keep_code {
            std::mem::take(&mut settings.enter)
        } else {
            Vec::new()
        },
        ..settings.clone()
    };
    let text = manifest::init_template(&detection.presets, &kept);
    let proposed = open_proposed(session, &root, &text)?;
    let unchecked = check(session, &proposed, &request.replaced)?;
    files::write_project_file(&path, text.as_bytes())?;
    // A repository that was allowed before has the same requests now, so it stays allowed.
    let approved = allowed.and_then(|before| {
        edit_manifest::approve(session, &before, MANIFEST, Some(text.as_bytes())).ok()
    });
    let mut lockfiles = Vec::new();
    let next = if let Some(project) = approved {
        // The lockfile in devsh's own state stays there; a prompt looks for one in the project.
        let locked = lock::bring_up_to_date(session, &project, BuildMode::Edit);
        session.notify_host_shells()?;
        match locked {
            Ok(current) => {
                lockfiles = current.changed;
                // Other causes than the network are errors of `devsh lock`.
                match current.unlocked.complete_where_reached(&[]) {
                    Ok(()) => NextStep::Nothing,
                    Err(_) => NextStep::Lock,
                }
            }
            Err(_) => NextStep::Lock,
        }
    } else {
        NextStep::Allow
    };
    // Only detection looks at the files that devsh does not read.
    let notes: BTreeSet<_> = detection
        .notes
        .into_iter()
        .chain(proposed.notes().to_vec())
        .chain(offered)
        .chain(import_files::left(settings))
        .collect();
    Ok(InitReport {
        path,
        text,
        manifest: proposed.preview().clone(),
        notes: notes.into_iter().collect(),
        unchecked,
        next,
        lockfiles,
    })
}

/// Reads the files of other tools; returns their settings, and notes on files that are only offered.
fn import_settings(
    session: &Session<'_>,
    inputs: &mut Inputs,
    request: &InitRequest,
) -> Result<(ImportedSettings, Vec<PresetNote>), Failure> {
    let mut settings = ImportedSettings::default();
    let mut offered = Vec::new();
    let from = request.from.iter().map(String::as_str);
    let found = import_files::importable_files(inputs).map_err(|error| inputs.conceal(error))?;
    let files: Vec<&str> = from.chain(found.iter().map(String::as_str)).collect();
    let mut seen = BTreeSet::new();
    for name in files {
        let name = name.strip_prefix("./").unwrap_or(name);
        if !seen.insert(name) {
            continue;
        }
        let is_named = request
            .from
            .iter()
            .any(|from| from.trim_start_matches("./") == name);
        let known = IMPORTED_FILES.contains(&name) || name.ends_with(ENVRC);
        if !known {
            let names: Vec<String> = IMPORTED_FILES
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            return Err(
                Failure::new(format!("`{name}` is not a file that `init` can take over"))
                    .note(format!("it reads {}", names.join(", ")))
                    .code(ExitStatus::Usage),
            );
        }
        let found =
            import_files::import_file(inputs, name).map_err(|error| inputs.conceal(error))?;
        let Some(found) = found else {
            let path = session.display(&inputs.root().join(name));
            return Err(Failure::new(format!("there is no `{path}`")));
        };
        if name.ends_with(ENVRC) && !is_named {
            offered.extend(import_files::offer(name, &found));
        } else {
            settings.add(found);
        }
    }
    Ok((settings, offered))
}

/// Removes settings that would not work: versions that do not exist, and packages next to those of a lockfile.
fn drop_unusable(
    session: &Session<'_>,
    detected: &Manifest,
    settings: &mut ImportedSettings,
) -> Result<(), Failure> {
    let dev = detected.shells.get(&ShellName::dev());
    drop_unavailable_tools(session, dev, settings);
    for shell in settings.shells.values_mut() {
        drop_unavailable_tools(session, None, shell);
        settings.left.append(&mut shell.left);
    }
    if let Some(lock) = dev.and_then(|dev| dev.python.lock.as_ref()) {
        for package in std::mem::take(&mut settings.packages) {
            let value = format!(
                "`{}`: the packages come from `{}`",
                package.value, lock.value
            );
            settings.left.push(Located { value, ..package });
        }
    }
    let has_python = |tool: &Tool| tool.name.as_str() == "python";
    let has_python = settings.tools.keys().any(has_python)
        || dev.is_some_and(|dev| dev.tools.keys().any(has_python));
    if !settings.packages.is_empty() && !has_python {
        let python: Tool = "python".parse()?;
        let value = "*".to_owned();
        let origin = settings.packages[0].origin.clone();
        settings.tools.insert(python, Located { value, origin });
    }
    Ok(())
}

/// Removes tools that no source has in the requested version, and those that the project's own files pin.
fn drop_unavailable_tools(
    session: &Session<'_>,
    dev: Option<&DevShell>,
    settings: &mut ImportedSettings,
) {
    for (tool, version) in std::mem::take(&mut settings.tools) {
        let found = dev.and_then(|dev| dev.tools.get(&tool));
        // Version files of the project are more exact.
        if found
            .is_some_and(|found| found.requirement.value.as_str() != "*" || version.value == "*")
        {
            continue;
        }
        let Ok(value) = version.value.parse::<Requirement>() else {
            continue;
        };
        let request = ToolRequest {
            requirement: Located {
                value,
                origin: version.origin.clone(),
            },
            floors: found.map(|found| found.floors.clone()).unwrap_or_default(),
            components: Vec::new(),
            targets: Vec::new(),
            options: crate::package::ReleaseOptions::default(),
            is_below_root: false,
        };
        let requests = [NamedRequest {
            tool: tool.clone(),
            request,
        }];
        match resolve_requests::check_requests(session, &requests, &Lockfile::default()) {
            Ok(()) => drop(settings.tools.insert(tool, version)),
            Err(unresolved) if unresolved.may_pass() => {
                settings.tools.insert(tool, version);
            }
            Err(unresolved) => settings.left.push(Located {
                value: unresolved.into_failure().error,
                origin: version.origin,
            }),
        }
    }
}

/// Returns the project at `root` as it would be with this manifest.
fn open_proposed(session: &Session<'_>, root: &Path, text: &str) -> Result<Project, Failure> {
    let mut found = session.find(Place {
        root: root.to_owned(),
        kind: ProjectKind::Prepared,
    })?;
    found.propose_manifest(text);
    let project = session.read(found, ReadMode::Review)?;
    Ok(project.map_err(|unreadable| unreadable.error)?)
}

/// Checks that every tool, group and extra of the proposed manifest exists. If a source cannot be reached, the manifest
/// is still useful: returns the requests that were not checked. `replaced` is not checked either.
fn check(
    session: &Session<'_>,
    project: &Project,
    replaced: &BTreeSet<Tool>,
) -> Result<Vec<(NamedRequest, Failure)>, Failure> {
    python_packages::check_selections(project)?;
    let mut requests = all_requests(project.preview());
    requests.retain(|one| !replaced.contains(&one.tool));
    let checked = resolve_requests::check_where_reached(session, &requests);
    checked.map_err(Unresolved::into_failure)
}

/// Writes a manifest into the user's configuration, for one repository.
pub fn init_personal(session: &Session<'_>) -> Result<PersonalManifest, Failure> {
    let root = match session.place() {
        Ok(place) => place.root,
        Err(_) => repository(session)?,
    };
    let path = personal::manifest_path(&root, &session.context.directories.config);
    let name = session.display(&path);
    if path.exists() {
        return Err(Failure::new(format!("`{name}` exists already"))
            .hint("edit it: it overrides the project's manifest"));
    }
    let text = format!(
        "# Only for you, in `{}`: overrides the project's manifest.\n\n[tools]\n\n[env]\n",
        session.display(&root).replace(char::is_control, "?")
    );
    let folder = path.parent().unwrap_or(&root);
    files::create_private_dir(folder)?;
    files::write_atomic(&path, text.as_bytes())?;
    Ok(PersonalManifest { path, text })
}

/// Returns the top of the repository that the working directory is in, else that directory.
pub fn repository(session: &Session<'_>) -> Result<PathBuf, Failure> {
    let cwd = session.cwd()?;
    let top = cwd.ancestors().find(|above| above.join(".git").exists());
    Ok(top.unwrap_or(cwd).to_owned())
}

/// Returns the directory for the manifest, and the repository there as it was read, if it is allowed.
fn root(session: &Session<'_>) -> Result<(PathBuf, Option<Project>), Failure> {
    let Ok(place) = session.place() else {
        let cwd = session.cwd()?;
        if session.context.directories.home.as_deref() == Some(cwd) {
            return Err(Failure::new("your home directory is not a project")
                .note("its dev shell would be loaded in every directory below")
                .hint("change to the directory of a project first, or create one with `mkdir`"));
        }
        return Ok((cwd.to_owned(), None));
    };
    if place.kind == ProjectKind::Prepared {
        let path = session.display(&place.root.join(MANIFEST));
        return Err(Failure::new(format!("`{path}` exists already"))
            .hint(format!("add to it with `{}`", session.command("add TOOL"))));
    }
    let project = session.open(place)?;
    let root = project.root().to_owned();
    Ok((
        root,
        (project.standing() == ApprovalState::Allowed).then_some(project),
    ))
}
