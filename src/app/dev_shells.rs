//! The dev shells of a project by name, also several combined (`dev,test`).

use crate::{
    manifest::{DevShell, Manifest, ShellName},
    project::Project,
    report::failure::Failure,
    util::nearest::nearest,
};

/// Returns the project with a dev shell, which can be a combination of several.
pub fn with_shell(project: Project, shell: &ShellName) -> Result<Project, Failure> {
    // A denied project was not read and has no dev shells. The caller reports the denial instead.
    if project.is_denied() {
        return Ok(project);
    }
    for part in shell.parts() {
        find_dev_shell(project.preview(), &part.parse()?)?;
    }
    Ok(project.with_shell(shell)?)
}

/// Returns a dev shell of a manifest by its name.
pub fn find_dev_shell<'m>(
    manifest: &'m Manifest,
    name: &ShellName,
) -> Result<&'m DevShell, Failure> {
    manifest.shells.get(name).ok_or_else(|| {
        let names: Vec<String> = manifest
            .shells
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        let failure = Failure::new(format!("there is no dev shell `{name}`"))
            .note(format!("the project has {}", names.join(", ")));
        match nearest(name.as_str(), manifest.shells.keys().map(ShellName::as_str)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        }
    })
}
