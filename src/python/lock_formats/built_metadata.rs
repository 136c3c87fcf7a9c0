//! The requirements on what a build says of its project.

use super::fields::{file_url, folder_of};
use crate::{
    manifest::{Error, Origin, Text},
    python::{
        lock::{LooseRequirement, PythonLock},
        requirement::{BuiltMetadata, PythonRequirement},
        scope::Scope,
    },
};

/// Returns the requirement on the dependencies of the project `name` in the directory of `file`.
pub(super) fn metadata_of(file: &Text, name: &str, inputs: &str) -> BuiltMetadata {
    BuiltMetadata::new(name, &file_url(folder_of(file), ""), inputs)
}

/// Adds these dependencies, with those of an extra if one is given, to `scope`.
pub(super) fn add_metadata(
    lock: &mut PythonLock,
    file: &Text,
    metadata: &BuiltMetadata,
    extra: Option<&str>,
    scope: Scope,
) -> Result<(), Error> {
    let requirement = PythonRequirement::of_project_build(metadata, extra);
    let requirement = requirement.map_err(|invalid| file.error(0..0, invalid))?;
    lock.loose.push(LooseRequirement {
        scope,
        requirement,
        origin: Origin {
            line: 0,
            ..file.origin(0)
        },
    });
    Ok(())
}
