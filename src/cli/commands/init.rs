//! `devsh init`: a `devshell.toml` that says what was detected.

use std::path::PathBuf;

use crate::{
    lockfile::{Lockfile, Upgrade},
    manifest::{self, Manifest, ShellName},
    project::{
        approval::Standing,
        detect,
        locate::{MANIFEST, Place, ProjectKind},
        ownership::Access,
        personal,
        reader::Inputs,
    },
    report::{failure::Failure, ui::Role},
    resolve,
    sources::Index,
    util::files,
};

use super::{lock, sync::Mode};
use crate::{
    app::{
        edit_manifest::{self, Approved},
        session::Work,
    },
    report::hints,
    report::paths::display_path,
};

/// Runs `devsh init`.
pub fn run(work: &Work<'_>) -> Result<(), Failure> {
    let (root, allowed) = root(work)?;
    let path = root.join(MANIFEST);
    let access = Access::of(work.context, &root, &work.config()?.trust.shared);
    let mut inputs = Inputs::new(&root, access, work.context.now);
    let detection =
        detect::detect(&mut inputs).map_err(|error| hints::project(work.context, &error))?;
    let manifest = manifest::merge(&detection.layers).map_err(|error| hints::content(&error))?;
    check(work, &manifest)?;
    let text = manifest::init_template(&manifest);
    // What was detected becomes the user's own words: they have to say the same.
    manifest::parse(MANIFEST, &text)
        .and_then(|layer| manifest::merge(&[layer]))
        .map_err(|error| hints::content(&error))?;
    files::write_project_file(&path, text.as_bytes()).map_err(|error| hints::file(&error))?;
    show(work, &manifest);
    for note in &detection.notes {
        work.ui.warn(&format!("{}: {}", note.origin, note.message));
    }
    work.ui
        .note(&format!("wrote {}", display_path(work.context, &path)));
    let place = Place {
        root,
        kind: ProjectKind::Prepared,
    };
    // Who had allowed the repository as it was has now asked for the same in other words.
    let expected = allowed.map(|approved| edit_manifest::with_manifest(&approved, text.as_bytes()));
    if let Some(expected) = expected
        && let Ok(project) = edit_manifest::approve(work, place, &expected)
    {
        // What was locked in devsh's own state stays; a prompt would find no lockfile.
        let locked = lock::up_to_date(work, &project, Mode::Foreground);
        if !locked.is_ok_and(|current| current.unreached.is_none()) {
            work.ui.note(&format!("next: `{}`", work.command("lock")));
        }
        return super::allow::advance(work);
    }
    work.ui.note(&format!(
        "next: look at it, then `{}`",
        work.command("allow")
    ));
    Ok(())
}

/// Runs `devsh init --personal`: a manifest in the user's configuration, for the repository alone.
pub fn personal(work: &Work<'_>) -> Result<(), Failure> {
    let root = match work.place() {
        Ok(place) => place.root,
        Err(_) => repository(work)?,
    };
    let path = personal::manifest_path(&root, &work.context.directories.config);
    let name = display_path(work.context, &path);
    if path.exists() {
        return Err(Failure::new(format!("`{name}` exists already"))
            .hint("edit it: what it says is laid over the project's own manifest"));
    }
    let text = format!(
        "# What you alone want in `{}`: laid over what the project says.\n\n[tools]\n\n[env]\n",
        display_path(work.context, &root).replace(char::is_control, "?")
    );
    let folder = path.parent().unwrap_or(&root);
    files::create_private_dir(folder).map_err(|error| hints::file(&error))?;
    files::write_atomic(&path, text.as_bytes()).map_err(|error| hints::file(&error))?;
    work.ui.note(&format!("wrote `{name}`"));
    let command = work.command("allow");
    work.ui.note(&format!("next: edit it, then `{command}`"));
    Ok(())
}

/// Returns the top of the repository that the working directory is in, else that directory.
fn repository(work: &Work<'_>) -> Result<PathBuf, Failure> {
    let cwd = work.context.cwd.clone();
    let cwd = cwd.ok_or_else(|| Failure::new("the working directory no longer exists"))?;
    let top = cwd.ancestors().find(|above| above.join(".git").exists());
    Ok(top.map_or_else(|| cwd.clone(), std::path::Path::to_owned))
}

/// Returns where the manifest belongs, and what the user has approved of the repository there, if it is allowed.
fn root(work: &Work<'_>) -> Result<(PathBuf, Option<Approved>), Failure> {
    let Ok(place) = work.place() else {
        let cwd = work.context.cwd.clone();
        let cwd = cwd.ok_or_else(|| Failure::new("the working directory no longer exists"))?;
        return Ok((cwd, None));
    };
    if place.kind == ProjectKind::Prepared {
        let path = display_path(work.context, &place.root.join(MANIFEST));
        return Err(Failure::new(format!("`{path}` exists already"))
            .hint(format!("add to it with `{}`", work.command("add TOOL"))));
    }
    let project = work.open(place)?;
    let standing = project
        .standing(&work.decisions)
        .map_err(|error| hints::file(&error))?;
    let allowed = (standing == Standing::Allowed).then(|| project.approved().clone());
    Ok((project.root().to_owned(), allowed))
}

/// Refuses what no version can satisfy, while the files that say so are still named.
fn check(work: &Work<'_>, manifest: &Manifest) -> Result<(), Failure> {
    for request in lock::requests(manifest) {
        if request.1.is_contradictory() {
            let system = lock::system(work)?;
            let (index, nothing) = (Index::default(), Lockfile::default());
            resolve::resolve(&[request], &index, &nothing, &Upgrade::None, system)
                .map_err(|error| hints::resolve(&error))?;
        }
    }
    Ok(())
}

fn show(work: &Work<'_>, manifest: &Manifest) {
    let Some(dev) = manifest.shells.get(&ShellName::dev()) else {
        return;
    };
    if dev.tools.is_empty() {
        let add = work.command("add TOOL");
        work.ui.note(&format!(
            "nothing was detected; name tools in the file or with `{add}`"
        ));
    }
    for (tool, request) in &dev.tools {
        let version = work.ui.paint(Role::Strong, manifest::whole(request));
        let origin = manifest::decisive(request);
        let place = if origin.file.starts_with("preset ") {
            origin.file.to_string()
        } else {
            origin.to_string()
        };
        let tool = work.ui.paint(Role::Good, format!("+ {tool}"));
        let place = work.ui.paint(Role::Dim, place);
        work.ui
            .line(tool.and("  ").and(version).and("  ").and(place));
    }
}
