//! Projects whose dependencies only their build system knows (`setup.py`, `setup.cfg`, `dynamic`): uv asks it for the
//! metadata when devsh resolves, which runs code of the project and needs the approval of its build.

use super::{
    LockFiles,
    fields::{file_url, folder_of, lock_error},
};
use crate::{
    manifest::{Error, Text, setup_name},
    package::PackageName,
    python::{
        lock::{LooseRequirement, PythonLock},
        marker::normalize,
        requirement::{INPUTS, PythonRequirement},
        scope::Scope,
    },
};

/// Reads a `setup.py` or `setup.cfg`.
pub(super) fn read(files: &LockFiles) -> Result<PythonLock, Error> {
    let text = &files.lock;
    let Some(name) = setup_name(text) else {
        let message = "the name of its package is not a plain text";
        return Err(lock_error(text, 0..0, message));
    };
    let mut lock = PythonLock::default();
    let name: PackageName = name.parse().map_err(|invalid| text.error(0..0, invalid))?;
    add_metadata(&mut lock, text, name.as_str(), Scope::Always, &files.inputs)?;
    lock.add_project(normalize(name.as_str()));
    Ok(lock)
}

/// Adds the requirement on the dependencies of the project in the directory of `file`, or on those of one extra.
pub(super) fn add_metadata(
    lock: &mut PythonLock,
    file: &Text,
    name: &str,
    scope: Scope,
    inputs: &str,
) -> Result<(), Error> {
    let extra = match &scope {
        Scope::Extra(extra) => format!("[{extra}]"),
        _ => String::new(),
    };
    let url = file_url(folder_of(file), "");
    let written = format!("{name}{extra} @ {url}{INPUTS}{inputs}");
    let requirement: PythonRequirement = written
        .parse()
        .map_err(|invalid| file.error(0..0, invalid))?;
    lock.loose.push(LooseRequirement { scope, requirement });
    Ok(())
}
