//! The requirement on what a build says of its project.

use super::fields::{file_url, folder_of};
use crate::{
    manifest::{Error, Text},
    python::{
        lock::{LooseRequirement, PythonLock},
        requirement::PythonRequirement,
        scope::Scope,
    },
};

/// Adds the requirement `name` (`shop`, `shop[test]`) on the dependencies of the project in the directory of `file`.
pub(super) fn add_metadata(
    lock: &mut PythonLock,
    file: &Text,
    name: &str,
    scope: Scope,
    inputs: &str,
) -> Result<(), Error> {
    let url = file_url(folder_of(file), "");
    let requirement = PythonRequirement::of_project_build(name, &url, inputs);
    let requirement = requirement.map_err(|invalid| file.error(0..0, invalid))?;
    lock.loose.push(LooseRequirement { scope, requirement });
    Ok(())
}
