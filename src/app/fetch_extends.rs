//! Fetching what a manifest stands on: after the user allowed it, and held by the lockfile from then on.

use crate::report::paths::display_path;
use crate::{
    extends::Fetcher,
    lockfile::Pins,
    project::{Project, approval::Trusted, locate::Place},
    prompt::session_var,
    report::failure::Failure,
};

use super::{lockfiles, session::Work};
use crate::report::hints;

/// How often a project is read again for files that fetched files stand on.
const ROUNDS: usize = 32;

/// Returns the project with everything that it stands on, fetched and held by its lockfile.
///
/// To be called only when the user has said that the project may be fetched.
pub fn complete(work: &Work<'_>, project: Project) -> Result<Project, Failure> {
    if project.layers().wanted.is_empty() {
        return Ok(project);
    }
    let pins = pins(&project);
    let unheld = project.layers().wanted.iter().find(|one| one.pin.is_none());
    if let Some(wanted) = unheld.filter(|_| work.locked) {
        let failure = Failure::new(format!("`{}` is not locked", wanted.source));
        return Err(failure
            .note(format!("{} extends it", wanted.place))
            .hint(format!(
                "run `{}` and commit the result",
                work.command("lock")
            )));
    }
    let project = fetch(work, project, pins)?;
    hold(work, &project)?;
    Ok(project)
}

/// Returns the project on the newest of the files that it stands on, and a line for each that moved.
pub fn upgraded(
    work: &Work<'_>,
    project: Trusted<Project>,
) -> Result<(Trusted<Project>, Vec<String>), Failure> {
    let before = pins(project.get());
    if before.is_empty() {
        return Ok((project, Vec::new()));
    }
    let place = project.get().place.clone();
    let fresh = open(work, place, &Pins::new())?;
    let project = fetch(work, fresh, Pins::new())?;
    let after = pins(&project);
    let line = |(source, pin): (&String, &crate::lockfile::Pin)| match before.get(source) {
        Some(old) if old == pin => None,
        Some(old) => Some(format!("~ {source}  {old} → {pin}")),
        None => Some(format!("+ {source}  {pin}")),
    };
    let moved = after.iter().filter_map(line).collect();
    // The command acts on what the user asked to be upgraded; using it takes a new approval.
    Ok((work.trust_once(project)?, moved))
}

fn fetch(work: &Work<'_>, mut project: Project, mut pins: Pins) -> Result<Project, Failure> {
    let config = work.config()?;
    let client = work.client(&config);
    let directories = &work.context.directories;
    let env = session_var::host_env(&work.context.env);
    let mut fetcher = Fetcher::new(&client, directories, &env, work.offline);
    for _ in 0..ROUNDS {
        if project.layers().wanted.is_empty() {
            return Ok(project);
        }
        for wanted in &project.layers().wanted {
            work.ui.note(&format!("fetching {}", wanted.source));
            let pin = fetcher
                .fetch(&wanted.source, wanted.pin.as_ref())
                .map_err(|error| hints::extend(&error, &wanted.place))?;
            pins.insert(wanted.source.to_string(), pin);
        }
        project = open(work, project.place.clone(), &pins)?;
    }
    Err(Failure::new(format!(
        "files to extend lead to others more than {ROUNDS} times"
    )))
}

fn open(work: &Work<'_>, place: Place, pins: &Pins) -> Result<Project, Failure> {
    let rules = work.config()?.trust;
    Project::open_with(place, &work.decisions, work.context, &rules, Some(pins))
        .map_err(|unreadable| hints::project(work.context, &unreadable.error))
}

fn pins(project: &Project) -> Pins {
    let layers = project.layers();
    let both = layers.pins.iter().chain(&layers.own_pins);
    both.map(|(source, pin)| (source.clone(), pin.clone()))
        .collect()
}

/// Writes the pins into the lockfiles, whatever else is still to be locked there.
fn hold(work: &Work<'_>, project: &Project) -> Result<(), Failure> {
    for part in lockfiles::parts(work.context, project, false)? {
        let name = display_path(work.context, &part.path);
        let mut lockfile = lockfiles::present(&part.path, &name)?.unwrap_or_default();
        if lockfile.extends != part.pins {
            lockfile.extends.clone_from(&part.pins);
            part.write(work, &lockfile)?;
        }
    }
    Ok(())
}
