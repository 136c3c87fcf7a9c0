//! Fetching the files that a manifest extends: after the user has allowed it, pinned by the lockfile from then on.

use crate::{
    extends::Fetcher,
    lockfile::{ExtendsPin, ExtendsPins},
    project::Project,
    report::{failure::Failure, hints},
    sources::host::HostSearch,
};

use super::{lockfiles::lock_targets, session::Session};

/// The number of times that a project is read again, because fetched files can extend others.
const ROUNDS: usize = 32;

/// Returns the project with all files that it extends, fetched and pinned by its lockfile.
///
/// Call it only if the user has approved the project or trusts it for this command.
pub fn complete(session: &Session<'_>, project: Project) -> Result<Project, Failure> {
    if project.layers().wanted.is_empty() {
        return Ok(project);
    }
    let pins = pins(&project);
    let unpinned = project.layers().wanted.iter().find(|one| one.pin.is_none());
    if let Some(wanted) = unpinned.filter(|_| session.options.locked) {
        let command = session.command("lock");
        return Err(Failure::new(format!("`{}` is not locked", wanted.source))
            .note(format!("{} extends it", wanted.place))
            .hint(format!("run `{command}` and commit the result")));
    }
    let project = fetch(session, project, pins)?;
    write_pins(session, &project)?;
    Ok(project)
}

/// A project with the newest of the files that it extends.
#[derive(Debug)]
pub struct UpgradedExtends {
    pub project: Project,
    /// A line for each file that has changed.
    pub changes: Vec<String>,
}

/// Fetches the newest of the files that a project extends, if it extends any.
pub fn upgrade(
    session: &Session<'_>,
    project: &Project,
) -> Result<Option<UpgradedExtends>, Failure> {
    let before = pins(project);
    if before.is_empty() {
        return Ok(None);
    }
    let fresh = session.open_with_pins(project.place.clone(), &ExtendsPins::new())?;
    let project = fetch(session, fresh, ExtendsPins::new())?;
    let line = |(source, pin): (&String, &ExtendsPin)| match before.get(source) {
        Some(old) if old == pin => None,
        Some(old) => Some(format!("~ {source}  {old} → {pin}")),
        None => Some(format!("+ {source}  {pin}")),
    };
    let changes = pins(&project).iter().filter_map(line).collect();
    Ok(Some(UpgradedExtends { project, changes }))
}

fn fetch(
    session: &Session<'_>,
    mut project: Project,
    mut pins: ExtendsPins,
) -> Result<Project, Failure> {
    let client = session.client()?;
    let directories = &session.context.directories;
    let programs = HostSearch::for_project(&session.context.env, directories, project.root());
    let mut fetcher = Fetcher::new(&client, directories, &programs, session.options.offline);
    for _ in 0..ROUNDS {
        if project.layers().wanted.is_empty() {
            return Ok(project);
        }
        for wanted in &project.layers().wanted {
            session
                .reporter
                .note(&format!("fetching {}", wanted.source));
            let pin = fetcher
                .fetch(&wanted.source, wanted.pin.as_ref())
                .map_err(|error| hints::extend(&error, &wanted.place))?;
            pins.insert(wanted.source.to_string(), pin);
        }
        project = session.open_with_pins(project.place.clone(), &pins)?;
    }
    Err(Failure::new(format!(
        "files to extend lead to others more than {ROUNDS} times"
    )))
}

fn pins(project: &Project) -> ExtendsPins {
    let layers = project.layers();
    let both = layers.pins.iter().chain(&layers.own_pins);
    both.map(|(source, pin)| (source.clone(), pin.clone()))
        .collect()
}

/// Writes the pins into the lockfiles, also if other requests are not locked yet.
fn write_pins(session: &Session<'_>, project: &Project) -> Result<(), Failure> {
    for target in lock_targets(session, project, false)? {
        let loaded = target.load(session);
        let mut lockfile = loaded.content()?.cloned().unwrap_or_default();
        if lockfile.extends != target.pins {
            lockfile.extends.clone_from(&target.pins);
            target.write(session, &lockfile)?;
        }
    }
    Ok(())
}
