//! The objects of a dev shell that go into an image.

use std::path::{Path, PathBuf};

use crate::{
    builder::{BuiltShell, RealisedTool, ToolOrigin},
    report::failure::Failure,
    store::{ObjectRecord, Recipe},
};

/// The objects of a dev shell in an image.
#[derive(Default)]
pub(super) struct ImageObjects {
    pub(super) tools: Vec<PathBuf>,
    /// The prefixes of conda packages with the packages' objects. They are linked again, because files in them name
    /// their place.
    pub(super) prefixes: Vec<CondaObjects>,
    /// Python packages and applications.
    pub(super) environments: Vec<PathBuf>,
}

pub(super) struct CondaObjects {
    /// The object on this machine.
    pub(super) prefix: PathBuf,
    pub(super) packages: Vec<PathBuf>,
}

impl ImageObjects {
    /// Sorts the objects of a dev shell. Those that only built others are left out.
    pub(super) fn of(built: &BuiltShell) -> Result<Self, Failure> {
        let mut objects = Self::default();
        let installers: Vec<&Path> = built.tools.iter().filter_map(installer).collect();
        for object in &built.objects {
            let record = ObjectRecord::read(object)?.ok_or_else(|| damaged_object(object))?;
            match record.known_recipe() {
                Some(Recipe::CondaPackage) => {}
                Some(Recipe::CondaPrefix) => {
                    let store = object.parent().unwrap_or(Path::new("/"));
                    objects.prefixes.push(CondaObjects {
                        prefix: object.clone(),
                        packages: record.inputs.iter().map(|name| store.join(name)).collect(),
                    });
                }
                _ if installers.contains(&object.as_path()) => {}
                Some(Recipe::Environment) => objects.environments.push(object.clone()),
                _ => objects.tools.push(object.clone()),
            }
        }
        objects.tools.sort();
        objects.environments.sort();
        Ok(objects)
    }
}

/// Returns the object of uv if it only installed the Python packages.
pub(super) fn installer(tool: &RealisedTool) -> Option<&Path> {
    match &tool.origin {
        ToolOrigin::Store(object) if tool.programs.is_empty() && tool.tool.is_uv() => Some(object),
        _ => None,
    }
}

pub(super) fn damaged_object(object: &Path) -> Failure {
    let name = object.file_name().unwrap_or_default().to_string_lossy();
    Failure::new(format!("the object `{name}` of the store is damaged"))
        .hint("repair it with `devsh verify --repair`")
}
