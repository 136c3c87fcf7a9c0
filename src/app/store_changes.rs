//! Changes of store objects that a record uses. The objects are read-only, which does not stop root.
//!
//! The directories that an installation would change show it by their time, so nothing is read until one differs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    manifest::ShellName,
    project::{Project, watch::Watched},
    prompt::record::Record,
    report::failure::Failure,
    store::Store,
    util::files,
};

use super::session::Session;

/// Returns the directories of objects into which tools install, with their present times.
pub fn places(objects: &[PathBuf]) -> Vec<Watched> {
    let of_object = |object: &PathBuf| {
        let library = object.join("lib");
        let pythons = files::list(&library).unwrap_or_default();
        let packages = pythons
            .into_iter()
            .filter(|path| {
                let name = path.file_name().unwrap_or_default();
                name.as_encoded_bytes().starts_with(b"python")
            })
            .map(|path| path.join("site-packages"));
        [object.join("bin"), library.join("node_modules")]
            .into_iter()
            .chain(packages)
            .filter(|place| place.is_dir())
            .collect::<Vec<_>>()
    };
    let stored = objects.iter().skip(1).filter(|object| object.is_dir());
    stored
        .flat_map(of_object)
        .map(Watched::settled_look)
        .collect()
}

/// An object that another program changed. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct ChangedObject {
    pub object: PathBuf,
    /// One of the changed files, below the object.
    pub path: String,
}

impl ChangedObject {
    fn failure(&self, session: &Session<'_>) -> Failure {
        let name = session.display(&self.object);
        Failure::new(format!("`{name}` was changed by another program"))
            .note(format!("`{}` is not as devsh has installed it", self.path))
            .hint(REPAIR)
    }
}

/// The fix for every changed object.
pub const REPAIR: &str = "restore it with `devsh verify --repair`";

/// Fails if an object that the stored record uses was changed by another program, as far as the directories show it into
/// which tools install.
pub fn check(session: &Session<'_>, project: &Project, shell: &ShellName) -> Result<(), Failure> {
    let directories = &session.context.directories;
    let Some(record) = Record::stored(&directories.state, project.root(), shell) else {
        return Ok(());
    };
    let store = Store::open(&directories.data);
    let changed = record.sealed.iter().filter(|one| !one.is_unchanged());
    let mut objects: Vec<PathBuf> = changed
        .filter_map(|one| object_of(&one.path, store.root()))
        .filter(|object| object.is_dir())
        .collect();
    objects.dedup();
    for object in objects {
        // A repaired object has other times and the right content.
        let verdict = store.examine(&object);
        if let Some(damage) = verdict.damage.into_iter().next() {
            let path = damage.path;
            return Err(ChangedObject { object, path }.failure(session));
        }
    }
    Ok(())
}

/// Fails if an object that the stored record uses was changed by another program. It looks at every file, which takes
/// too long for a prompt.
pub fn check_files(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
) -> Result<(), Failure> {
    let changed = changed_objects(session, project, shell).into_iter().next();
    changed.map_or(Ok(()), |object| Err(object.failure(session)))
}

/// Returns the objects of the stored record that another program changed.
pub fn changed_objects(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
) -> Vec<ChangedObject> {
    let directories = &session.context.directories;
    let Some(record) = Record::stored(&directories.state, project.root(), shell) else {
        return Vec::new();
    };
    let store = Store::open(&directories.data);
    let objects = record.objects.iter();
    let stored = objects.filter(|object| object.parent() == Some(store.root()));
    stored
        .filter_map(|object| {
            let path = store.find_recent_damage(object)?.path;
            let object = object.clone();
            Some(ChangedObject { object, path })
        })
        .collect()
}

fn object_of(path: &Path, store: &Path) -> Option<PathBuf> {
    let name = path.strip_prefix(store).ok()?.components().next()?;
    Some(store.join(name))
}
